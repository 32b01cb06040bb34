"""How other programs are asked for the values of a row."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from pimsim.studies.validation.peers import peer_programs
from pimsim.studies.validation.peers.peer_environment import PeerUnavailableError
from pimsim.studies.validation.peers.peer_programs import PEERS, live_values
from pimsim.studies.validation.reference_data import references


@pytest.fixture(autouse=True)
def this_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peer_programs, "peer_python", lambda *_: sys.executable)


def test_scale_sim_gets_tables_of_the_matmuls_that_it_can_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[str, str]] = []

    def run_tables(python: str, folder: Path, jobs: Sequence[dict[str, str]]) -> list[list[list[int]]]:
        del python, folder
        for job in jobs:
            config = Path(job["config"]).read_text(encoding="utf-8")
            [dataflow] = [line[-2:] for line in config.splitlines() if line.startswith("Dataflow")]
            seen.append((Path(job["table"]).read_text(encoding="utf-8").splitlines()[1], dataflow))
        return [[[number, 0, 0]] for number in range(len(jobs))]

    monkeypatch.setattr(peer_programs.scalesim_runs, "run_tables", run_tables)
    labels = list(references()["scalesim-cycles"].values)
    values = live_values("scalesim", labels, tmp_path)
    assert len(values) == 18  # not 4096,1,4096 and 16384,1,4096
    assert seen[0] == ("a, 128,1,128,", "os")
    assert values["128,1,128 ws"] == 1


@pytest.mark.deep
@pytest.mark.timeout(120)
def test_badcrossbar_s_script_gives_the_stored_values(tmp_path: Path) -> None:
    """badcrossbar is installed for the tests."""
    pytest.importorskip("badcrossbar", exc_type=ImportError)
    stored = references()["ir-drop-badcrossbar"].values
    labels = [label for label in stored if label.startswith("16 ")]
    values = live_values("badcrossbar", labels, tmp_path)
    assert {label: f"{value:.12g}" for label, value in values.items()} == {
        label: f"{stored[label].low:.12g}" for label in labels
    }


def test_a_program_that_leaves_a_value_out_is_unavailable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peer_programs, "run", lambda *_, **__: json.dumps({"10 86400": 1}))
    assert live_values("aihwkit", ["10 86400"], tmp_path) == {"10 86400": 1}
    with pytest.raises(PeerUnavailableError, match=r"aihwkit .* returned no value for 20 86400"):
        live_values("aihwkit", ["10 86400", "20 86400"], tmp_path)


def test_scripts_are_python() -> None:
    for script in (peer_programs._BADCROSSBAR, peer_programs._AIHWKIT, peer_programs._ADC):
        compile(script, "script", "exec")
    assert all(peer.installs for peer in PEERS.values())
