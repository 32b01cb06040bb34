"""What energy and area of a machine with one processor contain is said, and only there."""

from __future__ import annotations

import pytest

from pimsim import load_config
from pimsim.mapping.processor_notes import processor_notes


@pytest.mark.parametrize(
    ("name", "changes", "expected"),
    [
        ("pim-llm", {}, []),
        ("tom", {}, []),
        ("a100-80gb", {}, ["0.5 of 400 W (machine.roofline.active_share), memory included"]),
        ("a100-80gb", {"machine.roofline.area_m2": 0}, ["memory included", "small: machine.roofline.area_m2 is 0"]),
        ("cpu-epyc-7v13", {}, ["and the bits of the memory apart"]),
        ("transpim", {}, ["without the DRAM"]),
        ("cent", {}, ["without the DRAM", "too small: machine.dram_pim.vector_area_m2 is 0"]),
        ("bitrom", {"machine.rom.macro_area_m2": 0}, ["machine.rom.macro_area_m2, machine.rom.other_area_m2 are 0"]),
    ],
)
def test_each_sentence_where_it_is_true(name: str, changes: dict[str, float], expected: list[str]) -> None:
    found = list(processor_notes(load_config(name, changes)))
    assert len(found) == len(expected)
    assert all(part in note for part, note in zip(expected, found, strict=True))
