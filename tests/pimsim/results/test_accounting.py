"""Lists of items: sums over runs, rows of files, and the values that JSON and HDF5 files have."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pimsim import generate, load_config, simulate
from pimsim.results.accounting import Accounting, CostItem
from pimsim.results.store import read_result, write_result
from tests.support.closeness import near

HEAD, LOADING = CostItem("LM head", 100, 2e-3), CostItem("loading", 7, 1e-3, once=True)
ONE = Accounting((CostItem("attention", 30, 1e-3),), (HEAD, LOADING))


def test_a_weighted_sum_takes_an_item_that_is_paid_once_once() -> None:
    other = Accounting((CostItem("norms", 5, 0.0),), (replace(HEAD, latency_ps=50), replace(LOADING, latency_ps=9)))
    total = Accounting.weighted_sum([(ONE, 2), (other, 0.5)])
    assert total.counted == (CostItem("attention", 60, 2e-3), CostItem("norms", 2, 0.0))
    assert total.left_out == (CostItem("LM head", 225, 5e-3), CostItem("loading", 9, 1e-3, once=True))
    assert Accounting.weighted_sum([]) == Accounting()


def test_rows_are_the_accounting() -> None:
    assert Accounting.from_rows(ONE.rows()) == ONE
    assert Accounting.from_rows(()) == Accounting()


def test_more_items_come_at_the_end() -> None:
    more = CostItem("global buffer port", 1, 0.0)
    assert ONE.with_items(left_out=[more]) == Accounting(ONE.counted, (HEAD, LOADING, more))


def test_json_has_both_lists_in_si_units() -> None:
    assert ONE.to_dict() == {
        "counted": [{"name": "attention", "latency_s": 30e-12, "energy_j": 1e-3, "once": False}],
        "left_out": [
            {"name": "LM head", "latency_s": 100e-12, "energy_j": 2e-3, "once": False},
            {"name": "loading", "latency_s": 7e-12, "energy_j": 1e-3, "once": True},
        ],
    }
    result = simulate(load_config("pim-llm", ["workload.model=gpt2-small"]))
    values = result.to_dict()
    assert [each["name"] for each in values["left_out"]] == [each.name for each in result.accounting.left_out]


def test_a_stored_result_keeps_it_and_an_older_one_has_none(tmp_path: Path) -> None:
    result = simulate(load_config("pim-llm", ["workload.model=gpt2-small"]))
    write_result(result, tmp_path / "new.h5")
    assert read_result(tmp_path / "new.h5").accounting == result.accounting != Accounting()
    write_result(replace(result, accounting=Accounting()), tmp_path / "old.h5")  # the table is left out, as before
    assert read_result(tmp_path / "old.h5").accounting == Accounting()


@pytest.mark.parametrize(("machine", "items"), [("pim-llm", "counted"), ("pim-llm-published", "left_out")])
def test_a_generation_adds_up_its_steps(machine: str, items: str) -> None:
    settings = ["workload.model=gpt2-small", "workload.prompt_length=9", "workload.new_tokens=20"]
    exact = generate(load_config(machine, settings))
    counted = exact.accounting.counted
    assert sum(each.latency_ps for each in counted) == exact.latency_ps
    assert sum(each.energy_j for each in counted) == near(exact.energy_j, rel=1e-9)
    head, one = (
        next(each for each in getattr(result.accounting, items) if each.name == "LM head")
        for result in (exact, exact.prefill)
    )
    assert head.latency_ps == 20 * one.latency_ps
    loading = next(each for each in exact.accounting.left_out if each.once)
    assert loading.latency_ps == exact.prefill.weight_load_ps
    sampled = generate(load_config(machine, [*settings, "workload.samples=3"]))
    assert sum(each.latency_ps for each in sampled.accounting.counted) == near(sampled.latency_ps, rel=1e-9)
    assert exact.to_dict()["counted"] == exact.accounting.to_dict()["counted"]
