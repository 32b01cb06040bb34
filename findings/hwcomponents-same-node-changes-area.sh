#!/usr/bin/env bash
# Library:     hwcomponents 1.0.114, from PyPI.
# One guesses: tech_node_area(a, b), the factor from node b to node a, is 1 if both are the same; and a step to a finer
#              node makes a circuit smaller.
# Behaviour:   a table has the ratios between ten nodes. Between these, the four ratios around (a, b) are averaged. A
#              ratio and its inverse do not average to 1, so a node that is not in the table is larger than itself: by
#              9 % at 22 nm, 15 % at 28 nm, 16 % at 40 nm. A component scaled from such a node jumps up by as much as
#              soon as the node differs at all. Factors of energy do not have this.
# Seen:        "22 nm to itself: 1.092, 28 nm: 1.147, 32 nm: 1.000, 40 nm: 1.156",
#              "100 um2 at 40 nm: 115.0 at 39.9 nm, 109.5 at 39 nm, 103.4 at 38 nm, 97.3 at 37 nm".
# Way out:     divide by tech_node_area(b, b), or go through a node of the table in both directions.
# Needs:       Python 3.12.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
for python in python3 python3.1{2..9} "$HOME"/.*/versions/3.*/bin/python3; do
    if "$python" -c "import sys; sys.exit(sys.version_info < (3, 12))" 2>/dev/null; then break; fi
done
"$python" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check "hwcomponents==1.0.114"
cat >"$folder/nodes.py" <<'PY'
from hwcomponents import ComponentModel
from hwcomponents.scaling import tech_node_area, tech_node_energy


class Block(ComponentModel):
    """A block with 100 um2 at 40 nm."""

    def __init__(self, tech_node):
        super().__init__(leak_power=0, area=100e-12)
        self.tech_node = self.scale_tech_node(tech_node, 40e-9)


same = {node: tech_node_area(node * 1e-9, node * 1e-9) for node in (22, 28, 32, 40)}
energy = [tech_node_energy(node * 1e-9, node * 1e-9) for node in same]
area = {node: Block(node * 1e-9).area * 1e12 for node in (40, 39.9, 39, 38, 37)}
print("22 nm to itself: " + ", ".join(f"{value:.3f}" if node == 22 else f"{node} nm: {value:.3f}"
                                      for node, value in same.items()))
print(f"{area.pop(40):.0f} um2 at 40 nm: " + ", ".join(f"{value:.1f} at {node} nm" for node, value in area.items()))
raise SystemExit(0 if same[22] > 1.09 and same[28] > 1.14 and same[32] == 1 and same[40] > 1.15 and energy == [1] * 4
                 and area[39.9] > area[39] > area[38] > 100 > area[37] else 1)
PY
"$folder/venv/bin/python" "$folder/nodes.py"
