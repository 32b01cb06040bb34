"""Arrays at a temperature: parameters that are stated for one temperature, converted to those of another.

After the conversion, resistances hold at the temperature of calibration, at which the step of the ADCs is determined,
and drift at that of the read. What is left is the difference between the two: `crossbar.device.states` applies it.
"""

from __future__ import annotations

from crossbar.params import CrossbarParams


def at_temperature(params: CrossbarParams) -> CrossbarParams:
    """Convert the parameters of arrays to the temperatures at which they are calibrated and read.

    Args:
        params: Parameters of the arrays.

    Returns:
        Parameters whose `thermal.reference_k` is the temperature of calibration; the same object if nothing changes.

    Raises:
        ValueError: If both states have the same conductance there, or exchange their places.

    Reference:
        docs/lifetime.md, eq. (8) to (10).
    """
    thermal, cell, drift = params.thermal, params.cell, params.noise.drift
    written_k, ageing = thermal.written_k, thermal.ageing_factor
    for kelvin in {written_k, thermal.read_k} - {thermal.reference_k}:
        ohms = cell.lrs_ohm / thermal.lrs_factor(kelvin), cell.hrs_ohm / thermal.hrs_factor(kelvin)
        if ohms[0] >= ohms[1]:
            raise ValueError(
                f"at {kelvin:g} K, LRS ({ohms[0]:.4g} Ohm) is not below HRS ({ohms[1]:.4g} Ohm); check thermal.hrs_ev "
                "and thermal.lrs_tcr"
            )
    if written_k == thermal.reference_k and ageing == 1:
        return params
    lrs_ohm = cell.lrs_ohm / thermal.lrs_factor(written_k)
    hrs_ohm = cell.hrs_ohm / thermal.hrs_factor(written_k)
    converted = thermal.calibrated_at(written_k)
    changed = {"lrs_ohm": lrs_ohm, "hrs_ohm": hrs_ohm}
    noise = params.noise.model_copy(update={"drift": drift.model_copy(update={"start_s": drift.start_s / ageing})})
    return params.model_copy(update={"cell": cell.model_copy(update=changed), "noise": noise, "thermal": converted})


def off_calibration(params: CrossbarParams) -> bool:
    """Return whether conductances at the read differ from those at calibration because of their temperatures.

    Args:
        params: Parameters of the arrays.

    Returns:
        True if both temperatures differ and a coefficient is not 0.
    """
    thermal = params.thermal
    return thermal.read_k != thermal.written_k and bool(thermal.lrs_tcr or thermal.hrs_ev)


def read_as_calibrated(params: CrossbarParams) -> CrossbarParams:
    """Return the same arrays, read at the temperature of their calibration; cells have drifted at that of the read.

    Args:
        params: Parameters of the arrays.

    Returns:
        Parameters without a difference of temperatures; the same object if there is none.
    """
    if not off_calibration(params):
        return params
    params = at_temperature(params)
    thermal = params.thermal.model_copy(update={"temperature_k": params.thermal.written_k})
    return params.model_copy(update={"thermal": thermal})


def thermal_gain(params: CrossbarParams) -> float:
    """Return the difference of both states' conductances at the read, relative to that at calibration.

    Args:
        params: Parameters of the arrays, converted by `at_temperature`.

    Returns:
        The factor by which all products change, if drift compensation does not undo it; 1 at one temperature.
    """
    if params.upkeep.drift_compensation != "none" or not off_calibration(params):
        return 1.0
    cell, thermal = params.cell, params.thermal
    lrs_s, hrs_s = 1 / cell.lrs_ohm, 1 / cell.hrs_ohm
    at_read_s = lrs_s * thermal.lrs_factor(thermal.read_k) - hrs_s * thermal.hrs_factor(thermal.read_k)
    return at_read_s / (lrs_s - hrs_s)
