"""State of a streamed evaluation in a folder: the activations after a layer, and what has been measured so far.

`pimsim-stream.json` names the file with the activations and has checksums of it and of itself. It is replaced when a
layer is complete, so that an end of the process at any time costs at most the layer that was computed then.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from pimsim.base.errors import OutputError, WorkloadInputError, printable, show
from pimsim.base.files import make_folder, replacing
from pimsim.version import __version__

Float = NDArray[np.float32]
STATE, LOCK = "pimsim-stream.json", "pimsim-stream.lock"
FORMAT = "pimsim-stream"
FORMAT_VERSION = 1
MAX_STATE_BYTES = 256 * 2**20
"""Largest state file; a matrix takes about 150 bytes for each chip."""
_PATH_CHARS = 200
_PART = 2**20


@dataclass(frozen=True, slots=True)
class StreamState:
    """What is known after some layers.

    Attributes:
        layers: Number of finished layers.
        records: Measurements, as JSON values.
        path: File with the activations after these layers.
        d_model: Elements of a residual stream.
    """

    layers: int
    records: Any
    path: Path
    d_model: int

    def read(self, row: int, rows: int) -> Float:
        """Read residual streams.

        Args:
            row: Number of the first row, a token, in the file.
            rows: Number of rows.

        Returns:
            [rows, d_model] float32.

        Raises:
            WorkloadInputError: If the file cannot be read any more.
        """
        try:
            found = np.fromfile(self.path, "<f4", rows * self.d_model, offset=4 * row * self.d_model)
        except OSError as error:
            raise WorkloadInputError(f"{_shown(self.path)}: cannot be read: {error.strerror or error}") from error
        if found.size != rows * self.d_model:
            raise WorkloadInputError(f"{_shown(self.path)}: was truncated during the evaluation")
        return found.astype(np.float32, copy=False).reshape(rows, self.d_model)


class ActivationWriter:
    """Writer of the residual streams after a layer, in the order of the rows.

    Args:
        file: Open file.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._digest, self.size = file, hashlib.sha256(), 0

    def append(self, x: Float) -> None:
        """Write residual streams after those before.

        Args:
            x: [tokens, d_model] float32.
        """
        data = np.ascontiguousarray(x, "<f4").tobytes()
        self._digest.update(data)
        self._file.write(data)
        self.size += len(data)

    @property
    def sha256(self) -> str:
        """Checksum of what has been written."""
        return self._digest.hexdigest()


class StreamFolder:
    """Folder with the state of one evaluation.

    Args:
        folder: The folder, which is made if it does not exist.
        identity: What the evaluation depends on, as flat JSON values by name; a state of another evaluation is refused.
        d_model: Elements of a residual stream.

    Raises:
        OutputError: If the folder cannot be made.
        WorkloadInputError: If another process uses it.
    """

    def __init__(self, folder: Path, identity: Mapping[str, Any], d_model: int) -> None:
        make_folder(folder)
        self.folder, self.d_model = folder, d_model
        try:
            self._lock = (folder / LOCK).open("ab")
        except OSError as error:
            raise OutputError(f"{_shown(folder / LOCK)}: cannot be written: {error.strerror or error}") from error
        if not _locked(self._lock):
            self._lock.close()
            raise WorkloadInputError(f"{_shown(folder)}: is used by another evaluation, which has not ended")
        for stale in folder.glob(".pimsim-*.partial"):  # of a process that was killed; none is alive here
            stale.unlink(missing_ok=True)
        self._identity = json.loads(json.dumps({"version of pimsim": __version__, **identity}))

    def close(self) -> None:
        """Release the folder for other processes; its state stays."""
        self._lock.close()

    def load(self) -> StreamState | None:
        """Read the state, if there is one.

        Returns:
            The state after the last finished layer; None if the folder has none.

        Raises:
            WorkloadInputError: If it is damaged, or belongs to another evaluation.
        """
        path = self.folder / STATE
        if not path.exists():
            return None
        state = self._parsed(path)
        if state["identity"] != self._identity:
            raise self._refused(path, _difference(state["identity"], self._identity))
        file = self.folder / _name(state["layers"])
        digest = hashlib.sha256()
        try:
            with file.open("rb") as opened:
                while part := opened.read(_PART):
                    digest.update(part)
        except OSError as error:
            raise self._refused(path, f"its file {file.name} cannot be read ({error.strerror or error})") from error
        if digest.hexdigest() != state["sha256"]:
            raise self._refused(path, f"its file {file.name} is damaged (another checksum)")
        return StreamState(state["layers"], state["records"], file, self.d_model)

    @contextmanager
    def writing(self, layers: int) -> Iterator[ActivationWriter]:
        """Write the activations after some layers; `commit` makes them part of the state.

        Args:
            layers: Number of finished layers.

        Yields:
            The writer.

        Raises:
            OutputError: If the file cannot be written.
        """
        with replacing(self.folder / _name(layers)) as file:
            yield ActivationWriter(file)

    def commit(self, layers: int, records: Any, sha256: str) -> StreamState:
        """Replace the state, and delete the activations before.

        Args:
            layers: Number of finished layers, whose activations have been written.
            records: Measurements so far, as JSON values.
            sha256: Checksum of the activations.

        Returns:
            The new state.

        Raises:
            OutputError: If the state cannot be written.
        """
        state = {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "layers": layers,
            "sha256": sha256,
            "identity": self._identity,
            "records": records,
        }
        state["checksum"] = _checksum(state)
        with replacing(self.folder / STATE) as file:
            file.write(json.dumps(state).encode())
        if layers:
            with suppress(OSError):  # a file that stays is replaced or ignored later
                (self.folder / _name(layers - 1)).unlink()
        return StreamState(layers, records, self.folder / _name(layers), self.d_model)

    def _parsed(self, path: Path) -> dict[str, Any]:
        try:
            if not path.is_file() or path.stat().st_size > MAX_STATE_BYTES:
                raise self._refused(path, "it is not a state file of pimsim accuracy --stream")
            state = json.loads(path.read_bytes())
        except OSError as error:
            raise self._refused(path, f"it cannot be read ({error.strerror or error})") from error
        except (ValueError, RecursionError) as error:
            raise self._refused(path, "it is damaged (not valid JSON)") from error
        if not isinstance(state, dict) or state.get("format") != FORMAT:
            raise self._refused(path, "it is not a state file of pimsim accuracy --stream")
        if state.get("format_version") != FORMAT_VERSION:
            version = show(state.get("format_version"))
            raise self._refused(path, f"its format is version {version}, this version of pimsim reads {FORMAT_VERSION}")
        checksum = state.pop("checksum", None)
        if checksum != _checksum(state):
            raise self._refused(path, "it is damaged (another checksum)")
        return state

    def _refused(self, path: Path, why: str) -> WorkloadInputError:
        advice = "use another folder, or delete this one to begin again"
        return WorkloadInputError(f"{_shown(path)}: cannot be resumed: {why}; {advice}")


def flat(values: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """List the values of a tree by dotted key.

    Args:
        values: The tree.
        path: Key of the tree.

    Yields:
        Key and value of each leaf.
    """
    if isinstance(values, Mapping) and values:
        for key, value in values.items():
            yield from flat(value, f"{path}.{key}" if path else str(key))
    else:
        yield path, values


def _difference(stored: Any, own: Mapping[str, Any]) -> str:
    """Say in what two evaluations differ first.

    Args:
        stored: Identity in a state file.
        own: Identity of the evaluation that would continue it.

    Returns:
        Continuation of a sentence about the state file.
    """
    stored = stored if isinstance(stored, dict) else {}
    key = next(key for key in (*own, *stored) if own.get(key) != stored.get(key) or (key in own) != (key in stored))
    there, here = (show(each[key]) if key in each else "not set" for each in (stored, own))
    return f"it belongs to another evaluation: {printable(key, 80)} is {there} there and {here} here"


def _locked(file: BinaryIO) -> bool:
    """Lock a file until it is closed or the process ends, however it ends.

    Args:
        file: The open file.

    Returns:
        False if another process has locked it; on Windows always True.
    """
    if sys.platform == "win32":
        return True
    import fcntl

    try:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return True
    return True


def _name(layers: int) -> str:
    return f"pimsim-stream-{layers:04d}.bin"


def _checksum(state: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(state, sort_keys=True).encode()).hexdigest()


def _shown(path: Path) -> str:
    return printable(str(path), _PATH_CHARS)
