"""The contract of a component: what it does for its share of an op, how long, at what energy, on what area."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, TypeVar

from pimsim.steps.step_tree import Work

ShareT = TypeVar("ShareT", contravariant=True)


@dataclass(frozen=True, slots=True)
class Area:
    """An item of silicon: `count` pieces of `each_m2`."""

    item: str
    each_m2: float
    count: int

    @property
    def total_m2(self) -> float:
        """Square metres of all pieces."""
        return self.each_m2 * self.count


class Component(Protocol[ShareT]):
    """One part of the chip. Pure: everything follows from its parameters and the share it is given."""

    @property
    def name(self) -> str:
        """Its name in ledgers, tables and timelines."""
        ...

    @property
    def units(self) -> int:
        """Pieces of it that work independently of one another under the dataflow schedule."""
        ...

    def action_energies_j(self) -> Mapping[str, float]:
        """Energy in joules of each of its actions."""
        ...

    def work(self, share: ShareT) -> Work:
        """The steps that its share of an op takes."""
        ...

    def latency_ps(self, share: ShareT) -> int:
        """Closed form of the time of `work(share)` on an idle machine, from the share and not from the steps."""
        ...

    def areas(self) -> tuple[Area, ...]:
        """What its silicon consists of."""
        ...

    def leakage_w(self) -> float:
        """Power in watts while it is powered, whatever it does."""
        ...


class SingleUnit:
    """Base of a component of which there is one."""

    __slots__ = ()

    @property
    def units(self) -> int:
        """One."""
        return 1


def ceil_div(numerator: int, denominator: int) -> int:
    """Smallest integer not below the quotient, exact for any size."""
    return -(-numerator // denominator)
