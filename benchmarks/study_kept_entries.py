"""Perplexity of the shipped model by the share of attention that is kept; writes docs/reference/kept-entries.csv.

    python benchmarks/study_kept_entries.py    # a minute on one core; writes the CSV and docs/

docs/baselines.md presents the results, beside time and energy of the same config.
"""

from __future__ import annotations

import csv
import json
import math
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from pimsim.config.loading import load_config  # noqa: E402
from pimsim.studies.accuracy.evaluation import ProgressTotal, inputs_of, reference_of  # noqa: E402

FILE = ROOT / "docs" / "reference" / "kept-entries.csv"
TOKENS = 2048
SHARES = (1, 0.5, 0.33, 0.225, 0.12, 0.06)
WAYS: dict[str, dict[str, Any]] = {
    "exact": {"method": "exact"},
    "adc": {"readout": "adc"},
    "winner_take_all": {"readout": "winner_take_all"},
}
SUBSPACES, SHARE = (4, 8, 16), 0.225


def cases() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield group, line and the changed keys of `machine.prediction`."""
    for share in SHARES:
        for way, keys in WAYS.items():
            yield "share", way, {"kept_share": share, **keys}
    for subspaces in SUBSPACES:
        for way in ("adc", "winner_take_all"):
            yield "subspaces", way, {"kept_share": SHARE, "subspaces": subspaces, **WAYS[way]}


def perplexity(keys: dict[str, Any]) -> float:
    """Return the perplexity of the exact model per character."""
    settings = {f"machine.prediction.{name}": value for name, value in keys.items()}
    config = load_config("hardsea", settings | {"accuracy.tokens": TOKENS})
    found = reference_of(config, inputs_of(config), ProgressTotal(0, None))
    return math.exp(sum(found.exact_nll) / sum(map(found.characters, found.windows)))


def main() -> None:
    rows = []
    for group, line, keys in cases():
        rows.append({"group": group, "line": line, "keys": json.dumps(keys), "perplexity": f"{perplexity(keys):.6g}"})
        print(*rows[-1].values(), file=sys.stderr, flush=True)
    with FILE.open("w", encoding="utf-8", newline="") as file:
        file.write("# kjv-bitnet with a share of its attention: benchmarks/study_kept_entries.py, docs/baselines.md.\n")
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    subprocess.run([sys.executable, "-m", "tools.generate_docs"], cwd=ROOT, check=True)


if __name__ == "__main__":
    main()
