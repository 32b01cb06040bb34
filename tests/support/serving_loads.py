"""Random requests for the scheduler by itself, and costs of iterations that are easy to compute by hand."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

from hypothesis import strategies as st

from pimsim.studies.serving.iteration_costs import Groups
from pimsim.studies.serving.policies import Limits
from pimsim.studies.serving.scheduler import Arrival, Scheduler
from pimsim.studies.serving.step_cost import StepCost

POLICIES = ("prefill_first", "decode_first", "mixed")
NONE = Limits(max_batch=4, policy="prefill_first", prefill_tokens=None, kv_capacity_bytes=None)


@dataclass
class Log:
    """Iterations that were asked for; each takes 10 and its new tokens, and a joule per entry it attends to."""

    steps: list[tuple[Groups, int]] = field(default_factory=list)

    def __call__(self, groups: Groups, outputs: int) -> StepCost:
        self.steps.append((groups, outputs))
        new_tokens = sum(queries * sequences for queries, _, sequences in groups)
        attention_j = tuple(float(context * sequences) for _, context, sequences in groups)
        return StepCost(10 + new_tokens, 2.0 * new_tokens, attention_j, 0.5)


def run(arrivals: list[Arrival], limits: Limits) -> tuple[Scheduler, Log]:
    log = Log()
    scheduler = Scheduler(arrivals, limits, log)
    scheduler.run()
    return scheduler, log


def arrival(at_ps: int, prompt: int, output: int) -> Arrival:
    return Arrival(at_ps, prompt, output, 3 * (prompt + output - 1))


def times(scheduler: Scheduler) -> list[tuple[int, int, int]]:
    return [each[1:4] for each in sorted(scheduler.finished)]


@st.composite
def loads(draw: st.DrawFn) -> tuple[list[Arrival], Limits]:
    token = st.integers(1, 12)
    gaps = draw(st.lists(st.integers(0, 60), min_size=1, max_size=25))
    arrivals = [arrival(at_ps, draw(token), draw(token)) for at_ps in itertools.accumulate(gaps)]
    largest = max(each.kv_bytes for each in arrivals)
    return arrivals, Limits(
        max_batch=draw(st.integers(1, 5)),
        policy=draw(st.sampled_from(POLICIES)),
        prefill_tokens=draw(st.none() | st.integers(1, 20)),
        kv_capacity_bytes=draw(st.none() | st.integers(largest, 3 * largest)),
    )
