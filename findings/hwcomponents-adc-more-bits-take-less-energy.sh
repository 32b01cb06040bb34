#!/usr/bin/env bash
# Library:     hwcomponents-adc 1.0.21 with hwcomponents 1.0.114, from PyPI.
# One guesses: n_bits is the effective number of bits, which measurements give with decimals, and more of them take more
#              energy and area; the manual says that converters of lower resolution are smaller and more efficient.
# Behaviour:   the signal-to-noise ratio follows n_bits exactly, but the best figure of merit is that of the next whole
#              number of bits. Right after each whole number the energy falls by half and the area by a sixth. A
#              converter with 7.1 to 7.7 effective bits takes less energy than one with 7.
# Seen:        at 32 nm and 100 MS/s: "7 bits: 1.312 pJ, 3637 um2", "7.1 bits: 0.690 pJ, 3000 um2",
#              "7.7 bits: 1.260 pJ, 3593 um2", "8 bits: 1.714 pJ, 3939 um2", "8.1 bits: 0.905 pJ, 3255 um2".
# Way out:     ask for whole numbers of bits, and interpolate between them.
# Needs:       Python 3.12.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
for python in python3 python3.1{2..9} "$HOME"/.*/versions/3.*/bin/python3; do
    if "$python" -c "import sys; sys.exit(sys.version_info < (3, 12))" 2>/dev/null; then break; fi
done
"$python" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    "hwcomponents-adc==1.0.21" "hwcomponents==1.0.114"
cat >"$folder/bits.py" <<'PY'
from hwcomponents_adc import ADC

energy = {}
area = {}
for bits in (7, 7.1, 7.7, 8, 8.1):
    converter = ADC(n_bits=bits, tech_node=32e-9, throughput=1e8)
    energy[bits] = (converter.convert().energy + converter.leak_power / converter.throughput) * 1e12
    area[bits] = converter.area * 1e12
    print(f"{bits} bits: {energy[bits]:.3f} pJ, {area[bits]:.0f} um2")
falls = all(values[8] > values[7] > values[7.7] > values[7.1] and values[8] > values[8.1] for values in (energy, area))
raise SystemExit(0 if falls and energy[7.1] < 0.6 * energy[7] and energy[8.1] < 0.6 * energy[8] else 1)
PY
"$folder/venv/bin/python" "$folder/bits.py"
