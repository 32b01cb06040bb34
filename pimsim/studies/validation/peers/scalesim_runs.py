"""Runs of SCALE-Sim 3.0.0 in an environment of its own."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from pimsim.studies.validation.peers.peer_environment import run

REQUIREMENTS = ("scalesim==3.0.0", "numpy<2.4")
"""numpy 2.4 refuses a conversion that SCALE-Sim makes."""

CONFIG = """
[general]
run_name = {dataflow}
[architecture_presets]
ArrayHeight: {height}
ArrayWidth: {width}
IfmapSramSzkB: {kb}
FilterSramSzkB: {kb}
OfmapSramSzkB: {kb}
IfmapOffset: 0
FilterOffset: 10000000
OfmapOffset: 20000000
Bandwidth: 10
Dataflow: {dataflow}
ReadRequestBuffer: 32
WriteRequestBuffer: 32
[layout]
IfmapCustomLayout: False
IfmapSRAMBankBandwidth: 10
IfmapSRAMBankNum: 10
IfmapSRAMBankPort: 2
FilterCustomLayout: False
FilterSRAMBankBandwidth: 10
FilterSRAMBankNum: 10
FilterSRAMBankPort: 2
[sparsity]
SparsitySupport: {sparse}
SparseRep: ellpack_block
OptimizedMapping: false
BlockSize: 8
RandomNumberGeneratorSeed: 40
[run_presets]
InterfaceBandwidth: CALC
UseRamulatorTrace: False
"""
"""Its .cfg, with the placeholders dataflow, height, width, kb and sparse."""

_SCRIPT = """
import contextlib, io, json, sys
from pathlib import Path
from scalesim.scale_sim import scalesim
layout = Path(sys.argv[1], "layout.csv")
layout.write_text("Layer,\\nx," + "1," * 20 + "\\n")
for job in json.loads(Path(sys.argv[1], "jobs.json").read_text()):
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        run = scalesim(save_disk_space=True, verbose=False, config=job["config"], topology=job["table"],
                       layout=str(layout), input_type_gemm=job["gemm"])
        run.run_scale(top_path=sys.argv[1])
    found = []
    for layer in run.runner.single_layer_sim_object_list:
        detail = layer.get_detail_report_items()
        found.append([int(layer.get_compute_report_items()[1]), int(detail[11] + detail[14]), int(detail[17])])
    print(json.dumps(found), flush=True)
"""


def run_tables(python: str, folder: Path, jobs: Sequence[Mapping[str, object]]) -> list[list[list[int]]]:
    """Run tables of layers.

    Args:
        python: Interpreter that has SCALE-Sim.
        folder: Folder for files.
        jobs: Of each table, `config`: its .cfg; `table`: its .csv; `gemm`: whether its layers are GEMMs.

    Returns:
        Of each table, cycles, words read and words written by layer.
    """
    (folder / "jobs.json").write_text(json.dumps(jobs), encoding="utf-8")
    return [json.loads(line) for line in run([python, "-I", "-c", _SCRIPT, str(folder)], "SCALE-Sim").splitlines()]
