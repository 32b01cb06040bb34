"""What `python -m tools.release` refuses before it builds anything, and the size of an environment."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pimsim import __version__
from tools.release import ROOT, ReleaseError, _size, checked, differences, git_problems, problems, pythons, version_of

FILES = {
    "pimsim/version.py": '"""Version."""\n\n__version__ = "1.2.3"\n',
    "CITATION.cff": "version: 1.2.3\ndate-released: 2026-11-30\n",
    "CHANGELOG.md": "# Changelog\n\n## [Unreleased]\n\n## [1.2.3] - 2026-11-30\n\n- New.\n\n## [1.2.2] - unreleased\n",
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "pimsim").mkdir()
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def test_the_version_of_this_checkout_is_in_one_place() -> None:
    assert version_of(ROOT) == __version__
    assert [each for each in problems(ROOT) if "under Unreleased" not in each] == []


def test_files_that_agree_have_no_problem(root: Path) -> None:
    assert (version_of(root), problems(root)) == ("1.2.3", [])


@pytest.mark.parametrize(
    ("file", "old", "new", "problem"),
    [
        ("pimsim/version.py", "1.2.3", "1.2.3.dev1", "is not a version of three numbers"),
        ("CITATION.cff", "1.2.3", "1.2.2", "CITATION.cff: version 1.2.2 is not that of pimsim/version.py, 1.2.3"),
        ("CITATION.cff", "2026-11-30", "2026-11-29", "date-released is not 2026-11-30"),
        ("CHANGELOG.md", "## [1.2.3] - 2026-11-30\n", "", "the newest section is that of 1.2.2, not of 1.2.3"),
        ("CHANGELOG.md", " - 2026-11-30", "", "section 1.2.3 has no date"),
        ("CHANGELOG.md", "[Unreleased]\n", "[Unreleased]\n\n- Late.\n", "entries under Unreleased belong into section"),
    ],
)
def test_a_file_that_does_not_agree_is_named(root: Path, file: str, old: str, new: str, problem: str) -> None:
    path = root / file
    path.write_text(path.read_text(encoding="utf-8").replace(old, new, 1), encoding="utf-8")
    assert any(problem in each for each in problems(root)), problems(root)


def test_a_checkout_with_changes_or_the_tag_is_refused(root: Path) -> None:
    def git(*arguments: str) -> None:
        identity = ("-c", "user.name=n", "-c", "user.email=n@example.org")
        subprocess.run(("git", *identity, *arguments), cwd=root, check=True, capture_output=True, timeout=60)

    git("init", "-q")
    git("add", ".")
    git("commit", "-qm", "all")
    assert git_problems(root, "1.2.3") == []
    (root / "new.txt").touch()
    git("tag", "v1.2.3")
    changed, tagged = git_problems(root, "1.2.3")
    assert "new.txt" in changed
    assert "v1.2.3 exists already" in tagged
    with pytest.raises(ReleaseError, match=r"new\.txt"):
        list(checked(root, allow=False))
    *notes, last = checked(root, allow=True)
    assert (len(notes), last) == (2, "pimsim 1.2.3: version.py, CITATION.cff and CHANGELOG.md agree")


def test_each_version_of_python_is_tried_once(tmp_path: Path) -> None:
    found = list(pythons([sys.executable]))
    assert found.count(sys.executable) == 1
    with pytest.raises(ReleaseError, match="is not a Python"):
        list(pythons([str(tmp_path / "python")]))


def test_the_size_is_that_of_the_packages_without_pip(tmp_path: Path) -> None:
    packages = tmp_path / "lib" / "python3.11" / "site-packages"
    for name, size in {"pimsim/a.py": 3, "numba/b/c.so": 50, "pip/d.py": 700, "pip-1.dist-info/e": 7}.items():
        path = packages / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(size))
    assert _size(tmp_path) == 53


def test_results_may_differ_by_rounding_only() -> None:
    one = {"a": [1, 0.1 + 0.2], "b": "x"}
    assert differences(one, {"a": [1, 0.3], "b": "x"}) == []
    assert differences(one, {"a": [2, 0.3001], "b": "y"}) == ["result.a.0", "result.a.1", "result.b"]
    assert differences(one, {"a": [1], "b": "x"}) == ["result.a"]
    assert differences(one, {"a": [1, 0.3]}) == ["result"]
