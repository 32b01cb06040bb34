"""Processor time of small commands, start-up included, of this revision and of another one, in pairs.

Each pair runs the command once in the other checkout and once in this one, one directly after the other, so that both
see the same machine. Processor time is user and system time of the whole process, with byte code and file caches warm.

python benchmarks/bench_small_runs.py --than ../revision-3e01c63 --than-config pim-llm --config pim-llm-published
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from measuring import duration, print_circumstances, print_table

HERE = Path(__file__).resolve().parent.parent
CONFIG = "CONFIG"
"""Stands for the name of the config, which may differ between the revisions."""

SCALESIM = """[general]
run_name = array

[architecture_presets]
ArrayHeight: 32
ArrayWidth: 32
IfmapSramSzkB: 64
FilterSramSzkB: 64
OfmapSramSzkB: 64
IfmapOffset: 0
FilterOffset: 10000000
OfmapOffset: 20000000
Dataflow: os
Bandwidth: 10

[run_presets]
InterfaceBandwidth: CALC
"""

SWEEP = """sweep_version: 1
name: tiles
description: Tiles of a bank and bandwidth of their links.
base: CONFIG
set:
  mapping.provisioning: whole_model
  mapping.placement_groups: [[q, k, v, o], [ffn_gate, ffn_up, ffn_down]]
models: [gpt2-medium, opt-1.3b]
axes:
  bank:
    linked:
      side: {keys: [machine.mesh.rows, machine.mesh.columns], values: [16, 32, 64, 128]}
      machine.crossbar.banks: [64, 16, 4, 1]
  machine.mesh.link_bandwidth_bps: {start: 5 Gb/s, stop: 320 Gb/s, factor: 4}
metrics: [latency_s, tokens_per_s, energy_j, gops_per_w, area_m2, communication_s, mesh_energy_j, tiles_used]
"""

COMMANDS = {
    "run": ("run", CONFIG),
    "run --explain": ("run", CONFIG, "--explain"),
    **{
        f"serve --poisson {rate} --count {count}": ("serve", CONFIG, "--poisson", rate, "--count", count)
        for rate in ("0.05", "0.5")
        for count in ("1", "10", "100")
    },
    "calibrate": ("calibrate",),
    "configs": ("configs",),
    "reproduce": ("reproduce",),
    "models": ("models",),
    "devices": ("devices",),
    "show": ("show", "run.h5"),
    "import scalesim": ("import", "scalesim", "array.cfg"),
    "sweep": ("sweep", "tiles.yaml", "--workers", "1"),
}


class Checkout:
    """A revision that is measured: its files, the name of the config in it, and a folder with inputs for its runs.

    Attributes:
        environment: Environment of its processes.
        folder: Working folder of its processes.
    """

    def __init__(self, files: Path, config: str, folder: Path) -> None:
        self._config = config
        self.folder = folder
        self.environment = {**os.environ, "PYTHONPATH": str(files.resolve())}
        self.environment.pop("PYTHONDONTWRITEBYTECODE", None)  # byte code is warm, as in an installed package
        folder.mkdir()
        (folder / "array.cfg").write_text(SCALESIM, encoding="utf-8")
        (folder / "tiles.yaml").write_text(SWEEP.replace(CONFIG, config), encoding="utf-8")
        self.processor_s(("run", CONFIG, "--out", "run.h5"))

    def processor_s(self, command: tuple[str, ...]) -> float:
        """Run a command and return the processor time of its process, seconds."""
        words = [self._config if word == CONFIG else word for word in command]
        process = subprocess.Popen(
            [sys.executable, "-m", "pimsim", *words],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise SystemExit(f"pimsim {' '.join(words)} in {self.folder}: exit code {process.returncode}")
        return usage.ru_utime + usage.ru_stime


def compare(command: tuple[str, ...], ours: Checkout, theirs: Checkout, runs: int) -> tuple[str, ...]:
    """Measure a command in pairs; return minima, medians, and their ratios, this revision over the other one."""
    for checkout in (theirs, ours):
        checkout.processor_s(command)  # warms up byte code and file caches
    pairs = [(theirs.processor_s(command), ours.processor_s(command)) for _ in range(runs)]
    before, now = zip(*pairs, strict=True)
    medians = statistics.median(before), statistics.median(now)
    ratio = statistics.median(own / other for other, own in pairs)
    return (
        duration(min(before)),
        duration(min(now)),
        f"{min(now) / min(before):.2f}",
        duration(medians[0]),
        duration(medians[1]),
        f"{ratio:.2f}",
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--than", type=Path, required=True, help="checkout of the other revision")
    parser.add_argument("--than-config", default="pim-llm", help="config for that revision")
    parser.add_argument("--config", default="pim-llm-published")
    parser.add_argument("--runs", type=int, default=15, help="pairs of runs per command")
    parser.add_argument("--only", nargs="+", choices=COMMANDS, metavar="COMMAND", help="rows of the table to measure")
    options = parser.parse_args()
    print_circumstances("pydantic", "typer")
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        ours = Checkout(HERE, options.config, Path(folder) / "ours")
        theirs = Checkout(options.than, options.than_config, Path(folder) / "theirs")
        for name in options.only or COMMANDS:
            rows.append((f"`{name}`", *compare(COMMANDS[name], ours, theirs, options.runs)))
            print(*rows[-1], file=sys.stderr)
    print(f"\nProcessor time of {options.runs} pairs; ratios: this revision over the other one")
    head = ("command", "minimum before", "now", "ratio", "median before", "now", "median ratio of the pairs")
    print_table(head, rows)


if __name__ == "__main__":
    main()
