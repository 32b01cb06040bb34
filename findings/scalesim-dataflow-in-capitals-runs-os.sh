#!/usr/bin/env bash
# Library:     SCALE-Sim 3.0.0, from PyPI.
# One guesses: "Dataflow: WS" is weight stationary, or is refused.
# Behaviour:   the text is compared with os, ws and is in lower case. For anything else it prints "WARNING: Invalid
#              dataflow" among its other lines and runs output stationary.
# Seen:        "ws: 15359 cycles, WS: 4991 cycles, os: 4991 cycles".
# Way out:     write the dataflow in lower case.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check "scalesim==3.0.0" "numpy<2.4"
cat >"$folder/machine.cfg" <<'CFG'
[general]
run_name = run
[architecture_presets]
ArrayHeight: 8
ArrayWidth: 8
IfmapSramSzkB: 64
FilterSramSzkB: 64
OfmapSramSzkB: 64
IfmapOffset: 0
FilterOffset: 10000000
OfmapOffset: 20000000
Bandwidth: 10
Dataflow: os
ReadRequestBuffer: 32
WriteRequestBuffer: 32
[layout]
IfmapCustomLayout: False
IfmapSRAMBankBandwidth: 10
IfmapSRAMBankNum: 1
IfmapSRAMBankPort: 2
FilterCustomLayout: False
FilterSRAMBankBandwidth: 10
FilterSRAMBankNum: 1
FilterSRAMBankPort: 2
[sparsity]
SparsitySupport: false
SparseRep: ellpack_block
OptimizedMapping: false
BlockSize: 8
RandomNumberGeneratorSeed: 40
[run_presets]
InterfaceBandwidth: CALC
UseRamulatorTrace: False
CFG
cat >"$folder/run.py" <<'PY'
import contextlib
import io
import sys
from pathlib import Path

from scalesim.scale_sim import scalesim

folder = Path(sys.argv[1])
(folder / "layout.csv").write_text("Layer,\nx," + "1," * 20 + "\n")


def run(table, **changes):
    """Compute cycles, stall cycles, and words of inputs, filter and results of the first layer."""
    text = (folder / "machine.cfg").read_text()
    for key, value in changes.items():
        text = "\n".join(f"{key}: {value}" if line.startswith(key) else line for line in text.splitlines())
    (folder / "changed.cfg").write_text(text)
    (folder / "table.csv").write_text(table)
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        simulator = scalesim(save_disk_space=True, verbose=False, config=str(folder / "changed.cfg"),
                             topology=str(folder / "table.csv"), layout=str(folder / "layout.csv"), input_type_gemm=True)
        simulator.run_scale(top_path=str(folder))
    layer = simulator.runner.single_layer_sim_object_list[0]
    cycles, detail = layer.get_compute_report_items(), layer.get_detail_report_items()
    return int(cycles[1]), int(cycles[2]), int(detail[11]), int(detail[14]), int(detail[17])


TABLE = "Layer, M, N, K,\nG, 8, 512, 64,\n"
cycles = {name: run(TABLE, Dataflow=name)[0] for name in ("ws", "WS", "os")}
print(", ".join(f"{name}: {value} cycles" for name, value in cycles.items()))
raise SystemExit(0 if cycles["WS"] == cycles["os"] != cycles["ws"] else 1)
PY
"$folder/venv/bin/python" "$folder/run.py" "$folder"
