"""The revision that a result file names: that of the checkout, or none."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from pimsim.results import git_revision


def test_a_file_from_outside_a_checkout_has_no_revision(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(
        git_revision, "__file__", str(tmp_path / "site-packages" / "pimsim" / "results" / "git_revision.py")
    )
    assert git_revision.git_revision.__wrapped__() == ""


def test_the_revision_is_that_of_the_checkout(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def git(*arguments: str) -> str:
        identity = ["-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "commit.gpgsign=false"]
        command = ["git", "-C", str(tmp_path), *identity, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=300).stdout.strip()

    monkeypatch.setattr(git_revision, "__file__", str(tmp_path / "pimsim" / "results" / "git_revision.py"))
    try:
        git("init")
    except OSError:
        pytest.skip("no git")
    revision = git_revision.git_revision.__wrapped__
    assert revision() == ""  # no commit yet
    (tmp_path / "file").write_text("1")
    git("add", "file")
    git("commit", "-m", "one")
    commit = git("rev-parse", "HEAD")
    git("tag", "-a", "v1", "-m", "v1")
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    assert revision() == commit
    (tmp_path / "file").write_text("2")
    assert revision() == f"{commit}-dirty"
    monkeypatch.setenv("PATH", "")
    assert revision() == ""
