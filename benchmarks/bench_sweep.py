"""Measure points per second (start-up included) and peak memory of a sweep, and of a loop that starts `pimsim run`.

python benchmarks/bench_sweep.py --points 10000 --loop 10
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from measuring import duration, print_circumstances, print_table

SWEEP = """\
name: bench
base: pim-llm
axes:
  machine.systolic.clock_hz: {{start: 100 MHz, stop: 1.6 GHz, factor: 2}}
  machine.systolic.rows: [16, 32, 64, 128]
  machine.crossbar.pair.array.adcs: [32, 64, 128, 256]
  machine.crossbar.pair.adc.bits: [4, 5, 6, 7, 8]
  machine.mesh.link_bandwidth_bps: {{start: 10 Gb/s, stop: 160 Gb/s, factor: 2}}
  workload.context_length: {lengths}
"""
PER_CONTEXT = 5 * 4 * 4 * 5 * 5
POLL_S = 0.25


def family(process: int) -> list[int]:
    """Return a process and all its descendants; only the process itself if Linux's /proc is missing."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir() if Path("/proc/self/stat").exists() else []:
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
    found = [process]
    for each in found:
        found += [child for child, parent in parents.items() if parent == each]
    return found


def memory_bytes(process: int) -> int:
    """Return the memory of a process, shared pages divided by their number of users; 0 if /proc does not report it."""
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))


def processor_s(process: int) -> float:
    """Return the processor time of a process so far, seconds; 0 if /proc does not report it."""
    try:
        times = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[11:13]
    except OSError:
        return 0.0
    return sum(map(int, times)) / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Run:
    """Measurements of one run of a command, all its processes included: seconds, processor seconds, peak bytes."""

    seconds: float
    processor: float
    peak: int


def run(arguments: list[str], watch_memory: bool = False) -> Run:
    """Run `pimsim` as a process. Memory is measured in separate runs, because this costs a few percent of the time."""
    start, peak, spent = time.perf_counter(), 0, dict[int, float]()
    process = subprocess.Popen([sys.executable, "-m", "pimsim", *arguments], stdout=subprocess.DEVNULL)
    while process.poll() is None:
        members = family(process.pid)
        spent.update({each: max(spent.get(each, 0.0), processor_s(each)) for each in members})
        if watch_memory:
            peak = max(peak, sum(map(memory_bytes, members)))
        time.sleep(POLL_S / 10 if watch_memory else POLL_S)
    if process.returncode:
        raise SystemExit(f"pimsim {' '.join(arguments)}: exit code {process.returncode}")
    return Run(time.perf_counter() - start, sum(spent.values()), peak)


LOOP = "total = 0\nfor number in range(20_000_000):\n    total += number * number % 7"


def capacity() -> float:
    """Return the throughput of two plain Python processes relative to one; below 2 if the machine has other work."""

    def seconds(processes: int) -> float:
        start = time.perf_counter()
        for each in [subprocess.Popen([sys.executable, "-c", LOOP]) for _ in range(processes)]:
            each.wait()
        return time.perf_counter() - start

    return 2 * seconds(1) / seconds(2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--points", type=int, default=10_000, help=f"a multiple of {PER_CONTEXT}")
    parser.add_argument("--loop", type=int, default=10, help="points of the loop")
    parser.add_argument("--runs", type=int, default=3, help="runs of each sweep; the fastest one counts")
    options = parser.parse_args()
    contexts = max(1, options.points // PER_CONTEXT)
    points = contexts * PER_CONTEXT
    print_circumstances("simpy", "pydantic", "h5py")
    rows, runs, capacities = [], dict[int, list[Run]](), []
    with tempfile.TemporaryDirectory() as folder:
        spec = Path(folder, "bench.yaml")
        spec.write_text(SWEEP.format(lengths=[128 * (number + 1) for number in range(contexts)]), encoding="utf-8")
        sweep = ["sweep", str(spec), "--out", str(Path(folder, "bench.h5")), "--force", "--json", "--workers"]
        for _ in range(options.runs):  # alternating, so that other work of the machine affects all runs equally
            for workers in (1, 2):
                runs.setdefault(workers, []).append(run([*sweep, str(workers)]))
            capacities.append(capacity())
        for workers, of_these in runs.items():
            best, slowest = min(of_these, key=seconds_of), max(of_these, key=seconds_of)
            name = f"`pimsim sweep`, {workers} worker{'s'[: workers > 1]}"
            peak = run([*sweep, str(workers)], watch_memory=True).peak
            rows.append((name, points, best, f"{duration(best.seconds)} to {duration(slowest.seconds)}", peak))
    single = [
        run(["run", "pim-llm", "--context", str(128 * (point + 1)), "--json"], watch_memory=True)
        for point in range(options.loop)
    ]
    whole = Run(sum(map(seconds_of, single)), sum(each.processor for each in single), 0)
    peak = max(each.peak for each in single)
    rows.append(("a loop over `pimsim run`", options.loop, whole, duration(whole.seconds), peak))
    per_point = whole.seconds / options.loop
    print_table(
        (
            "",
            "points",
            "wall time, best to worst",
            "processor time",
            "points/s",
            "speedup over the loop",
            "peak memory",
        ),
        [
            (
                name,
                f"{count:,}",
                spread,
                duration(best.processor),
                f"{count / best.seconds:,.1f}",
                f"{per_point * count / best.seconds:,.0f}",
                f"{peak / 2**20:.0f} MiB",
            )
            for name, count, best, spread, peak in rows
        ],
    )
    ratio = rows[0][2].seconds / rows[1][2].seconds
    bare = f"{min(capacities):.2f} to {max(capacities):.2f}"
    print(
        f"\nTwo workers are {ratio:.2f} times as fast as one; "
        f"two plain Python processes have {bare} times the throughput of one on this machine."
    )


def seconds_of(each: Run) -> float:
    return each.seconds


if __name__ == "__main__":
    main()
