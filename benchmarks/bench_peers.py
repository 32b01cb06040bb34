"""Wall time to simulate one layer, compared with MNSIM 2.0, and one matmul, compared with SCALE-Sim.

    python benchmarks/bench_peers.py --runs 5
    python benchmarks/bench_peers.py --scale-sim-python ENVIRONMENT/bin/python

SCALE-Sim 3.0.0 needs numpy below 2.4 and therefore a separate environment:

    python3 -m venv ENVIRONMENT && ENVIRONMENT/bin/pip install scalesim==3.0.0 "numpy<2.4"

MNSIM 2.0 is not run here. Its time was measured on another machine.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from measuring import Times, print_circumstances, print_table

from pimsim import load_config, simulate
from workloads import decode_step, find_model

MNSIM_LAYER = "41.8 s"  # MNSIM 2.0, git ca39ccb, hardware model only, one OPT-6.7B decoder layer, whole process
MATMULS = ((128, 1, 128), (100, 60, 70), (4096, 1, 128))
DATAFLOWS = ("os", "ws", "is")

SCALE_SIM_CONFIG = """
[general]
run_name = matmul
[run_presets]
InterfaceBandwidth = CALC
UseRamulatorTrace = False
[architecture_presets]
ArrayHeight = 32
ArrayWidth = 32
IfmapSramSzkB = 2048
FilterSramSzkB = 2048
OfmapSramSzkB = 2048
IfmapOffset = 0
FilterOffset = 10000000
OfmapOffset = 20000000
Dataflow = {dataflow}
ReadRequestBuffer = 512
WriteRequestBuffer = 512
[layout]
IfmapCustomLayout = False
IfmapSRAMBankBandwidth = 10
IfmapSRAMBankNum = 10
IfmapSRAMBankPort = 2
FilterCustomLayout = False
FilterSRAMBankBandwidth = 10
FilterSRAMBankNum = 10
FilterSRAMBankPort = 2
[sparsity]
SparsitySupport = false
"""
SCALE_SIM_RUN = """
import sys
from scalesim.scale_sim import scalesim
folder = sys.argv[1]
simulator = scalesim(save_disk_space=True, verbose=True, config=folder + "/a.cfg", topology=folder + "/matmul.csv",
                     layout=folder + "/layout.csv", input_type_gemm=True)
simulator.run_scale(top_path=folder)
"""


def layer_in_process() -> float:
    """Return the seconds to simulate one decoder layer of OPT-6.7B on the shipped chip, without imports and config."""
    config = load_config("pim-llm")
    spec = replace(find_model("opt-6.7b"), layers=1)
    start = time.perf_counter()
    simulate(config, decode_step(spec, context_length=128))
    return time.perf_counter() - start


def layer_as_process() -> float:
    """Return the seconds of a separate process that simulates the same layer, from start to end of Python."""
    code = (
        "from dataclasses import replace; from pimsim import load_config, simulate; from workloads import decode_step, "
        "find_model; simulate(load_config('pim-llm'), decode_step(replace(find_model('opt-6.7b'), layers=1), 128))"
    )
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    return time.perf_counter() - start


def scale_sim_version(python: str) -> str | None:
    code = "from importlib.metadata import version; import scalesim; print(version('scalesim'))"
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else None


def scale_sim(python: str, matmul: tuple[int, int, int], dataflow: str) -> tuple[int, float]:
    """Return the compute cycles that SCALE-Sim prints for a matmul, and the seconds of its process without traces."""
    m, n, k = matmul
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "a.cfg").write_text(SCALE_SIM_CONFIG.format(dataflow=dataflow), encoding="utf-8")
        Path(folder, "matmul.csv").write_text(f"Layer,M,N,K,\nmatmul,{m},{n},{k},\n", encoding="utf-8")
        Path(folder, "layout.csv").write_text("Layer,\nmatmul," + "1," * 20 + "\n", encoding="utf-8")
        start = time.perf_counter()
        done = subprocess.run([python, "-c", SCALE_SIM_RUN, folder], capture_output=True, text=True, check=True)
        seconds = time.perf_counter() - start
    found = re.search(r"Compute cycles: (\d+)", done.stdout)
    if found is None:
        raise SystemExit(f"SCALE-Sim printed no cycles:\n{done.stdout}{done.stderr}")
    return int(found[1]), seconds


OURS = """
from pimsim import load_config
from pimsim.hardware.systolic import MatmulShare, Systolic
from pimsim.engine import run
from pimsim.mapping.program import Assignment, Program, ProgramBlock, Task

config = load_config("defaults", ["machine.systolic.dataflow={dataflow}", "machine.systolic.clock_hz=1e9"])
assignment = Assignment("matmul[0]", Systolic(config.machine.systolic), MatmulShare{matmul})
task = Task("matmul", "projection", ("input",), 0, (assignment,))
print(run(Program((ProgramBlock("matmul", 1, (task,)),))).latency_ps // 1000)
"""


def ours(matmul: tuple[int, int, int], dataflow: str) -> tuple[int, float]:
    """Return the cycles that pimsim simulates for the matmul, and the seconds of the process."""
    m, n, k = matmul
    # The M of SCALE-Sim is the number of vectors.
    code = OURS.format(matmul=(n, m, k), dataflow=dataflow)
    start = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return int(done.stdout), time.perf_counter() - start


def print_layer(runs: int) -> None:
    layer_in_process()
    print_table(
        ("one decoder layer of OPT-6.7B", "wall time"),
        (
            (
                f"pimsim, in a process that has imported it, median of {runs} (min to max)",
                _times(layer_in_process, runs),
            ),
            (f"pimsim, whole process, median of {runs} (min to max)", _times(layer_as_process, runs)),
            ("MNSIM 2.0, whole process, measured on another machine of this kind", MNSIM_LAYER),
        ),
    )


def _times(action: Callable[[], float], runs: int) -> Times:
    return Times(tuple(action() for _ in range(runs)))


def print_matmuls(python: str, runs: int) -> None:
    release = scale_sim_version(python)
    if release is None:
        print(f"SCALE-Sim is not installed for {python}; see the docstring of this script")
        return
    rows = []
    for matmul in MATMULS:
        for dataflow in DATAFLOWS:
            theirs = [scale_sim(python, matmul, dataflow) for _ in range(runs)]
            mine = [ours(matmul, dataflow) for _ in range(runs)]
            cycles = {count for count, _ in (*theirs, *mine)}
            shape = " x ".join(map(str, matmul))
            rows.append(
                (
                    f"{shape}, {dataflow}",
                    f"{theirs[0][0]:,}",
                    "equal" if len(cycles) == 1 else f"{mine[0][0]:,}",
                    Times(tuple(seconds for _, seconds in theirs)),
                    Times(tuple(seconds for _, seconds in mine)),
                )
            )
    print_table(
        ("M x N x K on 32 x 32", f"SCALE-Sim {release}, cycles", "pimsim", "SCALE-Sim, process", "pimsim, process"),
        rows,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument(
        "--scale-sim-python", default=sys.executable, help="Python interpreter of an environment with SCALE-Sim"
    )
    arguments = parser.parse_args()
    print_circumstances("numpy", "simpy")
    print_layer(arguments.runs)
    print()
    print_matmuls(arguments.scale_sim_python, arguments.runs)


if __name__ == "__main__":
    main()
