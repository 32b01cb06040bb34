"""Time of the contended schedule: per activity, compared with a bare SimPy process; per decode step; and its growth.

    python benchmarks/bench_contention.py --runs 5 --plot growth.png

The bare process waits for the same inputs, acquires the same resources and waits for the same durations, and records
nothing. The additional time of the engine is the cost of records, causes and a deterministic order. The memo already
holds the steps of all components, so only the schedule is measured.

Packets: processor time of the packet loop in Python and of the compiled one on random traffic, in pairs, and of a whole
prefill with either of them, which must have equal results.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import simpy
from measuring import Times, duration, print_circumstances, print_table

from pimsim import load_config, simulate
from pimsim.engine import Memo, run
from pimsim.hardware import mesh
from pimsim.hardware.machine import build_machine
from pimsim.hardware.shared import chosen_period
from pimsim.hardware.shared.busy_period import BusyPeriod, NetworkParameters
from pimsim.hardware.shared.compiled.compiled_period import CompiledPeriod
from pimsim.hardware.shared.compiled.packet_columns import HOPS
from pimsim.hardware.shared.messages import Job, LinkTiming, Phase, Send
from pimsim.hardware.shared.router_parameters import RouterParameters
from pimsim.hardware.shared.topologies import topology
from pimsim.mapping.operations import map_trace
from pimsim.mapping.program import Program
from pimsim.simulation import make_trace
from workloads.ops import BLOCK_INPUT

CASES = (("opt-6.7b", 128), ("opt-6.7b", 4096), ("gpt2-medium", 1024))

PREFILL = (
    "schedule=contended",
    "workload.phase=prefill",
    "workload.model=opt-1.3b",
    "mapping.provisioning=whole_model",
    "machine.crossbar.banks=32",
    "machine.crossbar.pair.array.rows=128",
    "machine.crossbar.pair.array.columns=128",
    "machine.crossbar.pair.array.adcs=16",
)
"""A chip of 128 x 128 arrays whose matrices have very many messages."""


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


def processor_seconds(action: Callable[[], object]) -> float:
    start = time.process_time()
    action()
    return time.process_time() - start


def random_jobs(messages: int, tiles_each_way: int, timing: LinkTiming) -> list[tuple[int, Job]]:
    """Messages of 1 to 8 packets between random tiles, within two microseconds."""
    draw = random.Random(1)
    ends = [divmod(draw.randrange(tiles_each_way**2), tiles_each_way) for _ in range(2 * messages)]
    sends = [Send(ends[2 * n], (ends[2 * n + 1],), draw.randint(1, 8) * 576) for n in range(messages)]
    return sorted(
        ((draw.randrange(2_000_000), Job((Phase((send,), timing),))) for send in sends), key=lambda each: each[0]
    )


def finish(period: BusyPeriod | CompiledPeriod) -> None:
    while period.next_ps() is not None:
        period.run(1 << 62)


def packet_loops(name: str, router: RouterParameters, runs: int) -> tuple[str, ...]:
    """One row of the table: hops per second of both loops, which alternate, on 16 x 16 tiles."""
    parameters = NetworkParameters(topology("mesh", 16, 16), router)
    timing = LinkTiming(20e9, 576, 32 if router.cut_through else None, router.router_ps)
    jobs = random_jobs(5_000, 16, timing)

    def measured(loop: type[BusyPeriod] | type[CompiledPeriod]) -> tuple[float, BusyPeriod | CompiledPeriod]:
        period = loop(parameters)
        for time_ps, job in jobs:
            period.submit(time_ps, job)
        return processor_seconds(lambda: finish(period)), period

    _, first = measured(CompiledPeriod)  # compiles or loads
    assert isinstance(first, CompiledPeriod)
    assert first.link_statistics() == measured(BusyPeriod)[1].link_statistics()
    hops = int(first.state.numbers[HOPS])
    pairs = [(measured(BusyPeriod)[0], measured(CompiledPeriod)[0]) for _ in range(runs)]
    plain_s, compiled_s = (Times(tuple(pair[index] for pair in pairs)).median for index in (0, 1))
    ratio = Times(tuple(pair[0] / pair[1] for pair in pairs)).median
    return (name, f"{hops:,}", f"{hops / plain_s / 1e6:.2f}", f"{hops / compiled_s / 1e6:.2f}", f"{ratio:.1f}")


def prefill(tokens: int, runs: int) -> tuple[str, ...]:
    """One row of the table: a whole prefill on a new machine with each loop, in pairs with equal results."""
    config = load_config("pim-llm-published", [*PREFILL, f"workload.prompt_length={tokens}"])

    def measured(first_hops: int) -> tuple[float, int]:
        mesh._busy_period_memo.cache_clear()
        chosen_period.COMPILED_FROM_HOPS = first_hops
        results: list[Any] = []
        return processor_seconds(lambda: results.append(simulate(config))), results[0].latency_ps

    measured(-1)
    pairs = [(measured(1 << 60), measured(-1)) for _ in range(runs)]
    assert len({latency_ps for pair in pairs for _, latency_ps in pair}) == 1
    plain_s, compiled_s = (Times(tuple(pair[index][0] for pair in pairs)).median for index in (0, 1))
    ratio = Times(tuple(pair[0][0] / pair[1][0] for pair in pairs)).median
    return (f"{tokens}", duration(plain_s), duration(compiled_s), f"{ratio:.1f}")


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
    parser.add_argument("--prefill", type=int, default=256, metavar="TOKENS", help="prompt of the whole prefill")
    parser.add_argument("--packets", action="store_true", help="measure the packet loops only")
    arguments = parser.parse_args()
    print_circumstances("simpy", "numba")
    routers = {
        "store and forward, unlimited FIFOs": RouterParameters(),
        "cut through, FIFOs of 2 packets": RouterParameters(2, cut_through=True, router_ps=2000),
        "oldest first, FIFOs of 4 packets": RouterParameters(4, "age"),
    }
    print_table(
        ("packets", "hops", "Python, 10^6 hops/s", "compiled, 10^6 hops/s", "time ratio"),
        [packet_loops(name, router, arguments.runs) for name, router in routers.items()],
    )
    print_table(
        ("prefill, tokens", "Python loop", "compiled loop", "time ratio"), [prefill(arguments.prefill, arguments.runs)]
    )
    if arguments.packets:
        return
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
