#!/usr/bin/env bash
# Library:     SCALE-Sim 3.0.0, from PyPI.
# One guesses: a table of layers is a CSV file with a header: columns have the meaning of their heading, and a comma at
#              the end of a line changes nothing.
# Behaviour:   each line is split at its commas and the last piece is dropped. "G, 64, 64, 256, 1:4" without a comma at
#              its end loses its sparsity without a word. The first line is skipped whatever it contains, and columns are
#              taken by position, so "Layer, M, K, N" swaps two sizes.
# Seen:        "with the comma: 5503 cycles, without: 22015" and "M, K, N is read as M, N, K: True".
# Way out:     end every line with a comma, and keep the order M, N, K.
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
Dataflow: ws
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
SparsitySupport: true
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


HEAD = "Layer, M, N, K, Sparsity,\n"
with_comma, without = (run(f"{HEAD}G, 64, 64, 256, 1:4{end}\n")[0] for end in (",", ""))
swapped = run("Layer, M, K, N,\nG, 8, 16, 40,\n") == run("Layer, M, N, K,\nG, 8, 16, 40,\n")
print(f"with the comma: {with_comma} cycles, without: {without}")
print(f"M, K, N is read as M, N, K: {swapped}")
raise SystemExit(0 if with_comma < without and swapped else 1)
PY
"$folder/venv/bin/python" "$folder/run.py" "$folder"
