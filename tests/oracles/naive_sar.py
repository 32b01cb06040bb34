"""Capacitor arrays of SAR ADCs, simulated by conservation of charge: one voltage source and one capacitor at a time.

A conversion samples an input, compares, and moves the bottom plates of its capacitors between voltages. The charge on
the floating top plate stays, which gives its voltage. The energy is what the reference gives: its voltage times the
charge that flows into all plates connected to it after the move.
"""

from __future__ import annotations

from dataclasses import dataclass

REFERENCE, COMMON, GROUND = 1.0, 0.5, 0.0


@dataclass
class Side:
    """Capacitors with one top plate.

    Attributes:
        capacitors: Capacitance of each, in units of the smallest.
        bottoms: Voltage of each bottom plate.
        top: Voltage of the top plate.
    """

    capacitors: list[float]
    bottoms: list[float]
    top: float

    def charge(self) -> float:
        return sum(c * (self.top - bottom) for c, bottom in zip(self.capacitors, self.bottoms, strict=True))

    def move(self, changes: dict[int, float]) -> float:
        """Move bottom plates, by number of the capacitor; return the energy that the reference gives."""
        before = [c * (bottom - self.top) for c, bottom in zip(self.capacitors, self.bottoms, strict=True)]
        held = self.charge()
        for number, volts in changes.items():
            self.bottoms[number] = volts
        weighted = sum(c * bottom for c, bottom in zip(self.capacitors, self.bottoms, strict=True))
        self.top = (held + weighted) / sum(self.capacitors)
        after = [c * (bottom - self.top) for c, bottom in zip(self.capacitors, self.bottoms, strict=True)]
        at_reference = [bottom == REFERENCE for bottom in self.bottoms]
        flowed = [new - old for new, old, there in zip(after, before, at_reference, strict=True) if there]
        return REFERENCE * sum(flowed)


def convert(procedure: str, bits: int, volts: float) -> tuple[int, float]:
    """Convert a differential voltage; return the code and the energy of the reference in units of C V_ref^2.

    Args:
        procedure: conventional, split, monotonic or vcm.
        bits: Resolution.
        volts: Differential input between -1 and 1, in units of the reference.
    """
    if procedure in ("monotonic", "vcm"):
        return _top_sampled(procedure, bits, volts)
    return _with_trials(bits, volts, splits=procedure == "split")


def _top_sampled(procedure: str, bits: int, volts: float) -> tuple[int, float]:
    """Compare without a move first; then every decision moves the next largest capacitor."""
    capacitors = [float(2 ** (bits - 2 - k)) for k in range(bits - 1)] + [1.0]
    rest = REFERENCE if procedure == "monotonic" else COMMON
    plus, minus = (Side(capacitors, [rest] * bits, COMMON + sign * volts / 2) for sign in (1, -1))
    code, energy = 0, 0.0
    for step in range(bits):
        above = plus.top > minus.top
        code = 2 * code + above
        if step == bits - 1:
            break
        higher, lower = (plus, minus) if above else (minus, plus)
        energy += higher.move({step: GROUND})
        if procedure == "vcm":
            energy += lower.move({step: REFERENCE})
    return code, energy


def _with_trials(bits: int, volts: float, *, splits: bool) -> tuple[int, float]:
    """Try each bit as a 1 on both sides, the other one with all voltages exchanged; take it back if it was too much."""
    main = [float(2 ** (bits - 1 - k)) for k in range(bits)] + [1.0]
    if splits:  # the largest capacitor is a copy of the others
        main = [*main[1:], *main[1:]]
    size = len(main)
    plus = Side(list(main), [GROUND] * size, -volts / 2)
    minus = Side(list(main), [REFERENCE] * size, volts / 2 + REFERENCE)
    half = size // 2
    code, energy = 0, 0.0
    taken_back: int | None = None
    for step in range(bits):
        if splits:
            if step == 0:
                moved = dict.fromkeys(range(half), REFERENCE)  # the copy
            elif taken_back is not None:
                moved = {step - 1: GROUND}
            else:
                moved = {half + step - 1: REFERENCE}
        else:
            moved = {step: REFERENCE} | ({} if taken_back is None else {taken_back: GROUND})
        energy += plus.move(moved)
        energy += minus.move({number: REFERENCE - to for number, to in moved.items()})
        above = plus.top < minus.top
        code = 2 * code + above
        taken_back = None if above else step
    return code, energy
