"""Every row is computed; which are outside their tolerance is known; other programs fail without harm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import pytest

from pimsim.studies.validation import Live, row_names, summary, validate
from pimsim.studies.validation.comparison import ValidationRow
from pimsim.studies.validation.peers import peer_programs
from pimsim.studies.validation.peers.peer_environment import PeerUnavailableError
from pimsim.studies.validation.peers.peer_programs import PEERS
from pimsim.studies.validation.reference_data import references
from pimsim.studies.validation.run_rows import selected
from tests.support.closeness import near
from tests.support.generated_parts import assert_current
from tools.docs_generator import trust


@cache
def rows() -> tuple[ValidationRow, ...]:
    return validate()


def test_the_rows_outside_their_tolerance_are_those_that_say_why() -> None:
    assert {row.reference.name for row in rows() if not row.within} == {
        row.reference.name for row in rows() if row.reference.outside
    }


def test_at_least_twenty_rows_were_not_used_to_build_it_and_ten_of_them_are_energies_or_areas() -> None:
    counts = summary(rows())
    assert counts["not_used_to_build"] >= 20
    assert counts["energies_and_areas_not_used"] >= 10
    assert counts["rows"] == counts["within"] + counts["outside"] == len(references())


def test_every_row_has_values_a_source_and_a_reason() -> None:
    for row in rows():
        assert row.points, row.reference.name
        assert row.reference.source, row.reference.name
        assert row.reference.tolerance.why, row.reference.name
        assert all(point.ours > 0 or row.reference.name == "paper-energy-text" for point in row.points)


def test_two_rows_by_hand() -> None:
    """Against sums of their sources: 0.23 + 0.381 pJ at 45 nm; 3.25 pJ against 3.1 mW / 1.2 GS/s."""
    found = {row.reference.name: row.points[0] for row in rows()}
    assert found["array-energy-45nm"].ours == near(0.611)
    assert found["array-energy-45nm"].theirs.low == near(25.2162e-3 / 64 * 3e-9 * 1e12, rel=1e-3)
    assert found["adc-energy-survey"].ratio == near(3.25 / (3.1 / 1.2), rel=1e-3)


def test_the_tables_of_the_readme_and_of_the_page_have_these_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trust, "_rows", rows)
    assert_current("README.md", ["validation"])
    assert_current("docs/validation.md", trust.SECTIONS)
    assert_current("docs/baselines.md", ["hardsea-figures"])


def test_names_select_rows_groups_and_kinds() -> None:
    assert [row.name for row in selected(["wait-md1"])] == ["wait-md1"]
    assert {row.group for row in selected(["sram"])} == {"sram"}
    assert {row.kind for row in selected(["area"])} == {"area"}
    assert len(selected()) == len(references()) < len(row_names())
    with pytest.raises(ValueError, match="srm"):
        selected(["srm"])


def test_progress_is_reported_for_each_row() -> None:
    seen: list[tuple[int, int]] = []
    validate(["add-area", "add-energy"], lambda done, of: seen.append((done, of)))
    assert seen == [(1, 2), (2, 2)]


def test_every_program_of_a_row_is_known() -> None:
    assert {row.peer for row in references().values()} - {""} == set(PEERS)


def test_a_program_that_does_not_run_is_a_note_and_the_stored_values_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    def unavailable(*_: object) -> Mapping[str, float]:
        raise PeerUnavailableError("pip install failed: ERROR: no network")

    monkeypatch.setattr(peer_programs, "live_values", unavailable)
    live = Live(Path("nowhere"))
    [row] = validate(["ir-drop-badcrossbar"], live=live)
    assert (row.live, row.within) == (0, True)
    [note] = live.notes
    assert note == (
        "badcrossbar 1.1.0: pip install failed: ERROR: no network; ir-drop-badcrossbar has the stored values"
    )


def test_values_of_a_program_count_in_place_of_the_stored_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(name: str, labels: Sequence[str], folder: Path) -> Mapping[str, float]:
        del name, folder
        return {labels[0]: 1.0}

    monkeypatch.setattr(peer_programs, "live_values", wrong)
    [row] = validate(["adc-survey-fit"], live=Live(Path("nowhere")))
    assert (row.live, row.worst.theirs.low, row.within) == (1, 1.0, False)
