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

README, EXAMPLES = ROOT / "README.md", ROOT / "docs" / "examples.md"
TEXT = README.read_text(encoding="utf-8")
OF_THE_SITE = {"index.md", "commands.md"}
"""Pages with which the site begins."""


@pytest.mark.parametrize("example", examples(README), ids=lambda example: example.where)
def test_examples_print_what_the_page_shows(example: Example, tmp_path: Path) -> None:
    assert differences(example.expected, run(example, tmp_path)) is None


def test_it_has_one_result_and_its_page_five_worked_examples() -> None:
    assert [block.language for block in blocks(README)] == ["console"]
    assert [block.language for block in blocks(EXAMPLES)] == ["console", "python", "text", *["console"] * 3]


def test_it_is_short() -> None:
    assert len(TEXT.splitlines()) <= 180


def test_the_two_commands_are_targets_of_the_makefile() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    commands = re.findall(r"^make (\S+)", TEXT, re.M)
    assert commands == ["reproduce", "test"]
    for command in commands:
        assert re.search(rf"^{command}:", makefile, re.M), command


def validation_row(name: str) -> list[str]:
    """Cells of a row of the generated table of docs/validation.md."""
    (line,) = re.findall(rf"^\| `{name}` \|(.*)\|$", page_text("validation.md"), re.M)[:1]
    return [cell.strip() for cell in line.split(" | ")]


def page_text(page: str) -> str:
    return (ROOT / "docs" / page).read_text(encoding="utf-8")


def test_the_blind_test_is_that_of_the_validation() -> None:
    shown = {row[0]: row[1:] for row in re.findall(r"^\| ([^|]*) \| (\d+) \| ([^|]*) \|$", TEXT, re.M)}
    expected = {
        "tokens/s of PIM-LLM, stock constants": ("paper-pim-speed-blind", "-0.87 %, mean 0.17 %"),
        "tokens/s of the baseline TPU-LLM": ("paper-tpu-speed-blind", "every digit in 33 of 33"),
        "share of low-precision matmuls": ("paper-low-precision-blind", "digits in 37 of 38, +0.07 %"),
        "gains in tokens/J": ("paper-energy-blind", "every digit in 3 of 3"),
        "words per battery charge": ("paper-words-blind", "digits in 3 of 4, +2.98 %"),
    }
    assert sum(int(shown[name][0]) for name in expected) == 111
    for name, (row, deviation) in expected.items():
        _, _, values, found, *_ = validation_row(row)
        assert (shown[name][0], deviation) == (values, found)
        assert set(re.findall(r"\d+\.\d+ %", shown[name][1])) == set(re.findall(r"\d+\.\d+ %", deviation))


def test_it_names_every_page_of_the_docs_in_the_list_of_all_pages() -> None:
    linked = set(re.findall(r"\]\(docs/([a-z-]+\.md)", TEXT))
    assert linked == {path.name for path in (ROOT / "docs").glob("*.md")} - OF_THE_SITE


def test_numbers_in_its_sentences() -> None:
    result, published = simulate(load_config("pim-llm")), simulate(load_config("pim-llm-published"))
    assert (
        f"the result is {result.tokens_per_s:.2f} tokens/s here, {published.tokens_per_s:.2f} tokens/s on "
        "`pim-llm-published`, the machine of the paper's figures, and "
        f"{accounting.tokens_per_s(published):.2f} tokens/s under the accounting rules" in flat("examples.md")
    )
    times = (f"{each.latency_s * 1e3:.1f} ms" for each in (published, result))
    assert "OPT-6.7B takes {} on `pim-llm-published` and {} on `pim-llm`".format(*times) in flat("examples.md")
    assert f"{result.tiles.tiles_used:,} tiles and {result.area_m2:.3f} m² of silicon" in flat("examples.md")
    orders = len(PlacementOrder.__args__)  # type: ignore[attr-defined]
    assert f"There are {orders * len(GROUPS) * 2 * 2} ways to place the projections" in flat("validation.md")


def flat(page: str) -> str:
    return " ".join(page_text(page).split())


def test_a_difference_is_seen() -> None:
    """The test of the tests: one wrong digit or one missing line is not a match, and a gap must be marked."""
    assert differences("a 1\n...\nd\n", "a 1   \nb\nc\nd\n") is None
    assert differences("a 1\n...\n", "a 1\n") is None
    for wrong in ("a 2\nb\nd\n", "a 1\nb\n", "a 1\nb\nd\ne\n"):
        assert differences("a 1\n...\nd\n", wrong) is not None
