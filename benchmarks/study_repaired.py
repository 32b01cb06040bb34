"""Chips like pim-llm that compute under MNSIM's wires; writes docs/reference/repaired*.csv and an image.

    python benchmarks/study_repaired.py             # search and shipped chip; continues after an interruption
    python benchmarks/study_repaired.py --points FILE.h5    # only the table of the points of a finished search
    python benchmarks/study_repaired.py --chips     # only the perplexity of the shipped configs, on 16,384 characters
    python benchmarks/study_repaired.py --draw      # only the figure, from the table

docs/repaired.md presents the results; benchmarks/search-repaired.yaml is the search. Both take about 40 minutes
of a core.
"""

from __future__ import annotations

import argparse
import csv
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from pimsim.studies.optimization.search_spec import Search
    from pimsim.studies.sweep.table.sweep_results import SweepResults

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

SEARCH = ROOT / "benchmarks" / "search-repaired.yaml"
FOUND = ROOT / "benchmarks" / "search-repaired.h5"
POINTS = ROOT / "docs" / "reference" / "repaired.csv"
CHIPS = ROOT / "docs" / "reference" / "repaired-chips.csv"
IMAGE = ROOT / "docs" / "images" / "repaired-front.svg"
CHOSEN = {"pim-llm": (16_384, 3), "pim-llm-repaired": (16_384, 10)}
"""Characters and chips of each config whose perplexity is evaluated. Without the repair, the chips need not be many."""
SEED = 0
RATIO = "perplexity_ratio@kjv-bitnet"


def searched(workers: int | None) -> tuple[Search, SweepResults]:
    """Run the search, or continue it."""
    from pimsim.studies.optimization.search_run import optimize
    from pimsim.studies.optimization.search_spec import load_search

    def show(status: Any) -> None:
        print(
            f"{status.trials} of {status.total} trials, {status.evaluations} evaluations", file=sys.stderr, flush=True
        )

    search = load_search(SEARCH)
    started = FOUND.with_name(f"{FOUND.name}.study").exists()
    return search, optimize(search, FOUND, workers=workers, resume=started, progress=show)


def stored(path: Path) -> tuple[Search, SweepResults]:
    """Read the points of a finished search."""
    from pimsim.studies.optimization.search_spec import load_search
    from pimsim.studies.sweep.table.sweep_store import read_sweep

    return load_search(SEARCH), read_sweep(path)


def point_rows(search: Search, results: SweepResults) -> list[dict[str, str]]:
    """Return a row per evaluation: its values, its metrics, and whether it is on the front."""
    from pimsim.studies.optimization.feasible_points import feasible_front

    front = set(feasible_front(search, results)["key"])
    ends = [RATIO.replace("ratio", f"ratio_{end}") for end in ("low", "high")]
    rows = []
    for _, point in results.to_dataframe().iterrows():
        values = {axis.name.rpartition(".")[2]: f"{_text(point[axis.name])}" for axis in results.axes}
        metrics = {name: _text(point[name]) for name in (RATIO, *ends, *search.objectives)}
        rows.append(values | metrics | {"front": str(int(point["key"] in front)), "error": str(point["error"])})
    return rows


def _text(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def chip_rows() -> Iterable[dict[str, str]]:
    """Yield a row per config: the perplexity on its arrays, and its ratio to that of the exact model."""
    from pimsim.config.loading import load_config
    from pimsim.studies.accuracy.evaluation import evaluate_accuracy
    from pimsim.studies.accuracy.paired_ratio import perplexity_of

    for name, (tokens, chips) in CHOSEN.items():
        result = evaluate_accuracy(load_config(name), tokens=tokens, chips=chips, seed=SEED)
        ratio = result.increase_over_text.mapped(perplexity_of)
        yield {
            "config": name,
            "characters": str(result.tokens),
            "chips": str(chips),
            "exact": f"{result.exact_perplexity.mean:.6g}",
            **{f"perplexity{end}": f"{value:.6g}" for end, value in _ends(result.perplexity).items()},
            **{f"ratio{end}": f"{value:.6g}" for end, value in _ends(ratio).items()},
        }


def _ends(interval: Any) -> dict[str, float]:
    return {"": interval.mean, "_low": interval.low, "_high": interval.high}


def write(path: Path, about: str, rows: Iterable[Mapping[str, str]]) -> None:
    """Write rows below a line that says where they come from."""
    rows = list(rows)
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(f"# {about}; benchmarks/study_repaired.py, docs/repaired.md.\n")
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def draw() -> None:
    """Draw the figure of docs/repaired.md from the table."""
    from pimsim.present.plots import rendered

    with POINTS.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(line for line in file if not line.startswith("#")))
    IMAGE.write_bytes(rendered(lambda: figure_of(rows), ["svg"])["svg"])


def figure_of(rows: list[dict[str, str]]) -> Figure:
    """Plot tokens/J and area of OPT-6.7B against the increase of the perplexity of kjv-bitnet."""
    from pimsim.present.plots.figure_layout import headed, new_figure
    from pimsim.present.plots.style import PAGE_IN

    figure = new_figure(PAGE_IN, 3.4)
    full = max(int(row["tokens"]) for row in rows)
    panels = {"area_m2@opt-6.7b": ("area, 1000 mm²", 1e3), "tokens_per_j@opt-6.7b": ("tokens/J", 1.0)}
    for panel, (column, (label, unit)) in enumerate(panels.items()):
        axes = figure.add_subplot(1, 2, panel + 1)
        groups = {
            "first stage": [row for row in rows if int(row["tokens"]) < full],
            "full evaluation": [row for row in rows if int(row["tokens"]) == full and row["front"] == "0"],
            "front": [row for row in rows if row["front"] == "1"],
        }
        for (name, chosen), color, marker in zip(groups.items(), ("0.7", "tab:blue", "tab:red"), ".os", strict=True):
            known = [row for row in chosen if row[column] != "nan" and row[RATIO] != "nan"]
            xs = [unit * float(row[column]) for row in known]
            ys = [max(100 * (float(row[RATIO]) - 1), 0.01) for row in known]
            axes.scatter(xs, ys, s=14, color=color, marker=marker, label=None if panel else name, linewidths=0)
        axes.axhline(1.0, color="0.3", linewidth=0.8, linestyle="--", label=None if panel else "1 %")
        axes.set_yscale("log")
        ticks = [0.01, 0.1, 1, 10, 100]
        axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
        if panel == 0:
            axes.set_ylabel("increase of perplexity, %")
        axes.set_xlabel(f"{label}, OPT-6.7B")
    figure.legend(loc="outside lower center", ncols=4)
    headed(figure, "Chips of the search; increases below 0.01 % are drawn at 0.01 %")
    return figure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=Path, metavar="FILE")
    parser.add_argument("--chips", action="store_true")
    parser.add_argument("--draw", action="store_true")
    parser.add_argument("--workers", type=int, default=None)
    options = parser.parse_args()
    if not (options.chips or options.draw):
        search, results = stored(options.points) if options.points else searched(options.workers)
        write(POINTS, "Points of the search for a chip that computes", point_rows(search, results))
    if not (options.points or options.draw):
        write(CHIPS, "Perplexity of kjv-bitnet on the arrays of shipped configs", chip_rows())
    draw()
    subprocess.run([sys.executable, "-m", "tools.generate_docs"], cwd=ROOT, check=True)


if __name__ == "__main__":
    main()
