"""Routing: which machine of a pool gets a request. Among equal machines, the first one in the system file gets it."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Protocol


class Load(Protocol):
    """A machine as a routing rule sees it, at the time of the choice."""

    @property
    def outstanding(self) -> int:
        """Number of requests that were routed to the machine and are not finished: running, waiting or on their way."""

    @property
    def outstanding_bytes(self) -> int:
        """Largest size of the KV caches of these requests, bytes."""

    @property
    def max_batch(self) -> int:
        """Largest number of requests that run at the same time."""


class Rule(Protocol):
    """A routing rule.

    Attributes:
        reads_loads: Whether a choice depends on what the machines have done so far.
    """

    reads_loads: bool

    def choose(self, machines: Sequence[Load], prefix_hashes: Sequence[int]) -> int | None:
        """Choose a machine for a request.

        Args:
            machines: All machines of the pool, at least one.
            prefix_hashes: Hashes of the blocks of its prompt; empty if they are not known.

        Returns:
            Index of the machine; None if the request waits until a machine has finished another one.
        """


class RoundRobin:
    """One machine after another."""

    reads_loads = False

    def __init__(self) -> None:
        self._next = 0

    def choose(self, machines: Sequence[Load], prefix_hashes: Sequence[int]) -> int:
        """Choose the machine after the last one.

        Args:
            machines: All machines.
            prefix_hashes: Not used.

        Returns:
            Index of the machine.
        """
        chosen = self._next % len(machines)
        self._next = chosen + 1
        return chosen


class Random:
    """All machines equally likely.

    Args:
        seed: Seed of the choices.
    """

    reads_loads = False

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def choose(self, machines: Sequence[Load], prefix_hashes: Sequence[int]) -> int:
        """Choose a machine at random.

        Args:
            machines: All machines.
            prefix_hashes: Not used.

        Returns:
            Index of the machine.
        """
        return self._random.randrange(len(machines))


class Least:
    """The machine whose requests, running and waiting, have the smallest value of some number together."""

    reads_loads = True

    def __init__(self, value: Callable[[Load], int]) -> None:
        self._value = value

    def choose(self, machines: Sequence[Load], prefix_hashes: Sequence[int]) -> int:
        """Choose the machine with the smallest value.

        Args:
            machines: All machines.
            prefix_hashes: Not used.

        Returns:
            Index of the machine; the first one of several.
        """
        return min(range(len(machines)), key=lambda index: self._value(machines[index]))


class LeastLoaded(Least):
    """The machine with the fewest requests, running and waiting."""

    def __init__(self) -> None:
        super().__init__(lambda machine: machine.outstanding)


class LeastKv(Least):
    """The machine whose requests, running and waiting, have the smallest KV caches together."""

    def __init__(self) -> None:
        super().__init__(lambda machine: machine.outstanding_bytes)


class _Node:
    """A block of a prompt in the tree of all prompts: the blocks after it, and the machine that last had it."""

    __slots__ = ("after", "machine")

    def __init__(self, machine: int) -> None:
        self.machine = machine
        self.after: dict[int, _Node] = {}


class PrefixAware:
    """The machine that last got a request with the longest common prefix; the least loaded one if none has a block.

    Prefixes are compared block by block in a tree (Zheng et al., "SGLang: Efficient Execution of Structured Language
    Model Programs", NeurIPS 2024, section 3). The tree has all prompts of the run: whether the machine still has a
    block in its memory is not considered.
    """

    reads_loads = True

    def __init__(self) -> None:
        self._root = _Node(-1)
        self._otherwise = LeastLoaded()

    def choose(self, machines: Sequence[Load], prefix_hashes: Sequence[int]) -> int:
        """Choose the machine that last got the longest prefix of a prompt.

        Args:
            machines: All machines.
            prefix_hashes: Hashes of the blocks of the prompt.

        Returns:
            Index of the machine.
        """
        node = self._root
        for each in prefix_hashes:
            if (found := node.after.get(each)) is None:
                break
            node = found
        chosen = node.machine if node is not self._root else self._otherwise.choose(machines, prefix_hashes)
        node = self._root
        for each in prefix_hashes:
            node = node.after.setdefault(each, _Node(chosen))
            node.machine = chosen
        return chosen


class CentralQueue:
    """One queue for all machines: the least loaded one that has a free slot, or none until a slot is free."""

    reads_loads = True

    def choose(self, machines: Sequence[Load], prefix_hashes: Sequence[int]) -> int | None:
        """Choose the machine with the fewest requests if one of its slots is free.

        Args:
            machines: All machines.
            prefix_hashes: Not used.

        Returns:
            Index of the machine, or None.
        """
        free = [index for index, each in enumerate(machines) if each.outstanding < each.max_batch]
        return min(free, key=lambda index: machines[index].outstanding) if free else None


_RULES: dict[str, Callable[[], Rule]] = {
    "round_robin": RoundRobin,
    "least_loaded": LeastLoaded,
    "least_kv": LeastKv,
    "prefix_aware": PrefixAware,
    "central_queue": CentralQueue,
}


def make_rule(name: str, seed: int) -> Rule:
    """Make a routing rule.

    Args:
        name: One of `pimsim.config.schema.system_section.Routing`.
        seed: Seed of random choices.

    Returns:
        The rule, without a history.
    """
    return Random(seed) if name == "random" else _RULES[name]()
