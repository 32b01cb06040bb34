"""Write constraints.txt: one version of every package that pimsim, its tests and its tools need, also indirectly.

    python -m tools.pin_dependencies            # the newest versions that pyproject.toml allows; needs a network
    python -m tools.pin_dependencies --check    # changes nothing, needs no network; exit code 1 if a pin does not suit

pip resolves the requirements of all extras and of the build once per Python version, without installing anything, and
takes wheels only. Where the versions differ, a pin gets a marker. Renew the file after a change of the dependencies in
pyproject.toml, and before a release; then run `make clean test lint`.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
FILE = ROOT / "constraints.txt"
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
"""Versions of Python that have pins; another one gets the newest versions of what has no pin for it."""

NOT_PINNED = ("mutants",)
"""Extras without pins: cosmic-ray needs a package that has no wheel. Its own version is fixed in pyproject.toml."""

HEAD = """\
# Versions with which the tests of this revision pass. The Makefile installs these, so that a checkout repeats later.
# Written by `python -m tools.pin_dependencies`, for Python {pythons} on {platform}; tested on 3.11 only. Packages of
# the extra `mutants`, and on another system packages that are missing here, are not pinned. `make test CONSTRAINTS=`
# takes the newest versions that pyproject.toml allows.
"""


def declared(project: Mapping[str, Any]) -> list[str]:
    """Return the requirements of the build, of pimsim and of all its extras, without references to pimsim itself.

    Args:
        project: Content of pyproject.toml.

    Returns:
        Requirements as pip reads them, each once.
    """
    extras = project["project"].get("optional-dependencies", {})
    chosen = [requirements for extra, requirements in extras.items() if extra not in NOT_PINNED]
    lists = [project["build-system"]["requires"], project["project"]["dependencies"], *chosen]
    name = project["project"]["name"]
    return list(dict.fromkeys(each for of in lists for each in of if Requirement(each).name != name))


def resolved(requirements: Iterable[str], python: str) -> dict[str, str]:
    """Let pip choose versions for one version of Python.

    Args:
        requirements: Requirements as pip reads them.
        python: Version such as "3.12".

    Returns:
        Version by canonical name of every package that would be installed.

    Raises:
        SystemExit: If pip finds no versions.
    """
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        target = ["--python-version", python, "--only-binary=:all:", "--target", folder]
        command = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--quiet", *target]
        done = subprocess.run([*command, "--report", str(report), *requirements], capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"error: pip finds no versions for Python {python}:\n{done.stderr[-3000:]}")
        found = json.loads(report.read_text(encoding="utf-8"))["install"]
    # A pin without a local part, such as +cpu, also accepts builds that have one.
    return {canonicalize_name(each["metadata"]["name"]): each["metadata"]["version"].split("+")[0] for each in found}


def lines(by_python: Mapping[str, Mapping[str, str]]) -> list[str]:
    """Return the pins, sorted by name; with a marker where a package or a version is not the same everywhere.

    Args:
        by_python: Version by name, by version of Python.

    Returns:
        Lines such as `numpy==2.4.6` and `numpy==2.3.0 ; python_version == "3.11"`.
    """
    out = []
    for name in sorted({name for pins in by_python.values() for name in pins}):
        versions = {python: pins[name] for python, pins in by_python.items() if name in pins}
        if len(set(versions.values())) == 1:
            # A package that only some versions of Python need does no harm as a constraint of the others.
            out.append(f"{name}=={next(iter(versions.values()))}")
        else:
            out += [f'{name}=={version} ; python_version == "{python}"' for python, version in versions.items()]
    return out


def pins(text: str, python: str) -> dict[str, str]:
    """Read the pins that count for one version of Python.

    Args:
        text: Content of constraints.txt.
        python: Version such as "3.12".

    Returns:
        Version by canonical name.

    Raises:
        ValueError: If a line is anything but a pin of one version.
    """
    out: dict[str, str] = {}
    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        requirement = Requirement(line)
        if (match := re.fullmatch(r"==([^*,]+)", str(requirement.specifier))) is None or requirement.url:
            raise ValueError(f"constraints.txt: not a pin: {line}")
        if requirement.marker is None or requirement.marker.evaluate({"python_version": python}):
            name = canonicalize_name(requirement.name)
            if name in out:
                raise ValueError(f"constraints.txt: {name} has two versions for Python {python}")
            out[name] = match[1]
    return out


def problems(text: str, requirements: Iterable[str], python: str) -> list[str]:
    """Compare the pins with requirements.

    Args:
        text: Content of constraints.txt.
        requirements: Requirements as pip reads them.
        python: Version such as "3.12".

    Returns:
        One sentence per requirement that has no pin, or one outside its range.
    """
    pinned = pins(text, python)
    out = []
    for requirement in map(Requirement, requirements):
        if requirement.marker is not None and not requirement.marker.evaluate({"python_version": python}):
            continue
        version = pinned.get(canonicalize_name(requirement.name))
        if version is None:
            out.append(f"Python {python}: {requirement.name} has no pin")
        elif not requirement.specifier.contains(version, prereleases=True):
            out.append(f"Python {python}: {requirement.name}=={version} is outside {requirement.specifier}")
    return out


def main() -> int:
    """Write the file or check it; return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--check", action="store_true", help="change nothing; fail if a pin is missing or does not suit"
    )
    check = parser.parse_args().check
    requirements = declared(tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8")))
    if not check:
        with ThreadPoolExecutor() as pool:
            found_by_pip = pool.map(lambda python: resolved(requirements, python), PYTHONS)
            by_python = dict(zip(PYTHONS, found_by_pip, strict=True))
        head = HEAD.format(pythons=f"{PYTHONS[0]} to {PYTHONS[-1]}", platform=sys.platform)
        FILE.write_text("\n".join([head.rstrip("\n"), *lines(by_python)]) + "\n", encoding="utf-8")
    found = [each for python in PYTHONS for each in problems(FILE.read_text("utf-8"), requirements, python)]
    sys.stdout.writelines(f"{each}; run python -m tools.pin_dependencies\n" for each in found)
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
