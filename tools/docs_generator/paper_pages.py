"""Generated sections of docs/accounting.md and docs/placement.md: accounting, fits and placement variants."""

from __future__ import annotations

from pimsim.base.units import dimension_of_key, format_quantity, ps_to_s
from pimsim.config.loading import load_config
from pimsim.simulation import simulate
from pimsim.studies.paper import published_accounting as accounting
from pimsim.studies.paper.agreement import SUMMARISED, summary
from pimsim.studies.paper.paper_runs import Study
from pimsim.studies.paper.published_values import calibration_tokens_per_s, printed_tokens_per_s
from tools.docs_generator import facts
from tools.docs_generator.facts import CALIBRATION_MODELS, Row, chosen_variant, placement_variants, study, table
from workloads.models import find_model

MESH_SIDES = (56, 60, 64, 68, 72, 80)


def from_run_to_paper() -> str:
    """Return the table from the latency of a run to the published latency, for OPT-6.7B at context 128."""
    config = load_config("pim-llm-published")
    result = simulate(config)
    assert (result.model, result.context_length) == ("opt-6.7b", 128)
    chain_ms = accounting.latency_ps(result, at_once=False) / 1e9
    paper_ms = accounting.latency_ps(result) / 1e9
    run_ms = result.latency_s * 1e3
    rows: list[Row] = [("`pimsim run pim-llm-published`: everything, in series", f"{run_ms:.3f} ms", "")]
    for part, duration_ps in sorted(result.parts_ps.items(), key=lambda item: -item[1]):
        if part not in accounting.COUNTED_PARTS:
            rows.append((f"without `{part}`", "", f"-{duration_ps / 1e9:.3f} ms"))
    rows += [
        ("categories that the paper counts, Q, K, V in series", f"{chain_ms:.3f} ms", ""),
        ("Q, K, V in parallel", "", f"-{chain_ms - paper_ms:.3f} ms"),
        ("`published` latency", f"{paper_ms:.3f} ms", ""),
        (
            "tokens/s: accounting, paper",
            f"{accounting.tokens_per_s(result):.2f}",
            printed_tokens_per_s()["opt-6.7b", 128, "pim-llm"],
        ),
    ]
    return table(("", "latency", "change"), rows, right=(1, 2))


def energy_to_paper() -> str:
    """Return the table from the energy of a run to the published energy, for OPT-6.7B at context 128."""
    result = simulate(load_config("pim-llm-published"))
    rows: list[Row] = [("`pimsim run pim-llm-published`: everything", f"{result.energy_j * 1e3:.3f} mJ", "")]
    counted = ("tile", "mesh", "systolic")
    components = {c.name: result.component_energy_j(c.name) for c in result.components}
    for name, energy_j in sorted(components.items(), key=lambda item: -item[1]):
        if name not in counted:
            rows.append((f"without `{name}`", "", f"-{energy_j * 1e3:.4f} mJ"))
    all_layers = accounting.systolic_energy_j(result, layers_counted_once=False)
    one_layer = accounting.systolic_energy_j(result, layers_counted_once=True)
    rows += [
        ("tiles, mesh and systolic array", f"{sum(components[name] for name in counted) * 1e3:.3f} mJ", ""),
        ("attention of one layer only", "", f"-{(all_layers - one_layer) * 1e3:.4f} mJ"),
        ("`published` energy", f"{accounting.energy_j(result) * 1e3:.3f} mJ", ""),
    ]
    return table(("", "energy", "change"), rows, right=(1, 2))


def gpt2_width() -> str:
    """Return the table of the baseline's tokens/s on GPT-2 350M with the FFN width of rule 3 and the real one."""
    printed = printed_tokens_per_s()
    spec = find_model("gpt2-350m")
    rows: list[Row] = []
    for context_length in (128, 1024, 4096):
        ours = []
        for d_ff in (spec.d_model, spec.d_ff):
            overrides = [f"workload.context_length={context_length}", f"workload.d_ff={d_ff}"]
            result = simulate(load_config("tpu-llm-published", ["workload.model=gpt2-350m", *overrides]))
            ours.append(f"{accounting.tokens_per_s(result):.2f}")
        rows.append((context_length, *ours, printed["gpt2-350m", context_length, "tpu-llm"]))
    head = ("context", f"d_ff = {spec.d_model}", f"d_ff = {spec.d_ff}", "printed")
    return "Tokens/s of TPU-LLM on GPT-2 350M:\n\n" + table(head, rows, right=range(4))


def fits() -> str:
    """Return the table of fitted constants and their stock or first-principles values."""
    rows = []
    for fit in facts.fits():
        dimension = dimension_of_key(fit.key.rpartition(".")[2])
        assert dimension
        values = (format_quantity(value, dimension) for value in (fit.value, fit.stock))
        rows.append((f"`{fit.key}`", *values, f"{fit.value / fit.stock:.3g}", fit.fitted_to))
    return table(("key", "fitted", "stock", "ratio", "fitted to"), rows, right=(1, 2, 3))


def agreement() -> str:
    """Return the table of agreement with all published values and with the withheld ones."""
    rows = [
        (
            row["item"],
            row["quantity"],
            row["values"],
            row["digits"],
            f"{row['worst']:.2f}",
            f"{row['mean']:.2f}",
            row["unit"],
            row["blind"] or "",
            row["blind_digits"],
            *("" if row[key] is None else f"{row[key]:.2f}" for key in ("blind_worst", "blind_mean")),
        )
        for row in summary({item: facts.paper(item) for item in SUMMARISED}).rows
    ]
    head = ("item", "quantity", "values", "every digit", "worst", "mean", "unit")
    return table((*head, "blind", "every digit", "worst", "mean"), rows, right=(2, 4, 5, 7, 9, 10))


def by_model() -> str:
    """Return the table of deviations of PIM-LLM's tokens/s by model, known and blind values apart."""
    rows: list[Row] = []
    pim = [row for row in facts.paper("fig5").rows if row["machine"] == "pim-llm"]
    for model in dict.fromkeys(row["model"] for row in pim):
        cells = []
        for blind in (False, True):
            off = [abs(row["deviation_percent"]) for row in pim if (row["model"], row["blind"]) == (model, blind)]
            cells += [len(off), f"{max(off):.2f}", f"{sum(off) / len(off):.2f}"] if off else [0, "", ""]
        rows.append((model, *cells))
    head = ("model", "known", "worst %", "mean %", "blind", "worst %", "mean %")
    return table(head, rows, right=range(1, 7))


def variant_table() -> str:
    """Return the table of all placement variants, sorted by their largest deviation."""
    rows = [
        (
            f"**{each.placement}**" if each == chosen_variant() else each.placement,
            each.groups,
            each.last_output,
            "at once" if each.at_once else "in a chain",
            *(f"{each.layer_us[model]:.2f}" for model in CALIBRATION_MODELS),
            f"{each.worst_percent:.2f}",
            f"{each.mean_percent:.2f}",
        )
        for each in placement_variants()
    ]
    assert chosen_variant() == placement_variants()[0], "the shipped config is no longer the best variant"
    head = ("order", "groups", "last output", "Q, K, V", *CALIBRATION_MODELS, "worst %", "mean %")
    return table(head, rows, right=range(4, len(head)))


def implied() -> str:
    """Return the latency of a layer's projections that the published values imply, and that of the selected variant."""
    rows = []
    for model in CALIBRATION_MODELS:
        ranges = [_implied_us(model, context_length) for context_length in (128, 1024, 4096)]
        cells = (f"{low:.2f} to {high:.2f}" for low, high in ranges)
        rows.append((model, *cells, f"{chosen_variant().layer_us[model]:.2f}"))
    head = ("model", "implied at 128, us", "at 1024", "at 4096", "selected variant, us")
    return table(head, rows, right=range(1, len(head)))


def _implied_us(model: str, context_length: int) -> tuple[float, float]:
    """Return the bounds on the latency of a layer's projections, from all values that round to the printed one."""
    printed = printed_tokens_per_s()[model, context_length, "pim-llm"]
    half_digit = 0.5 * 10.0 ** -len(printed.partition(".")[2])
    result = study().run("pim-llm", model, context_length)
    systolic_s = ps_to_s(accounting.parts_ps(result)["systolic"])
    low, high = (1 / (float(printed) + sign * half_digit) - systolic_s for sign in (1, -1))
    return tuple(1e6 * each / result.ops[0].repeat for each in (low, high))  # type: ignore[return-value]


def mesh_sides() -> str:
    """Return the deviations of the selected variant on other mesh sizes, which move the port."""
    rows = []
    for side in MESH_SIDES:
        config = load_config("pim-llm-published", [f"machine.mesh.rows={side}", f"machine.mesh.columns={side}"])
        deviations = [
            100 * (accounting.tokens_per_s(Study(pim=config).run("pim-llm", model, context)) / printed - 1)
            for (model, context, machine), printed in calibration_tokens_per_s().items()
            if machine == "pim-llm"
        ]
        magnitudes = [abs(each) for each in deviations]
        worst, mean = max(magnitudes), sum(magnitudes) / len(magnitudes)
        rows.append((f"{side} x {side}", side // 2, f"{worst:.2f}", f"{mean:.2f}"))
    return table(("mesh", "port in row", "worst %", "mean %"), rows, right=(1, 2, 3))
