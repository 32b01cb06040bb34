#!/usr/bin/env bash
# Library:     numba 0.68.1, from PyPI.
# One guesses: after NUMBA_BOUNDSCHECK=1 or NUMBA_OPT=0 is set, functions with cache=True are compiled again, as the
#              machine code depends on both. So bounds checking finds the access that a program's tests did not.
# Behaviour:   neither variable is part of the cache's key. A function that an earlier process compiled and cached is
#              loaded as it was compiled, without a message: no bounds are checked, and "unoptimised" timings are those
#              of optimised code. The reverse holds too: a first run with NUMBA_OPT=0 leaves slow code in the cache for
#              all later runs.
# Seen:        "bounds checked, empty cache: IndexError", then "bounds checked, cache of an earlier run: 8.0", and
#              "NUMBA_OPT=0 after NUMBA_OPT=3: loaded from the cache".
# Way out:     set NUMBA_CACHE_DIR to another folder together with such a variable.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check "numba==0.68.1"
cat >"$folder/ninth.py" <<'PY'
import numba
import numpy as np


@numba.njit(cache=True)
def element(values, index):
    return values[index]


# A view of eight elements of a longer array: the ninth one is outside the view and inside the memory of the array.
view = np.arange(16.0)[:8]
try:
    found = str(element(view, 8))
except IndexError as error:
    found = type(error).__name__
print(found, sum(element.stats.cache_hits.values()))
PY
run() { env NUMBA_CACHE_DIR="$folder/$1" "${@:2}" "$folder/venv/bin/python" "$folder/ninth.py"; }
checked=$(run checked NUMBA_BOUNDSCHECK=1)
run usual NUMBA_BOUNDSCHECK=0 >/dev/null
cached=$(run usual NUMBA_BOUNDSCHECK=1)
run level NUMBA_OPT=3 >/dev/null
level=$(run level NUMBA_OPT=0)
echo "numba 0.68.1"
echo "bounds checked, empty cache: ${checked% *}"
echo "bounds checked, cache of an earlier run: ${cached% *}"
[ "${level#* }" = 1 ] && echo "NUMBA_OPT=0 after NUMBA_OPT=3: loaded from the cache"
[ "$checked" = "IndexError 0" ] && [ "$cached" = "8.0 1" ] && [ "$level" = "8.0 1" ]
