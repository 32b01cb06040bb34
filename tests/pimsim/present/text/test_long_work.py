"""Words on standard error about work that takes long: an estimate after a second, and nothing for short work."""

from __future__ import annotations

import pytest

from pimsim.present.text.long_work import layer_lines, samples_progress


@pytest.mark.parametrize(
    ("prepared_s", "seconds_each", "said"),
    [
        (0, 0.005, {}),  # 5 s
        (0, 0.5, {2: "8 min"}),  # 500 s
        (3, 0.05, {2: "53 s"}),  # a preparation of 3 s counts once
        (0, 30.0, {1: "8.3 h"}),  # without waiting for the second
    ],
)
def test_long_work_is_announced_once(
    prepared_s: float, seconds_each: float, said: dict[int, str], capsys: pytest.CaptureFixture[str]
) -> None:
    now = 0.0
    with samples_progress(lambda: now) as progress:
        for done in range(1, 201):
            now = prepared_s + seconds_each * done
            progress(done, 1000)
            words = (
                f"pimsim: 1,000 samples take about {said[done]}; --samples N sets their number\n"
                if done in said
                else ""
            )
            assert capsys.readouterr().err == words


def test_layers_of_this_process_give_the_estimate() -> None:
    """Layers of 60 s each: after the tenth, 20 more take 20 min, whatever earlier processes did."""
    now, lines = 1000.0, list[str]()
    show = layer_lines(lines.append, lambda: now)
    show(8, 31)
    for done in (9, 10):
        now += 60
        show(done, 31)
    now += 0.5
    show(11, 31)  # too soon for another line
    now += 2400
    show(30, 31)
    show(31, 31)
    assert lines == [
        "pimsim: 8 of 30 layers were finished before",
        "pimsim: 9 of 30 layers finished; about 21 min for the others, then the LM head",
        "pimsim: 10 of 30 layers finished; about 20 min for the others, then the LM head",
        "pimsim: 30 of 30 layers finished; now the LM head",
    ]
