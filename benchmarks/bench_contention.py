"""Time of the contended schedule: per activity, compared with a bare SimPy process; per decode step; and its growth.

    python benchmarks/bench_contention.py --runs 5 --plot growth.png

The bare process waits for the same inputs, acquires the same resources and waits for the same durations, and records
nothing. The additional time of the engine is the cost of records, causes and a deterministic order. The memo already
holds the steps of all components, so only the schedule is measured.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import simpy
from measuring import Times, duration, print_circumstances, print_table

from pimsim import load_config, simulate
from pimsim.engine import Memo, run
from pimsim.hardware.machine import build_machine
from pimsim.mapping.operations import map_trace
from pimsim.mapping.program import Program
from pimsim.simulation import make_trace
from workloads.ops import BLOCK_INPUT

CASES = (("opt-6.7b", 128), ("opt-6.7b", 4096), ("gpt2-medium", 1024))


def seconds(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def program_of(model: str, context_length: int, schedule: str) -> Program:
    settings = [f"workload.model={model}", f"workload.context_length={context_length}", f"schedule={schedule}"]
    config = load_config("pim-llm-published", settings)
    return map_trace(config, build_machine(config.machine), make_trace(config)).program


def run_bare(program: Program, durations: list[int]) -> int:
    """Run one process per assignment with the same waits and nothing else; return the end, picoseconds."""
    env = simpy.Environment(initial_time=0)
    pools: dict[str, simpy.Resource] = {}

    def pool(name: str, owner: str) -> simpy.Resource:
        key = owner + name
        if key not in pools:
            pools[key] = simpy.Resource(env, program.capacities.get(name, 1))
        return pools[key]

    def process(
        needs: list[simpy.Event],
        resources: list[simpy.Resource],
        duration_ps: int,
        done: simpy.Event,
    ) -> Generator[simpy.Event, Any, None]:
        for need in needs:
            if not need.processed:
                yield need
        held = []
        for resource in resources:
            request = resource.request()
            yield request
            held.append((resource, request))
        yield env.timeout(duration_ps)
        for resource, request in held:
            resource.release(request)
        done.succeed()

    previous: list[simpy.Event] = []
    index = 0
    for repetition, block in enumerate(program.blocks):
        named = {BLOCK_INPUT: previous}
        for task in block.tasks:
            ends = []
            for each in task.assignments:
                used = each.constraints.resource
                resources = [pool(used.name, f"{repetition}/" if used.private else "")] if used else []
                done = env.event()
                needs = [event for name in each.constraints.after for event in named[name]]
                env.process(process(needs, resources, durations[index], done))
                index += 1
                named[each.name] = [done]
                ends.append(done)
            named[task.name] = previous = ends
    env.run()
    return int(env.now)


def overhead(model: str, context_length: int, runs: int) -> tuple[str, ...]:
    """One row of the table. Engine and bare processes alternate, so that other load on the machine affects both."""
    program = program_of(model, context_length, "dataflow").ungrouped()
    memo: Memo = {}
    first = run(program, "dataflow", memo=memo)
    durations = [first.profiles[each.profile].duration_ps for each in first.activities]
    pairs = [
        (seconds(lambda: run(program, "dataflow", memo=memo)), seconds(lambda: run_bare(program, durations)))
        for _ in range(runs)
    ]
    engine_s, bare_s = (Times(tuple(pair[index] for pair in pairs)).median for index in (0, 1))
    ratio = Times(tuple(pair[0] / pair[1] for pair in pairs)).median
    count = len(durations)
    return (
        f"{model}, context {context_length}",
        f"{count:,}",
        f"{engine_s / count * 1e6:.1f} us",
        f"{bare_s / count * 1e6:.1f} us",
        f"{ratio:.2f}",
    )


def contended(model: str, context_length: int, runs: int, *settings: str) -> tuple[str, ...]:
    """One row of the table: a whole contended step, from config to result, after one that imports and compiles."""
    base = [f"workload.model={model}", f"workload.context_length={context_length}", *settings]
    config = load_config("pim-llm-published", [*base, "schedule=contended"])
    result = simulate(config)
    dataflow = simulate(load_config("pim-llm-published", [*base, "schedule=dataflow"]))
    times = Times(tuple(seconds(lambda: simulate(config)) for _ in range(runs)))
    return (
        f"{model}, context {context_length}" + "".join(f", {each}" for each in settings),
        f"{result.tiles.tiles_used:,}",
        duration(times.median),
        f"{result.latency_s * 1e3:.2f} ms",
        f"{dataflow.latency_s * 1e3:.2f} ms",
    )


def growth(runs: int) -> tuple[list[tuple[int, float]], list[tuple[int, float]]]:
    """Seconds of a contended step by number of tiles (several models) and of tokens (batch, one vector per chunk)."""

    def timed(*settings: str) -> tuple[int, float]:
        config = load_config("pim-llm-published", ["schedule=contended", *settings])
        result = simulate(config)
        return result.tiles.tiles_used, Times(tuple(seconds(lambda: simulate(config)) for _ in range(runs))).median

    models = ("gpt2-small", "gpt2-medium", "opt-1.3b", "opt-2.7b", "opt-6.7b", "opt-13b")
    tiles = [timed(f"workload.model={model}") for model in models]
    batches = (1, 2, 4, 8, 16)
    tokens = [
        (batch, timed("workload.model=gpt2-medium", f"workload.batch={batch}", f"mapping.vector_chunks={batch}")[1])
        for batch in batches
    ]
    return tiles, tokens


def plot(path: Path, tiles: list[tuple[int, float]], tokens: list[tuple[int, float]]) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3.2), layout="constrained")
    for axes, points, label in zip(figure.subplots(1, 2), (tiles, tokens), ("tiles", "tokens"), strict=True):
        axes.plot(*zip(*points, strict=True), marker="o")
        axes.set_xlabel(label)
        axes.set_ylabel("seconds per contended step")
        axes.set_xlim(left=0)
        axes.set_ylim(bottom=0)
    figure.savefig(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--plot", type=Path, help="write a plot of the growth to this file")
    arguments = parser.parse_args()
    print_circumstances("simpy")
    print_table(
        ("dataflow step", "activities", "engine, each", "bare SimPy, each", "time ratio"),
        [overhead(*case, arguments.runs) for case in CASES],
    )
    print_table(
        ("contended step", "tiles", "wall time", "latency", "dataflow"),
        [contended(*case, arguments.runs) for case in CASES],
    )
    tiles, tokens = growth(arguments.runs)
    print_table(("tiles", "wall time", "per tile"), [(f"{n:,}", duration(s), duration(s / n)) for n, s in tiles])
    print_table(("tokens", "wall time", "per token"), [(f"{n}", duration(s), duration(s / n)) for n, s in tokens])
    if arguments.plot:
        plot(arguments.plot, tiles, tokens)


if __name__ == "__main__":
    main()
