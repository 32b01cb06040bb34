"""Decisions of `pimsim serve` beside those of sched-sim 0.2.1, with the step times of pimsim in both.

    python benchmarks/compare_schedsim.py
    python benchmarks/compare_schedsim.py --sched-sim-python ENVIRONMENT/bin/python

Without an interpreter that has sched-sim, a temporary environment is made and the pinned package is installed into it.
Both simulators get the same requests. Of each request, the times of admission, of the first token and of the end must
be equal to the picosecond. Where the two have different rules, one of them follows the rules of the other. The table
counts the requests whose times differ: of the two as they are, if all of these rules but one are followed, and if all
are. The exit code is 1 if a difference is left that no rule explains, or if a rule explains nothing.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from measuring import print_table

from pimsim import load_config, poisson_requests, register_policy, serve
from pimsim.config.schema import Config
from pimsim.studies.serving.iteration_costs import StepCosts
from pimsim.studies.serving.kv_space import kv_space
from pimsim.studies.serving.serving_memory import paged_memory
from pimsim.studies.validation.peers.peer_environment import peer_python
from workloads.requests import Request

REQUIREMENT = "sched-sim==0.2.1"
SIDE = Path(__file__).with_name("schedsim_side.py")
BLOCK_TOKENS = 16
"""Tokens per block of sched-sim; nothing that it offers changes them."""
UNLIMITED = 1 << 20
KEYS = ("workload.model=gpt2-small", "serving.policy=mixed")
BLOCKS = (f"serving.kv_block_tokens={BLOCK_TOKENS}",)
BUDGET = 48
CHUNKS = (f"serving.prefill_tokens={BUDGET}", "serving.decodes_in_budget=true", f"serving.max_batch={BUDGET}")
SHARED = (*BLOCKS, "serving.prefix_sharing=true", f"serving.prefix_hash_tokens={BLOCK_TOKENS}")


class FirstChunk:
    """The policy mixed, but a request is admitted only if the iteration has room for a token of its prompt."""

    def admit(self, view: Any) -> Any:
        used = sum(each.left_to_fill or 1 for each in view.running)
        return view.waiting[0] if used < view.prefill_tokens else None

    def select(self, view: Any) -> Any:
        chosen = [(each, 1) for each in view.running if not each.left_to_fill]
        budget = view.prefill_tokens - len(chosen)
        for each in view.running:
            if tokens := min(each.left_to_fill, budget):
                chosen.append((each, tokens))
                budget -= tokens
        return chosen


@dataclass(frozen=True)
class Rule:
    """A rule in which the two differ, and how one follows the other.

    Attributes:
        says: The difference, for the table.
        theirs: Rules of schedsim_side.py, which make sched-sim follow pimsim.
        ours: Config keys that make pimsim follow sched-sim.
    """

    says: str
    theirs: str = ""
    ours: tuple[str, ...] = ()


PROMPT_TOKEN = Rule("the pass over the prompt yields the first of the N tokens, not one more", "finish_with_prompt")
BATCH = Rule("`chunked` has no limit of the batch", ours=(f"serving.max_batch={BUDGET}",))
FIRST_CHUNK = Rule("admitted with its first chunk, not with its slot", ours=("serving.policy=first_chunk",))
OVERTAKING = Rule("a request that fits does not overtake one that does not", "no_overtaking")
ALL_CHUNKS = Rule("a prompt in chunks has the blocks of all chunks, not of the first", "blocks_of_all_chunks")
ORDER = Rule("admitted in the order of arrival, not longest cached prefix first", "arrival_order")
COMPUTED = Rule("a block is shared when it has been computed, not from its admission", "share_computed")
LAST_BLOCK = Rule("at least one token of a prompt is computed", "compute_last_block")


@dataclass(frozen=True)
class Case:
    """Requests, a policy of sched-sim with the keys of pimsim, and the rules that explain the differences.

    Attributes:
        name: Name, for the table.
        policy: Scheduler of sched-sim.
        requests: The requests.
        keys: Config keys of pimsim, beside `KEYS`.
        rules: Rules in which the two differ.
        blocks: Blocks of the KV memory; None means that there are enough.
        until_preemption: Whether the two are compared up to the first preemption of sched-sim.
    """

    name: str
    policy: str
    requests: Sequence[Request]
    keys: tuple[str, ...] = ()
    rules: tuple[Rule, ...] = ()
    blocks: int | None = None
    until_preemption: bool = False


def with_prefixes(requests: Iterable[Request], seed: int) -> list[Request]:
    """Let four requests arrive at once, and two of three begin with one of six prefixes, or be that prefix."""
    rng, found = random.Random(seed), []
    prefixes = [[1000 * (number + 1) + at for at in range(rng.randint(1, 12))] for number in range(6)]
    listed = list(requests)
    for number, alone in enumerate(listed):
        each = replace(alone, arrival_s=listed[number - number % 4].arrival_s)
        own = [1_000_000 * (number + 1) + at for at in range(-(-each.prompt_tokens // BLOCK_TOKENS))]
        shared = rng.choice(prefixes) if rng.random() < 2 / 3 else []
        if shared and rng.random() < 0.25:
            found.append(_request(each, shared, len(shared) * BLOCK_TOKENS))
        else:
            found.append(_request(each, [*shared, *own], len(shared) * BLOCK_TOKENS + each.prompt_tokens))
    return found


def _request(like: Request, hashes: Sequence[int], prompt: int) -> Request:
    return Request(
        id=like.id,
        arrival_s=like.arrival_s,
        prompt_tokens=prompt,
        output_tokens=like.output_tokens,
        prefix_hashes=tuple(hashes),
    )


def cases(count: int) -> list[Case]:
    """Return all cases."""
    some = poisson_requests(2.0, count, prompt="lognormal:128:0.8", output="lognormal:32:0.7", seed=1)
    short = poisson_requests(5.0, count, prompt="uniform:1:200", output="uniform:1:4", seed=2)
    burst = poisson_requests(40.0, count, prompt="lognormal:64:0.7", output="uniform:1:40", seed=3)
    # With 16 k + 1 tokens in the prompt and at most 15 in the output, no sequence ever needs another block.
    still = [
        Request(
            id=each.id,
            arrival_s=each.arrival_s,
            prompt_tokens=16 * (1 + each.prompt_tokens // 16) + 1,
            output_tokens=1 + each.output_tokens % 15,
        )
        for each in burst
    ]
    prefixed = with_prefixes(burst, seed=4)
    return [
        Case("FCFS", "fcfs", some, rules=(PROMPT_TOKEN,)),
        Case("FCFS, outputs of 1 to 4 tokens", "fcfs", short, rules=(PROMPT_TOKEN,)),
        Case("FCFS, burst", "fcfs", burst, ("serving.max_batch=32",), (PROMPT_TOKEN,)),
        Case(
            "FCFS, few blocks", "fcfs", still, (*BLOCKS, "serving.max_batch=32"), (PROMPT_TOKEN, OVERTAKING), blocks=60
        ),
        Case(
            "FCFS, preemptions",
            "fcfs",
            burst,
            (*BLOCKS, "serving.max_batch=32"),
            (PROMPT_TOKEN, OVERTAKING),
            blocks=60,
            until_preemption=True,
        ),
        Case("chunked", "chunked", some, (*CHUNKS[:2], "serving.max_batch=8"), (PROMPT_TOKEN, BATCH, FIRST_CHUNK)),
        Case("chunked, burst", "chunked", burst[:BUDGET], CHUNKS, (PROMPT_TOKEN, FIRST_CHUNK)),
        Case(
            "chunked, few blocks",
            "chunked",
            still[: 2 * BUDGET],
            (*BLOCKS, *CHUNKS),
            (PROMPT_TOKEN, ALL_CHUNKS, FIRST_CHUNK),
            blocks=32,
        ),
        Case(
            "prefix cache",
            "cache_aware",
            prefixed,
            (*SHARED, "serving.max_batch=32"),
            (PROMPT_TOKEN, ORDER, COMPUTED, LAST_BLOCK),
        ),
    ]


def config_of(case: Case, keys: Sequence[str], costs: StepCosts) -> Config:
    """Load the config of a case, whose memory has the wanted number of blocks beside weights and activations."""
    config = load_config("pim-llm", keys)
    if case.blocks is None:
        return config
    space = kv_space(config, costs.spec, case.requests)
    capacity = space.weight_bytes + space.activation_bytes + case.blocks * costs.kv_bytes(BLOCK_TOKENS)
    return load_config("pim-llm", [*keys, f"machine.memory.capacity_bytes={capacity}"])


@dataclass
class Side:
    """Times of a run.

    Attributes:
        times: Admission, first token and end of each request, ps; None of an event that never came.
        iterations: Start, prompts and tokens of each iteration.
        preempted_ps: Time of the first preemption, if there was one.
        stuck: Whether requests wait for ever.
    """

    times: list[tuple[int | None, ...]]
    iterations: list[tuple[int, int, int]] = field(default_factory=list)
    preempted_ps: int | None = None
    stuck: bool = False


def ours(config: Config, requests: Sequence[Request], costs: StepCosts) -> Side:
    """Serve requests by pimsim."""
    result = serve(config, requests, costs=costs)
    iterations = [(each.start_ps, each.prefills, each.new_tokens) for each in result.iterations]
    times = [(each.admitted_ps, each.first_token_ps, each.finished_ps) for each in result.requests]
    return Side(times, iterations)


def theirs(python: str, case: Case, config: Config, costs: StepCosts, rules: Sequence[str]) -> Side:
    """Serve requests by sched-sim, which asks here for the latency of each iteration."""
    requests = case.requests
    memory = paged_memory(config, kv_space(config, costs.spec, requests), requests, costs.kv_bytes)
    job = {
        "policy": case.policy,
        "budget": config.serving.prefill_tokens,
        "max_batch": config.serving.max_batch,
        "blocks": memory.pool.blocks if memory is not None else UNLIMITED,
        "rules": list(rules),
        "requests": [
            {
                "id": each.id,
                "arrival_ps": round(each.arrival_s * 1e12),
                "prompt": each.prompt_tokens,
                "output": each.output_tokens,
                "hashes": each.prefix_hashes,
                "unique": -1 - number,
            }
            for number, each in enumerate(requests)
        ],
    }
    command = [python, "-I", str(SIDE)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        print(json.dumps(job), file=process.stdin, flush=True)
        for line in process.stdout:
            kind, *rest = json.loads(line)
            if kind == "done":
                times, iterations, preempted, stuck = rest
                listed = [tuple(None if at is None else int(at) for at in each) for each in times]
                return Side(listed, [tuple(each) for each in iterations], preempted, stuck)
            groups, outputs = rest
            cost = costs.of(tuple(map(tuple, groups)), outputs)
            print(cost.latency_ps, file=process.stdin, flush=True)
    raise SystemExit(f"error: sched-sim ended early, with exit code {process.returncode}")


def different(one: Side, other: Side) -> list[int]:
    """Return how many admissions, first tokens and ends differ."""
    return [sum(a[at] != b[at] for a, b in zip(one.times, other.times, strict=True)) for at in range(3)]


def equal_iterations(one: Side, other: Side) -> int:
    """Return how many iterations are equal before the first that differs."""
    pairs = list(zip(one.iterations, other.iterations, strict=False))
    return next((number for number, (a, b) in enumerate(pairs) if a != b), len(pairs))


def compare(python: str, count: int, only: str | None) -> int:
    """Run all cases and print the table.

    Args:
        python: Interpreter that has sched-sim.
        count: Number of requests of a case.
        only: Beginning of the names of cases to run; None means all.

    Returns:
        Number of cases with a difference that is not explained.
    """
    rows: list[tuple[object, ...]] = []
    wrong = 0
    costs = StepCosts(load_config("pim-llm", KEYS))
    for case in cases(count):
        if only is not None and not case.name.startswith(only):
            continue
        for said, rules in steps(case):
            keys = [*KEYS, *case.keys, *(key for rule in rules for key in rule.ours)]
            config = config_of(case, keys, costs)
            here = ours(config, case.requests, costs)
            there = theirs(python, case, config, costs, [rule.theirs for rule in rules if rule.theirs])
            found, same = different(here, there), equal_iterations(here, there)
            if case.until_preemption:
                differs = there.preempted_ps is None or there.iterations[same][0] < there.preempted_ps
            else:
                differs = any(found)
            notes = _notes(case, there)
            if differs == (rules == case.rules):
                wrong += 1
                notes.append("NOT EXPLAINED" if differs else "EXPLAINS NOTHING")
            iterations = f"{same:,} of {len(here.iterations):,}"
            rows.append((case.name, said, len(case.requests), *found, iterations, "; ".join(notes)))
    head = ("requests", "rules", "number", "admissions", "first tokens", "ends", "iterations equal", "")
    print_table(head, rows)
    return wrong


def steps(case: Case) -> Iterator[tuple[str, tuple[Rule, ...]]]:
    """Yield what is compared: the two as they are, with all rules but one, and with all rules."""
    yield "as they are", ()
    if len(case.rules) > 1:
        for rule in case.rules:
            yield f"all but: {rule.says}", tuple(each for each in case.rules if each is not rule)
    yield "all" if len(case.rules) > 1 else case.rules[0].says, case.rules


def _notes(case: Case, there: Side) -> list[str]:
    lost = sum(each[2] is None for each in there.times)
    notes = [f"{lost} never end in sched-sim"] if lost else []
    if case.until_preemption and there.preempted_ps is not None:
        before = sum(start < there.preempted_ps for start, *_ in there.iterations)
        notes.append(f"its first preemption is in iteration {before + 1:,}")
    return notes


def main() -> None:
    """Compare; the exit code is 1 on a difference that is not explained."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sched-sim-python", help="interpreter that has sched-sim; default: a new environment")
    parser.add_argument("--count", type=int, default=200, help="requests of a case")
    parser.add_argument("--only", help="only cases whose names begin with this")
    arguments = parser.parse_args()
    register_policy("first_chunk", FirstChunk)
    with tempfile.TemporaryDirectory() as folder:
        python = arguments.sched_sim_python or peer_python(Path(folder), "schedsim", ((REQUIREMENT,),))
        wrong = compare(python, arguments.count, arguments.only)
    print(f"\n{wrong} differences are not explained")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
