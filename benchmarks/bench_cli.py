"""Wall time, processor time, import time and peak memory of whole commands, each in a separate process.

python benchmarks/bench_cli.py --runs 9
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import time

from measuring import Times, duration, print_circumstances, print_table

COMMANDS = (
    ("--help",),
    ("run", "configs/pim-llm.yaml"),
    ("run", "configs/tpu-llm.yaml"),
    ("run", "configs/pim-llm.yaml", "--json"),
    ("reproduce", "all"),
    ("calibrate", "--variants"),
)
RSS_UNIT = 1 if sys.platform == "darwin" else 1024


def run_once(command: tuple[str, ...]) -> tuple[float, float, int]:
    """Run one process; return its wall time and processor time in seconds, and its peak resident memory in bytes."""
    start = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "pimsim", *command], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.stderr
    message = process.stderr.read().decode()
    process.stderr.close()
    if process.returncode:
        raise SystemExit(f"pimsim {' '.join(command)}: exit code {process.returncode}\n{message}")
    return seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * RSS_UNIT


def import_seconds(command: tuple[str, ...]) -> float:
    """Return the seconds that one run spends in imports, as measured by Python."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "pimsim", *command], capture_output=True, text=True, check=True
    )
    return sum(int(own) for own in re.findall(r"^import time:\s+(\d+) \|", done.stderr, re.M)) / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=9)
    runs = parser.parse_args().runs
    print_circumstances("typer", "pydantic", "simpy")
    rows = []
    for command in COMMANDS:
        run_once(command)  # warms up byte code and disk cache
        results = [run_once(command) for _ in range(runs)]
        wall, processor, peaks = zip(*results, strict=True)
        rows.append(
            (
                f"`pimsim {' '.join(command)}`",
                Times(wall),
                Times(processor),
                duration(import_seconds(command)),
                f"{max(peaks) / 2**20:.0f} MiB",
            )
        )
    head = ("command", "wall time, median (min to max)", "processor time", "imports, one run, wall time", "peak memory")
    print_table(head, rows)


if __name__ == "__main__":
    main()
