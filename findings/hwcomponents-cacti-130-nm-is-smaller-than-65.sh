#!/usr/bin/env bash
# Library:     hwcomponents-cacti 1.0.40 with hwcomponents 1.0.114, from PyPI.
# One guesses: an SRAM at 130 nm is larger than the same SRAM at 65 nm and takes more energy.
# Behaviour:   CACTI runs for 22 to 90 nm. Above 90 nm the results of 22 nm, not those of 90 nm, are scaled: area and
#              times with the node, energy with its square root, leakage not at all. So area and energy fall above
#              90 nm. A float is enough: 90e-9 is 90 nm, 90 * 1e-9 is a little above. The quadratic law that the source
#              has for old nodes stands after this branch, where no node reaches it.
# Seen:        64 KiB, 128 bits wide: "65 nm: 392212 um2, 70.2 pJ per read", "90 nm: 752105 um2, 124.7 pJ per read",
#              "90 nm as a product: 222059 um2, 18.1 pJ per read", "130 nm: 320753 um2, 21.8 pJ per read".
# Way out:     ask for 90e-9, and multiply with tech_node_area and tech_node_energy of hwcomponents.scaling.
# Needs:       Python 3.12. The wheel is marked for any platform, but its program needs Linux with glibc 2.38; where
#              that is missing, make and g++ build the program from the sources in the wheel.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
for python in python3 python3.1{2..9} "$HOME"/.*/versions/3.*/bin/python3; do
    if "$python" -c "import sys; sys.exit(sys.version_info < (3, 12))" 2>/dev/null; then break; fi
done
"$python" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    "hwcomponents-cacti==1.0.40" "hwcomponents==1.0.114"
cacti=$(echo "$folder"/venv/lib/python*/site-packages/hwcomponents_cacti/cacti)
if ldd "$cacti/cacti" 2>&1 | grep -q "not found"; then
    make -s -C "$cacti" opt >"$folder/log" 2>&1 || cat "$folder/log"
fi
cat >"$folder/nodes.py" <<'PY'
import math

from hwcomponents_cacti import SRAM


def measure(tech_node):
    """Area in um2, energy of a read in pJ and leakage in W of an SRAM of 64 KiB."""
    memory = SRAM(tech_node=tech_node, width=128, size=128 * 4096)
    return memory.area * 1e12, memory.read().energy * 1e12, memory.leak_power


nodes = {"22 nm": 22e-9, "65 nm": 65e-9, "90 nm": 90e-9, "90 nm as a product": 90 * 1e-9, "130 nm": 130e-9}
results = {name: measure(tech_node) for name, tech_node in nodes.items()}
for name, (area, energy, _) in results.items():
    print(f"{name}: {area:.0f} um2, {energy:.1f} pJ per read")
small, middle, large, product, old = results.values()
ratio = 130 / 22
raise SystemExit(0 if math.isclose(old[0], small[0] * ratio) and math.isclose(old[1], small[1] * ratio ** 0.5)
                 and old[2] == small[2] and old[0] < middle[0] < large[0] and product[0] < middle[0]
                 and old[1] < middle[1] / 3 else 1)
PY
"$folder/venv/bin/python" "$folder/nodes.py"
