"""The component interface: steps, closed-form latency, energies, area and leakage of one hardware unit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, TypeVar

from pimsim.steps.step_tree import Work

ShareT = TypeVar("ShareT", contravariant=True)


@dataclass(frozen=True, slots=True)
class Area:
    """Silicon area of one kind of circuit.

    Attributes:
        item: Name of the circuit in area tables ("ADCs").
        each_m2: Area of one instance, m^2.
        count: Number of instances.
    """

    item: str
    each_m2: float
    count: int

    @property
    def total_m2(self) -> float:
        """Area of all instances, m^2."""
        return self.each_m2 * self.count


class Component(Protocol[ShareT]):
    """One hardware component of the chip.

    A component is pure: its results depend only on its parameters and on the share of an op that it is given.
    `ShareT` is the type of that share, for example `MatmulShare` for the systolic array.
    """

    @property
    def name(self) -> str:
        """Name of the component in results, tables and timelines."""
        ...

    @property
    def units(self) -> int:
        """Number of instances that work independently of each other under the dataflow schedule."""
        ...

    def action_energies_j(self) -> Mapping[str, float]:
        """Return the energy of each action of the component.

        Returns:
            Energy per action in joules, keyed by the action's name without the component's ("mac").
        """
        ...

    def work(self, share: ShareT) -> Work:
        """Return the timed steps of the component for its share of an op.

        Args:
            share: The component's share of the op.

        Returns:
            A step tree with durations in picoseconds and the action counts of every step.
        """
        ...

    def latency_ps(self, share: ShareT) -> int:
        """Return the closed-form latency of `work(share)` on an idle machine.

        It is computed from the share and not from the steps, so that the comparison of both is a test.

        Args:
            share: The component's share of the op.

        Returns:
            Latency in picoseconds.
        """
        ...

    def areas(self) -> tuple[Area, ...]:
        """Return the silicon area of the component.

        Returns:
            One item per kind of circuit; empty for hardware that is not on the chip.
        """
        ...

    def leakage_w(self) -> float:
        """Return the static power of one instance.

        Returns:
            Power in watts, independent of the component's activity.
        """
        ...


class SingleUnit:
    """Base class of a component with one instance."""

    __slots__ = ()

    @property
    def units(self) -> int:
        """Number of instances: always 1."""
        return 1


def ceil_div(numerator: int, denominator: int) -> int:
    """Divide integers and round up, exactly for any size.

    Args:
        numerator: Dividend.
        denominator: Divisor, not 0.

    Returns:
        The smallest integer that is not below the quotient.
    """
    return -(-numerator // denominator)
