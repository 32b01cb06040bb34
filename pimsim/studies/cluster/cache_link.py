"""The link between prefill and decode machines: time and energy of a KV cache, and who waits for whom."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from pimsim.base.units import to_ps
from pimsim.config.schema import Config
from pimsim.config.schema.system_section import LinkSection
from pimsim.hardware.machine import build_machine
from pimsim.hardware.memory import MemoryShare
from pimsim.mapping.pass_options import counted_options
from pimsim.simulation import model_spec
from pimsim.steps.step_tree import action_counts
from workloads.kv_cache import KvCacheSpec
from workloads.models import ModelSpec

SHARED_LINK = "link"
"""Name of the one link that all machines share."""


class CacheCost(NamedTuple):
    """Transfer of the KV cache of one prompt, layer by layer.

    Attributes:
        size_bytes: Bytes of all layers.
        latency_ps: Time from the start of the first layer to the end of the last one, ps.
        link_ps: Time in which the link works, ps: the same without waiting for the memories at its ends.
        link_j: Energy of the link, joules.
        read_j: Energy of reading the cache from the memory of the sender, joules.
        write_j: Energy of writing it to the memory of the receiver, joules.
    """

    size_bytes: int
    latency_ps: int
    link_ps: int
    link_j: float
    read_j: float
    write_j: float

    @property
    def energy_j(self) -> float:
        """Energy of the link and of both memories, joules."""
        return math.fsum((self.link_j, self.read_j, self.write_j))


class CacheCosts:
    """Costs of KV caches on a link from one machine to another one.

    Args:
        link: The link.
        sender: Config of the machine that computes the prompt.
        receiver: Config of the machine that decodes.
    """

    def __init__(self, link: LinkSection, sender: Config, receiver: Config) -> None:
        self._link, self._spec = link, model_spec(receiver)
        self._kv: KvCacheSpec = counted_options(receiver)["kv"]
        self._sender, self._receiver = build_machine(sender.machine), build_machine(receiver.machine)
        self._costs: dict[int, CacheCost] = {}

    def of(self, tokens: int) -> CacheCost:
        """Return the cost of the cache of a prompt.

        Args:
            tokens: Tokens of the prompt.

        Returns:
            Size, time and energy.

        Reference:
            docs/serving-systems.md, eqs. (1) and (2).
        """
        cost = self._costs.get(tokens)
        if cost is None:
            cost = self._costs[tokens] = self._of(tokens)
        return cost

    def _of(self, tokens: int) -> CacheCost:
        link, size_bytes, latency_ps, link_ps, read_j, write_j = self._link, 0, 0, 0, 0.0, 0.0
        assert link.bandwidth_bps is not None  # checked before machines serve
        for layer_bytes, layers in layer_sizes(self._kv, self._spec, tokens):
            own_ps = to_ps(link.latency_s) + to_ps(8 * layer_bytes / link.bandwidth_bps)
            read, write = MemoryShare(layer_bytes), MemoryShare(layer_bytes, write=True)
            memory_ps = self._sender.memory.latency_ps(read), self._receiver.memory.latency_ps(write)
            size_bytes += layers * layer_bytes
            link_ps += layers * own_ps
            latency_ps += layers * max(own_ps, *memory_ps)
            for machine, share in ((self._sender, read), (self._receiver, write)):
                energies_j = machine.action_energies_j()
                counts = action_counts(machine.memory.work(share))
                energy_j = layers * math.fsum(count * energies_j[action] for action, count in counts.items())
                read_j, write_j = (read_j, write_j + energy_j) if share.write else (read_j + energy_j, write_j)
        link_j = 8 * size_bytes * link.energy_j_per_bit
        return CacheCost(size_bytes, latency_ps, link_ps, link_j, read_j, write_j)


def layer_sizes(kv: KvCacheSpec, spec: ModelSpec, tokens: int) -> Iterator[tuple[int, int]]:
    """Return the sizes of the KV caches of the layers.

    Args:
        kv: Format of the cache.
        spec: The model.
        tokens: Tokens in the cache.

    Yields:
        Bytes of a layer, and the number of layers with this size.
    """
    for window, layers in Counter(spec.windows).items():
        yield -(-kv.layer_bits(spec, tokens, window) // 8), layers


class Slot(NamedTuple):
    """Use of the link by one transfer.

    Attributes:
        start_ps: Time at which it starts, ps.
        end_ps: Time at which the whole cache is in the other memory, ps.
    """

    start_ps: int
    end_ps: int


class LinkQueue:
    """Transfers in the order in which they are asked for; a transfer that has started is not interrupted.

    Args:
        ports: "shared": one transfer at a time on one link. "per_machine": a transfer uses the port of its sender and
            that of its receiver, and starts when both are free of the transfers that were asked for before.
    """

    def __init__(self, ports: str) -> None:
        self._shared = ports == "shared"
        self._free_ps: dict[str, int] = {}

    def parts(self, sender: str, receiver: str) -> tuple[str, ...]:
        """Return what a transfer occupies.

        Args:
            sender: Name of the machine that sends.
            receiver: Name of the machine that receives.

        Returns:
            The link, or the ports of both machines.
        """
        return (SHARED_LINK,) if self._shared else (sender, receiver)

    def send(self, sender: str, receiver: str, now_ps: int, latency_ps: int) -> Slot:
        """Add a transfer.

        Args:
            sender: Name of the machine that sends.
            receiver: Name of the machine that receives.
            now_ps: Present time, not earlier than in the last call, ps.
            latency_ps: Duration of the transfer, ps.

        Returns:
            When it starts and ends.
        """
        parts = self.parts(sender, receiver)
        start_ps = max(now_ps, *(self._free_ps.get(part, 0) for part in parts))
        self._free_ps |= dict.fromkeys(parts, start_ps + latency_ps)
        return Slot(start_ps, start_ps + latency_ps)
