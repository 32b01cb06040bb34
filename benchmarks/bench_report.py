"""Measure the size of the page of a sweep, and how long Chromium takes to open it.

python benchmarks/bench_report.py --points 10000 --runs 3

The points are made up: all default metrics have random digits, so that the page is as large as it can be.
The time is from the start of the navigation until all charts and tables are drawn, as the browser itself measures it:
under load, the processor time of the whole browser with its start is the better figure.
"""

from __future__ import annotations

import argparse
import random
import re
import resource
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from measuring import Times, print_circumstances, print_table

from pimsim import SweepResults, load_sweep, read_sweep, report, run_sweep

SWEEP = """\
name: made-up
base: pim-llm
models: [gpt2-small]
axes:
  machine.systolic.rows: [16, 32]
  machine.crossbar.pair.adc.bits: [4, 6]
"""
TIMED = """<script>{
  const pre = document.createElement("pre");
  pre.id = "opened";
  const drawn = document.querySelectorAll(".plot svg path").length;
  pre.textContent = JSON.stringify([performance.now(), drawn, document.querySelectorAll("tbody tr").length]);
  document.body.appendChild(pre);
}</script></body>"""


def made_up(points: int, folder: Path) -> SweepResults:
    """Return a sweep of two axes whose metrics are random."""
    (folder / "sweep.yaml").write_text(SWEEP, encoding="utf-8")
    run_sweep(load_sweep(folder / "sweep.yaml"), folder / "sweep.h5", workers=1)
    found = read_sweep(folder / "sweep.h5")
    draw = random.Random(1)
    axes = {axis.name: [found.columns[axis.name][0]] * points for axis in found.axes}
    for name in list(axes)[1:]:
        axes[name] = [draw.randrange(1, 200) for _ in range(points)]
    metrics = {metric.name: [draw.lognormvariate(0, 1) for _ in range(points)] for metric in found.metrics}
    keys = tuple(f"{index:064x}" for index in range(points))
    return SweepResults(
        found.name, found.text, found.config, found.version, found.code_hash, found.axes, found.metrics,
        axes | metrics, ("",) * points, keys, found.accounting, found.plugins,
    )  # fmt: skip


def opened_s(page: Path, folder: Path) -> tuple[float, int, int, float]:
    """Open a page; return the seconds until it was drawn, drawn paths, rows, and processor time of the browser."""
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        raise SystemExit("no Chromium is installed (Debian: apt-get install chromium)")
    command = [
        *(browser, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder / 'profile'}"),
        *("--window-size=1200,900", "--timeout=300000", "--dump-dom", page.as_uri()),
    ]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    text = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600).stdout
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    found = re.search(r'<pre id="opened">\[([\d.]+),(\d+),(\d+)\]</pre>', text)
    if found is None:
        raise SystemExit("the page was not drawn")
    return float(found[1]) / 1e3, int(found[2]), int(found[3]), used_s


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--points", type=int, default=10_000)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        results = made_up(options.points, folder)
        page = folder / "page.html"
        start = time.process_time()
        report(results, page)
        written_s = time.process_time() - start
        size = page.stat().st_size
        text = page.read_text(encoding="utf-8")
        page.write_text(text.replace("</body>", TIMED), encoding="utf-8")
        found = [opened_s(page, folder) for _ in range(options.runs)]
    print_circumstances("plotly", "itables")
    rows = [
        ("points", f"{options.points:,}"),
        ("size", f"{size / 1e6:.2f} MB"),
        ("written in", f"{written_s:.2f} s of processor time"),
        ("opened in", Times(tuple(each[0] for each in found))),
        ("processor time of the browser, its start included", Times(tuple(each[3] for each in found))),
        ("drawn paths, rows", f"{found[0][1]:,}, {found[0][2]:,}"),
    ]
    print_table(("page of a sweep", ""), rows)


if __name__ == "__main__":
    main()
