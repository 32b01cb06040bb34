"""Records of a cluster's result: its machines, and the KV caches that travelled between them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, NamedTuple

from pimsim.base.stored_columns import Column
from pimsim.base.units import ps_to_s
from pimsim.studies.serving.iteration_table import IterationRecord, IterationTable
from pimsim.studies.serving.kv_usage import KvUsage
from pimsim.studies.serving.upkeep_pauses import Pause, UpkeepTask

NO_MACHINE = -1
"""In place of the index of a decode machine: the request was finished by its first machine."""


class Route(NamedTuple):
    """The machines of a finished request.

    Attributes:
        machine: Index of the machine that has computed its prompt.
        decode_machine: Index of the machine that has decoded it after its KV cache travelled; else `NO_MACHINE`.
    """

    machine: int
    decode_machine: Annotated[int, Column(offset=1)] = NO_MACHINE


class Transfer(NamedTuple):
    """A KV cache on the link.

    Attributes:
        request: Id of the request.
        sender: Index of the machine that has computed the prompt.
        receiver: Index of the machine that decodes.
        size_bytes: Bytes of the cache.
        ready_ps: Time of the first token, ps.
        asked_ps: Time from which the receiver has space for the cache, ps.
        start_ps: Time at which the transfer starts, ps.
        end_ps: Time at which the whole cache is in the memory of the receiver, ps.
        link_ps: Time in which the link works for it, ps.
        link_j: Energy of the link, joules.
        read_j: Energy of reading the cache from the memory of the sender, joules.
        write_j: Energy of writing it to the memory of the receiver, joules.
    """

    request: str
    sender: int
    receiver: int
    size_bytes: int
    ready_ps: int
    asked_ps: int
    start_ps: int
    end_ps: int
    link_ps: int
    link_j: float
    read_j: float
    write_j: float

    @property
    def energy_j(self) -> float:
        """Energy of the link and of both memories, joules."""
        return math.fsum((self.link_j, self.read_j, self.write_j))


class MachineUsage(NamedTuple):
    """Use of the paged KV memory of a machine.

    Attributes:
        machine: Index of the machine.
        usage: The figures.
    """

    machine: int
    usage: KvUsage


class RoleUpkeep(NamedTuple):
    """What each machine of a role does for its cells.

    Attributes:
        role: The role.
        task: What is due.
    """

    role: str
    task: UpkeepTask


class MachinePause(NamedTuple):
    """A pause of a machine for the upkeep of its cells.

    Attributes:
        machine: Index of the machine.
        pause: The pause.
    """

    machine: int
    pause: Pause


@dataclass(frozen=True)
class MachineRecord:
    """One machine of a cluster.

    Attributes:
        name: Its name: that of its role, with a number if there are several.
        role: Its role in the system.
        config_name: Name of its config.
        requests: Number of requests that it has finished; on a prefill machine, of prompts.
        output_tokens: Number of tokens that it has produced for them.
        idle_power_w: Leakage power that is charged while it has no request, watts.
        iterations: Its iterations.
    """

    name: str
    role: str
    config_name: str
    requests: int
    output_tokens: int
    idle_power_w: float
    iterations: Sequence[IterationRecord]

    def __post_init__(self) -> None:
        object.__setattr__(self, "iterations", IterationTable.of(self.iterations))

    @property
    def table(self) -> IterationTable:
        """Its iterations, by columns."""
        return IterationTable.of(self.iterations)

    @cached_property
    def busy_ps(self) -> int:
        """Total time of its iterations, ps."""
        return int(sum(self.table.sums("end_ps")) - sum(self.table.sums("start_ps")))

    @cached_property
    def dynamic_energy_j(self) -> float:
        """Dynamic energy of its iterations, joules."""
        return math.fsum(self.table.sums("dynamic_energy_j"))

    @cached_property
    def leakage_energy_j(self) -> float:
        """Leakage energy of its iterations, joules."""
        return math.fsum(self.table.sums("leakage_energy_j"))

    @cached_property
    def mean_batch(self) -> float:
        """Mean number of sequences per iteration, weighted by the duration of the iterations."""
        columns = map(self.table.sums, ("start_ps", "end_ps", "prefills", "decodes"))
        weighted = sum((end - start) * (prompts + steps) for start, end, prompts, steps in zip(*columns, strict=True))
        return weighted / self.busy_ps if self.busy_ps else 0.0

    @cached_property
    def max_kv_bytes(self) -> int:
        """Largest size of the KV caches in its memory or reserved there, bytes."""
        return int(max(self.table.sums("kv_bytes"), default=0))

    def idle_energy_j(self, span_ps: int) -> float:
        """Return the leakage energy while it has no request.

        Args:
            span_ps: Time over which it exists, ps.

        Returns:
            Joules.
        """
        return self.idle_power_w * ps_to_s(span_ps - self.busy_ps)
