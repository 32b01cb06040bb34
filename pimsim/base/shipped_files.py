"""Finds the configs and traces that ship with pimsim, and reads files from strangers.

In a wheel shipped data lies inside the package (`pimsim/_data/configs`, `pimsim/_data/traces`); in a checkout, also
one installed editable, at the top of the repository (`configs/`, `traces/`).
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

from pimsim.base.errors import ConfigError, PimsimError, WorkloadInputError, did_you_mean, show

_PACKAGE = Path(__file__).resolve().parents[1]
_DATA = _PACKAGE / "_data" if (_PACKAGE / "_data").is_dir() else _PACKAGE.parent

CONFIG_SUFFIXES = (".yaml", ".yml")
TRACE_SUFFIXES = (".json",)
REQUEST_SUFFIXES = (".jsonl",)

Fail = Callable[[str], PimsimError]


SWEEP_PREFIX = "sweep-"
"""What the names of shipped sweep files begin with; they lie beside the configs that they sweep over."""


def list_configs() -> list[str]:
    """Names of the shipped configs, as `find_config` takes them."""
    return sorted(_shipped("configs", CONFIG_SUFFIXES))


def list_sweeps() -> list[str]:
    """Names of the shipped sweep files, as `find_sweep` takes them."""
    return sorted(_shipped("sweeps", CONFIG_SUFFIXES))


def list_traces() -> list[str]:
    """Names of the shipped traces, as `find_trace` takes them."""
    return sorted(_shipped("traces", TRACE_SUFFIXES))


def list_requests() -> list[str]:
    """Names of the shipped request files, as `find_requests` takes them."""
    return sorted(_shipped("traces", REQUEST_SUFFIXES))


def find_config(name_or_path: str | Path, relative_to: Path | None = None) -> Path:
    """The config file meant: an existing path, else a shipped config by name ("pim-llm", "configs/pim-llm.yaml").

    A relative path starts at `relative_to` (default: the working directory). Raises ConfigError, which offers the
    nearest shipped name.
    """

    def fail(message: str) -> PimsimError:
        return ConfigError.of(message, str(name_or_path) or "''")

    return _find(name_or_path, relative_to, "configs", CONFIG_SUFFIXES, fail)


def find_sweep(name_or_path: str | Path) -> Path:
    """The sweep file meant, as `find_config` finds configs. Raises ConfigError."""

    def fail(message: str) -> PimsimError:
        return ConfigError.of(message, str(name_or_path) or "''")

    return _find(name_or_path, None, "sweeps", CONFIG_SUFFIXES, fail)


def find_trace(name_or_path: str | Path, relative_to: Path | None = None) -> Path:
    """The trace file meant, as `find_config` finds configs. Raises WorkloadInputError."""

    def fail(message: str) -> PimsimError:
        return WorkloadInputError(f"{show(str(name_or_path))}: {message}")

    return _find(name_or_path, relative_to, "traces", TRACE_SUFFIXES, fail)


def find_requests(name_or_path: str | Path) -> Path:
    """The request file meant, as `find_config` finds configs. Raises WorkloadInputError."""

    def fail(message: str) -> PimsimError:
        return WorkloadInputError(f"{show(str(name_or_path))}: {message}")

    return _find(name_or_path, None, "traces", REQUEST_SUFFIXES, fail, "request file")


def defaults_path() -> Path:
    """`configs/defaults.yaml`, the only place for a default."""
    return _DATA / "configs" / "defaults.yaml"


def read_limited(path: Path, limit: int, fail: Fail) -> bytes:
    """The bytes of a regular file of at most `limit` bytes; `fail` makes the error to raise.

    Opened without blocking and checked after opening, so that a FIFO or a device neither hangs nor slips in between.
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
        raise fail(f"is larger than the {limit} bytes that are read")
    return data


def _open_without_blocking(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _shipped(kind: str, suffixes: tuple[str, ...]) -> dict[str, Path]:
    folder = _DATA / ("traces" if kind == "traces" else "configs")
    paths = [path for path in folder.iterdir() if path.suffix in suffixes] if folder.is_dir() else []
    return {path.stem: path for path in paths if path.name.startswith(SWEEP_PREFIX) == (kind == "sweeps")}


def _is_directory(path: Path) -> bool | None:
    """None when nothing is there; False also when only reading it can say what is wrong with it."""
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
    """The file of that kind; `noun` is what errors call one of them."""
    path = (relative_to or Path()) / name_or_path
    is_directory = _is_directory(path)
    # A directory gives way to a shipped config, so that `pimsim run pim-llm` works beside a folder of that name.
    if is_directory is False:
        return path
    wanted = Path(name_or_path)
    name = wanted.stem if wanted.suffix in suffixes else wanted.name
    shipped = _shipped(kind, suffixes)
    if name in shipped and str(wanted.parent) in (".", shipped[name].parent.name):
        return shipped[name]
    if is_directory:
        raise fail("is a directory, not a file")
    noun = noun or kind.removesuffix("s")
    known = did_you_mean(name, shipped) or f"shipped {noun}s: {', '.join(sorted(shipped)) or 'none'}"
    raise fail(f"no such file, and no shipped {noun} of that name; {known}")
