"""A component of one of the machines of a system, under a name that tells the machines apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from pimsim.hardware.component import Area, Component
from pimsim.steps.step_tree import Copies, Identical, Loop, Parallel, Sequence, Step, Streamed, Work


@dataclass(frozen=True, slots=True)
class LockstepShare:
    """The share of each of several equal machines, and the time of its accesses of the port of the global buffer."""

    share: Any
    port_ps: int = 0


@dataclass(frozen=True, slots=True)
class PlacedComponent:
    """A component that works as another one does, with the name of its machine before its own.

    Attributes:
        role: Role of the machine, such as "prefill".
        component: The component.
        chips: Number of equal machines that do the same at the same time; one is simulated for all.
    """

    role: str
    component: Component[Any]
    chips: int = 1

    @property
    def name(self) -> str:
        """Name in results, such as "prefill.systolic"."""
        return f"{self.role}.{self.component.name}"

    @property
    def units(self) -> int:
        """Units of the component on all equal machines."""
        return self.chips * self.component.units

    def action_energies_j(self) -> Mapping[str, float]:
        """Return the energy of each action.

        Returns:
            Joules by the action's name, without that of the component.
        """
        return self.component.action_energies_j()

    def work(self, share: Any) -> Work:
        """Return the steps of the component under their new names.

        Args:
            share: The component's share of an op, or that of several machines in lockstep.

        Returns:
            The step tree.
        """
        if not isinstance(share, LockstepShare):
            return self._renamed(self.component.work(share))
        work = self._renamed(self.component.work(share.share))
        if share.port_ps:
            work = Streamed(work, share.port_ps, self.name)
        return Copies(work, self.chips)

    def latency_ps(self, share: Any) -> int:
        """Return the closed-form latency of the component.

        Args:
            share: The component's share of an op, or that of several machines in lockstep.

        Returns:
            Picoseconds.
        """
        if isinstance(share, LockstepShare):
            return max(self.component.latency_ps(share.share), share.port_ps)
        return self.component.latency_ps(share)

    def areas(self) -> tuple[Area, ...]:
        """Return the areas of all equal machines.

        Returns:
            One item per kind of circuit.
        """
        return tuple(replace(area, count=self.chips * area.count) for area in self.component.areas())

    def leakage_w(self) -> float:
        """Return the static power of one unit.

        Returns:
            Watts.
        """
        return self.component.leakage_w()

    def _renamed(self, work: Work) -> Work:
        match work:
            case Step():
                counts = tuple((f"{self.role}.{action}", count) for action, count in work.counts)
                return replace(work, component=f"{self.role}.{work.component}", counts=counts)
            case Sequence(children):
                return Sequence(tuple(map(self._renamed, children)))
            case Parallel(children):
                return Parallel(tuple(map(self._renamed, children)))
            case Loop(body, times):
                return Loop(self._renamed(body), times)
            case Identical(body, times):
                return Identical(self._renamed(body), times)
            case Copies(body, times):
                return Copies(self._renamed(body), times)
            case Streamed(body, port_ps, component):
                return Streamed(self._renamed(body), port_ps, f"{self.role}.{component}")
