#!/usr/bin/env bash
# Library:     hwcomponents-neurosim 1.0.43 with hwcomponents 1.0.114, from PyPI.
# One guesses: cell_config selects the memory cell of an array, so a loop over cell files compares the cells.
# Behaviour:   results of NeuroSim are kept in a dictionary for as long as the process lives. Its key has the sizes, the
#              node and the times, but not the cell file. An array that differs from an earlier one in the cell alone
#              gets the results of the earlier cell: an SRAM cell after an RRAM cell has the area and the writes of
#              RRAM, and leaks nothing. Nothing warns.
# Seen:        "after RRAM: SRAM has 0.004096 um2, 606.391 fJ per write, 0 pW",
#              "alone:      SRAM has 0.149504 um2, 1.093 fJ per write, 8.64864 pW".
# Way out:     hwcomponents_neurosim.main.CACHE.clear() before another cell, or one process for each cell.
# Needs:       Python 3.12. The wheel is marked for glibc 2.17, but its program needs 2.38; where that is missing, make
#              and g++ build the program from the sources in the wheel.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
for python in python3 python3.1{2..9} "$HOME"/.*/versions/3.*/bin/python3; do
    if "$python" -c "import sys; sys.exit(sys.version_info < (3, 12))" 2>/dev/null; then break; fi
done
"$python" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    "hwcomponents-neurosim==1.0.43" "hwcomponents==1.0.114"
package=$(echo "$folder"/venv/lib/python*/site-packages/hwcomponents_neurosim)
if ldd "$package/NeuroSim/main" 2>&1 | grep -q "not found"; then
    rm "$package/NeuroSim/main"
    cp "$package"/DNN_NeuroSim_V1.3/Inference_pytorch/NeuroSIM/* "$package/NeuroSim"
    cp "$package"/drop_in/* "$package/NeuroSim"
    make -s -C "$package/NeuroSim" CXXFLAGS="-fopenmp -O0 -std=c++11 -w" >"$folder/log" 2>&1 || cat "$folder/log"
fi
cat >"$folder/cells.py" <<'PY'
import sys
from pathlib import Path

import hwcomponents_neurosim
from hwcomponents_neurosim.main import CACHE

CELLS = Path(hwcomponents_neurosim.__file__).parent / "cells"


def measure(name):
    """Area in um2, energy of a write in fJ and leakage in pW of a cell in an array of 128 x 128 at 32 nm."""
    cell = hwcomponents_neurosim.MemoryCell(
        cell_config=str(CELLS / name), tech_node=32e-9, cycle_period=100e-9, rows=128, cols=128, cols_active_at_once=16,
        average_input_value=0.5, average_cell_value=0.5, read_pulse_width=10e-9)
    return tuple(round(value, 6) for value in (cell.area * 1e12, cell.write().energy * 1e15, cell.leak_power * 1e12))


def describe(when, cell):
    print(f"{when} SRAM has {cell[0]:g} um2, {cell[1]:.3f} fJ per write, {cell[2]:g} pW")


first = measure("nvsim_RRAM.cell")
second = measure("nvmexplorer_SRAM.cell")
CACHE.clear()
alone = measure("nvmexplorer_SRAM.cell")
describe("after RRAM:", second)
describe("alone:     ", alone)
sys.exit(0 if second == first and alone[0] > 30 * second[0] and alone[1] < second[1] / 500 and alone[2] > second[2] == 0
         else 1)
PY
"$folder/venv/bin/python" "$folder/cells.py"
