"""Replicas and pools with times made up: nobody is lost, and the waiting times are those of queueing theory.

Mean wait of M/D/c: Crommelin, "Delay probability formulae when the holding times are constant", Post Office Electrical
Engineers' Journal 25 (1932), 41-50. With one server it is the formula of Pollaczek and Khinchine. Requests of equal
length are served in turn: each of c machines gets every c-th one (Erlang's argument), so that routing them round robin
is the same as one queue for all machines.
"""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossbar.intervals import mean_interval
from pimsim.base.errors import StalledError
from pimsim.studies.cluster.cluster_loop import Clock, ClusterLoop
from pimsim.studies.serving.policies import Limits
from pimsim.studies.serving.scheduler import Arrival
from tests.support.closeness import near
from tests.support.cluster_loads import finished, pools, replicas
from tests.support.counts import DEEP, scaled
from tests.support.serving_loads import arrival, loads
from workloads.random_requests import poisson_arrivals

RULES = ("round_robin", "random", "least_loaded", "least_kv", "prefix_aware", "central_queue")
SERVICE_PS = 1_000_000
PROMPT = SERVICE_PS - 10
"""With this prompt, an iteration takes `SERVICE_PS`."""


def poisson(load: float, servers: int, count: int, seed: int) -> list[Arrival]:
    times = poisson_arrivals(load * servers / SERVICE_PS, count, seed)
    return [Arrival(round(each), PROMPT, 1, 1) for each in times]


def waits_ps(loop: ClusterLoop) -> list[int]:
    done = finished(loop.machines)
    return [done[index][0][1].admitted_ps - loop.arrivals_ps[index] for index in range(len(loop.requests))]


def lindley_ps(times_ps: list[int]) -> list[int]:
    """Waiting times of one server: Lindley's recursion, docs/serving.md, eq. (10)."""
    waits, wait_ps = [0], 0
    for earlier, later in itertools.pairwise(times_ps):
        wait_ps = max(0, wait_ps + SERVICE_PS - (later - earlier))
        waits.append(wait_ps)
    return waits


def kiefer_wolfowitz_ps(times_ps: list[int], servers: int) -> list[int]:
    """Waiting times of one queue with several servers: Kiefer and Wolfowitz (1955), the sorted vector of their work."""
    work, waits, before = [0] * servers, [], times_ps[0]
    for each in times_ps:
        work = sorted(max(0, left - (each - before)) for left in work)
        waits.append(work[0])
        work[0] += SERVICE_PS
        before = each
    return waits


def crommelin(load: float, servers: int) -> float:
    """Mean wait of M/D/c in service times."""
    erlangs, total, term, turn = servers * load, 0.0, 1.0, 0
    while term > 1e-12:
        turn += 1
        arrivals = np.arange(turn * servers, turn * servers + 400)
        logs = arrivals * math.log(turn * erlangs) - np.array([math.lgamma(each + 1) for each in arrivals])
        likely = np.exp(logs - turn * erlangs)
        term = float(likely.sum() - likely[1:].sum() / load)
        total += term
    return total


@pytest.mark.parametrize("routing", ["central_queue", "round_robin"])
@pytest.mark.parametrize("servers", [1, 3])
def test_every_wait_of_equal_requests_is_that_of_one_queue_to_the_picosecond(routing: str, servers: int) -> None:
    arrivals = poisson(0.8, servers, 300, seed=4)
    waits = waits_ps(replicas(arrivals, servers, routing))
    assert waits == kiefer_wolfowitz_ps([each.arrival_ps for each in arrivals], servers)
    assert max(waits) > SERVICE_PS


def test_random_routing_gives_each_machine_a_queue_of_its_own() -> None:
    loop = replicas(poisson(0.8, 3, 300, seed=5), 3, "random")
    for machine in loop.machines:
        times_ps = [loop.arrivals_ps[index] for index in machine.numbers]
        done = sorted(machine.scheduler.finished)
        assert [each.admitted_ps - time_ps for each, time_ps in zip(done, times_ps, strict=True)] == lindley_ps(
            times_ps
        )
    counts = [len(machine.numbers) for machine in loop.machines]
    assert min(counts) > 70
    assert max(counts) < 130


@pytest.mark.parametrize(
    ("routing", "servers", "queue"),
    [("random", 2, 1), ("central_queue", 3, 3), *(((rule, 4, 4) for rule in ("round_robin",)) if DEEP else ())],
)
def test_mean_wait_is_that_of_m_d_1_or_m_d_c(routing: str, servers: int, queue: int) -> None:
    load, count = 0.6, scaled(800, 8_000)
    means = []
    for seed in range(10):
        waits = waits_ps(replicas(poisson(load, servers, count, seed), servers, routing))
        means.append(sum(waits) / count / SERVICE_PS / crommelin(load, queue))
    wait = mean_interval(means, confidence=0.99)
    assert wait.low is not None
    assert wait.high is not None
    print(f"{routing}, {servers} machines: {wait.mean:.4f} of M/D/{queue}, {wait.low:.4f} to {wait.high:.4f}")
    assert wait.low < 1 < wait.high
    assert wait.high - wait.mean < 0.2
    # It can fail: with the other number of queues the ratio would be far outside.
    assert not wait.low < crommelin(load, 1 if queue > 1 else servers) / crommelin(load, queue) < wait.high


@pytest.mark.parametrize(("load", "servers"), [(0.5, 2), (0.8, 2), (0.8, 4)])
def test_mean_wait_over_a_million_requests_is_crommelin_s(load: float, servers: int) -> None:
    means = []
    for seed in range(20):
        times = poisson_arrivals(load * servers, scaled(25_000, 400_000), seed)
        means.append(float(np.mean([cyclic_mean(times[turn::servers]) for turn in range(servers)])))
    wait = mean_interval(means, confidence=0.99)
    assert wait.low is not None
    assert wait.high is not None
    assert wait.low < crommelin(load, servers) < wait.high
    assert wait.high - wait.mean < 0.1 * wait.mean
    assert crommelin(load, 1) == near(load / (2 * (1 - load)), rel=1e-9)


def cyclic_mean(times: np.ndarray) -> float:
    """Mean wait of one of c machines that serve in turn, by Lindley's recursion for a service time of 1."""
    walk = np.concatenate([[0.0], np.cumsum(1.0 - np.diff(times))])
    return float((walk - np.minimum.accumulate(walk)).mean())


@settings(max_examples=scaled(40, 2_000))
@given(loads(), st.integers(1, 4), st.sampled_from(RULES), st.data())
def test_replicas_serve_every_request_once(
    load: tuple[list[Arrival], Limits], count: int, routing: str, data: st.DataObject
) -> None:
    arrivals, limits = load
    hashes = [data.draw(st.lists(st.integers(0, 2), max_size=3).map(tuple)) for _ in arrivals]
    loop = replicas(arrivals, count, routing, limits, hashes=hashes)
    done = finished(loop.machines)
    assert sorted(done) == list(range(len(arrivals)))
    assert all(len(each) == 1 for each in done.values())
    tokens = sum(step.new_tokens for machine in loop.machines for step in machine.scheduler.iterations)
    assert tokens == sum(each.prompt_tokens + each.output_tokens - 1 for each in arrivals)
    for machine in loop.machines:
        machine.collect(10**15)
        assert (machine.outstanding, machine.outstanding_bytes) == (0, 0)
        for step in machine.scheduler.iterations:
            assert step.running <= limits.max_batch
            assert limits.kv_capacity_bytes is None or step.kv_bytes <= limits.kv_capacity_bytes
    for index, each in enumerate(arrivals):
        assert each.arrival_ps <= done[index][0][1].admitted_ps
    if routing == "central_queue" and limits.max_batch == 1:
        admitted = [done[index][0][1].admitted_ps for index in range(len(arrivals))]
        assert admitted == sorted(admitted)


def test_requests_with_a_common_prefix_go_to_the_machine_that_last_had_it() -> None:
    arrivals = [arrival(0, 5, 9), arrival(1, 5, 9), arrival(2, 5, 9), arrival(3, 5, 9), arrival(4, 5, 9)]
    hashes = [(1, 2), (3,), (1, 2, 4), (1, 5), ()]
    done = finished(replicas(arrivals, 3, "prefix_aware", hashes=hashes).machines)
    assert [done[index][0][0] for index in range(5)] == [0, 1, 0, 0, 2]


def test_least_loaded_counts_requests_and_least_kv_bytes() -> None:
    """The first is long and takes 15, then 11 for each of 39 tokens; at 30 the two short ones are finished."""
    arrivals = [arrival(0, 5, 40), arrival(1, 5, 1), arrival(16, 1, 1), arrival(30, 2, 1), arrival(30, 2, 1)]
    places = {
        rule: [finished(replicas(arrivals, 2, rule).machines)[index][0][0] for index in range(5)]
        for rule in ("least_loaded", "least_kv")
    }
    assert places == {"least_loaded": [0, 1, 1, 1, 0], "least_kv": [0, 1, 1, 1, 1]}


def test_a_request_on_two_machines_by_hand() -> None:
    """Prompt of 5: 10 + 5 = 15. Link: 2 per token, 10. Then two decode steps of 11 each."""
    loop = pools([arrival(100, 5, 3)], token_ps=2)
    [(_, first), (_, last)] = finished(loop.machines)[0]
    assert (first.admitted_ps, first.first_token_ps) == (100, 115)
    [sent] = loop.sent
    assert (sent.ready_ps, sent.asked_ps, *sent.slot, sent.cost.size_bytes) == (115, 115, 115, 125, 15)
    assert (last.admitted_ps, last.finished_ps) == (125, 147)


def test_caches_wait_for_the_link_then_for_space_at_the_receiver() -> None:
    """Each cache needs 3 x (4 + 3 - 1) = 18 bytes there: two of them fit in 36, and the link takes 40 for each.

    Prompts together: 10 + 12 = 22. The first cache is on the link from 22 to 62, the second one from 62 to 102. The
    first request takes two steps of 11, until 84, so that the third cache may be sent from 84 on, but the link is busy.
    """
    limits = Limits(4, "prefill_first", None, 36)
    loop = pools([arrival(0, 4, 3)] * 3, limits=limits, token_ps=10)
    assert [(each.place, each.asked_ps, *each.slot) for each in loop.sent] == [
        (0, 22, 22, 62),
        (1, 22, 62, 102),
        (2, 84, 102, 142),
    ]
    assert [done[-1][1].finished_ps for _, done in sorted(finished(loop.machines).items())] == [84, 124, 164]


def test_a_cache_stays_in_the_memory_of_its_sender_until_it_is_sent() -> None:
    """One prompt of 4 x 3 bytes fits: the second one is computed after the first cache has left, at 14 + 40."""
    loop = pools([arrival(0, 4, 2)] * 2, limits=Limits(4, "prefill_first", None, 15), token_ps=10)
    assert [done[0][1].admitted_ps for _, done in sorted(finished(loop.machines).items())] == [0, 54]


def test_ports_of_different_machines_do_not_wait_for_each_other() -> None:
    """Two pairs: prompts end at 14, and each cache takes 40."""
    arrivals = [arrival(0, 4, 2)] * 2
    slots = {
        ports: [each.slot for each in pools(arrivals, (2, 2), token_ps=10, ports=ports).sent]
        for ports in ("shared", "per_machine")
    }
    assert slots == {"shared": [(14, 54), (54, 94)], "per_machine": [(14, 54), (14, 54)]}


@settings(max_examples=scaled(40, 2_000))
@given(
    loads(),
    st.tuples(st.integers(1, 3), st.integers(1, 3)),
    st.tuples(st.sampled_from(RULES), st.sampled_from(RULES)),
    st.integers(1, 20),
    st.sampled_from(["shared", "per_machine"]),
)
def test_pools_serve_every_request_once_and_no_memory_overflows(
    load: tuple[list[Arrival], Limits], counts: tuple[int, int], routing: tuple[str, str], token_ps: int, ports: str
) -> None:
    arrivals, limits = load
    loop = pools(arrivals, counts, routing, limits, token_ps=token_ps, ports=ports)
    front, back = finished(loop.front.machines), finished(loop.back.machines)
    assert sorted(front) == list(range(len(arrivals)))
    assert sorted(back) == [index for index, each in enumerate(arrivals) if each.output_tokens > 1]
    assert sorted(each.place for each in loop.sent) == sorted(back)
    assert sum(each.cost.size_bytes for each in loop.sent) == sum(3 * arrivals[index].prompt_tokens for index in back)
    for each in loop.sent:
        [(_, first)], [(_, last)] = front[each.place], back[each.place]
        assert first.finished_ps == each.ready_ps <= each.asked_ps <= each.slot.start_ps
        assert each.slot.end_ps <= last.admitted_ps
        if limits.max_batch == 1:  # nothing else is in its decode steps
            steps = arrivals[each.place].output_tokens - 1
            assert last.finished_ps == last.admitted_ps + 11 * steps
    for machine in loop.machines:
        uses = [each.slot for each in loop.sent if ports == "shared" or machine in (each.sender, each.receiver)]
        assert all(earlier.end_ps <= later.start_ps for earlier, later in itertools.pairwise(sorted(uses)))
        for step in machine.scheduler.iterations:
            assert limits.kv_capacity_bytes is None or step.kv_bytes <= limits.kv_capacity_bytes


def test_a_system_without_progress_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Clock, "take", lambda self, time_ps: range(0))  # as if an arrival were never taken up
    with pytest.raises(StalledError, match="no machine goes on at 5e-12 s: no progress"):
        replicas([arrival(5, 3, 2), arrival(5, 3, 2)], 2, "central_queue")
