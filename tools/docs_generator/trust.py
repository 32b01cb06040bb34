"""Table of README.md: references that pimsim is compared with, and the deviations."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pimsim.config.loading import load_config
from pimsim.hardware.machine import build_machine
from pimsim.hardware.systolic import MatmulShare
from pimsim.mapping.operations import map_trace
from pimsim.simulation import make_trace
from pimsim.studies.paper.agreement import QUANTITIES, REVEALED, Agreement, Which, agreement
from pimsim.studies.paper.paper_runs import CONTEXT_LENGTHS, MODELS, paper_workload
from pimsim.studies.paper.published_values import published
from tools.docs_generator.facts import Row, mnsim_latencies, paper, reference, study, table

RULE = "accounting rule inferred from them"
BLIND = f"no: withheld until {REVEALED}"


def validation() -> str:
    """Return the table of references and deviations."""
    return table(
        ("quantity", "reference", "values", "agreement", "used to build the model?"),
        [*_peers(), *_fig5(), *_shares(), *_energies(), _closed_form()],
        right=(2,),
    )


def _peers() -> Iterator[Row]:
    systolic = load_config("defaults").machine.systolic
    rows = reference("scale-sim")
    equal = 0
    for row in rows:
        array = build_machine(
            load_config("defaults", [f"machine.systolic.dataflow={row['dataflow']}"]).machine
        ).systolic
        share = MatmulShare(m=int(row["n"]), n=int(row["m"]), k=int(row["k"]))  # their M is the number of vectors
        equal += array.cycles(share) == int(row["cycles"])
    assert (systolic.rows, systolic.columns) == (32, 32)
    formula = sum(row["origin"] == "formula" for row in rows)
    yield (
        "cycles of a matmul, three dataflows",
        f"SCALE-Sim 3.0.0 ({formula} of the values from its formula)",
        len(rows),
        f"equal in {equal} of {len(rows)}",
        "no",
    )
    deviations = [abs(each) for *_, each in mnsim_latencies()]
    yield (
        "latency of a layer's six projections on one mesh and on two",
        "MNSIM 2.0, stock configuration",
        len(deviations),
        f"within {max(deviations):.2f} %",
        "equations taken from it",
    )


def _worst_and_mean(deviations: Iterable[float | None]) -> tuple[int, str]:
    known = [abs(each) for each in deviations if each is not None]
    return len(known), f"worst {max(known):.2f} %, mean {sum(known) / len(known):.2f} %"


def _of(title: str, which: Which) -> Agreement:
    (quantity,) = (each for each in QUANTITIES if each.title == title)
    return agreement(quantity, paper(quantity.item), which)


def _fig5() -> Iterator[Row]:
    rows = paper("fig5").rows
    known, blind = (_of("tokens/s of TPU-LLM", which) for which in ("known", "blind"))
    text = "every printed digit in {}"
    yield "tokens/s of the baseline, TPU-LLM", "paper, Fig. 5", known.values, text.format(known.digits), RULE
    yield "the same, blind", "paper, Fig. 5", blind.values, text.format(blind.digits), BLIND
    pim = [row for row in rows if row["machine"] == "pim-llm"]
    fitted = "placement chosen by them, link bandwidth and buffer cycle fitted to them"
    for title, column, built in (
        ("tokens/s of PIM-LLM, stock constants", "deviation_percent", "placement chosen by them"),
        ("the same, `pim-llm-fitted-links`", "fitted_links_deviation_percent", fitted),
    ):
        for blind_ones in (False, True):
            count, text = _worst_and_mean(row[column] for row in pim if row["blind"] is blind_ones)
            name = f"{title}, blind" if blind_ones else title
            yield name, "paper, Fig. 5", count, text, BLIND if blind_ones else built
    speed = {(row["model"], row["context_length"], row["machine"]): row["tokens_per_s"] for row in rows}
    deviations = [
        100 * (speed[model, context, "pim-llm"] / speed[model, context, "tpu-llm"] / printed - 1)
        for (model, context, _), printed in published("fig5", "ratio").items()
    ]
    count, text = _worst_and_mean(deviations)
    yield "speed-up of PIM-LLM over TPU-LLM", "paper, text on Fig. 5", count, text, "follows from the rows above"


def _shares() -> Iterator[Row]:
    for which, name, built in (
        ("known", "share of low-precision matmuls", RULE),
        ("blind", "the same, blind", BLIND),
    ):
        rows = [row for row in paper("fig1b").rows if row["blind"] is (which == "blind")]
        same = sum(f"{row['low_precision_share']:.3f}" == f"{row['published']:.3f}" for row in rows)
        worst = max(abs(row["low_precision_share"] - row["published"]) for row in rows)
        yield name, "paper, Fig. 1b", len(rows), f"third digit in {same} of {len(rows)}, worst {worst:.4f}", built
    rows = paper("fig6").rows
    known = [row for row in rows if row["published"] is not None]
    pairs = " and ".join(f"{100 * row['share']:.1f} % for {100 * row['published']:g} %" for row in known)
    yield "systolic share of latency at context 128", "paper, text on Fig. 6", len(known), pairs, "no"
    long = [row["share"] for row in rows if row["part"] == "systolic" and row["context_length"] == 4096]
    yield (
        "the same at context 4096: above 97 %",
        "paper, text on Fig. 6",
        len(long),
        f"lowest {100 * min(long):.1f} %",
        "no",
    )
    analog: dict[tuple[str, int], float] = {}
    for row in rows:
        if row["part"] in ("crossbar", "dac", "adc"):
            key = row["model"], row["context_length"]
            analog[key] = analog.get(key, 0.0) + row["share"]
    yield (
        "crossbar, DAC and ADC together: below 1 %",
        "paper, text on Fig. 6",
        len(analog),
        f"highest {100 * max(analog.values()):.2f} %",
        "no",
    )


def _energies() -> Iterator[Row]:
    fitted = "three energies fitted to them"
    gains = [row for row in paper("fig7").rows if row["blind"] is False]
    exact, free = (
        [row for row in gains if (row["published_gain_percent"] > 0) is positive] for positive in (True, False)
    )
    rows = [row for row in paper("table3").rows if row["origin"] == "simulated" and row["design"] == "PIM-LLM"]
    per_w = {row["context_length"]: row for row in rows if row["model"] == "opt-6.7b"}
    printed_per_w = published("table3", "gops_per_w")["opt-6.7b", 1024, "PIM-LLM"]
    gops = [row["gops_deviation_percent"] for row in rows]
    same = sum(f"{row['gain_percent']:.2f}" == f"{row['published_gain_percent']:.2f}" for row in exact)
    same += f"{per_w[1024]['gops_per_w']:.2f}" == f"{printed_per_w:.2f}"
    yield (
        "tokens/J gains +12.49 % and +70.58 %, 1134.14 GOPS/W",
        "paper, Fig. 7 and Table III",
        3,
        f"every printed digit in {same} of 3",
        fitted,
    )
    for row in free:
        yield (
            f"tokens/J gain {row['published_gain_percent']:+.1f} %",
            "paper, text on Fig. 7",
            1,
            f"{row['gain_percent']:+.2f} %",
            "no",
        )
    blind = _of("gain in tokens/J", "blind")
    yield (
        "tokens/J gains +17.95 %, +22.79 % and +33.70 %, blind",
        "paper, Fig. 7",
        blind.values,
        f"every printed digit in {blind.digits}",
        BLIND,
    )
    deviation = per_w[4096]["gops_per_w_deviation_percent"]
    yield "1262.72 GOPS/W", "paper, Table III", 1, f"{deviation:+.2f} %", "no"
    count, text = _worst_and_mean(gops)
    yield "GOPS of PIM-LLM", "paper, Table III", count, text, RULE
    words: tuple[tuple[Which, str, str, str], ...] = (
        (
            "known",
            "words per battery charge, to two digits",
            "paper, text on Fig. 8",
            "usable charge inferred from them",
        ),
        ("blind", "the same, blind", "paper, Fig. 8", BLIND),
    )
    for which, name, where, built in words:
        of = _of("words per battery charge", which)
        yield name, where, of.values, f"both digits in {of.digits}, worst {of.worst:.2f} %", built


def _closed_form() -> Row:
    runs = off_ps = 0
    for machine in ("tpu-llm", "pim-llm"):
        config = study().config(machine)
        built = build_machine(config.machine)
        for model in MODELS:
            for context_length in CONTEXT_LENGTHS:
                workload = paper_workload(config.workload, model, context_length, "time")
                mapped = map_trace(config, built, make_trace(config.model_copy(update={"workload": workload})))
                result = study().run(machine, model, context_length)
                runs += 1
                off_ps = max(off_ps, abs(result.latency_ps - mapped.program.serial_latency_ps()))
    return (
        "latency of a decode step, every run of Fig. 5",
        "closed forms of pimsim itself",
        runs,
        f"within {off_ps} ps",
        "no",
    )
