"""The side of sched-sim 0.2.1 in compare_schedsim.py: run by the Python of its environment, which lacks pimsim.

    ENVIRONMENT/bin/python benchmarks/schedsim_side.py < job.json, then answers

The first line of the standard input is a job. Each iteration is written as a line `["cost", groups, outputs]`, and its
latency in ps read back, so that the step times are those of pimsim. The last line is `["done", ...]`. The clock of
sched-sim counts picoseconds here: its floats are exact up to 2^53 ps, or 2.5 hours. Only one of its constants is a
time, the 5 ms after which it looks again at requests that do not fit.

A job names the rules of pimsim that sched-sim follows in place of its own; `RULES` has them.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

from sched_sim.core.event_engine import Simulator
from sched_sim.core.request import Request, RequestState
from sched_sim.hardware.presets import get_hardware_profile
from sched_sim.schedulers.factory import create_scheduler

MOST_EMPTY = 1000
"""Empty decisions in a row after which a run is called stuck: sched-sim would look for ever."""


class StuckError(Exception):
    """Nothing is running, and no waiting request will ever be admitted."""


class Recorder:
    """Records of a scheduler, and its step times from the other side of the pipe.

    Args:
        scheduler: Scheduler of sched-sim, whose `schedule_iteration` is wrapped.
        first: Calls before each decision.
    """

    def __init__(self, scheduler: Any, first: list[Callable[[], None]]) -> None:
        self.admitted: dict[str, float] = {}
        self.iterations: list[tuple[int, int, int]] = []
        self.preempted_at: float | None = None
        self.launch_overhead_s = 1.0  # of an iteration without tokens: 1 ps, since no step of pimsim has none
        self._groups: list[list[int]] = []
        self._empty, self._first = 0, first
        self._decide = scheduler.schedule_iteration
        scheduler.schedule_iteration = self.decide
        scheduler.latency_model = self

    def decide(self, now: float) -> Any:
        """Let sched-sim decide, and keep what an iteration is."""
        for call in self._first:
            call()
        decision = self._decide(now)
        if decision.preempted_requests and self.preempted_at is None:
            self.preempted_at = now
        prompts = [(each, tokens) for each, tokens in decision.prefill_requests if tokens]
        for each, _ in decision.prefill_requests:
            self.admitted.setdefault(each.request_id, now)
        shapes = [(tokens, each.prefilled_tokens + tokens) for each, tokens in prompts]
        completed = sum(each.prefilled_tokens + tokens >= each.prompt_tokens for each, tokens in prompts)
        shapes += [(1, each.current_context_len + 1) for each in decision.decode_requests]
        self._groups = [[*shape, shapes.count(shape)] for shape in sorted(set(shapes))]
        self._outputs = completed + len(decision.decode_requests)
        if decision.is_empty:
            self._empty += 1
            if self._empty > MOST_EMPTY:
                raise StuckError
        else:
            self._empty = 0
            tokens = sum(shape[0] for shape in shapes)
            self.iterations.append((int(now), len(decision.prefill_requests), tokens))
        return decision

    def _latency_ps(self, *_: int) -> float:
        print(json.dumps(["cost", self._groups, self._outputs]), flush=True)
        return float(sys.stdin.readline())

    compute_prefill_step_time = compute_decode_step_time = compute_mixed_step_time = _latency_ps


def finish_with_prompt(scheduler: Any, _: Recorder | None) -> Callable[[], None]:
    """Complete requests that want one token when their prompt is complete."""

    def call() -> None:
        for each in [each for each in scheduler.running_batch if not each.remaining_decode_tokens]:
            each.state, each.completed_at = RequestState.COMPLETED, each.first_token_at
            scheduler.block_manager.free(each)
            scheduler.running_batch.remove(each)

    return call


def no_overtaking(scheduler: Any, _: Recorder | None) -> Callable[[], None]:
    """Admit nobody after the first waiting request that does not fit."""
    fits, refused = scheduler.block_manager.can_allocate, [False]

    def can_allocate(request: Any, tokens: int) -> bool:
        refused[0] = refused[0] or not fits(request, tokens)
        return not refused[0]

    def call() -> None:
        refused[0] = False

    scheduler.block_manager.can_allocate = can_allocate
    return call


def arrival_order(scheduler: Any, _: Recorder | None) -> Callable[[], None]:
    """Admit in the order of arrival, not those with the longest cached prefix first."""
    scheduler._sort_waiting_queue = lambda: None
    return lambda: None


def share_computed(scheduler: Any, _: Recorder | None) -> Callable[[], None]:
    """Find blocks only from the end of the iteration that computes them."""
    cache = scheduler.block_manager.prefix_cache
    insert, pending = cache.insert_blocks, []
    cache.insert_blocks = lambda *arguments: pending.append(arguments)

    def call() -> None:
        for arguments in pending:
            insert(*arguments)
        pending.clear()

    return call


def compute_last_block(scheduler: Any, _: Recorder | None) -> Callable[[], None]:
    """Compute at least one token of a prompt: the last block is not taken from the cache if it ends the prompt."""
    cache = scheduler.block_manager.prefix_cache
    match = cache.match_prefix

    def match_prefix(tokens: list[int]) -> Any:
        blocks, nodes = match(tokens)
        most = (len(tokens) - 1) // cache.block_size
        return blocks[:most], nodes[:most]

    cache.match_prefix = match_prefix
    return lambda: None


def blocks_of_all_chunks(scheduler: Any, _: Recorder | None) -> Callable[[], None]:
    """Give a prompt in chunks the blocks of all of its chunks, at its admission."""
    manager = scheduler.block_manager
    fits, allocate = manager.can_allocate, manager.allocate
    manager.can_allocate = lambda request, _tokens: (
        request.request_id in manager.gpu_block_tables or fits(request, request.prompt_tokens)
    )
    manager.allocate = lambda request, _tokens, now=0.0: allocate(request, request.prompt_tokens, now)
    return lambda: None


RULES: dict[str, Callable[[Any, Any], Callable[[], None]]] = {
    "finish_with_prompt": finish_with_prompt,
    "no_overtaking": no_overtaking,
    "arrival_order": arrival_order,
    "share_computed": share_computed,
    "compute_last_block": compute_last_block,
    "blocks_of_all_chunks": blocks_of_all_chunks,
}


def request_of(listed: dict[str, Any], block_tokens: int, less: int) -> Request:
    """Return a request of a job, whose token ids repeat the hash of their block of the prompt."""
    hashes, prompt = listed["hashes"], listed["prompt"]
    ids = [hashes[at // block_tokens] for at in range(prompt)] if hashes else [listed["unique"]] * prompt
    return Request(
        request_id=listed["id"],
        arrived_at=listed["arrival_ps"],
        prompt_tokens=prompt,
        output_tokens=listed["output"] - less,
        prompt_token_ids=ids,
    )


def main() -> None:
    job = json.loads(sys.stdin.readline())
    hardware = get_hardware_profile("a100")
    options = {"token_budget": job["budget"] or 512, "max_batch_size": job["max_batch"]}
    scheduler = create_scheduler(job["policy"], hardware, **options)
    manager = scheduler.block_manager
    manager.total_gpu_blocks, manager.free_gpu_blocks = job["blocks"], list(range(job["blocks"]))
    recorder = Recorder(scheduler, [RULES[rule](scheduler, None) for rule in job["rules"]])
    simulator = Simulator(hardware, scheduler)
    less = "finish_with_prompt" in job["rules"]
    requests = [request_of(each, manager.block_size, less) for each in job["requests"]]
    simulator.submit_workload(requests)
    stuck = False
    try:
        simulator.run()
    except StuckError:
        stuck = True
    times = [
        [recorder.admitted.get(each.request_id), each.first_token_at, each.completed_at]
        for each in simulator.all_requests
    ]
    print(json.dumps(["done", times, recorder.iterations, recorder.preempted_at, stuck]), flush=True)


if __name__ == "__main__":
    main()
