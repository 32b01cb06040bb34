"""Notes on circuits of arrays: narrowed conversions by a series, bit lines without a swing, uncounted gains."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from crossbar.adc_series import AdcScaling
from pimsim.config.schema import Config
from pimsim.hardware.array_pass import narrowed_scalings
from pimsim.mapping.matrix_precision import on_crossbars
from workloads.ops import Projection
from workloads.trace import Trace

PAIR = "machine.crossbar.pair"


def input_bits(config: Config, trace: Trace | None = None) -> Iterator[int]:
    """Yield the numbers of bits of the activations that arrays multiply.

    Args:
        config: Mapping, and the encoding of the arrays.
        trace: The ops; None: those of a model, whose activations have the bits of the encoding.

    Yields:
        Bits of each op that crossbars compute.
    """
    crossbar = config.machine.crossbar
    if trace is not None:
        yield from (
            op.activation_bits for _, op in trace.ops() if isinstance(op, Projection) and on_crossbars(config, op)
        )
    elif crossbar is not None and config.mapping.projections == "crossbar":
        yield crossbar.pair.encoding.activation_bits


def narrowed(config: Config, bits: Iterable[int]) -> tuple[AdcScaling, ...]:
    """Return how the figures of the conversions of later phases follow from the ADC's own.

    Args:
        config: Config with crossbars or without.
        bits: Bits of the activations that arrays multiply.

    Returns:
        A derivation for each resolution; none without `sensing.integration.narrow_later_phases`.
    """
    crossbar = config.machine.crossbar_tile
    return () if crossbar is None else narrowed_scalings(crossbar.pair, bits)


def circuit_notes(config: Config, bits: Iterable[int]) -> tuple[str, ...]:
    """Say what the figures of the circuits of arrays rest on, where a user may not expect it.

    Args:
        config: Config with crossbars or without.
        bits: Bits of the activations that arrays multiply; none if they multiply nothing.

    Returns:
        A sentence for each resolution of narrowed conversions, one if bit lines have no swing, and one if digital gains
        are measured with vectors that are not counted.

    Reference:
        docs/circuits.md, eq. (3) and section "Integration of planes".
    """
    crossbar = config.machine.crossbar_tile
    if crossbar is None:
        return ()
    pair = crossbar.pair
    still = pair.sensing.mode == "voltage" and pair.lines is not None and not pair.lines.bit_swing_v
    # Most machines have none of these, and the bits of their ops need not be looked up.
    gains = pair.correction.gains != "none" and not crossbar.calibration_vectors
    used = set(bits) if still or gains or pair.sensing.integration is not None else set[int]()
    key = f"{PAIR}.sensing.integration.narrow_later_phases"
    notes = [f"ADC conversions of {each.bits} bits ({key}): {each.text}" for each in narrowed(config, used)]
    if still and used:
        swing = f"{PAIR}.lines.bit_swing_v=0 counts no charge of the bit lines"
        notes.append(f"{swing}, which {PAIR}.sensing.mode=voltage lets move; state their mean swing to count it")
    if gains and used:
        notes.append(
            f"the measurement of the gains ({PAIR}.correction.gains={pair.correction.gains}) takes no time and no "
            "energy; state its sample vectors (machine.crossbar.calibration_vectors=0) to count it after the weights "
            "are loaded"
        )
    return tuple(notes)
