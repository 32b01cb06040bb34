#!/usr/bin/env bash
# Library:     SCALE-Sim 3.0.0, from PyPI.
# One guesses: Bandwidth of [architecture_presets] is the bandwidth of the memory interface, as in SCALE-Sim 2.
# Behaviour:   with InterfaceBandwidth USER, reads run at IfmapSRAMBankBandwidth and FilterSRAMBankBandwidth of [layout],
#              also without a custom layout. Bandwidth is for writes of results alone, and only its first item counts. A
#              config of version 2 with the bank bandwidths of the sample file is limited by these.
# Seen:        stalls of 64 x 64 x 64 on 8 x 8 with buffers of 1 kB: "Bandwidth 1, 10, 1000: 19001 19001 19001", and
#              "bank bandwidth 20, 50, 100: 7261 496 0".
# Way out:     set the bank bandwidths of [layout] to the bandwidth of reads.
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
IfmapSramSzkB: 1
FilterSramSzkB: 1
OfmapSramSzkB: 1
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
InterfaceBandwidth: USER
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


CUBE = "Layer, M, N, K,\ncube, 64, 64, 64,\n"
of_bandwidth = [run(CUBE, Bandwidth=each)[1] for each in (1, 10, 1000)]
of_banks = [run(CUBE, IfmapSRAMBankBandwidth=each, FilterSRAMBankBandwidth=each)[1] for each in (20, 50, 100)]
print("Bandwidth 1, 10, 1000:", *of_bandwidth)
print("bank bandwidth 20, 50, 100:", *of_banks)
raise SystemExit(0 if of_bandwidth == [19001] * 3 and of_banks == [7261, 496, 0] else 1)
PY
"$folder/venv/bin/python" "$folder/run.py" "$folder"
