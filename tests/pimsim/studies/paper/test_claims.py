"""The claims under the corrected accounting, its tables, its command, and the sentences of docs/study.md."""

from __future__ import annotations

import csv
import json
from itertools import product
from pathlib import Path

import pytest

from pimsim.studies.paper import known_items, reproduce
from pimsim.studies.paper.claims import CLAIMS, Claim, Measured, Verdict
from pimsim.studies.paper.corrected_accounting import Corrected, Figures
from pimsim.studies.paper.paper_runs import MODELS, Study
from pimsim.studies.paper.switches import ALL, NONE, Switches, all_variants
from pimsim.studies.paper.waterfall import METRICS, WATERFALL_CONTEXT_LENGTHS, WATERFALL_MODELS
from tests.pimsim.studies.paper.switched import on
from tests.support.closeness import near
from tests.support.command_line import pimsim


@pytest.fixture(scope="module")
def corrected() -> Corrected:
    return Corrected(Study())


# --- claims ---------------------------------------------------------------------------------------------------------


def test_every_claim_holds_as_published(corrected: Corrected) -> None:
    for claim in CLAIMS:
        assert claim.verdict(claim.measure(corrected, NONE)) is Verdict.HOLDS, claim.name


def a_claim(claimed: float, decimals: int | None, *, at_most: bool = False) -> Claim:
    return Claim("a", "a", claimed, decimals, lambda *_: Measured(0.0), at_most=at_most)


@pytest.mark.parametrize(
    ("claim", "measured", "verdict"),
    [
        (a_claim(11.6, 1), Measured(11.55, 1), Verdict.HOLDS),
        (a_claim(11.6, 1), Measured(11.54, 1), Verdict.WEAKER),
        (a_claim(11.6, 1), Measured(99.0, 1), Verdict.HOLDS),
        (a_claim(11.6, 1), Measured(1.0, 1), Verdict.FAILS),
        (a_claim(5.71, 2), Measured(5.705, 1), Verdict.HOLDS),
        (a_claim(12.49, 2), Measured(-1.0, 0), Verdict.FAILS),
        (a_claim(12.49, 2), Measured(0.1, 0), Verdict.WEAKER),
        (a_claim(2, None), Measured(1.99, 1), Verdict.WEAKER),
        (a_claim(2, None), Measured(2.0, 1), Verdict.HOLDS),
        (a_claim(97, None), Measured(96.99), Verdict.FAILS),
        (a_claim(97, None), Measured(97.0), Verdict.HOLDS),
        (a_claim(1, None, at_most=True), Measured(0.99), Verdict.HOLDS),
        (a_claim(1, None, at_most=True), Measured(1.0), Verdict.FAILS),
        (a_claim(1.6, 1), Measured(1.56, 1.4), Verdict.HOLDS),
        (a_claim(1.6, 1), Measured(1.7, 1.8), Verdict.FAILS),
        (a_claim(1.6, 1), Measured(1.5, 1.4), Verdict.WEAKER),
    ],
)
def test_verdicts(claim: Claim, measured: Measured, verdict: Verdict) -> None:
    assert claim.verdict(measured) is verdict


FATE = {
    "speedup-gpt2-350m-128": "weaker",
    "speedup-opt-6.7b-128": "weaker",
    "speedup-gpt2-350m-4096": "holds",
    "speedup-opt-6.7b-4096": "weaker",
    "gain-opt-6.7b-128": "holds",
    "gain-gpt2-350m-4096": "holds",
    "tpu-saving-gpt2-350m-128": "fails",
    "words-opt-6.7b-128": "weaker",
    "systolic-share-4096": "fails",
    "analog-share-128": "holds",
    "gops-hardsea": "holds",
    "gops-per-w-transpim": "fails",
}


def test_what_becomes_of_the_claims(corrected: Corrected) -> None:
    assert {claim.name: str(claim.verdict(claim.measure(corrected, ALL))) for claim in CLAIMS} == FATE


# --- the tables -----------------------------------------------------------------------------------------------------


def test_the_tables_are_the_corrected_accounting_s() -> None:
    tables = reproduce(accounting="corrected")
    assert tuple(tables) == known_items("corrected") == tuple(table.name for table in tables.values())
    for metric in METRICS:
        rows = tables[metric].rows
        cells = {(row["model"], row["context_length"]) for row in rows}
        assert cells == set(product(WATERFALL_MODELS, WATERFALL_CONTEXT_LENGTHS))
        for model, context_length in cells:
            ours = [row for row in rows if (row["model"], row["context_length"]) == (model, context_length)]
            first, last, before_last = ours[0], ours[-1], ours[-2]
            assert (first["switch"], last["switch"]) == ("published", "all together")
            assert first["ratio_percent"] == 0
            for which in ("tpu", "pim", "ratio"):
                assert last[which] == last[f"{which}_so_far"] == before_last[f"{which}_so_far"]
                assert last[f"{which}_percent"] == near(100 * (last[which] / first[which] - 1))
    claims = tables["claims"].rows
    assert [row["claim"] for row in claims] == [claim.sentence for claim in CLAIMS]
    assert [row["all_together"].rpartition(": ")[2] for row in claims] == list(FATE.values())
    assert len(tables["all_together"].rows) == 9 * 6


def test_an_item_of_the_other_accounting_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown item 'fig5'"):
        reproduce(["fig5"], "corrected")
    with pytest.raises(ValueError, match="unknown item 'claims'"):
        reproduce(["claims"])


def test_the_command_prints_writes_and_refuses(tmp_path: Path) -> None:
    command = ("reproduce", "--accounting", "corrected")
    shown = pimsim(*command, "tokens_per_s", "claims", "--csv", tmp_path).ok
    assert shown.index("Corrected accounting: tokens per second") < shown.index("The paper's claims under")
    with (tmp_path / "claims.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["claim"] for row in rows] == [claim.sentence for claim in CLAIMS]
    assert {path.name for path in tmp_path.iterdir()} == {"tokens_per_s.csv", "claims.csv"}
    tables = json.loads(pimsim(*command, "claims", "--json").ok)
    assert tables["claims"]["rows"] == rows
    assert "did you mean corrected?" in pimsim("reproduce", "--accounting", "corected").err
    assert "'fig5' is not one of switches, tokens_per_s" in pimsim(*command, "fig5").err


def test_numbers_in_the_sentences_of_the_study(corrected: Corrected) -> None:
    text = " ".join((Path(__file__).parents[4] / "docs" / "study.md").read_text(encoding="utf-8").split())

    def pim(model: str, context_length: int, switches: Switches = ALL) -> Figures:
        return corrected.figures("pim-llm", model, context_length, switches)

    def tpu(model: str, context_length: int, switches: Switches = ALL) -> Figures:
        return corrected.figures("tpu-llm", model, context_length, switches)

    fast, faster = (pim(m, 128).tokens_per_s / tpu(m, 128).tokens_per_s for m in ("gpt2-350m", "opt-6.7b"))
    assert f"{fast:.1f}x the tokens per second of the baseline on GPT-2 350M and {faster:.0f}x on OPT-6.7B" in text
    base = pim("opt-6.7b", 128, NONE)
    lm_head_ps = pim("opt-6.7b", 128, on("embedding_lm_head")).latency_ps - base.latency_ps
    assert f"({lm_head_ps / 1e9:.0f} ms versus {base.latency_ps / 1e9:.0f} ms)" in text
    long = pim("opt-6.7b", 1024, NONE).energy_j
    kv_j = pim("opt-6.7b", 1024, on("kv_traffic")).energy_j - long
    head_j = (
        pim("opt-6.7b", 1024, on("kv_traffic", "embedding_lm_head")).energy_j
        - pim("opt-6.7b", 1024, on("embedding_lm_head")).energy_j
        - kv_j
    )
    assert f"paper's {long * 1e3:.1f} mJ per token of OPT-6.7B do not include {kv_j * 1e3:.0f} mJ of KV traffic" in text
    assert f"{head_j * 1e3:.0f} mJ for the LM head's weights" in text
    for model in WATERFALL_MODELS:
        energies = [machine(model, 1024, on("kv_traffic")).energy_j for machine in (pim, tpu)]
        assert max(energies) / min(energies) < 1.03
    gains = {
        (each.leakage, each.tpu_weight_storage): tpu("opt-6.7b", 1024, each).energy_j
        / pim("opt-6.7b", 1024, each).energy_j
        for each in all_variants()
    }
    assert 2.9 < gains["idle_gated", 1] < 3.1
    assert 12 < gains["idle_gated", 8] < 12.5
    assert all(0.09 < gains["ungated", bits] < 0.11 for bits in (1, 2, 8))
    assert f"{pim('opt-6.7b', 128).words_per_charge / 1e6:.3f} million words" in text
    least = min(pim(model, 4096).systolic_share for model in MODELS)
    assert f"The fraction of the systolic arrays decreases from 97 % to {100 * least:.0f} %" in text
