"""The report of a comparison says what is counted before any figure, and where designs differ in it."""

from __future__ import annotations

import re

from pimsim import Design, compare
from pimsim.present.text.comparison_report import print_comparison
from tests.support.printed import printed, rows_below


def test_what_is_counted_stands_on_top_and_differences_are_named() -> None:
    result = compare(["pim-llm", "pim-llm-published"], models=["gpt2-small"], contexts=[64, 128])
    shown = printed(print_comparison, result)
    lines = shown.splitlines()
    head = lines[: lines.index("")]
    assert head[0] == "Comparison: 2 designs, 1 model, 2 contexts, decode; ratios to pim-llm"
    assert head[1].startswith("pim-llm: PIM-LLM: W1A8 projections in crossbar tiles")
    assert head[3].startswith("counted by all: attention; ")
    differing = [line for line in head if line.startswith("differs: ")]
    assert any(line.startswith("differs: LM head counted by pim-llm (") for line in differing)
    assert "differs: workload.lm_head is true in pim-llm; false in pim-llm-published" in differing
    assert "differs: leakage_gating is idle_gated in pim-llm; not_charged in pim-llm-published" in differing
    [advice] = [line for line in head if line.startswith("ratios compare what each design counts")]
    assert "--set leakage_gating=idle_gated" in advice
    assert "masked_folds" not in shown  # a decode step has no mask
    assert re.search(r"^ +pim-llm-published .* [\d.,]+\* +[\d.,]+\* +[\d.,]+$", shown, re.MULTILINE)
    assert "* ratio of different work: the MACs are not those of pim-llm, see above" in lines
    [mean] = rows_below(shown, "design ")
    assert mean[:2] == ["pim-llm-published", "2"]


def test_designs_that_count_the_same_have_no_differences() -> None:
    shown = printed(print_comparison, compare(["pim-llm", "pim-llm-near-memory"], models=["gpt2-small"], contexts=[64]))
    assert "differs: " not in shown
    assert "ratios compare" not in shown
    assert "different work" not in shown


def test_an_item_that_a_design_counts_in_part_is_named_so() -> None:
    """Passes that quantise the input of the LM head are left out with it."""
    names, half = ["pim-llm", "tpu-llm"], {"workload.lm_head": False}
    both = printed(print_comparison, compare(names, models=["gpt2-small"], contexts=[8], overrides=half))
    assert re.search(r"^counted in part by all: quantisation passes \(left out: ", both, re.MULTILINE)
    assert "differs: " not in both
    one = [Design("part", "pim-llm", ["workload.lm_head=false"]), "tpu-llm"]
    shown = printed(print_comparison, compare(one, models=["gpt2-small"], contexts=[8]))
    assert re.search(r"quantisation passes counted by part in part, tpu-llm .*left out by part in part \(", shown)


def test_intervals_have_the_probability_of_a_ratio_above_one() -> None:
    result = compare(["pim-llm", "tpu-llm"], models=["gpt2-small"], contexts=[64], ranges=True, samples=40)
    base, other = rows_below(printed(print_comparison, result).partition("95 % intervals")[2], "model ")
    assert base[2] == "pim-llm"
    assert (other[2], other[5]) == ("tpu-llm", "0.0%")
    low, _, high = other[4].partition(" to ")
    assert float(low) <= (result.ratio(result.rows[1], "tokens_per_s") or 0.0) <= float(high)
