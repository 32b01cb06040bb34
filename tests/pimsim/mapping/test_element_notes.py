"""A run says if banks that compute have elements of another width than the trace."""

from __future__ import annotations

from pimsim import load_config, simulate


def notes(**keys: object) -> list[str]:
    changes = {f"mapping.processor_{key}": value for key, value in keys.items()}
    result = simulate(load_config("cent", {"workload.model": "gpt2-small"} | changes))
    return [note for note in result.notes if "element_bits" in note]


def test_elements_of_other_widths_are_named() -> None:
    assert notes() == []
    [note] = notes(weight_bits=4.5, activation_bits=8)
    assert note.startswith("the banks hold and multiply elements of 16 bits (machine.dram_pim.element_bits); ")
    assert note.endswith("; sizes are those of weights of 4.5, activations of 8 bits")
    [note] = notes(weight_bits=None, head_bits=None)
    assert note.endswith("those of weights of 1 and 8 bits")
