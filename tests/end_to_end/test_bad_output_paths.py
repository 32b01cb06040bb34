"""Paths that cannot be written end in a few lines on standard error, and nothing is replaced."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from pimsim.base.files import HDF5_SIGNATURE
from tests.end_to_end.refusals import SMALL, refusal

pytestmark = pytest.mark.timeout(120)
"""For each refusal, which must not hang; it takes a tenth of a second."""


@pytest.mark.parametrize("option", ["--csv", "--out"])
@pytest.mark.parametrize("name", ["", ".", "folder", "no/such/folder/file", "file/below", "x" * 300])
def test_a_path_that_cannot_be_written_is_refused(
    option: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("folder").mkdir()
    Path("file").write_text("mine", encoding="utf-8")
    refusal(7, "run", "pim-llm", "--set", SMALL, f"{option}={name}")
    refusal(7, "trace", "make", "gpt2-small", "--context=3", f"--out={name}")
    assert {path.name for path in tmp_path.rglob("*")} == {"folder", "file"}
    assert Path("file").read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize("name", ["file", "file/below", "x" * 300])
def test_a_folder_that_cannot_be_made_is_refused(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").write_text("mine", encoding="utf-8")
    refusal(7, "reproduce", "fig1b", f"--csv={name}")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("device", ["null", "stdout"])
@pytest.mark.parametrize(
    "command",
    [
        ["run", "pim-llm", "--set", SMALL, "--csv"],
        ["run", "pim-llm", "--set", SMALL, "--out"],
        ["trace", "make", "gpt2-small", "--context", "3", "--out"],
    ],
    ids=lambda command: f"{command[0]} {command[-1]}",
)
def test_a_device_is_neither_written_nor_replaced(command: list[str], device: str, tmp_path: Path) -> None:
    """For root, renaming a file onto /dev/null would replace the device, so the test uses a copy of it."""
    path = tmp_path / device
    if device == "stdout":
        path.symlink_to("/proc/self/fd/1")  # as /dev/stdout is
    else:
        try:
            os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 3))
        except OSError:
            pytest.skip("only root can make a device")
    before = path.lstat()
    refusal(7, *command, path)
    assert (path.lstat().st_mode, path.lstat().st_ino) == (before.st_mode, before.st_ino)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_write_permission_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        refusal(7, "run", "pim-llm", "--set", SMALL, "--csv", tmp_path / "x.csv")
    finally:
        tmp_path.chmod(0o700)


OLDER = {"--csv": b"block,repeat,op,kind\n", "--out": HDF5_SIGNATURE + b"pimsim-result"}
"""What an earlier run may have written; another file would be refused before the run."""


@pytest.mark.parametrize("option", ["--csv", "--out"])
def test_an_existing_file_is_kept_when_the_run_fails(option: str, tmp_path: Path) -> None:
    path = tmp_path / "result"
    path.write_bytes(older := OLDER[option])
    refusal(5, "run", "defaults", "--set", "workload.model=opt-6.7b", option, path)
    assert path.read_bytes() == older
    assert list(tmp_path.iterdir()) == [path]
