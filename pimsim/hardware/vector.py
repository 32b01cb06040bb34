"""Vector unit: elementwise and reduction passes over vectors, `lanes` elements per cycle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pimsim.base.units import to_ps
from pimsim.config.schema import VectorConfig
from pimsim.hardware.causal_mask import CausalMask
from pimsim.hardware.component import Area, ceil_div
from pimsim.steps.step_tree import Identical, Sequence, Step, Work


@dataclass(frozen=True, slots=True)
class VectorShare:
    """Passes over vectors.

    Attributes:
        label: Name of the operation in timelines ("softmax").
        vectors: Number of vectors.
        elements: Elements per vector.
        passes: Number of times that each vector is read.
        mask: Scores that exist, if the vectors are rows of scores: a row has only these. None means that each vector
            has `elements` elements.
    """

    label: str
    vectors: int
    elements: int
    passes: int = 1
    mask: CausalMask | None = None

    @property
    def rows(self) -> int:
        """Rows of scores per token; only with a mask."""
        assert self.mask is not None
        return self.vectors // self.mask.queries

    @property
    def size(self) -> int:
        """Elements of all vectors, without those that the mask hides."""
        return self.vectors * self.elements if self.mask is None else self.rows * self.mask.scores


@dataclass(frozen=True, slots=True)
class VectorUnit:
    """Pipelined SIMD lanes; a pass starts when the pass before it has drained."""

    config: VectorConfig
    name: str = "vector"

    @property
    def units(self) -> int:
        """Number of vector units that work in parallel."""
        return self.config.count

    def softmax_passes(self) -> int:
        """Return the number of passes of the configured softmax.

        Returns:
            1 for ConSmax (exponential and two learned constants), 3 for the exact softmax (maximum, sum, division).

        Reference:
            ConSmax: arXiv:2402.10930.
        """
        return 1 if self.config.softmax == "consmax" else 3

    def work(self, share: VectorShare) -> Work:
        """Return, per vector and pass, one step per group of `lanes` elements and one for the pipeline drain.

        Args:
            share: Vectors, elements and passes.

        Returns:
            The steps of one pass, repeated for all vectors and passes.
        """
        cycles = ceil_div(share.elements, self.config.lanes)
        period_ps = to_ps(1 / self.config.clock_hz)
        drain_ps = to_ps(self.config.pipeline_cycles / self.config.clock_hz)
        if share.mask is not None:
            return self._masked_work(share, share.mask, period_ps, drain_ps)
        counts = (("vector.operation", share.elements),)
        elements = Step(self.name, "vector", share.label, period_ps, (), cycles)
        drain = Step(self.name, "vector", f"{share.label}: drain", drain_ps, counts)
        return Identical(Sequence((elements, drain)), share.vectors * share.passes)

    def _masked_work(self, share: VectorShare, mask: CausalMask, period_ps: int, drain_ps: int) -> Work:
        """Return the same for rows of different lengths: the groups of all rows, their drains, and their operations.

        Args:
            share: Vectors and passes.
            mask: Scores of each row.
            period_ps: Time of one group of elements.
            drain_ps: Time of the pipeline drain of one vector.

        Returns:
            The steps of one group and of one drain, repeated, and a step of no duration with the counts of a pass.
        """
        rows = share.rows * share.passes
        group = Step(self.name, "vector", share.label, period_ps)
        drain = Step(self.name, "vector", f"{share.label}: drain", drain_ps)
        counted = Step(self.name, "vector", share.label, 0, (("vector.operation", mask.scores),))
        return Sequence(
            (
                Identical(group, rows * mask.groups(self.config.lanes)),
                Identical(drain, rows * mask.queries),
                Identical(counted, rows),
            )
        )

    def latency_ps(self, share: VectorShare) -> int:
        """Return the closed-form latency: vectors x passes x (ceil(elements / lanes) + pipeline) cycles.

        Args:
            share: Vectors, elements and passes.

        Returns:
            Latency in picoseconds.

        Reference:
            docs/model.md, eq. (25), and eq. (52) with a mask.
        """
        period_ps = to_ps(1 / self.config.clock_hz)
        drain_ps = to_ps(self.config.pipeline_cycles / self.config.clock_hz)
        if share.mask is not None:
            groups = share.mask.groups(self.config.lanes)
            return share.rows * share.passes * (groups * period_ps + share.mask.queries * drain_ps)
        cycles = ceil_div(share.elements, self.config.lanes)
        return share.vectors * share.passes * (cycles * period_ps + drain_ps)

    def action_energies_j(self) -> Mapping[str, float]:
        """Return the energy per element and pass.

        Returns:
            Joules per "operation".

        Reference:
            docs/model.md, eq. (26); the source of the value is in configs/defaults.yaml.
        """
        return {"operation": self.config.operation_energy_j}

    def areas(self) -> tuple[Area, ...]:
        """Return the area of the lanes of all vector units.

        Returns:
            One item, m^2.

        Reference:
            docs/model.md, eq. (26).
        """
        return (Area("lanes", self.config.lane_area_m2, self.config.lanes * self.config.count),)

    def leakage_w(self) -> float:
        """Return the leakage power of one vector unit.

        Returns:
            Power in watts.

        Reference:
            docs/model.md, eq. (3).
        """
        return self.config.leakage_w
