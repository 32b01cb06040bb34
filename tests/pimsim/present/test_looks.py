"""Colours, hatches and names that plots and reports share."""

from __future__ import annotations

from pimsim.present.looks import PARTS, model_label
from pimsim.steps.step_tree import PARTS as CONTENTS


def test_every_part_has_a_look_of_its_own() -> None:
    assert set(PARTS) == set(CONTENTS)
    assert len({(look.colour, look.hatch) for look in PARTS.values()}) == len(PARTS)


def test_names_of_models() -> None:
    assert [model_label(name) for name in ("gpt2-350m", "gpt2-small", "opt-6.7b", "llama-7b", "x", "my-llm-1b")] == [
        "GPT-2 350M",
        "GPT-2 Small",
        "OPT-6.7B",
        "LLaMA-7B",
        "x",
        "my-llm-1b",
    ]
