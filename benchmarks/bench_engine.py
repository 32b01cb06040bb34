"""Events per second of the engine, compared with a bare SimPy process that has the same waits.

    python benchmarks/bench_engine.py --runs 5

The bare process only waits: it has no spans, counts or breakdown. The additional time of the engine is their cost.
"Grouped" simulates one representative of identical work, "expanded" simulates every layer, head and tile.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Generator, Iterator
from typing import Any

import simpy
from measuring import Times, duration, print_circumstances, print_table

from pimsim import load_config
from pimsim.engine import run
from pimsim.hardware.machine import build_machine
from pimsim.mapping.operations import map_trace
from pimsim.mapping.program import Program
from pimsim.simulation import make_trace
from pimsim.steps.step_tree import Copies, Identical, Loop, Parallel, Sequence, Step, Streamed, Work, expanded

CASES = (
    ("opt-6.7b", 128, False),
    ("opt-6.7b", 4096, False),
    ("gpt2-small", 128, False),
    ("gpt2-small", 128, True),
)

Wait = int | tuple[list["Wait"], ...]
"""A wait in picoseconds, or lists of waits that run in parallel."""


def waits(work: Work) -> Iterator[Wait]:
    """Yield all waits of a walk over the work, in order."""
    match work:
        case Step():
            if work.duration_ps:
                yield from [work.duration_ps] * work.repeat
        case Sequence(children):
            for child in children:
                yield from waits(child)
        case Loop(body, times):
            yield from list(waits(body)) * times
        case Identical(body) | Copies(body):
            yield from waits(body)
        case Parallel(children):
            yield tuple(list(waits(child)) for child in children)
        case Streamed(body, port_ps):
            inside = list(waits(body))
            yield from inside
            if port_ps > (unit_ps := duration_of(inside)):
                yield port_ps - unit_ps


def duration_of(all_waits: list[Wait]) -> int:
    """Return the time of waits one after another, picoseconds."""
    return sum(wait if isinstance(wait, int) else max(map(duration_of, wait)) for wait in all_waits)


def count(all_waits: list[Wait]) -> int:
    return sum(1 if isinstance(wait, int) else sum(map(count, wait)) for wait in all_waits)


def bare(env: simpy.Environment, all_waits: list[Wait]) -> Generator[simpy.Event, Any, None]:
    timeout = env.timeout
    for wait in all_waits:
        if isinstance(wait, int):
            yield timeout(wait)
        else:
            yield env.all_of([env.process(bare(env, lane)) for lane in wait])


def run_bare(all_waits: list[Wait]) -> None:
    env = simpy.Environment(initial_time=0)
    env.process(bare(env, all_waits))
    env.run()


def seconds(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def program_of(model: str, context_length: int) -> Program:
    config = load_config("pim-llm", [f"workload.model={model}", f"workload.context_length={context_length}"])
    return map_trace(config, build_machine(config.machine), make_trace(config)).program


def measure(model: str, context_length: int, expand: bool, runs: int) -> tuple[str, ...]:
    """One row of the table. Engine and bare process alternate, so that other load on the machine affects both."""
    program = program_of(model, context_length)
    simulated = program.ungrouped() if expand else program.grouped()
    works = [task.work() for block in simulated.blocks for task in block.tasks]
    all_waits = [wait for work in works for wait in waits(expanded(work) if expand else work)]
    events = count(all_waits)
    pairs = [(seconds(lambda: run(program, expand=expand)), seconds(lambda: run_bare(all_waits))) for _ in range(runs)]
    engine_s, bare_s = (Times(tuple(pair[index] for pair in pairs)).median for index in (0, 1))
    ratio = Times(tuple(engine / bare_process for engine, bare_process in pairs)).median
    return (
        f"{model}, context {context_length}",
        "expanded" if expand else "grouped",
        f"{events:,}",
        duration(engine_s),
        f"{events / engine_s / 1e6:.2f} M",
        f"{events / bare_s / 1e6:.2f} M",
        f"{ratio:.2f}",
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=5)
    runs = parser.parse_args().runs
    print_circumstances("simpy")
    print_table(
        ("decode step", "walk", "events", "engine", "engine, events/s", "bare SimPy, events/s", "time ratio"),
        [measure(*case, runs) for case in CASES],
    )


if __name__ == "__main__":
    main()
