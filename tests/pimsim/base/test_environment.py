"""The environment is examined without changing it: libraries, packages of other projects, cores, kernels."""

from __future__ import annotations

import sys
from importlib.metadata import Distribution
from pathlib import Path

import pytest

from pimsim import Finding, check_environment
from pimsim.base import environment

ROOT = Path(__file__).resolve().parents[3]


def found(subject: str) -> Finding:
    return next(each for each in check_environment() if each.subject == subject)


def install(folder: Path, name: str, *files: str, metadata: str = "") -> None:
    """Write a distribution as pip leaves it."""
    info = folder / f"{name}-9.9.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 9.9\n{metadata}", "utf-8")
    (info / "RECORD").write_text("".join(f"{file},,\n" for file in files), "utf-8")
    for file in files:  # importlib_metadata, where another library has imported it, skips files that are not there
        (folder / file).parent.mkdir(exist_ok=True)
        (folder / file).write_text("", "utf-8")


def requiring(monkeypatch: pytest.MonkeyPatch, folder: Path, *lines: str) -> None:
    """Replace the metadata of pimsim by one with these requirements."""
    install(folder, "pimsim", metadata="".join(f"{line}\n" for line in lines))
    monkeypatch.syspath_prepend(str(folder))


def test_this_environment_has_no_problem() -> None:
    findings = check_environment()
    assert [each for each in findings if each.state == "problem"] == []
    assert findings[0].detail.endswith(f"in {ROOT}")
    assert {f"kernels {group}" for group in ("arrays", "wires")} <= {each.subject for each in findings}


def test_a_library_of_another_version_is_a_problem(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    requiring(monkeypatch, tmp_path, "Requires-Dist: numpy>=900", "Requires-Dist: no-such-library<2")
    assert found("numpy").state == "problem"
    assert found("numpy").detail.endswith("pimsim needs >=900")
    assert found("no-such-library") == Finding("no-such-library", "problem", "not installed; pimsim needs <2")


def test_a_missing_extra_is_a_note(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    lines = ("Provides-Extra: sweep", "Provides-Extra: dev", "Requires-Dist: absent>=1; extra == 'sweep'")
    requiring(monkeypatch, tmp_path, *lines, "Requires-Dist: other; extra == 'dev'")
    extra = found("extra sweep")
    assert (extra.state, extra.detail) == (
        "note",
        'absent: not installed; pimsim needs >=1 (pip install "pimsim[sweep]")',
    )
    assert "extra dev" not in {each.subject for each in check_environment()}


def test_a_library_that_does_not_load_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "h5py", None)
    assert found("h5py").state == "problem"
    assert found("h5py").detail.startswith("does not load: ModuleNotFoundError")


def test_another_owner_of_our_package_is_a_problem(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    install(tmp_path, "crossbar", "crossbar/__init__.py", "crossbar/router.py")
    install(tmp_path, "harmless", "harmless/__init__.py", "crossbar.py")
    monkeypatch.setattr(environment, "distributions", lambda: Distribution.discover(path=[str(tmp_path)]))
    assert environment.name_clashes() == {"crossbar": "also installed by crossbar 9.9"}
    assert found("package crossbar").state == "problem"
    assert found("package workloads").state == "ok"


def test_a_package_that_hides_ours_is_a_problem(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "workloads").mkdir()
    (tmp_path / "workloads" / "__init__.py").write_text("", "utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "workloads")
    clash = environment.name_clashes()
    assert clash == {"workloads": f"import finds {tmp_path / 'workloads'} instead of {ROOT / 'workloads'}"}


def test_what_cannot_be_examined_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "crossbar.kernels.warming", None)
    assert found("kernels").state == "problem"


def test_a_cache_that_cannot_be_written_is_a_note(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment.os, "access", lambda *_: False)
    assert found("kernel cache").state == "note"
    assert "NUMBA_CACHE_DIR" in found("kernel cache").detail


def test_without_metadata_versions_are_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> None:
        raise environment.PackageNotFoundError(name)

    monkeypatch.setattr(environment, "distribution", absent)
    assert found("libraries").state == "note"
