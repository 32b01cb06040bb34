"""Time and peak memory of `pimsim serve` on made-up requests in the number and the lengths of a public trace.

The requests are as many as in Azure's conversation trace of 2023 (19,366), drawn at random: Poisson arrivals, prompts
lognormal with median 930, outputs lognormal with median 130. They are written as a table of Azure's format and served
from it by a process of its own, with the whole result as HDF5. A second table compares three runs with a checkout of
another revision, in pairs: medians of the processor time.

python benchmarks/bench_serving.py
python benchmarks/bench_serving.py --than ../revision-3e01c63
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import datetime, timedelta
from pathlib import Path

from measuring import duration, print_circumstances, print_table

from pimsim import poisson_requests, read_serving

REQUESTS = 19_366
RATE = 5.5  # requests/s: the trace lasts about an hour
# Azure's means are 1,155 and 211 tokens: with these medians, mean / median is exp(sigma^2 / 2).
PROMPT, OUTPUT = "lognormal:930:0.66", "lognormal:130:0.98"
RSS_UNIT = 1 if sys.platform == "darwin" else 1024


def write_table(path: Path, count: int) -> None:
    """Write requests in the format of Azure's traces, with ticks of 100 ns."""
    start = datetime(2023, 11, 16, 18)
    with path.open("w", encoding="utf-8") as file:
        file.write("TIMESTAMP,ContextTokens,GeneratedTokens\n")
        for each in poisson_requests(RATE, count, prompt=PROMPT, output=OUTPUT, seed=1):
            when = start + timedelta(seconds=each.arrival_s)
            file.write(f"{when:%Y-%m-%d %H:%M:%S.%f}0,{each.prompt_tokens},{each.output_tokens}\n")


def serve(config: str, model: str, table: Path, out: Path) -> tuple[float, float, int]:
    """Serve a table in a new process; return wall and processor time in seconds, and its peak memory in bytes."""
    command = [sys.executable, "-m", "pimsim", "serve", config, "--set", f"workload.model={model}"]
    start = time.perf_counter()
    process = subprocess.Popen([*command, "--requests", str(table), "--out", str(out)], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    if os.waitstatus_to_exitcode(status):
        raise SystemExit(f"pimsim serve: exit code {os.waitstatus_to_exitcode(status)}")
    return seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * RSS_UNIT


RANDOM = ("--prompt", "lognormal:256:0.8", "--output", "lognormal:128:0.7")
PAIRS = {
    "10,000 requests": ("--poisson", "0.05", "--count", "10000", *RANDOM),
    "1,000 requests": ("--poisson", "0.05", "--count", "1000", *RANDOM),
    "1 request: start-up": ("--poisson", "0.05", "--count", "1", *RANDOM),
}
"""Options of `pimsim serve` that are run by both revisions."""


def processor_s(checkout: Path, config: str, options: tuple[str, ...]) -> float:
    """Return the processor time of `pimsim serve` in a checkout, seconds."""
    command = [sys.executable, "-m", "pimsim", "serve", config, *options]
    environment = {**os.environ, "PYTHONPATH": str(checkout.resolve())}
    process = subprocess.Popen(command, cwd=checkout, env=environment, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if os.waitstatus_to_exitcode(status):
        raise SystemExit(f"pimsim serve in {checkout}: exit code {os.waitstatus_to_exitcode(status)}")
    return usage.ru_utime + usage.ru_stime


def compare(config: str, than: Path, than_config: str, runs: int) -> None:
    """Print processor times of this revision and of another one, one after the other in each pair."""
    here, rows = Path(__file__).parent.parent, []
    for name, options in PAIRS.items():
        pairs = [(processor_s(here, config, options), processor_s(than, than_config, options)) for _ in range(runs)]
        ours, theirs = (statistics.median(each) for each in zip(*pairs, strict=True))
        ratio = statistics.median(other / own for own, other in pairs)
        rows.append((name, duration(ours), duration(theirs), f"{ratio:.1f}"))
    print(f"\n`pimsim serve`, processor time, medians of {runs} pairs\n")
    print_table(("run", "this revision", "the other one", "ratio"), rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--counts", type=int, nargs="+", default=[REQUESTS // 8, REQUESTS], help="numbers of requests")
    parser.add_argument("--config", default="pim-llm")
    parser.add_argument("--model", default="gpt2-small", help="a small model; large ones take longer per simulation")
    parser.add_argument("--than", type=Path, help="checkout of another revision to compare with")
    parser.add_argument("--than-config", default="pim-llm", help="config for that revision; the default suits 3e01c63")
    parser.add_argument("--equal-config", default="pim-llm-published", help="config of this revision that equals it")
    parser.add_argument("--runs", type=int, default=5, help="pairs of runs for the comparison")
    options = parser.parse_args()
    print_circumstances("h5py")
    rows = []
    for count in options.counts:
        with tempfile.TemporaryDirectory() as folder:
            table, out = Path(folder) / "requests.csv", Path(folder) / "served.h5"
            write_table(table, count)
            wall, processor, peak = serve(options.config, options.model, table, out)
            result = read_serving(out)
        rows.append(
            (
                f"{len(result.requests):,}",
                f"{len(result.iterations):,}",
                f"{result.simulations:,}",
                duration(wall),
                duration(processor),
                f"{peak / 1e6:.0f} MB",
            )
        )
    print(f"`pimsim serve {options.config} --set workload.model={options.model} --requests FILE --out FILE`\n")
    print_table(("requests", "iterations", "simulations", "wall time", "processor time", "peak memory"), rows)
    if options.than is not None:
        compare(options.equal_config, options.than, options.than_config, options.runs)


if __name__ == "__main__":
    main()
