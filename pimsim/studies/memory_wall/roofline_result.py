"""Roofline of a run: each class of ops with its operations, bytes and time, under the roofs of the machine."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pimsim.base.errors import printable
from pimsim.base.summaries import Figure, HeadlineRepr
from pimsim.studies.memory_wall.machine_roofs import Roof, label_of

if TYPE_CHECKING:
    import pandas as pd

MEMORY, PORT = "memory", "sram"
"""Resources whose intensity is a column of its own: off-chip memory and the port of the global buffer."""

MOVERS = (MEMORY, PORT, "mesh", "chip_link")
"""Resources whose amounts are bytes; those of a mesh are bytes times hops."""

SHOWN_SHARE = 0.01
"""Fraction of the time of the run from which a class has a sentence."""


@dataclass(frozen=True, slots=True)
class Demand:
    """What a class of ops needs of one resource.

    Attributes:
        resource: Name of the resource.
        amount: Operations or bytes, as the run counts them; 0 for a resource without a count, such as the controller.
        least_s: Time that the amount takes at the peak rate, seconds; 0 without a roof.
        busy_s: Time in which the resource works for the class in the run, seconds. It exceeds `least_s` where the
            mapping leaves units of the resource idle: by fill and drain, by edges, by access latency.
    """

    resource: str
    amount: int
    least_s: float
    busy_s: float

    @property
    def used(self) -> float | None:
        """Fraction of the peak rate that the resource reaches while it works; None without a roof."""
        return self.least_s / self.busy_s if self.least_s and self.busy_s else None


@dataclass(frozen=True, slots=True)
class ClassPoint:
    """One class of ops on the roofline.

    Attributes:
        name: Name of the class, or of the op.
        count: Number of executions of its ops.
        operations: MACs times `operations_per_mac`, and elements that the vector unit processes.
        time_s: Time in which at least one of its activities runs, seconds.
        demands: What it needs of each resource that works for it.
    """

    name: str
    count: int
    operations: int
    time_s: float
    demands: tuple[Demand, ...]

    def amount(self, resource: str) -> int:
        """Return the bytes or operations that the class needs of a resource.

        Args:
            resource: Name of the resource; "memory" stands for all interfaces of a memory.

        Returns:
            The amount; 0 if it does not use the resource.
        """
        named = (each for each in self.demands if each.resource.partition(" ")[0] == resource)
        return sum(each.amount for each in named)

    def intensity(self, resource: str) -> float | None:
        """Return the arithmetic intensity with regard to a memory, port or link.

        Args:
            resource: Name of the resource.

        Returns:
            Operations per byte; None without bytes or without operations.
        """
        moved = self.amount(resource)
        return self.operations / moved if moved and self.operations else None

    @property
    def roof(self) -> Demand | None:
        """The demand with the lowest roof at the intensities of the class: that of the longest time at peak rate."""
        return max((each for each in self.demands if each.least_s), key=lambda each: each.least_s, default=None)

    @property
    def bound(self) -> Demand | None:
        """The demand that bounds the class in this run: that of the longest busy time."""
        return max((each for each in self.demands if each.busy_s), key=lambda each: each.busy_s, default=None)

    @property
    def attained_per_s(self) -> float | None:
        """Operations per second in the run; None without operations or without time."""
        return self.operations / self.time_s if self.operations and self.time_s else None

    @property
    def roof_per_s(self) -> float | None:
        """Operations per second under the lowest roof; None without operations or without a roof."""
        return self.operations / self.roof.least_s if self.operations and self.roof else None

    @property
    def roof_share(self) -> float | None:
        """Fraction of the roof that the run attains; None without a roof."""
        return self.roof.least_s / self.time_s if self.roof and self.time_s else None

    @property
    def bound_share(self) -> float | None:
        """Fraction of the time of the class in which what bounds it works."""
        return self.bound.busy_s / self.time_s if self.bound and self.time_s else None

    def row(self, latency_s: float) -> dict[str, Any]:
        """Return the class as a row of a table.

        Args:
            latency_s: Latency of the run, seconds.

        Returns:
            Values by column; None where there is none. The suffixes of the columns are units.
        """
        roof, bound = self.roof, self.bound
        return {
            "class": self.name,
            "count": self.count,
            "time_s": self.time_s,
            "time_share": self.time_s / latency_s if latency_s else 0.0,
            "operations": self.operations,
            "memory_bytes": self.amount(MEMORY),
            "operations_per_memory_byte": self.intensity(MEMORY),
            "port_bytes": self.amount(PORT),
            "operations_per_port_byte": self.intensity(PORT),
            "attained_operations_per_s": self.attained_per_s,
            "roof": label_of(roof.resource) if roof else None,
            "roof_operations_per_s": self.roof_per_s,
            "roof_share": self.roof_share,
            "bound_by": label_of(bound.resource) if bound else None,
            "bound_share": self.bound_share,
            "bound_peak_share": bound.used if bound else None,
        }


@dataclass(frozen=True, slots=True, repr=False)
class Roofline(HeadlineRepr):
    """Roofline of one run.

    Attributes:
        name: Name of the config.
        model: Name of the model or trace.
        phase: "decode" or "prefill", or the phase of a trace.
        context_length: Tokens that the last token attends to.
        batch: Sequences that run together; None for a trace file, which does not state them.
        schedule: Schedule of the run.
        operations_per_mac: Operations that a MAC counts as.
        latency_s: Latency of the run, seconds.
        roofs: Roofs of the machine.
        whole: All ops as one class, whose time is that in which anything runs.
        classes: Classes of ops, the longest first.
    """

    name: str
    model: str
    phase: str
    context_length: int
    batch: int | None
    schedule: str
    operations_per_mac: int
    latency_s: float
    roofs: tuple[Roof, ...]
    whole: ClassPoint
    classes: tuple[ClassPoint, ...]

    @property
    def title(self) -> str:
        """The run in one line."""
        batch = "" if self.batch in (None, 1) else f", batch of {self.batch}"
        names = f"{printable(self.name, 60)}: {printable(self.model, 60)}"
        return f"{names}, {self.phase} at context {self.context_length:,}{batch}, {self.schedule} schedule"

    def compute_roofs(self) -> tuple[Roof, ...]:
        """Return the roofs of the units that compute.

        Returns:
            The roofs in operations per second.
        """
        return tuple(each for each in self.roofs if each.kind == "compute")

    def bandwidth_roofs(self) -> tuple[Roof, ...]:
        """Return the roofs of memories, ports and links.

        Returns:
            The roofs in bytes per second.
        """
        return tuple(each for each in self.roofs if each.kind == "bandwidth")

    def ridge(self, unit: str, resource: str) -> float | None:
        """Return the ridge point of two roofs.

        Args:
            unit: Name of a unit that computes, such as "systolic".
            resource: Name of a memory, port or link, such as "memory".

        Returns:
            Operations per byte from which on the unit is the lower roof; None if one of them has no roof.

        Reference:
            docs/roofline.md, eq. (5).
        """
        peaks = {each.resource: each.peak_per_s for each in self.roofs}
        return peaks[unit] / peaks[resource] if unit in peaks and resource in peaks else None

    def headline(self) -> Iterable[Figure]:
        """Yield the figures that `repr()` and a notebook show.

        Yields:
            Name, model, phase and number of classes; in a notebook also the sentences.
        """
        yield Figure("name", self.name)
        yield Figure("model", self.model)
        yield Figure("phase", self.phase)
        yield Figure("context length", self.context_length, "tokens")
        yield Figure("classes of ops", len(self.classes))
        for sentence in self.sentences():
            yield Figure("finding", sentence, brief=False)

    def sentences(self) -> Iterator[str]:
        """Describe the classes that take most of the time: what bounds each, and its place under the roofs.

        Yields:
            One sentence for the whole run, then one per class with at least `SHOWN_SHARE` of the time.
        """
        if self.latency_s:
            yield self._sentence(self.whole)
        for each in self.classes:
            if self.latency_s and each.time_s >= SHOWN_SHARE * self.latency_s:
                yield self._sentence(each)

    def _sentence(self, point: ClassPoint) -> str:
        bound, roof = point.bound, point.roof
        share = "" if point is self.whole else f" ({point.time_s / self.latency_s:.1%} of the time)"
        text = f"{point.name}{share}"
        if bound is None:
            return f"{text}: bound by no resource"
        peak = "" if bound.used is None else f", at {min(bound.used, 1):.1%} of its peak rate"
        text += f": bound by the {label_of(bound.resource)} (busy for {point.bound_share:.1%} of that time{peak})"
        intensity = point.intensity(MEMORY)
        if intensity is not None:
            text += f"; {intensity:.3g} op/B of memory{self._side(point, intensity)}"
        if roof is not None and roof.resource != bound.resource:
            text += f"; lowest roof: {label_of(roof.resource)}, {point.roof_share:.1%} attained"
        return text

    def _side(self, point: ClassPoint, intensity: float) -> str:
        """Return the side of the ridge point on which a class lies, for the unit that computes it."""
        computes = [each for each in self.compute_roofs() if point.amount(each.resource) and point is not self.whole]
        unit = max(computes, key=lambda each: point.amount(each.resource), default=None)
        ridge = self.ridge(unit.resource, MEMORY) if unit else None
        if unit is None or ridge is None:
            return ""
        side = "below" if intensity < ridge else "above"
        return f", {side} the ridge point of the {unit.label} at {ridge:,.3g}"

    def rows(self) -> list[dict[str, Any]]:
        """Return one row per class of ops, for CSV and data frames.

        Returns:
            The run, then the columns of `ClassPoint.row`.
        """
        run = {
            "name": self.name,
            "model": self.model,
            "phase": self.phase,
            "context_length": self.context_length,
            "batch": self.batch,
            "schedule": self.schedule,
        }
        return [run | each.row(self.latency_s) for each in self.classes]

    def to_dict(self) -> dict[str, Any]:
        """Return the roofline as plain values for JSON.

        Returns:
            The run, the roofs, the ridge points, the sentences, and the classes with all their demands.
        """
        return {
            "name": self.name,
            "model": self.model,
            "phase": self.phase,
            "context_length": self.context_length,
            "batch": self.batch,
            "schedule": self.schedule,
            "operations_per_mac": self.operations_per_mac,
            "latency_s": self.latency_s,
            "roofs": [each.to_dict() for each in self.roofs],
            "ridge_points": [
                {"unit": unit.resource, "resource": moved.resource, "operations_per_byte": ridge}
                for unit in self.compute_roofs()
                for moved in self.bandwidth_roofs()
                if (ridge := self.ridge(unit.resource, moved.resource)) is not None
            ],
            "sentences": list(self.sentences()),
            "whole_run": self._with_demands(self.whole),
            "classes": [self._with_demands(each) for each in self.classes],
        }

    def _with_demands(self, point: ClassPoint) -> dict[str, Any]:
        return point.row(self.latency_s) | {"demands": [_demand_row(point, each) for each in point.demands]}

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row per class of ops.

        Returns:
            Data frame with the columns of `rows`; the suffixes of the columns are units.
        """
        from pimsim.base.pandas_library import pd

        return pd.DataFrame(self.rows())


def _demand_row(point: ClassPoint, demand: Demand) -> dict[str, Any]:
    moved = demand.resource.partition(" ")[0] in MOVERS and demand.amount and point.operations
    return {
        "resource": demand.resource,
        "amount": demand.amount,
        "operations_per_byte": point.operations / demand.amount if moved else None,
        "least_s": demand.least_s,
        "busy_s": demand.busy_s,
        "peak_share": demand.used,
    }


def all_rows(rooflines: Sequence[Roofline]) -> list[dict[str, Any]]:
    """Return the rows of several rooflines, one after another.

    Args:
        rooflines: The rooflines.

    Returns:
        Rows as `Roofline.rows` returns them.
    """
    return [row for each in rooflines for row in each.rows()]
