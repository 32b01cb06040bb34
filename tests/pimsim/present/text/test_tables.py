"""The progress bar: on a terminal only, and a late one only once there is something to report."""

from __future__ import annotations

import io
import sys

import pytest

from pimsim.present.text.tables import progress_bar


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("late", "reported", "shown"), [(True, False, False), (True, True, True), (False, False, True)]
)
def test_a_late_bar_appears_with_the_first_report(
    late: bool, reported: bool, shown: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    with progress_bar("activities", late=late) as progress:
        assert progress is not None
        if reported:
            progress(3, 4)
    assert ("activities" in terminal.getvalue()) == shown
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with progress_bar("activities") as progress:
        assert progress is None
