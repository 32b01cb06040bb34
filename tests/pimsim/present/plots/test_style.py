"""Colours, labels and numbers of plots."""

from __future__ import annotations

from pimsim.present.plots.style import PARTS, axis_unit, context_label, model_label, percent, quantity, three_digits
from pimsim.steps.step_tree import PARTS as CONTENTS


def test_every_part_has_a_look_of_its_own() -> None:
    assert set(PARTS) == set(CONTENTS)
    assert len({(look.colour, look.hatch) for look in PARTS.values()}) == len(PARTS)


def test_labels() -> None:
    assert [model_label(name) for name in ("gpt2-350m", "gpt2-small", "opt-6.7b", "llama-7b", "x", "my-llm-1b")] == [
        "GPT-2 350M",
        "GPT-2 Small",
        "OPT-6.7B",
        "LLaMA-7B",
        "x",
        "my-llm-1b",
    ]
    assert [context_label(context) for context in (1, 128, 1024, 1500, 4096)] == ["1", "128", "1k", "1500", "4k"]


def test_numbers() -> None:
    assert [three_digits(value) for value in (0.5124, 7.5, 99.94, 99.96, 1262.72)] == [
        "0.512",
        "7.50",
        "99.9",
        "100",
        "1,263",
    ]
    assert [percent(share) for share in (0.0, 0.0004, 0.0005, 0.527)] == ["0.0%", "<0.1%", "0.1%", "52.7%"]
    assert quantity(3.14e-6, "_s") == "3.14 µs"
    assert quantity(929e-6, "_m2") == "929 mm²"
    assert axis_unit(0.0155, "s") == (1e-3, "ms")
    assert axis_unit(3e-15, "J") == (1e-12, "pJ")
