"""A file is written whole or not at all, and nothing else is touched."""

from __future__ import annotations

import errno
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pimsim.base.errors import OutputError
from pimsim.base.files import HDF5_SIGNATURE, is_result_file, make_folder, replacing, write_text


@contextmanager
def refused(folder: Path, match: str) -> Iterator[None]:
    """The block fails with one line, and leaves the folder as it was."""
    before = {path.name: path.read_bytes() if path.is_file() else b"" for path in folder.iterdir()}
    with pytest.raises(OutputError, match=match) as caught:
        yield
    assert str(caught.value).isprintable()
    assert {path.name: path.read_bytes() if path.is_file() else b"" for path in folder.iterdir()} == before


def test_a_new_file_appears_at_the_end_of_the_block(tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.write_text("old")
    with replacing(path) as file:
        file.write(b"new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_new_file_has_the_mode_that_the_user_wants(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_text(tmp_path / "out", "")
    finally:
        os.umask(before)
    assert (tmp_path / "out").stat().st_mode & 0o777 == 0o640


def test_text_is_utf_8_with_the_line_ends_given(tmp_path: Path) -> None:
    write_text(tmp_path / "out", "ü\n\r\n")
    assert (tmp_path / "out").read_bytes() == b"\xc3\xbc\n\r\n"
    with refused(tmp_path, "unpaired surrogate"):
        write_text(tmp_path / "out", "\ud800")


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_any_failure_in_the_block_leaves_the_old_file(tmp_path: Path, error: type[BaseException]) -> None:
    write_text(tmp_path / "out", "old")

    def fail_half_way() -> None:
        with replacing(tmp_path / "out") as file:
            file.write(b"new")
            raise error

    with pytest.raises(error):
        fail_half_way()
    assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]


@pytest.mark.parametrize("name", ["fsync", "rename", "open"])
def test_what_the_system_refuses_is_told_in_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Root, who may run this, is let into read-only folders: so the system is made to refuse."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))

    write_text(tmp_path / "out", "old")
    where = {"fsync": (os, "fsync"), "rename": (Path, "replace"), "open": (Path, "open")}[name]
    with refused(tmp_path, f"/out: cannot be written: {os.strerror(errno.EDQUOT)}"), monkeypatch.context() as patch:
        patch.setattr(*where, refuse)
        write_text(tmp_path / "out", "new")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_told(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with refused(tmp_path, "Permission denied"):
        write_text(tmp_path / "out", "new")


FULL_DISK = """
import sys
from pimsim.base.errors import OutputError
from pimsim.base.files import replacing
try:
    with replacing(sys.argv[1]) as file:
        for _ in range(100):
            file.write(bytes(1000))
except OutputError as error:
    print(error)
"""


def test_a_full_disk_leaves_the_old_file(tmp_path: Path) -> None:
    write_text(tmp_path / "out", "old")
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(tmp_path / "out")],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000)),
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert done.stdout == f"{tmp_path / 'out'}: cannot be written: File too large\n"
    assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]


def test_what_cannot_be_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("old")
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "stdout").symlink_to("/proc/self/fd/1")
    (tmp_path / "loop").symlink_to("loop")
    for name, match in [
        ("folder", "folder: cannot be written: is a directory, not a file"),
        ("", "is a directory, not a file"),
        ("fifo", "is a device or pipe, not a file"),
        ("stdout", "is a device or pipe, not a file"),
        ("none/out", "there is no directory .*/none"),
        ("file/out", "cannot be written: Not a directory"),
        ("x" * 300, "cannot be written: File name too long"),
        ("nul\0", "is not a file name"),
        ("\ud800", "is not a file name"),
    ]:
        with refused(tmp_path, match):
            write_text(tmp_path / name, "new")
    with refused(tmp_path, "/dev/null: cannot be written: is a device or pipe"):
        write_text("/dev/null", "new")
    with refused(tmp_path, "^-: cannot be written: a file needs a name, and - does not stand for standard output"):
        write_text("-", "new")


def test_a_name_may_be_as_long_as_the_file_system_allows(tmp_path: Path) -> None:
    write_text(tmp_path / ("x" * 255), "new")
    assert (tmp_path / ("x" * 255)).read_text() == "new"


@pytest.mark.parametrize("victim", ["victim", "missing"])
def test_a_planted_link_is_not_written_through(tmp_path: Path, victim: str) -> None:
    (tmp_path / "victim").write_text("old")
    (tmp_path / "out").symlink_to(tmp_path / victim)
    write_text(tmp_path / "out", "new")
    assert (tmp_path / "victim").read_text() == "old"
    assert not (tmp_path / "missing").exists()
    assert not (tmp_path / "out").is_symlink()
    assert (tmp_path / "out").read_text() == "new"


def test_a_link_planted_at_the_temporary_name_is_not_written_through(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("secrets.token_hex", lambda _: "guessed")
    (tmp_path / "victim").write_text("old")
    (tmp_path / ".pimsim-guessed.partial").symlink_to(tmp_path / "victim")
    with refused(tmp_path, "File exists"):
        write_text(tmp_path / "out", "new")


def test_folders_are_made_with_those_above_them(tmp_path: Path) -> None:
    make_folder(tmp_path / "a" / "b")
    make_folder(tmp_path / "a" / "b")
    write_text(tmp_path / "a" / "b" / "file", "")
    for name in ("a/b/file", "a/b/file/c", "x" * 300, "nul\0"):
        with pytest.raises(OutputError, match="cannot be made: "):
            make_folder(tmp_path / name)


def test_a_result_file_is_known_by_its_first_bytes(tmp_path: Path) -> None:
    (tmp_path / "result").write_bytes(HDF5_SIGNATURE + b"more")
    (tmp_path / "config").write_bytes(b"name: x")
    (tmp_path / "empty").write_bytes(b"")
    os.mkfifo(tmp_path / "fifo")
    assert is_result_file(tmp_path / "result")
    assert is_result_file(str(tmp_path / "result"))
    for name in ("config", "empty", "fifo", "", "none", "nul\0", "x" * 300):
        assert not is_result_file(tmp_path / name)
