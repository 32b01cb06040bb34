"""Which kind of ADC has which dependence on the code."""

from __future__ import annotations

from crossbar.code_dependence import CODE_ENERGIES, KIND_OF, kind_refusal


def test_other_kinds_of_adcs_are_refused() -> None:
    assert [kind_refusal(each, KIND_OF[each]) for each in CODE_ENERGIES if each != "none"] == [None] * 6
    assert kind_refusal("none", "serial") is None
    refused = kind_refusal("vcm", "flash")
    assert refused == "code_energy=vcm is of an ADC of kind sar, not flash, which takes: none, thermometer"
