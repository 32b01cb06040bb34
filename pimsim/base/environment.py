"""Examination of the environment that pimsim runs in: Python, libraries, name clashes, cores and compiled kernels."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import Distribution, PackageNotFoundError, distribution, distributions
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from pimsim.base.kernel_groups import GROUPS, kernel_parts
from pimsim.version import __version__

PACKAGES = ("pimsim", "crossbar", "workloads")
"""Packages that pimsim installs. Crossbar.io's router has a package `crossbar` too, which overwrites ours."""
EXTRAS_OF_DEVELOPERS = ("dev", "mutants", "test", "transformers")
"""Extras that no command of pimsim needs."""
LOADED = ("numpy", "numba", "h5py")
"""Libraries with compiled code that are also imported, because an installed one may not load."""

State = Literal["ok", "note", "problem"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One statement about the environment.

    Attributes:
        subject: What was examined, such as "numba" or "extra sweep".
        state: ok; note: something is missing that not every command needs; problem: pimsim does not work with it.
        detail: Version, place or number, and for a problem what to do.
    """

    subject: str
    state: State
    detail: str


def check_environment() -> tuple[Finding, ...]:
    """Examine the environment of this process; nothing is changed.

    Returns:
        Findings in the order of the report: Python, libraries, extras, packages, cores, kernels.

    Example:
        >>> from pimsim import check_environment
        >>> problems = [each for each in check_environment() if each.state == "problem"]
    """
    return (
        Finding("pimsim", "ok", f"{__version__} in {_folder()}"),
        Finding("Python", "ok", f"{platform.python_version()} at {sys.executable}, {platform.platform(terse=True)}"),
        *_libraries(),
        *_clashes(),
        *_examined("threads", _cores),
        *_examined("kernels", _kernels),
    )


def _examined(subject: str, examine: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    """Yield the findings of code that needs libraries and packages which may be broken."""
    try:
        yield from examine()
    except Exception as error:  # a package of another project with our name may raise anything
        yield Finding(subject, "problem", f"cannot be examined: {type(error).__name__}: {error}")


def _folder() -> Path:
    """Return the folder that holds the packages of this pimsim."""
    return Path(__file__).resolve().parents[2]


def _libraries() -> Iterator[Finding]:
    """Compare the installed libraries with what the metadata of pimsim requires."""
    try:
        own = distribution("pimsim")
    except PackageNotFoundError:
        yield Finding("libraries", "note", "pimsim is not installed, so the versions it needs are not known")
        return
    extras = own.metadata.get_all("Provides-Extra") or []
    requirements = [Requirement(line) for line in own.requires or ()]
    for requirement in requirements:
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            problem = _lack(requirement) or _load_error(requirement.name)
            detail = problem or distribution(requirement.name).version
            yield Finding(requirement.name, "problem" if problem else "ok", detail)
    for extra in sorted(set(extras) - set(EXTRAS_OF_DEVELOPERS)):
        needed = [each for each in requirements if each.marker and _belongs_to(each, extra)]
        lacks = [f"{each.name}: {lack}" for each in needed if (lack := _lack(each))]
        install = f'pip install "pimsim[{extra}]"'
        detail = f"{'; '.join(lacks)} ({install})" if lacks else ", ".join(_versions(needed))
        yield Finding(f"extra {extra}", "note" if lacks else "ok", detail)


def _belongs_to(requirement: Requirement, extra: str) -> bool:
    """Return whether a requirement is one of an extra and not of the core."""
    assert requirement.marker is not None
    return requirement.marker.evaluate({"extra": extra}) and not requirement.marker.evaluate({"extra": ""})


def _lack(requirement: Requirement) -> str:
    """Return what is wrong with the installed version of a requirement; empty if nothing is."""
    try:
        version = distribution(requirement.name).version
    except PackageNotFoundError:
        return f"not installed; pimsim needs {requirement.specifier}"
    if requirement.specifier.contains(version, prereleases=True):
        return ""
    return f"version {version}; pimsim needs {requirement.specifier}"


def _versions(requirements: list[Requirement]) -> list[str]:
    return [f"{each.name} {distribution(each.name).version}" for each in requirements]


def _load_error(name: str) -> str:
    """Return why a library does not load; empty if it does, or if it is not one of `LOADED`."""
    if name not in LOADED:
        return ""
    try:
        import_module(name)
    except Exception as error:  # a broken library may raise anything
        return f"does not load: {type(error).__name__}: {error}"
    return ""


def name_clashes() -> dict[str, str]:
    """Find other projects whose packages have the names of ours; none of the packages is imported.

    Returns:
        What is wrong with each package that is not that of pimsim alone, by name.
    """
    clashes = {}
    for name, others in _owners().items():
        spec = find_spec(name)
        places = [Path(place).resolve() for place in (spec.submodule_search_locations or ())] if spec else []
        if places != [_folder() / name]:
            clashes[name] = f"import finds {', '.join(map(str, places)) or 'nothing'} instead of {_folder() / name}"
        elif others:
            clashes[name] = f"also installed by {', '.join(others)}"
    return clashes


def _clashes() -> Iterator[Finding]:
    clashes = name_clashes()
    for name in PACKAGES:
        detail = f"{clashes[name]}; use an environment of its own for pimsim" if name in clashes else "that of pimsim"
        yield Finding(f"package {name}", "problem" if name in clashes else "ok", detail)


def _owners() -> dict[str, list[str]]:
    """Return the other distributions that install files into packages of our names."""
    owners: dict[str, set[str]] = {name: set() for name in PACKAGES}
    for each in distributions():
        name = each.metadata["Name"]
        if name and canonicalize_name(name) != "pimsim":
            for package in _top_folders(each) & owners.keys():
                owners[package].add(f"{name} {each.version}")
    return {name: sorted(found) for name, found in owners.items()}


def _top_folders(each: Distribution) -> set[str]:
    return {path.parts[0] for path in each.files or () if len(path.parts) > 1}


def _cores() -> Iterator[Finding]:
    """Count the cores, and the threads of Numba's loops and of BLAS."""
    from crossbar.kernels.threads import max_threads

    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    yield Finding("cores", "ok", f"{allowed} of {os.cpu_count()} for this process; {max_threads()} threads for arrays")
    import numpy as np
    from threadpoolctl import threadpool_info

    np.zeros((1, 1)) @ np.zeros((1, 1))  # loads BLAS
    pools = [each for each in threadpool_info() if each["user_api"] == "blas"]
    named = [f"{each['internal_api']} {each['version']}, {each['num_threads']} threads" for each in pools]
    yield Finding("BLAS", "ok" if named else "note", "; ".join(named) or "not recognised; its threads are not limited")


def _kernels() -> Iterator[Finding]:
    """Look which kernels the cache has, and whether it can be written."""
    from crossbar.kernels.warming import cache_folder, is_compiled

    parts = kernel_parts()
    for group in GROUPS:
        mine = [part for part in parts if part.group == group]
        missing = sum(not is_compiled(part) for part in mine)
        detail = f"{missing} of {len(mine)} parts are compiled at first use (pimsim warm-up {group})"
        yield Finding(f"kernels {group}", "note" if missing else "ok", detail if missing else "compiled")
    for folder in sorted({cache_folder(part) for part in parts}):
        nearest = next(each for each in (Path(folder), *Path(folder).parents) if each.exists())
        writable = os.access(nearest, os.W_OK)
        detail = folder if writable else f"{folder} cannot be written; NUMBA_CACHE_DIR names another folder"
        yield Finding("kernel cache", "ok" if writable else "note", detail)
