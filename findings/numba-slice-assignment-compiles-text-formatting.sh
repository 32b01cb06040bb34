#!/usr/bin/env bash
# Library:     numba 0.68.1, from PyPI.
# One guesses: `out[1:] = values` in a compiled function costs about as much to compile as the loop that it stands for.
# Behaviour:   the shapes are checked at run time, and the message of the error contains them as text. So every function
#              with such an assignment compiles Numba's concatenation of Unicode strings and its formatting of numbers
#              too: several times the code and the time, for a message that is nearly never needed.
# Seen:        "loop: 353 lines of LLVM IR, none of them about text", "slice: 2769 lines, 60 mention unicode".
# Way out:     write the loop in functions that are compiled at the start of a program.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check "numba==0.68.1"
cat >"$folder/slices.py" <<'PY'
import numba
import numpy as np


@numba.njit
def by_loop(out, values):
    for index in range(values.size):
        out[index + 1] = values[index]


@numba.njit
def by_slice(out, values):
    out[1:] = values


def lines_of(function):
    out = np.zeros(9)
    function(out, np.ones(8))
    assert out.sum() == 8
    (code,) = function.inspect_llvm().values()
    lines = code.splitlines()
    return len(lines), sum("unicode" in line for line in lines)


loop, slices = lines_of(by_loop), lines_of(by_slice)
print(f"numba {numba.__version__}")
print(f"loop: {loop[0]} lines of LLVM IR, {loop[1] or 'none'} of them about text")
print(f"slice: {slices[0]} lines, {slices[1]} mention unicode")
raise SystemExit(0 if loop[1] == 0 and slices[1] > 50 and slices[0] > 4 * loop[0] else 1)
PY
"$folder/venv/bin/python" "$folder/slices.py"
