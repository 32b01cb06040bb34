"""Comparison of a macro's published values with a run of its config: one row per printed value."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from typing import Any

from pimsim.base.errors import ConfigError
from pimsim.base.units import ps_to_s
from pimsim.config.loading import load_config
from pimsim.hardware.crossbar_tile import CrossbarTile
from pimsim.hardware.machine import build_machine
from pimsim.results.run_result import RunResult
from pimsim.simulation import simulate
from pimsim.studies.macros.macro_file import Macro, MacroSpec, QuantitySpec, Role, printed_at, role_at
from pimsim.studies.macros.printed_values import Kind, parse_printed, parse_scale, parse_tolerance


@dataclass(frozen=True, slots=True)
class MacroRow:
    """One printed value beside ours.

    Attributes:
        macro: Name of the macro.
        quantity: Name of the quantity.
        point: Operating point; empty if the macro has one.
        kind: Kind of the value.
        printed: Printed value, in `unit`.
        ours: Value of the run, in `unit`; None if the config has nothing of it.
        unit: Unit of both.
        ratio: Ours over the printed value.
        role: Whether the value is an input of the config, was fitted, or is predicted.
        tolerance: Allowed deviation as the data file states it; None without a target.
        inside: Whether the ratio is within the tolerance; None without one.
        source: Source of the printed value.
        mark: Confidence of the printed value.
        silicon: Whether it was measured on a chip.
        note: What a reader must know about the comparison.
    """

    macro: str
    quantity: str
    point: str
    kind: Kind
    printed: float
    ours: float | None
    unit: str
    ratio: float | None
    role: Role
    tolerance: str | None
    inside: bool | None
    source: str
    mark: str
    silicon: bool
    note: str

    def to_dict(self) -> dict[str, Any]:
        """Return the row as plain values.

        Returns:
            Values by attribute.
        """
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Rest:
    """Energy or area of the run that no row of the publication's table covers.

    Attributes:
        point: Operating point.
        energies_j: Energy by action, joules per run.
        areas_m2: Area by "component/circuit", m^2.
    """

    point: str
    energies_j: Mapping[str, float]
    areas_m2: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class MacroTable:
    """Comparison of one macro.

    Attributes:
        macro: Data file.
        rows: One row per printed value and operating point.
        rests: What no printed value covers, by operating point.
    """

    macro: Macro
    rows: tuple[MacroRow, ...]
    rests: tuple[Rest, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the comparison as plain values.

        Returns:
            The data file's head, the rows and the rests.
        """
        spec = self.macro.spec
        return {
            "macro": self.macro.name,
            **spec.model_dump(mode="json", exclude={"quantities", "points"}),
            "rows": [row.to_dict() for row in self.rows],
            "in_no_row": [asdict(rest) for rest in self.rests],
        }


def macro_table(macro: Macro) -> MacroTable:
    """Simulate a macro at all operating points and compare it with its published values.

    Args:
        macro: Data file.

    Returns:
        The comparison.

    Raises:
        ConfigError: If the config or the settings of a point are not valid, or a name in `of` or `per` fits nothing in
            the run.
    """
    runs = {point: simulate(load_config(macro.config, dict(spec.set))) for point, spec in macro.points.items()}
    ours = {point: values_at(macro, point, run) for point, run in runs.items()}
    rows = [
        _row(macro, quantity, point, printed, ours[point][quantity.name])
        for quantity in macro.spec.quantities
        for point, printed in printed_at(quantity, macro.points).items()
    ]
    return MacroTable(macro, tuple(rows), tuple(_rest(macro.spec, point, run) for point, run in runs.items()))


def values_at(macro: Macro, point: str, run: RunResult) -> dict[str, float | None]:
    """Return our values of all quantities that are printed for an operating point.

    Args:
        macro: Data file.
        point: Operating point.
        run: Run at the operating point.

    Returns:
        Values in SI units by name of the quantity; None for what is not modelled.

    Raises:
        ConfigError: If a name in `of` or `per` fits nothing in the run.
    """
    known: dict[str, float] = {}
    found: dict[str, float | None] = {}
    energies = energies_j(macro.spec, run)
    for quantity in macro.spec.quantities:
        if point in printed_at(quantity, macro.points):
            ours = found[quantity.name] = _ours(macro, quantity, point, run, energies, known)
            if ours is not None:
                known[quantity.name] = ours
    return found


def _row(macro: Macro, quantity: QuantitySpec, point: str, text: str, value: float | None) -> MacroRow:
    printed, role = parse_printed(text, quantity.kind), role_at(quantity, point)
    limits = None if quantity.tolerance is None else parse_tolerance(quantity.tolerance)
    assert printed is not None
    ours = None if value is None else value / printed.size
    ratio = None if ours is None else ours / printed.value
    return MacroRow(
        macro=macro.name,
        quantity=quantity.name,
        point=point,
        kind=quantity.kind,
        printed=printed.value,
        ours=ours,
        unit=printed.unit,
        ratio=ratio,
        role=role,
        tolerance=quantity.tolerance,
        inside=None if limits is None or ratio is None else limits[0] <= ratio <= limits[1],
        source=quantity.source,
        mark=quantity.mark,
        silicon=macro.spec.silicon,
        note=quantity.note,
    )


def _ours(
    macro: Macro,
    quantity: QuantitySpec,
    point: str,
    run: RunResult,
    energies: Mapping[str, float],
    known: Mapping[str, float],
) -> float | None:
    """Return the value of a run, in SI units.

    Args:
        macro: Data file.
        quantity: Quantity of it.
        point: Operating point.
        run: Run at the operating point.
        energies: Energies of the run, as `energies_j` gives them.
        known: Values of earlier quantities by name.

    Returns:
        Joules, watts, m^2, seconds, operations/s, operations/J, operations/s/m^2, or a number; None for a quantity that
        is not modelled.

    Reference:
        docs/macros.md, eq. (5).
    """
    spec, scale = macro.spec, parse_scale(quantity.scale)
    assert scale is not None
    if role_at(quantity, point) == "not_modelled":
        return None
    if quantity.total_of:
        return scale * math.fsum(known.get(name, 0.0) for name in quantity.total_of)
    operations = spec.operations_per_mac * run.macs
    match quantity.kind:
        case "energy":
            divisor = _divisor(macro, quantity, run, operations)
            value = _sum(macro, quantity, energies, run.counts) / divisor
        case "power":
            value = _power_w(macro, quantity, run, energies)
        case "area":
            value = _sum(macro, quantity, areas_m2(run))
        case "time":
            parts = run.parts_ps if "*" in quantity.of else {part: run.parts_ps.get(part, 0) for part in quantity.of}
            value = ps_to_s(sum(parts.values()))
        case "operation_rate":
            value = operations / interval_s(spec, run)
        case "efficiency":
            if quantity.at_power:
                power_w = known[quantity.at_power]
            else:
                power_w = _sum(macro, quantity, energies, run.counts) / interval_s(spec, run)
            value = operations / interval_s(spec, run) / (power_w + _added_w(spec))
        case "density":
            value = operations / interval_s(spec, run) / _sum(macro, quantity, areas_m2(run))
        case "count":
            value = _sum(macro, quantity, run.counts)
    return scale * value


def _power_w(macro: Macro, quantity: QuantitySpec, run: RunResult, energies: Mapping[str, float]) -> float:
    """Return the power of a block: at the rate of the run, or at the rate that the publication counts.

    Args:
        macro: Data file.
        quantity: Quantity of kind power.
        run: Run at the operating point.
        energies: Energies of the run, as `energies_j` gives them.

    Returns:
        Watts.

    Reference:
        docs/macros.md, eq. (3) and (4).
    """
    time_s = interval_s(macro.spec, run)
    if quantity.rate_hz is None:
        return _sum(macro, quantity, energies, run.counts) / time_s
    # Leakage, which has a circuit's name, is a power already.
    powers = {name: energy_j / time_s for name, energy_j in energies.items() if "/" in name}
    powers |= {name: quantity.rate_hz * energy_j for name, energy_j in run.action_energies_j.items()}
    return _sum(macro, quantity, powers)


def interval_s(spec: MacroSpec, run: RunResult) -> float:
    """Return the time between two vectors, of which a run has one.

    Args:
        spec: Data file.
        run: Run of one vector.

    Returns:
        Time in seconds.
    """
    if spec.interval == "latency":
        return run.latency_s
    if isinstance(spec.interval, str):
        stated = parse_printed(spec.interval, "time")
        assert stated is not None
        return stated.value * stated.size
    return ps_to_s(sum(run.parts_ps.get(part, 0) for part in spec.interval))


def energies_j(spec: MacroSpec, run: RunResult) -> dict[str, float]:
    """Return the energies of one vector, with the leakage of the time between two vectors.

    The leakage of a run is that of its latency, in which a pipeline processes several vectors.

    Args:
        spec: Data file.
        run: Run of one vector.

    Returns:
        Joules by action, and leakage by circuit for tiles ("tile/accumulators") and by component for the others
        ("sram.leakage").

    Reference:
        docs/macros.md, eq. (3).
    """
    energies = run.dynamic_energy_j(run.counts)
    if run.config.leakage_gating == "not_charged":
        return energies
    machine, time_s = build_machine(run.config.machine, run.config.name), interval_s(spec, run)
    units = {each.name: each.units for each in run.components}
    for component in machine.components():
        if isinstance(component, CrossbarTile):
            for circuit, power_w in component.leakages_w().items():
                energies[f"{component.name}/{circuit}"] = units[component.name] * power_w * time_s
        elif power_w := component.leakage_w():
            energies[f"{component.name}.leakage"] = units.get(component.name, 0) * power_w * time_s
    return energies


def _added_w(spec: MacroSpec) -> float:
    added = None if spec.added_power is None else parse_printed(spec.added_power, "power")
    return 0.0 if added is None else added.value * added.size


def areas_m2(run: RunResult) -> dict[str, float]:
    """Return the areas of a run.

    Args:
        run: A run.

    Returns:
        Area in m^2 by "component/circuit", such as "tile/ADCs".
    """
    return {f"{each.name}/{item}": area for each in run.components for item, area in each.area_m2.items()}


def _divisor(macro: Macro, quantity: QuantitySpec, run: RunResult, operations: int) -> int:
    """Return the number by which an energy of the run is divided.

    Args:
        macro: Data file, for messages.
        quantity: Quantity, whose `per` names it.
        run: The run.
        operations: Operations of the run.

    Returns:
        The number.

    Raises:
        ConfigError: If the run has no such action.
    """
    whole = {"run": 1, "operation": operations, "mac": run.macs}
    divisor = whole.get(quantity.per) or run.counts.get(quantity.per, 0)
    if not divisor:
        known = ", ".join((*whole, *sorted(run.counts)))
        raise ConfigError(f"{quantity.name}: per: the run has no {quantity.per}; it has {known}", macro.name)
    return divisor


def _sum(
    macro: Macro, quantity: QuantitySpec, values: Mapping[str, float], counts: Mapping[str, float] | None = None
) -> float:
    """Sum the values whose names fit; a name without a wildcard that fits nothing is an error.

    Args:
        macro: Data file, for messages.
        quantity: Quantity, whose `of` has the names.
        values: Values by name.
        counts: Names that may be absent from `values`, because their value is 0.

    Returns:
        The sum.

    Raises:
        ConfigError: If a name fits nothing.
    """
    known = values.keys() | (counts or {}).keys()
    names = quantity.of or ("*",)
    for name in names:
        if not any(fnmatchcase(each, name) for each in known):
            message = f"{quantity.name}: of: the run has no {name}; it has {', '.join(sorted(known))}"
            raise ConfigError(message, macro.name)
    return math.fsum(value for name, value in values.items() if _fits(name, names))


def _fits(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _rest(spec: MacroSpec, point: str, run: RunResult) -> Rest:
    """Return what no quantity covers; quantities that cover everything ("*") do not count."""
    covered = {
        kinds: [name for each in spec.quantities if each.kind in kinds for name in each.of if name.strip("*")]
        for kinds in (("energy", "power"), ("area",))
    }
    energies, areas = energies_j(spec, run), areas_m2(run)
    return Rest(
        point,
        {name: value for name, value in energies.items() if value and not _fits(name, covered["energy", "power"])},
        {name: value for name, value in areas.items() if value and not _fits(name, covered["area",])},
    )
