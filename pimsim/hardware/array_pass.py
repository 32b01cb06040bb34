"""One pass of an array: DACs drive a group of rows, the cells conduct, and a group of columns is sensed and converted.

Without integration every bit plane of the input is converted. With `sensing.integration`, the samples of several planes
are added on a capacitor of the column, and one conversion follows: a phase. The charge of the lines, the row drivers
and the sensing circuits are counted where `pair.lines`, `pair.drivers` and `pair.sensing` give them an energy.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from crossbar.adc_series import AdcScaling
from crossbar.params import CrossbarParams
from pimsim.base.units import to_ps
from pimsim.config.schema import CrossbarConfig
from pimsim.hardware.component import Area
from pimsim.hardware.gain_circuits import GainCircuits
from pimsim.hardware.weight_grid import Sizes
from pimsim.hardware.weight_slices import cell_read_energies_j
from pimsim.steps.step_tree import Counts, Step


@dataclass(frozen=True, slots=True)
class Phase:
    """Reads of one or more bit planes that share a conversion.

    Attributes:
        steps: Integration steps of each plane, in the order of the planes.
        adc_bits: Resolution of the conversion.
    """

    steps: tuple[int, ...]
    adc_bits: int


def phases_of(pair: CrossbarParams, input_bits: int) -> tuple[Phase, ...]:
    """Return the phases of an input element.

    Args:
        pair: Parameters of the arrays.
        input_bits: Bits per input element.

    Returns:
        The phases in order; a phase for every bit plane without integration.

    Reference:
        docs/circuits.md, eq. (6) to (8); NeuRRAM, Nature 608, 2022.
    """
    planes, integration = pair.planes(input_bits), pair.sensing.integration
    if integration is None:
        return (Phase((1,), pair.adc.bits),) * planes
    phases, planes_before = [], 0
    for count in integration.split(planes):
        counted = integration.weighting == "pulse_count"
        # The plane of the highest bits comes first.
        steps = tuple(2**below if counted else 1 for below in reversed(range(count)))
        fewer = planes_before * pair.dac.bits if integration.narrow_later_phases else 0
        phases.append(Phase(steps, max(1, pair.adc.bits - fewer)))
        planes_before += count
    return tuple(phases)


def narrowed_scalings(pair: CrossbarParams, input_bits: Iterable[int]) -> tuple[AdcScaling, ...]:
    """Return how the figures of conversions with fewer bits than the ADC's follow from its design.

    Args:
        pair: Parameters of the arrays.
        input_bits: Bits of the inputs.

    Returns:
        A derivation for each resolution of a later phase, from the highest; none for one whose figures are stated.
    """
    every = {phase.adc_bits for bits in input_bits for phase in phases_of(pair, bits)}
    found = (pair.adc.at_bits(bits).scaling for bits in sorted(every - {pair.adc.bits}, reverse=True))
    return tuple(each for each in found if each is not None)


@dataclass(frozen=True, slots=True)
class ArrayPass:
    """Passes over one row group and one column group of every PE of a tile, in lockstep.

    Attributes:
        config: Section `machine.crossbar`.
        name: Name of the component.
        row_groups: Row groups of the tile, which the row decoder selects from.
        column_groups: Column groups of the tile, which the column multiplexers select from.
        cell_read: Action that reads a cell.
        references: Reference columns of each PE that belong to its columns of weights; empty without any.
    """

    config: CrossbarConfig
    name: str
    row_groups: int
    column_groups: int
    cell_read: str = "cell_read"
    references: Sizes = ()

    def steps(self, phase: Phase | None, rows_of_pes: Sizes, columns_of_pes: Sizes) -> tuple[Step, ...]:
        """Return the steps of one phase.

        Args:
            phase: Planes that are read before the conversion; None: one plane.
            rows_of_pes: Active rows of each PE.
            columns_of_pes: Active columns of each PE.

        Returns:
            The reads of all planes, then the conversion.

        Reference:
            docs/model.md, eq. (13); docs/circuits.md, eq. (8).
        """
        return (*self.reads(phase, rows_of_pes, columns_of_pes), *self.conversion(phase, rows_of_pes, columns_of_pes))

    def reads(self, phase: Phase | None, rows_of_pes: Sizes, columns_of_pes: Sizes) -> tuple[Step, ...]:
        """Return the reads of one phase.

        Args:
            phase: Planes that are read before the conversion; None: one plane.
            rows_of_pes: Active rows of each PE.
            columns_of_pes: Columns of each PE that the reads sample.

        Returns:
            The reads of all planes.
        """
        pair, digital = self.config.pair, self.config.digital
        phase = phase or Phase((1,), pair.adc.bits)
        active = list(zip(rows_of_pes, columns_of_pes, strict=True))
        driven = sum(rows for rows, columns in active if columns)
        cells = pair.encoding.arrays * sum(rows * columns for rows, columns in active)
        converted = sum(columns for rows, columns in active if rows)
        # With separate readout both currents of a pair are sampled by the read and converted one after the other.
        sampled = pair.encoding.conversions_per_column * converted
        # An input register is read with every drive of its row: here, or with the conversion that the drive is for.
        registers = driven if pair.sensing.sampled == "array" else 0
        dac_counts = _counts(dac_conversion=driven * pair.dacs_per_row, register=registers)
        # The columns of a conversion lie apart, so that they subtract as many reference columns as there are.
        of_pes = self.references or (0,) * len(active)
        compared = [(rows, min(columns, own)) for (rows, columns), own in zip(active, of_pes, strict=True)]
        references = _counts(reference_read=sum(rows * columns for rows, columns in compared))
        charged = sum(columns for rows, columns in compared if rows)
        circuits = self._circuit_counts(driven, converted, charged)
        read_counts = ((f"tile.{self.cell_read}", cells), *references, *circuits)
        read = (
            Step(self.name, "digital", "select rows", to_ps(self.row_groups * digital.row_decoder_s)),
            Step(self.name, "dac", "convert", to_ps(pair.dac.conversion_s), dac_counts),
            Step(self.name, "crossbar", "read", to_ps(pair.read_pulse_s), read_counts),
        )
        return self._integrated(phase, read, sampled)

    def conversion(self, phase: Phase | None, rows_of_pes: Sizes, columns_of_pes: Sizes) -> tuple[Step, ...]:
        """Return the conversion of one column group.

        Args:
            phase: Planes that were read before it; None: one plane.
            rows_of_pes: Active rows of each PE.
            columns_of_pes: Columns of each PE that are converted.

        Returns:
            Selection, conversion, and shift-and-add.
        """
        pair, digital = self.config.pair, self.config.digital
        phase = phase or Phase((1,), pair.adc.bits)
        active = list(zip(rows_of_pes, columns_of_pes, strict=True))
        driven = sum(rows for rows, columns in active if columns)
        converted = sum(columns for rows, columns in active if rows)
        conversions, gains = pair.encoding.conversions_per_column, GainCircuits(self.config)
        registers = len(phase.steps) * driven if pair.sensing.sampled == "column_group" else 0
        select_ps = to_ps(self.column_groups * digital.column_mux_s)
        adc_counts = ((f"tile.{self._conversion(phase.adc_bits)}", converted),)
        return (
            Step(self.name, "digital", "select columns", select_ps, (), conversions),
            Step(self.name, "adc", "convert", to_ps(self._conversion_s(phase)), adc_counts, conversions),
            Step(
                self.name,
                "digital",
                "shift and add",
                to_ps((1 + conversions + gains.conversion_cycles) / digital.clock_hz),
                _counts(
                    add=conversions * converted, register=registers, **gains.conversion_counts(conversions * converted)
                ),
            ),
        )

    def latency_ps(self, phase: Phase | None) -> int:
        """Return the closed-form latency of one phase.

        Args:
            phase: Planes that are read before the conversion; None: one plane.

        Returns:
            Latency in picoseconds, equal for all row groups and column groups of the tile.

        Reference:
            docs/model.md, eq. (13); docs/circuits.md, eq. (8); docs/mitigations.md, eq. (6); MNSIM 2.0.
        """
        return self.reads_ps(phase) + self.conversion_ps(phase)

    def reads_ps(self, phase: Phase | None) -> int:
        """Return the closed-form latency of the reads of one phase.

        Args:
            phase: Planes that are read; None: one plane.

        Returns:
            Latency in picoseconds.
        """
        pair, digital = self.config.pair, self.config.digital
        phase = phase or Phase((1,), pair.adc.bits)
        read_s = (self.row_groups * digital.row_decoder_s, pair.dac.conversion_s, pair.read_pulse_s)
        total_ps = len(phase.steps) * sum(map(to_ps, read_s))
        if (integration := pair.sensing.integration) is not None:
            total_ps += sum(phase.steps) * to_ps(integration.step_s) + to_ps(integration.phase_s)
        return total_ps

    def conversion_ps(self, phase: Phase | None) -> int:
        """Return the closed-form latency of the conversion of one column group.

        Args:
            phase: Planes that were read before it; None: one plane.

        Returns:
            Latency in picoseconds.
        """
        pair, digital = self.config.pair, self.config.digital
        phase = phase or Phase((1,), pair.adc.bits)
        conversions = pair.encoding.conversions_per_column
        convert_ps = to_ps(self.column_groups * digital.column_mux_s) + to_ps(self._conversion_s(phase))
        cycles = 1 + conversions + GainCircuits(self.config).conversion_cycles
        return conversions * convert_ps + to_ps(cycles / digital.clock_hz)

    def _integrated(self, phase: Phase, read: tuple[Step, ...], sampled: int) -> tuple[Step, ...]:
        """Return the reads of all planes of a phase, each with its integration steps."""
        integration = self.config.pair.sensing.integration
        if integration is None:
            return read
        steps: list[Step] = []
        for count in phase.steps:
            counts = _counts(integration=count * sampled) if integration.step_energy_j else ()
            # One step of the tree for all integration steps of a plane, of which there can be 2^15.
            step = Step(self.name, "crossbar", "integrate", count * to_ps(integration.step_s), counts)
            steps += (*read, step)
        return *steps, Step(self.name, "crossbar", "phase", to_ps(integration.phase_s))

    def _circuit_counts(self, driven: int, converted: int, references: int) -> Counts:
        """Return the actions of lines, row drivers and column circuits in one read of columns and references."""
        pair = self.config.pair
        rows, columns = driven * pair.encoding.arrays, converted * pair.encoding.conversions_per_column
        counts: dict[str, int] = {}
        if pair.lines is not None:
            counts |= {"word_line": rows, "select_line": rows}
            if pair.sensing.mode == "voltage":
                counts["bit_line"] = converted * pair.encoding.arrays + references
        if pair.drivers is not None:
            counts["row_driver"] = rows * pair.wires.word_ends
        if pair.sensing.clamp_energy_j:
            counts["clamp"] = columns * pair.wires.bit_ends
        if pair.sensing.sample_energy_j:
            counts["sample"] = columns
        return _counts(**counts)

    def _conversion_s(self, phase: Phase) -> float:
        return self.config.pair.adc.at_bits(phase.adc_bits).conversion_s

    def _conversion(self, bits: int) -> str:
        return "adc_conversion" if bits == self.config.pair.adc.bits else f"adc_conversion_{bits}b"


def pass_energies_j(pair: CrossbarParams) -> Mapping[str, float]:
    """Return the energy of each action of a pass.

    Args:
        pair: Parameters of the arrays.

    Returns:
        Joules per action; circuits that are not counted have no action.

    Reference:
        docs/model.md, eq. (16) to (18); docs/circuits.md, eq. (1) to (5).
    """
    energies = {
        "dac_conversion": pair.dac.conversion_energy_j,
        **cell_read_energies_j(pair),
        "adc_conversion": pair.adc.energy_per_conversion_j,
    }
    if pair.reference_columns:  # all of their cells store 0
        energies["reference_read"] = pair.read_energy_j(0.0 if pair.encoding.polarity == "one_is_lrs" else 1.0)
    lines, sensing, volts = pair.lines, pair.sensing, pair.cell.read_voltage_v
    if lines is not None:
        drive, ends = pair.cell.read_activity, pair.wires.word_ends
        energies["word_line"] = lines.word_charge_j(pair.line_columns, volts, drive, ends)
        energies["select_line"] = lines.select_charge_j(pair.line_columns, pair.cell.read_activity)
        if sensing.mode == "voltage":
            energies["bit_line"] = lines.bit_charge_j(pair.array.rows, volts, pair.wires.bit_ends)
    if pair.drivers is not None:
        energies["row_driver"] = pair.drivers.energy_j
    if sensing.clamp_energy_j:
        energies["clamp"] = sensing.clamp_energy_j
    if sensing.sample_energy_j:
        energies["sample"] = sensing.sample_energy_j
    if (integration := sensing.integration) is not None:
        if integration.step_energy_j:
            energies["integration"] = integration.step_energy_j
        if integration.narrow_later_phases:
            for bits in range(1, pair.adc.bits):
                energies[f"adc_conversion_{bits}b"] = pair.adc.at_bits(bits).energy_per_conversion_j
    return energies


def circuit_areas(config: CrossbarConfig) -> tuple[Area, ...]:
    """Return the area of the row drivers and column circuits of one tile.

    Args:
        config: Section `machine.crossbar`.

    Returns:
        One item per kind of circuit that has an area, m^2.

    Reference:
        docs/circuits.md, eq. (13).
    """
    pair, pes = config.pair, config.pes_per_tile
    areas = []
    if pair.drivers is not None:
        drivers = pair.wires.word_ends * pair.encoding.arrays * pair.array.rows * pes
        areas.append(Area("row drivers", pair.drivers.area_m2, drivers))
    if pair.sensing.column_area_m2:
        columns = pair.wires.bit_ends * pair.encoding.conversions_per_column * pair.array.columns * pes
        areas.append(Area("column circuits", pair.sensing.column_area_m2, columns))
    return tuple(areas)


def _counts(**counts: int) -> Counts:
    return tuple((f"tile.{action}", count) for action, count in counts.items() if count)
