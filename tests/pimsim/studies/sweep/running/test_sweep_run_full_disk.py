"""Folders and disks that a sweep cannot write to: an error, and no finished point is lost."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pimsim.base.errors import OutputError
from pimsim.studies.sweep.running.sweep_run import Status, run_sweep
from pimsim.studies.sweep.space.plan import Plan, load_sweep
from tests.support.counts import DEEP, scaled
from tests.support.sweeps import TEXT, assert_same_points, count_points, write_sweep_file

MANY = TEXT.replace("stop: 160", f"stop: {scaled(40, 160)}")
"""80 points, whose journal is three times as long as the largest limit in `make test`."""


def test_a_folder_that_is_not_there_or_a_file_in_its_place(small: Plan, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for name in ("none/out.h5", "file/out.h5", ""):
        with pytest.raises(OutputError, match="cannot be written"):
            run_sweep(small, tmp_path / name, workers=1)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="needs POSIX permissions")
def test_a_read_only_folder(small: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "locked"
    folder.mkdir()
    folder.chmod(stat.S_IRUSR | stat.S_IXUSR)
    try:
        if os.access(folder, os.W_OK):  # root writes everywhere

            def denied(*_: object) -> int:
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), "x")

            monkeypatch.setattr("pimsim.studies.sweep.running.journal.os.open", denied)
        with pytest.raises(OutputError, match=r"out\.h5\.journal: cannot be written: Permission denied"):
            run_sweep(small, folder / "out.h5", workers=1)
    finally:
        folder.chmod(stat.S_IRWXU)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the result file of a sweep that nothing disturbed."""
    folder = tmp_path_factory.mktemp("whole")
    run_sweep(load_sweep(write_sweep_file(folder, MANY)), folder / "whole.h5", workers=1)
    return folder / "whole.h5"


@pytest.mark.skipif(sys.platform == "win32", reason="limits as POSIX systems have them")
@pytest.mark.parametrize("room", [50, 700, 2_000, 5_000, 30_000] if DEEP else [700, 5_000])
def test_a_full_disk_loses_nothing(tmp_path: Path, whole: Path, room: int) -> None:
    """A limit on the size of a file has the effect of a full disk: short writes, then errors."""
    spec, out = write_sweep_file(tmp_path, MANY), tmp_path / "out.h5"
    limited = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({room}, {room})); "
        f"sys.argv = ['pimsim', 'sweep', {str(spec)!r}, '--out', {str(out)!r}, '--workers', '1']; "
        "from pimsim.cli.app import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", limited], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 7, done.stderr
    assert "cannot be written: File too large" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not out.exists()
    journal = tmp_path / "out.h5.journal"
    lines = journal.read_bytes().splitlines(keepends=True) if journal.exists() else []
    assert all(line.endswith(b"\n") for line in lines)
    assert len(b"".join(lines)) <= room
    assert len(lines) > 1 or room < 2_000, "what had been done is kept"
    if lines:
        kept = read_statuses(spec, out, resume=True)
        assert kept == len(lines) - 1
    else:
        run_sweep(load_sweep(spec), out, workers=1)
    assert_same_points(out, whole)


def read_statuses(spec: Path, out: Path, **options: Any) -> int:
    """Run it, and return how many points were kept."""
    seen: list[Status] = []
    run_sweep(load_sweep(spec), out, workers=1, progress=seen.append, **options)
    return seen[0].kept


def test_a_disk_that_is_full_at_the_end_keeps_the_journal(
    small: Plan, undisturbed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out.h5"
    with monkeypatch.context() as patch:

        def full(*_: object) -> None:
            raise OutputError(f"{out}: cannot be written: No space left on device")

        patch.setattr("pimsim.studies.sweep.table.sweep_store.write_sweep", full)
        with pytest.raises(OutputError, match=r"No space left on device; finished points are in .*--resume"):
            run_sweep(small, out, workers=1)
    assert not out.exists()
    ran = count_points(monkeypatch)
    run_sweep(small, out, workers=1, resume=True)
    assert not ran
    assert_same_points(out, undisturbed)
