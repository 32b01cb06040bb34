"""Prepare a release: everything but the tag and the upload.

    python -m tools.release --check              # the checkout only: clean tree, one version, changelog
    python -m tools.release                      # and build, check and install what would be uploaded
    python -m tools.release --python PATH ...    # also in environments of these Pythons

It builds the sdist and the wheel into `dist/`, checks both with twine and check-wheel-contents, and installs the wheel
without extras into an empty environment of each Python: this one, those of `PYTHONS` that are on the PATH, and those of
`--python`. There `pimsim --version`, `pimsim doctor` and `pimsim run pim-llm` must work, the run must give the same
result everywhere, and the environment must not be larger than `MAX_MB`. Nothing is uploaded; the commands for that are
printed at the end.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
"""Versions of Python whose `pythonX.Y` is tried if it is on the PATH."""
MAX_MB = 400
"""Largest size of an environment with pimsim and no extra, without pip and setuptools, in 10^6 bytes."""
TOOLS = {"build": "build", "twine": "twine", "check_wheel_contents": "check-wheel-contents"}
"""Modules of the extra `release`, and the names of their packages."""
RUN = ("run", "pim-llm", "--json")
ROUNDING = 1e-12
"""Relative difference of floats that is rounding."""
NOT_OURS = ("pip", "setuptools", "_distutils_hack", "distutils-precedence.pth")
"""Beginnings of the names in site-packages that `venv` makes."""


class ReleaseError(Exception):
    """A step of the release failed; the message says which and why."""


@dataclass(frozen=True)
class Trial:
    """What was found in the environment of one Python.

    Attributes:
        python: Version, such as "3.11.7".
        size_mb: Size of pimsim and its dependencies with their compiled Python files, 10^6 bytes.
        result: What `pimsim run` printed, without the times and names that depend on the environment.
    """

    python: str
    size_mb: float
    result: dict[str, object]


def version_of(root: Path) -> str:
    """Return the version in pimsim/version.py, from which the build takes it."""
    found = re.findall(r'^__version__ = "([^"]+)"$', _text(root, "pimsim/version.py"), re.M)
    if len(found) != 1:
        raise ReleaseError('pimsim/version.py: must have one line __version__ = "..."')
    return str(found[0])


def problems(root: Path) -> list[str]:
    """Return where the files of a checkout do not agree on the version and the date of the release.

    Args:
        root: Folder of the checkout.

    Returns:
        One sentence for each problem.
    """
    version, found = version_of(root), []
    if not re.fullmatch(r"\d+\.\d+\.\d+", version):
        found.append(f"pimsim/version.py: {version} is not a version of three numbers")
    citation = yaml.safe_load(_text(root, "CITATION.cff"))
    if str(citation.get("version")) != version:
        found.append(f"CITATION.cff: version {citation.get('version')} is not that of pimsim/version.py, {version}")
    sections = re.findall(r"^## \[([^\]]+)\](?: - (\S+))?$", _text(root, "CHANGELOG.md"), re.M)
    released = [section for section in sections if section[0] != "Unreleased"]
    if not released or released[0][0] != version:
        newest = released[0][0] if released else "nothing"
        found.append(f"CHANGELOG.md: the newest section is that of {newest}, not of {version}")
    elif not re.fullmatch(r"\d{4}-\d\d-\d\d", released[0][1]):
        found.append(f"CHANGELOG.md: section {version} has no date")
    elif str(citation.get("date-released")) != released[0][1]:
        found.append(f"CITATION.cff: date-released is not {released[0][1]}, the date of {version} in CHANGELOG.md")
    unreleased = _text(root, "CHANGELOG.md").partition("## [Unreleased]\n")[2].partition("\n## [")[0]
    if unreleased.strip():
        found.append(f"CHANGELOG.md: entries under Unreleased belong into section {version}, or into a later version")
    return found


def git_problems(root: Path, version: str) -> list[str]:
    """Return what in the state of git keeps a checkout from being released."""
    found = []
    if changed := _output(root, "git", "status", "--porcelain"):
        found.append(f"the checkout has changes that are not committed: {', '.join(changed.split()[1::2][:5])}")
    if _output(root, "git", "tag", "--list", f"v{version}"):
        found.append(f"the tag v{version} exists already")
    return found


def build(root: Path, folder: Path) -> tuple[Path, Path]:
    """Build sdist and wheel, and check both.

    Args:
        root: Folder of the checkout.
        folder: Folder into which they are written.

    Returns:
        The wheel and the sdist.

    Raises:
        ReleaseError: If a tool is missing, or finds something.
    """
    missing = [package for module, package in TOOLS.items() if find_spec(module) is None]
    if missing:
        raise ReleaseError(f'{", ".join(missing)} not installed: python -m pip install -c constraints.txt ".[release]"')
    _output(root, sys.executable, "-m", "build", "--outdir", str(folder), str(root))
    (wheel,), (sdist,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    _output(root, sys.executable, "-m", "twine", "check", "--strict", str(wheel), str(sdist))
    _output(root, sys.executable, "-m", "check_wheel_contents", str(wheel))
    return wheel, sdist


def pythons(chosen: Sequence[str]) -> Iterator[str]:
    """Yield this Python, those of `PYTHONS` on the PATH and the chosen ones, each version once."""
    versions = set()
    for each in (sys.executable, *(f"python{version}" for version in PYTHONS), *chosen):
        program = shutil.which(each)
        done = program and subprocess.run(
            [program, "-c", "import venv, sys; print(*sys.version_info[:2])"],
            capture_output=True,
            text=True,
            check=False,
        )
        if not done or done.returncode:
            if each in chosen:
                raise ReleaseError(f"{each}: is not a Python with the module venv")
            continue
        if done.stdout not in versions:
            versions.add(done.stdout)
            yield str(program)


def tried(python: str, wheel: Path, version: str) -> Trial:
    """Install a wheel into an empty environment, and try it there.

    Args:
        python: Program that makes the environment.
        wheel: The wheel.
        version: Version that it must have.

    Returns:
        What was found.

    Raises:
        ReleaseError: If a command fails there, or the environment is too large.
    """
    with tempfile.TemporaryDirectory() as temporary:
        home, elsewhere = Path(temporary) / "venv", Path(temporary) / "elsewhere"
        elsewhere.mkdir()
        _output(elsewhere, python, "-m", "venv", str(home))
        inside, command = str(home / "bin" / "python"), str(home / "bin" / "pimsim")
        _output(elsewhere, inside, "-m", "pip", "install", "--disable-pip-version-check", "-q", str(wheel))
        _output(elsewhere, inside, "-m", "pip", "check")
        name = _output(elsewhere, inside, "-c", "import platform; print(platform.python_version())").strip()
        if (shown := _output(elsewhere, command, "--version").strip()) != f"pimsim {version}":
            raise ReleaseError(f"Python {name}: pimsim --version prints {shown!r}")
        size_mb = _size(home) / 1e6
        if size_mb > MAX_MB:
            raise ReleaseError(f"Python {name}: the environment has {size_mb:.0f} MB, more than {MAX_MB}")
        _output(elsewhere, command, "doctor")
        return Trial(name, size_mb, json.loads(_output(elsewhere, command, *RUN)))


def _size(home: Path) -> int:
    """Return the bytes of the packages in an environment, without those that `venv` makes."""
    (packages,) = home.glob("lib/python*/site-packages")
    return sum(
        path.lstat().st_size
        for path in packages.rglob("*")
        if path.is_file() and not path.relative_to(packages).parts[0].startswith(NOT_OURS)
    )


def _text(root: Path, name: str) -> str:
    return (root / name).read_text(encoding="utf-8")


def _output(folder: Path, *command: str) -> str:
    """Return what a command prints; a ReleaseError if it fails. Modules come from its environment only."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "VIRTUAL_ENV"))}
    done = subprocess.run(command, cwd=folder, env=kept, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ReleaseError(f"{' '.join(command)} ends with {done.returncode}:\n{(done.stdout + done.stderr)[-3000:]}")
    return done.stdout


def differences(one: object, other: object, path: str = "result") -> list[str]:
    """Return the paths at which two results differ by more than rounding.

    Args:
        one: Value from JSON.
        other: Value from JSON.
        path: Path of both.

    Returns:
        Paths. Since Python 3.12, `sum` adds floats with compensation, so their last digits depend on the version.
    """
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        return [each for key in one for each in differences(one[key], other[key], f"{path}.{key}")]
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        pairs = enumerate(zip(one, other, strict=True))
        return [each for at, (a, b) in pairs for each in differences(a, b, f"{path}.{at}")]
    if isinstance(one, float) and isinstance(other, float):
        return [] if math.isclose(one, other, rel_tol=ROUNDING) else [path]
    return [] if one == other else [path]


def release(root: Path, folder: Path, chosen: Sequence[str], allow: bool) -> Iterator[str]:
    """Check, build and try a release.

    Args:
        root: Folder of the checkout.
        folder: Folder for sdist and wheel, whose content is replaced.
        chosen: More Pythons.
        allow: Whether problems of the state of git are only reported.

    Yields:
        Lines of the report, as each step ends.

    Raises:
        ReleaseError: If a step fails.
    """
    version = version_of(root)
    yield from checked(root, allow)
    shutil.rmtree(folder, ignore_errors=True)
    wheel, sdist = build(root, folder)
    for path in (sdist, wheel):
        yield f"{path.name}: {path.stat().st_size / 1e6:.2f} MB; twine check --strict and check-wheel-contents passed"
    trials: list[Trial] = []
    for python in pythons(chosen):
        trial = tried(python, wheel, version)
        trials.append(trial)
        yield f"Python {trial.python}: {trial.size_mb:.0f} MB of {MAX_MB} without extras; doctor and run work"
        if found := differences(trials[0].result, trial.result):
            raise ReleaseError(f"Python {trial.python}: pimsim {' '.join(RUN)} differs in {', '.join(found[:5])}")
    yield f"pimsim run: the same result, to {ROUNDING} of each float, in {len(trials)} environments"
    yield f"\nto release:\n  git tag -a v{version} -m 'pimsim {version}'\n  git push origin v{version}"
    yield f"  python -m twine upload {' '.join(str(path.relative_to(root)) for path in (sdist, wheel))}"


def checked(root: Path, allow: bool) -> Iterator[str]:
    """Check the checkout.

    Args:
        root: Its folder.
        allow: Whether problems of the state of git are only reported.

    Yields:
        Lines of the report.

    Raises:
        ReleaseError: If there is a problem.
    """
    version = version_of(root)
    found, of_git = problems(root), git_problems(root, version)
    if found or (of_git and not allow):
        raise ReleaseError("\n".join((*found, *of_git)))
    yield from (f"note: {each}" for each in of_git)
    yield f"pimsim {version}: version.py, CITATION.cff and CHANGELOG.md agree"


def main() -> int:
    """Run the command line.

    Returns:
        Exit code: 1 if a step fails.
    """
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="check the checkout only, and build nothing")
    parser.add_argument(
        "--python", action="append", default=[], metavar="PATH", help="try the wheel with this Python, too"
    )
    parser.add_argument(
        "--any-state", action="store_true", help="only report changes in the checkout and an existing tag"
    )
    options = parser.parse_args()
    steps = (
        checked(ROOT, options.any_state)
        if options.check
        else release(ROOT, ROOT / "dist", options.python, options.any_state)
    )
    try:
        for line in steps:
            print(line, flush=True)
    except ReleaseError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
