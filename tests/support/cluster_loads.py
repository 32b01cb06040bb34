"""Clusters with made-up costs: machines whose iterations and transfers are easy to compute by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any, cast

from pimsim.studies.cluster.cache_link import CacheCost, LinkQueue
from pimsim.studies.cluster.cluster_loop import ClusterLoop, Pool, PoolLoop
from pimsim.studies.cluster.cluster_machine import ClusterMachine
from pimsim.studies.cluster.pool_memory import ReceivingMemory, SendingMemory
from pimsim.studies.cluster.routing import make_rule
from pimsim.studies.serving.kv_memory import KvMemory, WholeReservation
from pimsim.studies.serving.policies import Limits
from pimsim.studies.serving.scheduler import Arrival, CostOf, Scheduler
from pimsim.studies.serving.served_request import Finished
from pimsim.studies.serving.serving_setup import ServedMachine
from tests.support.serving_loads import Log
from workloads.requests import Request

ONE_AT_A_TIME = Limits(max_batch=1, policy="prefill_first", prefill_tokens=None, kv_capacity_bytes=None)
BYTES_PER_ENTRY = 3


def machine(name: str, limits: Limits, cost_of: CostOf, memory: KvMemory | None = None) -> ClusterMachine:
    setup: Any = SimpleNamespace(limits=limits)
    return ClusterMachine(name, "role", setup, ServedMachine(Scheduler((), limits, cost_of, memory)))


def requests_of(arrivals: Sequence[Arrival], hashes: Sequence[tuple[int, ...]] = ()) -> list[Request]:
    """Return requests with ids 0, 1, ...; their arrival in seconds is not used."""
    return [
        Request(
            id=str(index),
            arrival_s=0.0,
            prompt_tokens=each.prompt_tokens,
            output_tokens=each.output_tokens,
            prefix_hashes=hashes[index] if hashes else (),
        )
        for index, each in enumerate(arrivals)
    ]


def replicas(
    arrivals: Sequence[Arrival],
    count: int,
    routing: str,
    limits: Limits = ONE_AT_A_TIME,
    cost_of: Callable[[], CostOf] = Log,
    hashes: Sequence[tuple[int, ...]] = (),
) -> ClusterLoop:
    """Serve requests with equal machines."""
    machines = [machine(str(number), limits, cost_of()) for number in range(count)]
    loop = ClusterLoop(requests_of(arrivals, hashes), Pool(machines, make_rule(routing, seed=1)), {"role": arrivals})
    loop.run()
    return loop


class PerToken:
    """Costs of a cache of which each token takes three bytes, a given time, and a joule on the link."""

    def __init__(self, token_ps: int) -> None:
        self.token_ps = token_ps

    def of(self, tokens: int) -> CacheCost:
        size, duration_ps = BYTES_PER_ENTRY * tokens, self.token_ps * tokens
        return CacheCost(size, duration_ps, duration_ps, float(tokens), 0.0, 0.0)


def pools(
    arrivals: Sequence[Arrival],
    counts: tuple[int, int] = (1, 1),
    routing: tuple[str, str] = ("least_loaded", "least_loaded"),
    limits: Limits = ONE_AT_A_TIME,
    *,
    token_ps: int = 1,
    ports: str = "shared",
) -> PoolLoop:
    """Serve requests with prefill and decode machines; each of them has the capacity of the limits."""
    requests = requests_of(arrivals)
    sending: dict[str, SendingMemory] = {}
    receiving: dict[str, ReceivingMemory] = {}
    senders: list[ClusterMachine] = []
    receivers: list[ClusterMachine] = []
    for number in range(counts[0]):
        name = f"prefill-{number}"
        sending[name] = SendingMemory(WholeReservation(limits.kv_capacity_bytes))
        senders.append(machine(name, limits, Log(), sending[name]))
        sending[name].is_sent = sent_by(senders[-1], requests)
    for number in range(counts[1]):
        name = f"decode-{number}"
        receiving[name] = ReceivingMemory(WholeReservation(limits.kv_capacity_bytes))
        receivers.append(machine(name, limits, Log(), receiving[name]))
    loop = PoolLoop(
        requests,
        Pool(senders, make_rule(routing[0], 1)),
        {"role": [a._replace(output_tokens=1, kv_bytes=BYTES_PER_ENTRY * a.prompt_tokens) for a in arrivals]},
        back=Pool(receivers, make_rule(routing[1], 2)),
        back_arrivals=[a._replace(output_tokens=a.output_tokens - 1, entries=a.prompt_tokens) for a in arrivals],
        link=LinkQueue(ports),
        costs=cast(Any, PerToken(token_ps)),
        sending=sending,
        receiving=receiving,
    )
    loop.run()
    return loop


def sent_by(machine: ClusterMachine, requests: Sequence[Request]) -> Callable[[int], bool]:
    return lambda number: requests[machine.numbers[number]].output_tokens > 1


def finished(machines: Sequence[ClusterMachine]) -> dict[int, list[tuple[int, Finished]]]:
    """Return where and when each request was finished, by its index in the trace."""
    found: dict[int, list[tuple[int, Finished]]] = {}
    for place, each in enumerate(machines):
        for done in each.scheduler.finished:
            found.setdefault(each.numbers[done.number], []).append((place, done))
    return found
