"""Location of the configs and traces that ship with pimsim, and reading of untrusted files.

In a wheel the shipped data are inside the package (`pimsim/_data/configs`, `pimsim/_data/traces`). In a checkout,
including an editable installation, they are at the top of the repository (`configs/`, `traces/`).
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path

from pimsim.base.debug_log import DebugLog
from pimsim.base.errors import ConfigError, PimsimError, WorkloadInputError, did_you_mean, show
from pimsim.base.file_kinds import Kind, use

LOG = DebugLog(__name__)

_PACKAGE = Path(__file__).resolve().parents[1]
_DATA = _PACKAGE / "_data" if (_PACKAGE / "_data").is_dir() else _PACKAGE.parent

CONFIG_SUFFIXES = (".yaml", ".yml")
TRACE_SUFFIXES = (".json",)
REQUEST_SUFFIXES = (".jsonl",)

Fail = Callable[[str], PimsimError]

MOST_NAMES = 12
"""Names of configs that a message lists; for more it says where they are listed."""

SWEEP_PREFIX = "sweep-"
"""Prefix in the names of shipped sweep files, which are in the same folder as the configs."""


def list_configs() -> list[str]:
    """List the shipped configs.

    Returns:
        Sorted names, which `find_config` accepts.
    """
    return sorted(_shipped("configs", CONFIG_SUFFIXES))


def list_sweeps() -> list[str]:
    """List the shipped sweep files.

    Returns:
        Sorted names, which `find_sweep` accepts.
    """
    return sorted(_shipped("sweeps", CONFIG_SUFFIXES))


def list_traces() -> list[str]:
    """List the shipped traces.

    Returns:
        Sorted names, which `find_trace` accepts.
    """
    return sorted(_shipped("traces", TRACE_SUFFIXES))


def list_requests() -> list[str]:
    """List the shipped request files.

    Returns:
        Sorted names, which `find_requests` accepts.
    """
    return sorted(_shipped("traces", REQUEST_SUFFIXES))


def find_config(name_or_path: str | Path, relative_to: Path | None = None) -> Path:
    """Find a config file by path or by name.

    Args:
        name_or_path: Path of an existing file, or the name of a shipped config ("pim-llm", "configs/pim-llm.yaml").
        relative_to: Folder from which a relative path starts; None means the working directory.

    Returns:
        Path of the file.

    Raises:
        ConfigError: If there is no such file; the message suggests the most similar shipped name.
    """

    def fail(message: str) -> PimsimError:
        return ConfigError(message, str(name_or_path) or "''")

    return _find(name_or_path, relative_to, "configs", CONFIG_SUFFIXES, fail)


def find_sweep(name_or_path: str | Path) -> Path:
    """Find a sweep file by path or by name.

    Args:
        name_or_path: Path of an existing file, or the name of a shipped sweep.

    Returns:
        Path of the file.

    Raises:
        ConfigError: If there is no such file; the message suggests the most similar shipped name.
    """

    def fail(message: str) -> PimsimError:
        return ConfigError(message, str(name_or_path) or "''")

    return _find(name_or_path, None, "sweeps", CONFIG_SUFFIXES, fail)


def find_trace(name_or_path: str | Path, relative_to: Path | None = None) -> Path:
    """Find a trace file by path or by name.

    Args:
        name_or_path: Path of an existing file, or the name of a shipped trace.
        relative_to: Folder from which a relative path starts; None means the working directory.

    Returns:
        Path of the file.

    Raises:
        WorkloadInputError: If there is no such file; the message suggests the most similar shipped name.
    """

    def fail(message: str) -> PimsimError:
        return WorkloadInputError(f"{show(str(name_or_path))}: {message}")

    return _find(name_or_path, relative_to, "traces", TRACE_SUFFIXES, fail)


def find_requests(name_or_path: str | Path) -> Path:
    """Find a file of serving requests by path or by name.

    Args:
        name_or_path: Path of an existing file, or the name of a shipped request file.

    Returns:
        Path of the file.

    Raises:
        WorkloadInputError: If there is no such file; the message suggests the most similar shipped name.
    """

    def fail(message: str) -> PimsimError:
        return WorkloadInputError(f"{show(str(name_or_path))}: {message}")

    return _find(name_or_path, None, "traces", REQUEST_SUFFIXES, fail, "request file")


def defaults_path() -> Path:
    """Return the path of the file that holds all default values.

    Returns:
        Path of `configs/defaults.yaml`, in the wheel or in the checkout.
    """
    return _DATA / "configs" / "defaults.yaml"


def is_shipped(path: str | Path) -> bool:
    """Return whether a file is one of the configs or sweeps that ship with pimsim.

    Args:
        path: Any path.

    Returns:
        True if it is in the folder of the shipped configs.
    """
    return Path(os.path.realpath(path)).parent == Path(os.path.realpath(_DATA / "configs"))


def read_limited(path: Path, limit: int, fail: Fail) -> bytes:
    """Read a regular file of limited size.

    The file is opened without blocking and checked after opening: so a FIFO or a device cannot block the program, and
    cannot replace the file between the check and the opening.

    Args:
        path: The file.
        limit: Largest allowed size in bytes.
        fail: Function that makes the exception of a message, such as "is not a regular file".

    Returns:
        Content of the file.

    Raises:
        PimsimError: The exception from `fail`, if the file cannot be read, is not regular or is too large.
    """
    try:
        with open(path, "rb", opener=_open_without_blocking) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise fail("is not a regular file")
            data = file.read(limit + 1)
    except IsADirectoryError:
        raise fail("is a directory, not a file") from None
    except OSError as error:
        raise fail(f"cannot be read: {error.strerror or error}") from None
    except ValueError:  # a NUL character in the path
        raise fail("is not a file name") from None
    if len(data) > limit:
        raise fail(f"is larger than the limit of {limit} bytes")
    LOG("read %s, %d bytes", path, len(data))
    return data


def _open_without_blocking(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _shipped(kind: str, suffixes: tuple[str, ...]) -> Mapping[str, Path]:
    folder = _DATA / ("traces" if kind == "traces" else "configs")
    return _listed(folder, folder.stat().st_mtime_ns, kind, suffixes) if folder.is_dir() else {}


@lru_cache(maxsize=16)
def _listed(folder: Path, changed_ns: int, kind: str, suffixes: tuple[str, ...]) -> Mapping[str, Path]:
    """List a folder once: a config that extends others looks for each of them, and a catalog for those of all configs.

    Args:
        folder: The folder.
        changed_ns: When a file was added to it or removed last, ns; another time means another list.
        kind: "configs", "sweeps" or "traces".
        suffixes: Suffixes of files of this kind.

    Returns:
        Paths by name.
    """
    paths = [path for path in folder.iterdir() if path.suffix in suffixes]
    return {path.stem: path for path in paths if path.name.startswith(SWEEP_PREFIX) == (kind == "sweeps")}


def _is_directory(path: Path) -> bool | None:
    """Return whether a path is a directory.

    Args:
        path: Any path.

    Returns:
        None if the path does not exist. False also if its status cannot be read; reading the file then reports why.
    """
    try:
        return stat.S_ISDIR(path.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError, ValueError):  # ValueError: a NUL character in the path
        return None
    except OSError:
        return False


def _find(
    name_or_path: str | Path,
    relative_to: Path | None,
    kind: str,
    suffixes: tuple[str, ...],
    fail: Fail,
    noun: str | None = None,
) -> Path:
    """Find a file by path, or else among the shipped files of a kind.

    Args:
        name_or_path: Path, or name of a shipped file.
        relative_to: Folder from which a relative path starts; None means the working directory.
        kind: "configs", "sweeps" or "traces".
        suffixes: Suffixes of files of this kind.
        fail: Function that makes the exception of a message.
        noun: Word for one file in error messages; None means `kind` in the singular.

    Returns:
        Path of the file.
    """
    path = (relative_to or Path()) / name_or_path
    return find_among(_shipped(kind, suffixes), str(name_or_path), path, suffixes, fail, noun or kind.removesuffix("s"))


def find_among(
    shipped: Mapping[str, Path], given: str, path: Path, suffixes: tuple[str, ...], fail: Fail, noun: str
) -> Path:
    """Find a file by path, or else among files that ship with pimsim.

    Args:
        shipped: Paths of these files by name, without prefixes that a user may leave out.
        given: What the user typed.
        path: The path that this is.
        suffixes: Suffixes of files of this kind.
        fail: Function that makes the exception of a message.
        noun: Word for one file in error messages.

    Returns:
        Path of the file.

    Raises:
        PimsimError: The exception from `fail`, if there is no such file; its message suggests the most similar name.
    """
    is_directory = _is_directory(path) if given else None  # an empty path would be the working directory
    # A shipped config has precedence over a directory: `pimsim run pim-llm` works beside a folder named pim-llm.
    if is_directory is False:
        return path
    wanted = Path(given)
    name = wanted.stem if wanted.suffix in suffixes else wanted.name
    if name in shipped and str(wanted.parent) in (".", shipped[name].parent.name):
        return shipped[name]
    if is_directory:
        raise fail("is a directory, not a file")
    others: dict[str, tuple[Kind, tuple[str, ...]]] = {
        "configs": ("config", CONFIG_SUFFIXES),
        "sweeps": ("sweep", CONFIG_SUFFIXES),
        "traces": ("trace", TRACE_SUFFIXES),
    }
    for other, (meaning, endings) in others.items():
        if name not in shipped and name in _shipped(other, endings):
            raise fail(use(meaning, name))
    known = did_you_mean(name, shipped) or f"shipped {noun}s: {_known_names(sorted(shipped), noun)}"
    raise fail(f"no such file, and no shipped {noun} with this name; {known}")


def _known_names(names: list[str], noun: str) -> str:
    """Return names for a message: none of them if they are many and a command lists them."""
    if noun == "config" and len(names) > MOST_NAMES:
        return f"{len(names)}, which pimsim configs lists"
    return ", ".join(names) or "none"
