"""Rows about PIM-LLM's figures and tables; the published values are those of `pimsim.studies.paper`."""

from __future__ import annotations

from itertools import product

from pimsim.hardware.machine import build_machine
from pimsim.mapping.operations import map_trace
from pimsim.simulation import make_trace
from pimsim.studies.paper.agreement import QUANTITIES, Which, compared
from pimsim.studies.paper.paper_runs import CONTEXT_LENGTHS, MODELS, Machine, paper_workload
from pimsim.studies.paper.published_values import published_values
from pimsim.studies.validation.comparison import Point, Reference, Theirs, theirs
from pimsim.studies.validation.workbench import Maker, Makers, Workbench

ANALOG_PARTS = ("crossbar", "dac", "adc")


def _quantity(title: str, which: Which, column: str | None = None) -> Maker:
    """Return the maker of a row that compares a quantity of the paper with all its values or with a part of them.

    Args:
        title: Title of the quantity in `pimsim.studies.paper.agreement`.
        which: Published values that count.
        column: Column with ours; None means that of the quantity.

    Returns:
        The maker.
    """
    (quantity,) = (each for each in QUANTITIES if each.title == title)

    def make(bench: Workbench, _: Reference) -> tuple[Point, ...]:
        pairs = compared(quantity, bench.paper(quantity.item), which)
        return tuple(
            Point(
                f"{row['model']}, context {row['context_length']}",
                row[column or quantity.column] / quantity.scale,
                theirs(value.text),
            )
            for row, value in pairs
        )

    return make


def _signed(sign: int, which: Which = "known") -> Maker:
    """Return the maker of a row with the gains in tokens/J that have a sign."""

    def make(bench: Workbench, reference: Reference) -> tuple[Point, ...]:
        gains = _quantity("gain in tokens/J", which)(bench, reference)
        return tuple(point for point in gains if point.ours * sign > 0)

    return make


def _efficiency(context_length: int) -> Maker:
    def make(bench: Workbench, reference: Reference) -> tuple[Point, ...]:
        points = _quantity("GOPS/W of PIM-LLM", "known")(bench, reference)
        return tuple(point for point in points if point.label.endswith(f"context {context_length}"))

    return make


def _fitted_energies(bench: Workbench, reference: Reference) -> tuple[Point, ...]:
    return *_signed(1)(bench, reference), *_efficiency(1024)(bench, reference)


def _speed_up(bench: Workbench, _: Reference) -> tuple[Point, ...]:
    speed = {
        (row["model"], row["context_length"], row["machine"]): row["tokens_per_s"] for row in bench.paper("fig5").rows
    }
    return tuple(
        Point(
            f"{model}, context {context}",
            speed[model, context, "pim-llm"] / speed[model, context, "tpu-llm"],
            theirs(value.text),
        )
        for (model, context, _), value in published_values("fig5", "ratio").items()
    )


def _bounded(bench: Workbench, parts: tuple[str, ...], bound: Theirs) -> dict[tuple[str, int], Point]:
    """Compare the share of components in the latency of every run with a bound.

    Args:
        bench: Shared results.
        parts: Components.
        bound: The bound.

    Returns:
        Compared values by model and context length.
    """
    shares: dict[tuple[str, int], float] = {}
    for row in bench.paper("fig6").rows:
        run = (row["model"], row["context_length"])
        shares[run] = shares.get(run, 0.0) + (row["share"] if row["part"] in parts else 0.0)
    return {run: Point(f"{run[0]}, context {run[1]}", share, bound) for run, share in shares.items()}


def _long_share(bench: Workbench, _: Reference) -> tuple[Point, ...]:
    points = _bounded(bench, ("systolic",), Theirs(0.97, None))
    return tuple(point for (_, context_length), point in points.items() if context_length == CONTEXT_LENGTHS[-1])


def _analog_share(bench: Workbench, _: Reference) -> tuple[Point, ...]:
    return tuple(_bounded(bench, ANALOG_PARTS, Theirs(None, 0.01)).values())


def _closed_forms(bench: Workbench, _: Reference) -> tuple[Point, ...]:
    points = []
    machines: tuple[Machine, ...] = ("tpu-llm", "pim-llm")
    for machine, model, context_length in product(machines, MODELS, CONTEXT_LENGTHS):
        config = bench.study.config(machine)
        workload = paper_workload(config.workload, model, context_length, "time")
        run = config.model_copy(update={"workload": workload})
        closed_ps = map_trace(config, build_machine(config.machine), make_trace(run)).program.serial_latency_ps()
        simulated_ps = bench.study.run(machine, model, context_length).latency_ps
        points.append(Point(f"{machine}, {model}, context {context_length}", simulated_ps, theirs(closed_ps)))
    return tuple(points)


_FITTED_LINKS = "fitted_links_tokens_per_s"
MAKERS: Makers = {
    "paper-tpu-speed-known": _quantity("tokens/s of TPU-LLM", "known"),
    "paper-tpu-speed-blind": _quantity("tokens/s of TPU-LLM", "blind"),
    "paper-pim-speed-known": _quantity("tokens/s of PIM-LLM", "known"),
    "paper-pim-speed-blind": _quantity("tokens/s of PIM-LLM", "blind"),
    "paper-pim-speed-fitted-known": _quantity("tokens/s of PIM-LLM", "known", _FITTED_LINKS),
    "paper-pim-speed-fitted-blind": _quantity("tokens/s of PIM-LLM", "blind", _FITTED_LINKS),
    "paper-speed-up": _speed_up,
    "paper-low-precision-known": _quantity("share of low-precision matmuls", "known"),
    "paper-low-precision-blind": _quantity("share of low-precision matmuls", "blind"),
    "paper-systolic-share": _quantity("share of systolic arrays in latency", "known"),
    "paper-systolic-share-long": _long_share,
    "paper-analog-share": _analog_share,
    "paper-energy-fitted": _fitted_energies,
    "paper-energy-text": _signed(-1),
    "paper-energy-blind": _quantity("gain in tokens/J", "blind"),
    "paper-efficiency-long": _efficiency(4096),
    "paper-throughput": _quantity("GOPS of PIM-LLM", "known"),
    "paper-words-known": _quantity("words per battery charge", "known"),
    "paper-words-blind": _quantity("words per battery charge", "blind"),
    "closed-forms": _closed_forms,
}
