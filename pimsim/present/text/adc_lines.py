"""Lines of reports on ADCs whose energy, rate and area follow from a design of another resolution."""

from __future__ import annotations

from collections.abc import Iterable

from crossbar.adc_series import AdcScaling
from pimsim.config.schema import Config


def adc_rows(config: Config) -> list[tuple[str, str, str]]:
    """Return the line below the headline figures of a result.

    Args:
        config: Config of the result.

    Returns:
        Name, resolution and derivation; nothing if the figures of the ADCs are stated for their resolution.
    """
    scaling = config.machine.adc_scaling
    return [] if scaling is None else [("ADCs", f"{scaling.bits} bits", scaling.text)]


def adc_notes(scalings: Iterable[AdcScaling | None]) -> list[str]:
    """Return the notes below a table of several configs.

    Args:
        scalings: Derivations of the figures of the ADCs of the configs.

    Returns:
        One line per resolution and series whose figures are not those of a design.
    """
    derived = dict.fromkeys(each for each in scalings if each is not None and each.basis != "design")
    return [f"ADCs of {each.bits} bits: {each.text}" for each in derived]
