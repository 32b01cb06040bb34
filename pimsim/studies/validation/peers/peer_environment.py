"""Environments of other programs: made with venv and pip, one per program, and kept in a cache folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from pimsim.base.errors import printable

INSTALL_TIMEOUT_S = 3600
RUN_TIMEOUT_S = 1800
_MARK = "pimsim-installed.txt"
"""Last file of an environment, so that an interrupted installation is repeated."""


class PeerUnavailableError(Exception):
    """A program cannot be installed or does not run here; the text says why, in one line."""


def cache_folder() -> Path:
    """Return the folder that keeps environments.

    Returns:
        `pimsim/peers` in the user's cache folder.
    """
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pimsim" / "peers"


def peer_python(folder: Path, name: str, installs: Sequence[Sequence[str]], newest_of: str = "") -> str:
    """Return the interpreter of a program's environment, which is made if it does not exist yet.

    Args:
        folder: Folder of all environments.
        name: Name of the program, the beginning of the environment's name.
        installs: Arguments of each `pip install`.
        newest_of: Smallest version of Python that the program needs, such as "3.12"; empty means any.

    Returns:
        Path of the interpreter.

    Raises:
        PeerUnavailableError: If there is no such Python, or the installation fails.
    """
    digest = sha256(repr((installs, newest_of)).encode()).hexdigest()[:8]
    place = folder / f"{name}-{digest}"
    python = place / "bin" / "python"
    if (place / _MARK).is_file() and python.exists():
        return str(python)
    if place.exists() and any(place.iterdir()) and not (place / "pyvenv.cfg").is_file():
        raise PeerUnavailableError(f"{place} exists and is not an environment of Python")
    own_python = _suitable_python(newest_of)
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PeerUnavailableError(f"{place} cannot be made: {error.strerror}") from error
    run([own_python, "-m", "venv", "--clear", str(place)], "making its environment")
    for arguments in installs:
        command = [str(python), "-I", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *arguments]
        run(command, "pip install", INSTALL_TIMEOUT_S)
    (place / _MARK).write_text("\n".join(" ".join(each) for each in installs) + "\n", encoding="utf-8")
    return str(python)


def run(command: Sequence[str], what: str, timeout_s: int = RUN_TIMEOUT_S, given: str = "") -> str:
    """Run a program of an environment, without the paths of this one.

    Args:
        command: The command and its arguments.
        what: What it does, for messages.
        timeout_s: Limit of its time, seconds.
        given: Text for its standard input.

    Returns:
        Its standard output.

    Raises:
        PeerUnavailableError: If it fails or takes longer.
    """
    hidden = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    try:
        done = subprocess.run(
            command, input=given, capture_output=True, text=True, check=False, timeout=timeout_s, env=hidden
        )
    except subprocess.TimeoutExpired as error:
        raise PeerUnavailableError(f"{what} took more than {timeout_s} s") from error
    except OSError as error:
        raise PeerUnavailableError(f"{what}: {error.strerror}") from error
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        reasons = [line for line in lines if line.startswith("ERROR")] or lines[-1:] or [f"exit code {done.returncode}"]
        raise PeerUnavailableError(printable(f"{what} failed: {reasons[0]}", 300))
    return done.stdout


def _suitable_python(newest_of: str) -> str:
    """Return an interpreter of at least a version: this one, or one of the search path.

    Args:
        newest_of: The version, such as "3.12"; empty means any.

    Returns:
        Path of the interpreter.

    Raises:
        PeerUnavailableError: If there is none.
    """
    if not newest_of or sys.version_info >= tuple(map(int, newest_of.split("."))):
        return sys.executable
    smallest = int(newest_of.split(".")[1])
    for minor in range(smallest, smallest + 4):
        found = shutil.which(f"python3.{minor}")
        if found is not None and not subprocess.run([found, "-c", ""], capture_output=True, check=False).returncode:
            return found
    raise PeerUnavailableError(f"it needs Python {newest_of} or newer, and none is on the search path")
