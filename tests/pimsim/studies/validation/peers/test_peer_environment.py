"""Environments of other programs: kept when finished, never made over foreign files; failures in one line."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from pimsim.studies.validation.peers import peer_environment
from pimsim.studies.validation.peers.peer_environment import PeerUnavailableError, cache_folder, peer_python, run

INSTALLS = (("a==1",), ("b",))


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What would be run; the first command makes the environment."""
    seen: list[list[str]] = []

    def note(command: list[str], what: str, timeout_s: int = 0, given: str = "") -> str:
        del what, timeout_s, given
        seen.append(list(command))
        if "venv" in command:
            (Path(command[-1]) / "bin").mkdir(parents=True)
            (Path(command[-1]) / "bin" / "python").touch()
            (Path(command[-1]) / "pyvenv.cfg").touch()
        return ""

    monkeypatch.setattr(peer_environment, "run", note)
    return seen


def test_an_environment_is_made_once_with_every_install(tmp_path: Path, commands: list[list[str]]) -> None:
    python = peer_python(tmp_path, "x", INSTALLS)
    assert [each[-1] for each in commands] == [str(Path(python).parents[1]), "a==1", "b"]
    assert all(each[:5] == [python, "-I", "-m", "pip", "install"] for each in commands[1:])
    assert peer_python(tmp_path, "x", INSTALLS) == python
    assert len(commands) == 3
    assert peer_python(tmp_path, "x", (("a==2",),)) != python  # another version: another environment


def test_an_unfinished_environment_is_made_again(tmp_path: Path, commands: list[list[str]]) -> None:
    python = Path(peer_python(tmp_path, "x", INSTALLS))
    (python.parents[1] / "pimsim-installed.txt").unlink()
    (python.parent / "python").unlink()
    (python.parent).rmdir()
    peer_python(tmp_path, "x", INSTALLS)
    assert len(commands) == 6


def test_foreign_files_are_left_alone(tmp_path: Path, commands: list[list[str]]) -> None:
    place = Path(peer_python(tmp_path, "x", INSTALLS)).parents[1]
    for each in ("pimsim-installed.txt", "pyvenv.cfg"):
        (place / each).unlink()
    with pytest.raises(PeerUnavailableError, match="is not an environment of Python"):
        peer_python(tmp_path, "x", INSTALLS)
    assert len(commands) == 3


def test_a_missing_python_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PeerUnavailableError, match=r"needs Python 3\.97 or newer"):
        peer_python(tmp_path, "x", INSTALLS, newest_of="3.97")


@pytest.mark.timeout(60)
def test_a_failure_is_one_line_and_the_paths_of_this_program_are_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(PeerUnavailableError, match=r"^pip install failed: ERROR: no such package$"):
        run([sys.executable, "-c", "raise SystemExit('one\\nERROR: no such package\\ntwo')"], "pip install")
    with pytest.raises(PeerUnavailableError, match=r"^it took more than 0\.01 s$"):
        run([sys.executable, "-c", "import time; time.sleep(60)"], "it", 0.01)  # type: ignore[arg-type]
    with pytest.raises(PeerUnavailableError, match=r"^it: No such file"):
        run(["/no-such-folder/none"], "it")
    monkeypatch.setenv("PYTHONPATH", "/somewhere")
    assert run([sys.executable, "-c", "import os; print(os.environ.get('PYTHONPATH'), input())"], "it", given="in") == (
        "None in\n"
    )


def test_the_cache_is_the_user_s(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/cache")
    assert cache_folder() == Path("/cache/pimsim/peers")
