"""Files beside --out that somebody else made: they are refused, and neither followed, cut nor deleted."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from pimsim.base.errors import SweepError
from pimsim.studies.optimization.search_run import optimize
from pimsim.studies.optimization.search_spec import load_search
from pimsim.studies.sweep.running.sweep_run import run_sweep
from pimsim.studies.sweep.space.plan import load_sweep
from tests.support.searches import SEARCH
from tests.support.sweeps import write_sweep_file

FOREIGN = b"my notes\nof a year\n"
OPTIONS = [{}, {"resume": True}, {"force": True}]


def sweep(out: Path, options: dict[str, bool]) -> None:
    run_sweep(load_sweep(write_sweep_file(out.parent)), out, workers=1, **options)


def search(out: Path, options: dict[str, bool]) -> None:
    optimize(load_search({**SEARCH, "trials": 2}), out, **options)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize(("start", "name"), [(sweep, "journal"), (search, "journal"), (search, "study")])
@pytest.mark.parametrize("kind", ["file", "binary", "link", "dangling link", "FIFO"])
def test_what_pimsim_did_not_begin_is_refused(
    start: Callable[[Path, dict[str, bool]], None], name: str, kind: str, options: dict[str, bool], tmp_path: Path
) -> None:
    out, elsewhere = tmp_path / "out.h5", tmp_path / "elsewhere"
    beside = tmp_path / f"out.h5.{name}"
    elsewhere.write_bytes(FOREIGN)
    if kind == "FIFO":
        os.mkfifo(beside)
    elif kind == "link":
        beside.symlink_to(elsewhere)
    elif kind == "dangling link":
        beside.symlink_to(tmp_path / "none")
    else:
        beside.write_bytes(FOREIGN if kind == "file" else b"\x00" * 20)
    before = beside.lstat()
    words = {"FIFO": "is a FIFO", "file": "does not begin as", "binary": "does not begin as"}
    with pytest.raises(SweepError, match=rf"out\.h5\.{name}: {words.get(kind, 'is a symbolic link')}.*another --out"):
        start(out, options)
    after = beside.lstat()
    assert (after.st_ino, after.st_size, after.st_mtime_ns) == (before.st_ino, before.st_size, before.st_mtime_ns)
    assert elsewhere.read_bytes() == FOREIGN
    assert {path.name for path in tmp_path.iterdir()} - {"many.yaml"} == {"elsewhere", beside.name}


def test_a_result_that_is_a_config_is_kept_by_a_resume(tmp_path: Path) -> None:
    out = tmp_path / "mine.yaml"
    out.write_bytes(b"extends: pim-llm\n")
    with pytest.raises(Exception, match=r"mine\.yaml: is not a result file"):
        sweep(out, {"resume": True})
    assert out.read_bytes() == b"extends: pim-llm\n"
    assert not Path(f"{out}.journal").exists()
