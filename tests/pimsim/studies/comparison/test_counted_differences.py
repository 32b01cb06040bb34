"""What designs count: items of all, items of some, keys in which they differ, and other numbers of MACs."""

from __future__ import annotations

from pimsim import Design, compare, load_config, simulate
from pimsim.results.accounting import Accounting, CostItem
from pimsim.studies.comparison.comparison_rows import ComparisonRow
from pimsim.studies.comparison.counted_differences import (
    differing_items,
    differing_macs,
    item_uses,
    items_of_all,
    left_out_by_some,
)
from tests.support.closeness import near


def row(design: str, counted: str, left_out: str, macs: float = 1.0, error: str = "") -> ComparisonRow:
    accounting = Accounting(*(tuple(CostItem(name, 1, 1.0) for name in names.split()) for names in (counted, left_out)))
    return ComparisonRow(design, "m", "decode", 8, error=error, macs=macs, accounting=accounting)


def test_items_are_sorted_by_who_counts_them() -> None:
    rows = [row("a", "x y", "z w"), row("b", "x", "z y"), row("c", "x y u", "z", 2.0), row("d", "v", "", error="none")]
    uses = item_uses(rows, ["a", "b", "c", "d"])
    assert items_of_all(uses, "counted") == ["x"]
    assert items_of_all(uses, "left out") == ["z"]
    assert left_out_by_some(uses) == {"w": ("a",)}
    found = {name: [(use.design, use.use) for use in of_item] for name, of_item in differing_items(uses).items()}
    assert found == {
        "y": [("a", "counted"), ("b", "left out"), ("c", "counted")],
        "u": [("a", "none"), ("b", "none"), ("c", "counted")],
    }
    assert differing_macs(rows, "a") == [("c", "m at 8", 2.0)]


def test_the_published_machine_counts_less_and_the_settings_that_make_it_count_as_much_are_named() -> None:
    designs = ["pim-llm", "pim-llm-published"]
    result = compare(designs, models=["gpt2-small"])
    differing = result.counting()
    macs = [simulate(load_config(name, ["workload.model=gpt2-small"])).macs for name in designs]
    [other] = differing["other_macs"]
    assert (other["design"], near(other["ratio"])) == ("pim-llm-published", macs[1] / macs[0])
    assert ("LM head", "pim-llm-published", "left out") in {
        (each["item"], each["design"], each["use"]) for each in differing["counted_differently"]
    }
    # With the baseline's values of these keys, both compute the same, and count the same.
    settings = [f"{each.key}={each.value}" for each in result.settings if each.design == "pim-llm"]
    assert "workload.lm_head=true" in settings
    uniform = compare(["pim-llm", Design("same", "pim-llm-published", settings)], models=["gpt2-small"])
    assert (uniform.settings, uniform.counting()["other_macs"]) == ((), [])
    assert uniform.counting()["counted_differently"] == []


def test_notes_that_differ_in_numbers_only_are_one_note() -> None:
    result = compare(["pim-llm", "tpu-llm"], models=["gpt2-small"], contexts=[64, 2048, 4096])
    [beyond] = [note for note in result.notes() if "learned positions" in note.text]
    assert (beyond.designs, beyond.where, beyond.more) == (("pim-llm", "tpu-llm"), "gpt2-small at 2,048", 2)
    sram = [note for note in result.notes() if note.text.startswith("SRAM figures")]
    assert [(note.designs, note.where) for note in sram] == [(("pim-llm",), ""), (("tpu-llm",), "")]
    [noise] = result.notes("warnings")
    assert noise.designs == ("pim-llm",)
