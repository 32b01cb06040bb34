"""Words on standard error about work that takes long: an estimate after a second, and nothing for short work."""

from __future__ import annotations

import pytest

from pimsim.present.text.long_work import samples_progress


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
