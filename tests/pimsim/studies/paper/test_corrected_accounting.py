"""The corrected accounting: published without switches, the machine's own run with all, a sum of parts in between.

What every switch adds is derived by hand for one model in test_corrected_by_hand.py.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import fields, replace
from functools import reduce
from itertools import combinations, product

import pytest

from pimsim import simulate
from pimsim.results.run_result import RunResult
from pimsim.studies.paper import published_accounting as accounting
from pimsim.studies.paper.corrected_accounting import Corrected, Figures, latency_ps, moves_state, streams_layer_weights
from pimsim.studies.paper.paper_runs import Machine, Study, Variation
from pimsim.studies.paper.paper_tables import fig5, fig7, fig8, table3
from pimsim.studies.paper.switches import (
    ALL,
    ALL_SETTINGS,
    NONE,
    SWITCHES,
    Setting,
    Switches,
    all_variants,
    cumulative,
    settings,
)
from pimsim.studies.paper.waterfall import MACHINES, METRICS, WATERFALL_CONTEXT_LENGTHS, WATERFALL_MODELS
from tests.pimsim.studies.paper.switched import on
from tests.support.closeness import near

CELLS = [
    (machine, model, context_length)
    for model, context_length in product(WATERFALL_MODELS, WATERFALL_CONTEXT_LENGTHS)
    for machine in MACHINES
]
SHAPES = ("real_ffn", "gated_ffn", "embedding_lm_head")
COUNTING = ("attention_all_layers", "kv_traffic", "tpu_weight_storage", "digital_units")
ALL_SHAPES = Variation(real_ffn=True, gated_ffn=True, embedding_lm_head=True, leakage_gating="ungated")


@pytest.fixture(scope="module")
def corrected() -> Corrected:
    return Corrected(Study())


# --- the switches themselves ----------------------------------------------------------------------------------------


def test_every_switch_is_a_field_and_says_what_and_why() -> None:
    assert [field.name for field in fields(Switches)] == list(SWITCHES)
    for switch in SWITCHES.values():
        assert len(switch.changes) > 40
        assert len(switch.reason) > 40
    assert {setting.label for setting in settings()} == {
        "real_ffn", "gated_ffn", "attention_all_layers", "mac_is_two", "embedding_lm_head", "kv_traffic",
        "tpu_weight_storage=1", "tpu_weight_storage=2", "tpu_weight_storage=8", "digital_units", "leakage=ungated",
        "leakage=idle_gated",
    }  # fmt: skip


def test_all_together_is_every_switch_at_its_last_value() -> None:
    everything = Switches(
        real_ffn=True,
        gated_ffn=True,
        attention_all_layers=True,
        mac_is_two=True,
        embedding_lm_head=True,
        kv_traffic=True,
        tpu_weight_storage=8,
        digital_units=True,
        leakage="idle_gated",
    )
    assert cumulative(ALL_SETTINGS[-1]) == everything
    assert all_variants()[-1] == everything
    assert everything == ALL
    assert len(set(all_variants())) == 6


def test_the_order_in_which_switches_are_turned_on_leaves_no_trace() -> None:
    shuffled = list(ALL_SETTINGS)
    for seed in range(20):
        random.Random(seed).shuffle(shuffled)
        one_by_one: Switches = reduce(lambda switches, setting: switches.turned_on(setting), shuffled, NONE)
        assert one_by_one == NONE.turned_on(*shuffled) == ALL


# --- no switch: published, to the bit -------------------------------------------------------------------------------


def test_without_switches_every_figure_is_the_published_accounting_s(corrected: Corrected) -> None:
    study = Study()
    rows = {
        (row["model"], row["context_length"], row["machine"]): row
        for table in (fig5(study), fig7(study), fig8(study))
        for row in table.rows
    }
    for table in (fig5(study), fig7(study), fig8(study)):
        for row in table.rows:
            rows[row["model"], row["context_length"], row["machine"]] |= row
    for machine, model, context_length in CELLS:
        ours, row = corrected.figures(machine, model, context_length), rows[model, context_length, machine]
        assert ours.tokens_per_s == row["tokens_per_s"]
        assert ours.tokens_per_j == row["tokens_per_j"]
        assert ours.words_per_charge == row["words_per_charge"]
    for row in table3(study).rows:
        if row["origin"] == "simulated":
            design: Machine = "pim-llm" if row["design"] == "PIM-LLM" else "tpu-llm"
            ours = corrected.figures(design, row["model"], row["context_length"])
            assert (ours.gops, ours.gops_per_w) == (row["gops"], row["gops_per_w"])


# --- all switches: the machine's own run ----------------------------------------------------------------------------


def full_run(machine: Machine, model: str, context_length: int) -> RunResult:
    """The machine's own run of the real model, all in, gated while idle: no accounting."""
    config = Study().config(machine)
    workload = {"model": model, "context_length": context_length, "embedding": True, "lm_head": True}
    update = {"workload": config.workload.model_copy(update=workload), "leakage_gating": "idle_gated"}
    return simulate(config.model_copy(update=update | {"operations_per_mac": 2}))


@pytest.mark.parametrize(("machine", "model", "context_length"), CELLS)
def test_with_all_switches_the_figures_are_those_of_the_machine_s_own_run(
    corrected: Corrected, machine: Machine, model: str, context_length: int
) -> None:
    """But for projections with the same input: side by side here, and in a chain under the serial schedule."""
    ours, run = corrected.figures(machine, model, context_length, ALL), full_run(machine, model, context_length)
    side_by_side_ps = accounting.latency_ps(run, at_once=False) - accounting.latency_ps(run, at_once=True)
    assert ours.latency_ps == run.latency_ps - side_by_side_ps
    assert (side_by_side_ps > 0) == (machine == "pim-llm")
    assert ours.energy_j == near(run.energy_j, rel=1e-12)
    assert ours.time_macs == ours.energy_macs == run.macs
    if machine == "tpu-llm":
        assert ours.tokens_per_s == run.tokens_per_s
        assert ours.gops == near(run.gops, rel=1e-12)
    assert ours.gops_per_w == near(run.gops_per_w, rel=1e-12)


def test_what_side_by_side_saves_is_the_shorter_projections_of_each_input(corrected: Corrected) -> None:
    run = full_run("pim-llm", "llama-7b", 128)
    counted = {op.name: sum(op.parts_ps[part] for part in accounting.COUNTED_PARTS if part in op.parts_ps)
               for op in run.ops}  # fmt: skip
    saved = (
        sum(counted[name] for name in ("q_proj", "k_proj", "v_proj", "ffn_gate", "ffn_up"))
        - max(counted[name] for name in ("q_proj", "k_proj", "v_proj"))
        - max(counted[name] for name in ("ffn_gate", "ffn_up"))
    )
    assert run.latency_ps - corrected.figures("pim-llm", "llama-7b", 128, ALL).latency_ps == 32 * saved


def test_without_gating_leakage_is_power_times_the_accounting_s_latency(corrected: Corrected) -> None:
    for switches in (replace(NONE, leakage="ungated"), replace(ALL, leakage="ungated")):
        for machine in MACHINES:
            tiles = 24_576 if machine == "pim-llm" else 0
            ours = corrected.figures(machine, "opt-6.7b", 128, switches)
            rest = corrected.figures(machine, "opt-6.7b", 128, replace(switches, leakage=None))
            power_w = tiles * 5 * 8.863e-3 + 8.83 + 10.65e-3
            assert ours.energy_j - rest.energy_j == near(power_w * ours.latency_ps * 1e-12, rel=1e-9)


# --- in between -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("shapes", [(), SHAPES], ids=["published shapes", "real shapes"])
def test_counting_switches_add_up(corrected: Corrected, machine: Machine, shapes: tuple[str, ...]) -> None:
    """In any combination, in whole picoseconds; so their order does not matter.

    Weights are stored at 8 bits here, as without the switch: fewer also fill the global buffer with less.
    """

    def figures(*names: str) -> Figures:
        return corrected.figures(machine, "llama-7b", 1024, on(*shapes, *names))

    base = figures()
    alone = {name: figures(name) for name in COUNTING}
    for size in range(len(COUNTING) + 1):
        for names in combinations(COUNTING, size):
            ours = figures(*names)
            assert ours.latency_ps == base.latency_ps + sum(alone[n].latency_ps - base.latency_ps for n in names)
            added_j = sum(alone[name].energy_j - base.energy_j for name in names)
            assert ours.energy_j == near(base.energy_j + added_j, rel=1e-12)


def test_memory_traffic_is_divided_between_its_two_switches(corrected: Corrected) -> None:
    for machine in MACHINES:
        run = corrected.study.run(machine, "llama-7b", 128, "time", ALL_SHAPES)
        of_memory = [op for op in run.ops if op.parts_ps.get("memory")]
        names = {op.name for op in of_memory if moves_state(op)}
        assert names == {"token_embedding", "kv_append", "scores", "values", "lm_head"}
        weights = {op.name for op in of_memory if streams_layer_weights(op)}
        projections = {"q_proj", "k_proj", "v_proj", "o_proj", "ffn_gate", "ffn_up", "ffn_down"}
        assert weights == (projections if machine == "tpu-llm" else set())
        both = replace(NONE, kv_traffic=True, tpu_weight_storage=8)
        assert latency_ps(run, both) - latency_ps(run, NONE) == run.parts_ps["memory"]


def moved(corrected: Corrected, machine: Machine, model: str, setting: Setting) -> set[str]:
    """The metrics that a switch moves."""
    base, ours = (corrected.figures(machine, model, 1024, s) for s in (NONE, NONE.turned_on(setting)))
    return {name for name, (_, of) in METRICS.items() if of(base) != of(ours)}


EVERYTHING = {"tokens_per_s", "tokens_per_j", "gops", "gops_per_w", "words_per_charge"}
ENERGY = {"tokens_per_j", "gops_per_w", "words_per_charge"}


def reach() -> Iterator[tuple[str, Machine, str, set[str]]]:
    """Switch, machine, model, and the metrics that it may move."""
    for machine, model in product(MACHINES, WATERFALL_MODELS):
        pim = machine == "pim-llm"
        narrow = model.startswith("gpt2")
        yield "real_ffn", machine, model, ({"tokens_per_s", "gops"} if pim else EVERYTHING) if narrow else set()
        yield "gated_ffn", machine, model, EVERYTHING if model == "llama-7b" else set()
        yield "attention_all_layers", machine, model, ENERGY if pim else set()
        yield "mac_is_two", machine, model, {"gops", "gops_per_w"}
        yield "embedding_lm_head", machine, model, EVERYTHING
        yield "kv_traffic", machine, model, EVERYTHING
        yield "tpu_weight_storage", machine, model, set() if pim else EVERYTHING
        yield "digital_units", machine, model, EVERYTHING
        yield "leakage", machine, model, ENERGY


@pytest.mark.parametrize(("name", "machine", "model", "metrics"), list(reach()))
def test_a_switch_moves_what_it_says_and_nothing_else(
    corrected: Corrected, name: str, machine: Machine, model: str, metrics: set[str]
) -> None:
    for value in SWITCHES[name].values:
        assert moved(corrected, machine, model, Setting(SWITCHES[name], value)) == metrics


def test_real_ffn_gives_the_times_of_the_real_width(corrected: Corrected) -> None:
    """As docs/accounting.md has them: 9.80, 8.17 and 5.19 tokens/s for GPT-2 350M on the baseline."""
    speeds = [
        corrected.figures("tpu-llm", "gpt2-350m", each, on("real_ffn")).tokens_per_s for each in (128, 1024, 4096)
    ]
    assert [f"{speed:.2f}" for speed in speeds] == ["9.80", "8.17", "5.19"]


def test_energies_that_the_notes_give_for_opt() -> None:
    """20 pJ/bit: 172 mJ of K and V at 4096; 129, 258, 1031 mJ of weights at 1, 2, 8 bits."""
    corrected = Corrected(Study())
    base = corrected.figures("pim-llm", "opt-6.7b", 4096)
    kv = corrected.figures("pim-llm", "opt-6.7b", 4096, on("kv_traffic"))
    assert (kv.energy_j - base.energy_j) * 1e3 == pytest.approx(172, abs=0.5)
    tpu = corrected.figures("tpu-llm", "opt-6.7b", 4096)
    for bits, energy_mj in ((1, 129), (2, 258), (8, 1031)):
        setting = Setting(SWITCHES["tpu_weight_storage"], bits)
        ours = corrected.figures("tpu-llm", "opt-6.7b", 4096, NONE.turned_on(setting))
        assert (ours.energy_j - tpu.energy_j) * 1e3 == pytest.approx(energy_mj, abs=0.5)
