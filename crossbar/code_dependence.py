"""Names of the dependences of a conversion's energy on its code, and the kind of ADC that each belongs to.

Without NumPy: a config is checked before it is loaded. `crossbar.code_energy` has the energies.
"""

from __future__ import annotations

from typing import Literal, get_args

CodeEnergy = Literal["none", "conventional", "split", "monotonic", "vcm", "thermometer", "counter"]
CODE_ENERGIES: tuple[CodeEnergy, ...] = get_args(CodeEnergy)
KIND_OF: dict[CodeEnergy, str] = {
    **dict.fromkeys(CODE_ENERGIES[1:5], "sar"),
    "thermometer": "flash",
    "counter": "ramp",
}
"""Kind of ADC that each dependence belongs to."""


def kind_refusal(procedure: CodeEnergy, kind: str) -> str | None:
    """Return why an ADC of a kind cannot have a dependence.

    Args:
        procedure: Dependence on the code.
        kind: Kind of the ADC.

    Returns:
        The reason; None if it can.
    """
    wanted = KIND_OF.get(procedure)
    if wanted in (None, kind):
        return None
    fitting = ", ".join(each for each in CODE_ENERGIES if KIND_OF.get(each) in (None, kind))
    return f"code_energy={procedure} is of an ADC of kind {wanted}, not {kind}, which takes: {fitting}"
