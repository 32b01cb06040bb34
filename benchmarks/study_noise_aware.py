"""Perplexity of kjv-bitnet and of a network tuned for arrays, on the same chips; writes docs/reference/noise-aware.csv.

    python benchmarks/study_noise_aware.py FOLDER...   # further exported networks, such as one tuned without errors
    python benchmarks/study_noise_aware.py --faults FOLDER --chip 0    # a network tuned for the stuck cells of one chip

FOLDER is written by `python -m tools.training.export`; its name is the name of the network in the file. kjv-bitnet is
evaluated, too, and rows of other networks are kept. All networks read the same windows of the held-out text, on chips
with the same seeds, so that differences are paired. The ratios are to kjv-bitnet, with 95 % intervals over chips and
windows (docs/accuracy.md, eq. (8)). With `--faults`, the arrays are those of one chip of `--seed 0`, with and without
remapping. The file is written after each row.
"""

from __future__ import annotations

import argparse
import csv
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from crossbar.intervals import Interval, crossed_interval, mean_interval  # noqa: E402
from pimsim.config.loading import load_config  # noqa: E402
from pimsim.studies.accuracy.accuracy_result import AccuracyResult  # noqa: E402
from pimsim.studies.accuracy.evaluation import evaluate_accuracy  # noqa: E402
from pimsim.studies.accuracy.paired_ratio import cost_text, perplexity_of  # noqa: E402
from workloads.shipped import DEFAULT_NETWORK, network_folder  # noqa: E402

FILE = ROOT / "docs" / "reference" / "noise-aware.csv"
TOKENS, CHIPS, SEED = 2048, 3, 0
PAIR = "machine.crossbar.pair"
IDEAL = [f"{PAIR}.wires.model=none"]
COLUMNS = (
    *("network", "condition", "tokens", "chips"),
    *("exact", "perplexity", "perplexity_low", "perplexity_high"),
    *("ratio", "ratio_low", "ratio_high", "exact_ratio", "exact_ratio_low", "exact_ratio_high"),
)


def spread(sigma: float) -> list[str]:
    """Return overrides for the standard deviation of both states."""
    return [f"{PAIR}.noise.variation.{state}.sigma={sigma}" for state in ("lrs", "hrs")]


def stuck(share: float) -> list[str]:
    """Return overrides for a share of stuck cells, half of them in each state."""
    return [f"{PAIR}.noise.faults.stuck_{state}={share / 2}" for state in ("lrs", "hrs")]


def wires(ohm: float) -> list[str]:
    """Return overrides for the resistance of both lines."""
    return [f"{PAIR}.wires.{line}_line_ohm={ohm}" for line in ("word", "bit")]


FIVE_BITS = f"{PAIR}.adc.bits=5"
CONDITIONS = {
    "stock cells, ideal wires, 6 bits": IDEAL,
    "5 bits": [*IDEAL, FIVE_BITS],
    "variation of 20 %": [*IDEAL, *spread(0.2)],
    "variation of 30 %": [*IDEAL, *spread(0.3)],
    "5 % stuck": [*IDEAL, *stuck(0.05)],
    "wires of 0.1 Ω": wires(0.1),
    "wires of 0.3 Ω": wires(0.3),
    "mild: 5 bits, 10 %, 1 % stuck, 0.1 Ω": [FIVE_BITS, *wires(0.1), *spread(0.1), *stuck(0.01)],
    "severe: 5 bits, 20 %, 2 % stuck, 0.1 Ω": [FIVE_BITS, *wires(0.1), *spread(0.2), *stuck(0.02)],
}
"""Arrays of `pim-llm` by what they change; the last two are those with which networks are tuned."""
FAULTS = [*IDEAL, *stuck(0.05)]
"""The arrays of the chip whose stuck cells are known."""


def evaluated(folder: Path, settings: Sequence[str], chips: int) -> AccuracyResult:
    """Evaluate a network on arrays."""
    config = load_config("pim-llm", list(settings))
    return evaluate_accuracy(config, model=folder, tokens=TOKENS, chips=chips, seed=SEED, threads=1)


def paired(new: AccuracyResult, old: AccuracyResult) -> Interval:
    """Return the ratio of perplexities on the arrays, new over old, with an interval over chips and windows.

    With one chip, the interval is over windows.
    """
    rows = [
        [(a - b) / window.tokens for a, b, window in zip(ours, theirs, new.windows, strict=True)]
        for ours, theirs in zip(_nats(new), _nats(old), strict=True)
    ]
    found = crossed_interval(rows) if len(rows) > 1 else mean_interval(rows[0])
    return found.mapped(perplexity_of)


def exact_ratio(new: AccuracyResult, old: AccuracyResult) -> Interval:
    """Return the ratio of the exact perplexities, new over old, with an interval over windows."""
    each = [(a.exact_nll - b.exact_nll) / a.tokens for a, b in zip(new.windows, old.windows, strict=True)]
    return mean_interval(each).mapped(perplexity_of)


def _nats(result: AccuracyResult) -> list[tuple[float, ...]]:
    return [chip.window_nll for chip in result.chips]


def row_of(network: str, condition: str, result: AccuracyResult, old: AccuracyResult) -> dict[str, Any]:
    """Return the row of a network under a condition; its ratios are to kjv-bitnet."""
    own = result.perplexity if len(result.chips) > 1 else Interval(result.perplexity.mean, None, None)
    row: dict[str, Any] = {"network": network, "condition": condition, "tokens": result.tokens}
    row |= {"chips": len(result.chips), "exact": result.exact_perplexity.mean}
    for name, interval in (
        ("perplexity", own),
        ("ratio", paired(result, old)),
        ("exact_ratio", exact_ratio(result, old)),
    ):
        row |= {name: interval.mean, f"{name}_low": interval.low, f"{name}_high": interval.high}
    return {name: f"{value:.6g}" if isinstance(value, float) else value for name, value in row.items()}


def rows_of(folders: Sequence[Path]) -> Iterator[dict[str, Any]]:
    """Evaluate networks under all conditions, beside kjv-bitnet."""
    for condition, settings in CONDITIONS.items():
        old = evaluated(network_folder(), settings, CHIPS)
        yield row_of(DEFAULT_NETWORK, condition, old, old)
        for folder in folders:
            yield row_of(folder.name, condition, evaluated(folder, settings, CHIPS), old)


def rows_of_chip(folders: Sequence[Path], chip: int) -> Iterator[dict[str, Any]]:
    """Evaluate networks on one chip with stuck cells, with and without remapping."""
    for name, more in (("", []), (", columns remapped", [f"{PAIR}.array.remapping=columns"])):
        settings, condition = [*FAULTS, *more], f"chip {chip}: 5 % stuck{name}"
        old = _only(evaluated(network_folder(), settings, chip + 1))
        yield row_of(DEFAULT_NETWORK, condition, old, old)
        for folder in folders:
            yield row_of(folder.name, condition, _only(evaluated(folder, settings, chip + 1)), old)


def _only(result: AccuracyResult) -> AccuracyResult:
    """Return the result of the last chip alone."""
    return replace(result, chips=result.chips[-1:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+", metavar="FOLDER")
    parser.add_argument("--faults", action="store_true")
    parser.add_argument("--chip", type=int, default=0)
    options = parser.parse_args()
    kept: dict[tuple[str, str], dict[str, Any]] = {}
    if FILE.exists():
        with FILE.open(encoding="utf-8", newline="") as file:
            known = csv.DictReader(line for line in file if not line.startswith("#"))
            kept = {(row["condition"], row["network"]): dict(row) for row in known}
    start = time.perf_counter()
    for row in rows_of_chip(options.folders, options.chip) if options.faults else rows_of(options.folders):
        kept[row["condition"], row["network"]] = row
        ratio = Interval(*(float(row[f"ratio{end}"]) for end in ("", "_low", "_high")))
        print(
            f"{row['condition']:48} {row['network']:20} {row['exact']:>8} {row['perplexity']:>8}  {cost_text(ratio)}"
            f"  {time.perf_counter() - start:.0f} s",
            file=sys.stderr,
            flush=True,
        )
        with FILE.open("w", encoding="utf-8", newline="") as file:
            file.write(
                "# Networks tuned for arrays; by benchmarks/study_noise_aware.py, explained in docs/training.md.\n"
            )
            writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(kept.values())


if __name__ == "__main__":
    main()
