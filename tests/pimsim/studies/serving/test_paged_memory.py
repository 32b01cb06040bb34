"""Serving from pages decides as the oracle does, token by token: blocks, sharing, preemption and swaps."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace

from hypothesis import given, settings
from hypothesis import strategies as st

from pimsim import load_config
from pimsim.config.schema import KvTierConfig, MemoryConfig
from pimsim.studies.serving.paged_memory import PagedMemory, prefix_keys
from pimsim.studies.serving.policies import Limits
from pimsim.studies.serving.scheduler import Arrival, Scheduler
from pimsim.studies.serving.served_request import Service
from pimsim.studies.serving.swap_space import SwapSpace
from tests.oracles.naive_pages import Job, PagedServer, Rules
from tests.support.counts import scaled
from tests.support.serving_loads import POLICIES, Log

ENTRY_BYTES = 8
TIER = KvTierConfig.model_validate(
    {"preset": "ddr5", "access_latency_s": 0.0, "read_bytes_per_s": 5e11, "write_bytes_per_s": 2.5e11}
)
MEMORY: MemoryConfig = load_config("pim-llm").machine.memory.model_copy(
    update={"access_latency_s": 0.0, "channels": 1, "channel_bandwidth_bytes_per_s": 1e12, "block_bytes": 64}
)
"""A byte takes 1 ps to the memory, 2 ps from the tier and 4 ps to it."""


@dataclass
class Load:
    """A random serving run for both sides."""

    arrivals: list[Arrival]
    rules: Rules
    hash_tokens: int

    def scheduler(self, log: Log) -> tuple[Scheduler, PagedMemory]:
        rules = self.rules

        memory = PagedMemory(
            rules.pages,
            rules.page_tokens,
            rules.page_tokens * ENTRY_BYTES,
            rules.watermark,
            (
                lambda request: prefix_keys(
                    request.service.prefix_hashes, self.hash_tokens, rules.page_tokens, request.prompt_tokens
                )
            )
            if rules.shares
            else None,
        )
        swap = None
        if rules.swap is not None:
            swap = SwapSpace(TIER, MEMORY, lambda entries: memory.blocks_for(entries) * memory.block_bytes)
        limits = Limits(rules.max_batch, rules.policy, rules.budget, None)
        return Scheduler(self.arrivals, limits, log, memory, swap), memory

    def oracle(self) -> PagedServer:
        jobs = []
        for number, each in enumerate(self.arrivals):
            hashes = each.service.prefix_hashes
            known = [
                hashes[at // self.hash_tokens]
                for at in range(each.prompt_tokens)
                if at // self.hash_tokens < len(hashes)
            ]
            words = (*known, *([-1] * (each.prompt_tokens - len(known))))
            jobs.append(Job(number, each.arrival_ps, words, each.output_tokens))
        return PagedServer(jobs, self.rules, lambda groups, outputs: Log()(groups, outputs).latency_ps)


@st.composite
def paged_loads(draw: st.DrawFn) -> Load:
    page_tokens, hash_tokens = draw(st.integers(1, 6)), draw(st.integers(1, 8))
    names: dict[tuple[int, ...], int] = {}
    arrivals = []
    for at_ps in itertools.accumulate(draw(st.lists(st.integers(0, 60), min_size=1, max_size=15))):
        prompt = draw(st.integers(1, 24))
        words = draw(st.lists(st.integers(0, 1), max_size=-(-prompt // hash_tokens)))
        # As in Mooncake's traces, a hash stands for its words and all before them.
        hashes = tuple(names.setdefault(tuple(words[: place + 1]), len(names)) for place in range(len(words)))
        arrivals.append(Arrival(at_ps, prompt, draw(st.integers(1, 12)), 0, service=Service(prefix_hashes=hashes)))
    least = max(-(-(each.prompt_tokens + each.output_tokens - 1) // page_tokens) for each in arrivals)
    shares, swaps = draw(st.sampled_from([(False, False), (True, False), (False, True)]))
    rules = Rules(
        pages=draw(st.integers(least, 3 * least)),
        page_tokens=page_tokens,
        watermark=draw(st.integers(0, 2)),
        max_batch=draw(st.integers(1, 5)),
        policy=draw(st.sampled_from(POLICIES)),
        budget=draw(st.none() | st.integers(1, 20)),
        shares=shares,
    )
    return Load(arrivals, replace(rules, swap=move_of(page_tokens)) if swaps else rules, hash_tokens)


def move_of(page_tokens: int) -> Callable[[int, bool], int]:
    """Return the time of moving pages, which is that of the tier: 4 ps a byte to it, 2 ps from it."""
    return lambda pages, out: pages * page_tokens * ENTRY_BYTES * (4 if out else 2)


@settings(max_examples=scaled(150, 10_000))
@given(paged_loads())
def test_pages_decide_as_the_oracle(load: Load) -> None:
    log = Log()
    scheduler, memory = load.scheduler(log)
    scheduler.run()
    oracle = load.oracle()
    assert log.steps == oracle.steps
    assert {each.number: each.finished_ps for each in scheduler.finished} == oracle.finished
    assert scheduler.preemptions == oracle.preempted
    assert sum(each.shared_tokens for each in scheduler.finished) == memory.counts.shared_tokens == oracle.saved
    assert memory.pool.free == memory.pool.blocks
