"""Minutes of a first use: the steps of docs/first-use.md in a temporary clone of this checkout.

    python benchmarks/first_use.py            # prints the table of that page; needs git, make and a network

The clone has the committed state only. Numba's cache is empty, as on a new machine; what pip has cached is used.
"""

from __future__ import annotations

import argparse
import os
import re
import resource
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = "docs/first-use.md"

STEPS = (
    ("`make reproduce`: environment, then the paper's tables", "make reproduce"),
    ("extras", '.venv/bin/python -m pip install -q -c constraints.txt ".[plots,sweep,report]"'),
    ("`pimsim init`", ".venv/bin/pimsim init template.yaml"),
    ("`pimsim run` of the own chip", ".venv/bin/pimsim run own.yaml --out own.h5"),
    ("`pimsim sweep`, 12 points, 2 workers", ".venv/bin/pimsim sweep own-sweep.yaml --workers 2"),
    ("`pimsim results front`", ".venv/bin/pimsim results front own-sweep.h5 tokens_per_s,area_m2"),
    ("`pimsim report`", ".venv/bin/pimsim report own-sweep.h5 -o report.html"),
)


def files_of_the_page(text: str) -> Iterator[tuple[str, str]]:
    """Name and content of each YAML block of the page."""
    for block in re.findall(r"^```yaml\n(.*?)^```", text, re.M | re.S):
        yield f"{re.findall(r'^name: (.*)$', block, re.M)[0]}.yaml", block


def timed(command: str, folder: Path, environment: dict[str, str]) -> tuple[float, float]:
    """Seconds on the wall, and of the processors, of a command that must succeed."""
    before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(
        shlex.split(command), cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    wall, after = time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        sys.exit(f"{command} ends with exit code {done.returncode}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return wall, after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def shown(seconds: float) -> str:
    return f"{seconds / 60:.1f} min" if seconds >= 60 else f"{seconds:.1f} s"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.parse_args()
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "VIRTUAL_ENV"))}
    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        clone = Path(temporary) / "pimsim"
        environment = kept | {"NUMBA_CACHE_DIR": str(Path(temporary) / "numba")}
        rows.append(("clone, from this disk", *timed(f"git clone -q {ROOT} {clone}", Path(temporary), environment)))
        has_report = (clone / "pimsim" / "cli" / "report.py").is_file()
        for name, command in STEPS:
            if "report.html" in command and not has_report:
                continue
            if not (clone / "own.yaml").exists():
                for file, text in files_of_the_page((clone / PAGE).read_text(encoding="utf-8")):
                    (clone / file).write_text(text, encoding="utf-8")
            rows.append((name, *timed(command, clone, environment)))
            print(*rows[-1], file=sys.stderr, flush=True)
    rows.append(("together", sum(row[1] for row in rows), sum(row[2] for row in rows)))
    print("| step | wall time | processor time |\n| --- | ---: | ---: |")
    for name, wall, processor in rows:
        print(f"| {name} | {shown(wall)} | {shown(processor)} |")
    load = ", ".join(f"{each:.1f}" for each in os.getloadavg())
    print(f"\n{os.cpu_count()} cores, load {load}, Python {sys.version.split()[0]}")


if __name__ == "__main__":
    main()
