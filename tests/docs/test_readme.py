"""The front page is true: its examples print what it shows, and its numbers are those of the runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pimsim import load_config, simulate
from pimsim.config.schema import PlacementOrder
from pimsim.studies.paper import published_accounting as accounting
from pimsim.studies.paper.placement_variants import GROUPS
from tests.docs.doc_examples import ROOT, Example, blocks, differences, examples, run

README = ROOT / "README.md"
TEXT = README.read_text(encoding="utf-8")


@pytest.mark.parametrize("example", examples(README), ids=lambda example: example.where)
def test_examples_print_what_the_page_shows(example: Example, tmp_path: Path) -> None:
    assert differences(example.expected, run(example, tmp_path)) is None


def test_it_has_five_worked_examples() -> None:
    assert [block.language for block in blocks(README)] == ["console", "python", "text", *["console"] * 3]


def test_the_two_commands_are_targets_of_the_makefile() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    commands = re.findall(r"^make (\S+)", TEXT, re.M)
    assert commands == ["reproduce", "test"]
    for command in commands:
        assert re.search(rf"^{command}:", makefile, re.M), command


def test_numbers_in_its_sentences() -> None:
    result, published = simulate(load_config("pim-llm")), simulate(load_config("pim-llm-published"))
    assert (
        f"the result is {result.tokens_per_s:.2f} tokens/s here, {published.tokens_per_s:.2f} tokens/s on "
        "`pim-llm-published`, the machine of the paper's figures, and "
        f"{accounting.tokens_per_s(published):.2f} tokens/s under the accounting rules" in flat()
    )
    times = (f"{each.latency_s * 1e3:.1f} ms" for each in (published, result))
    assert "OPT-6.7B takes {} on `pim-llm-published` and {} on `pim-llm`".format(*times) in flat()
    assert f"{result.tiles.tiles_used:,} tiles and {result.area_m2:.3f} m² of silicon" in flat()
    orders = len(PlacementOrder.__args__)  # type: ignore[attr-defined]
    assert f"There are {orders * len(GROUPS) * 2 * 2} ways to place the projections" in flat()


def flat() -> str:
    return " ".join(TEXT.split())


def test_a_difference_is_seen() -> None:
    """The test of the tests: one wrong digit or one missing line is not a match, and a gap must be marked."""
    assert differences("a 1\n...\nd\n", "a 1   \nb\nc\nd\n") is None
    assert differences("a 1\n...\n", "a 1\n") is None
    for wrong in ("a 2\nb\nd\n", "a 1\nb\n", "a 1\nb\nd\ne\n"):
        assert differences("a 1\n...\nd\n", wrong) is not None
