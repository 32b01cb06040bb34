"""Protection of a user's files: an output of a command replaces only a file of the same kind that pimsim wrote.

A file is recognised by its content, not by its name: a result by the format in its attributes, a table by its first
columns, a plot by the program in its metadata. Everything else, a config above all, stays unless the user says --force.
The checks run before the work, so that no finished run is lost because its file cannot be written.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from pimsim.base.errors import MAX_LINE_CHARS, OutputError, printable
from pimsim.base.files import HDF5_SIGNATURE, check_target, make_folder

Recognise = Callable[[Path], bool]
"""Function that returns whether pimsim wrote an existing regular file of one kind."""

HEAD_BYTES = 4096
PLOT_SUFFIXES = (".png", ".svg", ".pdf")
WRITTEN_BY = "written_by"
"""Name of the entry in the metadata of a Parquet file whose value begins with `pimsim`."""


@dataclass(frozen=True, slots=True)
class Output:
    """One file that a command writes.

    Attributes:
        option: Option that names the file, such as "--csv".
        path: The file; None means that the option is not given.
        ours: Function that recognises earlier files of this kind.
    """

    option: str
    path: Path | None
    ours: Recognise


def table(*first_columns: str) -> Recognise:
    """Recognise a CSV table by the beginning of its header.

    Args:
        *first_columns: Beginning of the header, for each table that the option can write.

    Returns:
        Function that recognises such a table.
    """
    return _begins(*(columns.encode() for columns in first_columns))


def result(file_format: str) -> Recognise:
    """Recognise an HDF5 file by the attribute `format`.

    Args:
        file_format: Value of the attribute, such as "pimsim-result".

    Returns:
        Function that recognises such a file.
    """

    def ours(path: Path) -> bool:
        # The attribute may be anywhere in the file. Finding it with HDF5 would need the whole file in memory.
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return content[: len(HDF5_SIGNATURE)] == HDF5_SIGNATURE and content.find(file_format.encode()) > 0

    return ours


def timeline(path: Path) -> bool:
    """Recognise a timeline.

    Args:
        path: The file.

    Returns:
        Whether the file begins as the timelines of pimsim.
    """
    return _begins(b'{"traceEvents":[\n{"ph":"M","pid":1,"tid":0,"name":"process_name","args":{"name":')(path)


def parquet(path: Path) -> bool:
    """Recognise a Parquet table by its signature and its metadata.

    Args:
        path: The file.

    Returns:
        Whether it is a table that pimsim wrote.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return content[:4] == content[-4:] == b"PAR1" and content.find(f'"{WRITTEN_BY}": "pimsim '.encode()) > 0


def plot(path: Path) -> bool:
    """Recognise a plot, PNG, SVG or PDF, by the program in its metadata.

    Args:
        path: The file.

    Returns:
        Whether pimsim drew it.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return content[:4] in (b"\x89PNG", b"<?xm", b"%PDF") and content.find(b"pimsim ") > 0


def report(path: Path) -> bool:
    """Recognise a report by the program in the metadata of the page.

    Args:
        path: The file.

    Returns:
        Whether pimsim wrote it.
    """
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    return head.startswith(b"<!DOCTYPE html>") and b'<meta name="generator" content="pimsim ' in head


def never(path: Path) -> bool:
    """Recognise nothing: for configs and traces, which users edit after pimsim has written them.

    Args:
        path: The file.

    Returns:
        False.
    """
    del path
    return False


def check_outputs(outputs: Sequence[Output], inputs: Iterable[str | Path | None] = (), *, force: bool = False) -> None:
    """Check before the work that the outputs of a command can be written and destroy nothing.

    Args:
        outputs: Files that the command writes.
        inputs: Files that it reads, or names of shipped ones.
        force: Whether to replace any existing file.

    Raises:
        OutputError: If a file cannot be written, if two outputs are the same file, or if without `force` an output is
            an input, or exists and is not a file of its kind from pimsim.
    """
    given = [(each, each.path) for each in outputs if each.path is not None]
    for _, path in given:
        check_target(path)
    for (one, path), (other, same) in combinations(given, 2):
        if path.absolute() == same.absolute() or _same_file(path, same):
            raise OutputError(f"{_shown(path)}: {one.option} and {other.option} name the same file")
    if force:
        return
    read = [each for each in inputs if each is not None]
    for output, path in given:
        if any(_same_file(path, each) for each in read):
            raise OutputError(
                f"{_shown(path)}: is an input of this command; choose another {output.option}, or use --force"
            )
        _check_ours(path, output.ours, f"file that {output.option} of this command wrote")


def check_not_inputs(outputs: Sequence[Output], inputs: Iterable[str | Path | None]) -> None:
    """Check that no output replaces a file that the command reads, for commands whose inputs nobody can want to lose.

    Args:
        outputs: Files that the command writes.
        inputs: Files that it reads.

    Raises:
        OutputError: If an output is an input.
    """
    read = [each for each in inputs if each is not None]
    for output in outputs:
        if output.path is not None and any(_same_file(output.path, each) for each in read):
            message = f"is read by this command, and --force does not replace it; choose another {output.option}"
            raise OutputError(f"{_shown(output.path)}: {message}")


def check_plots(folder: Path | None, names: Iterable[str], *, force: bool = False) -> None:
    """Make the folder of a command's plots, and check that they replace only plots from pimsim.

    Args:
        folder: The folder; None means that no plots are wanted.
        names: Names of the plots without suffix; `*` stands for any text.
        force: Whether to replace any existing file.

    Raises:
        OutputError: If the folder cannot be made, or without `force` if a file in it would be replaced that is not a
            plot from pimsim.
    """
    if folder is None:
        return
    make_folder(folder)
    if force:
        return
    for path in _plot_files(folder, names):
        _check_ours(path, plot, "plot of pimsim")


def check_new_tables(folder: Path, texts: Iterable[tuple[str, str]], *, force: bool = False) -> None:
    """Check that tables in a folder replace only tables with the same header.

    Args:
        folder: The folder.
        texts: Name and text of each file.
        force: Whether to replace any existing file.

    Raises:
        OutputError: If a file cannot be written, or without `force` if it exists and has another header.
    """
    outputs = [Output("--csv", folder / name, table(text.partition("\n")[0] + "\n")) for name, text in texts]
    check_outputs(outputs, force=force)


def _plot_files(folder: Path, names: Iterable[str]) -> Iterator[Path]:
    for name in names:
        for suffix in PLOT_SUFFIXES:
            yield from folder.glob(name + suffix)


def _begins(*beginnings: bytes) -> Recognise:
    def ours(path: Path) -> bool:
        with path.open("rb") as file:
            return file.read(max(map(len, beginnings))).startswith(beginnings)

    return ours


def _check_ours(path: Path, ours: Recognise, what: str) -> None:
    try:
        if not path.is_file() or not path.stat().st_size or ours(path):
            return
    except (OSError, ValueError) as error:
        raise OutputError(f"{_shown(path)}: exists and cannot be read; --force replaces it") from error
    why = "" if ours is never else f" and is not a {what}"
    raise OutputError(f"{_shown(path)}: already exists{why}; --force replaces it")


def _same_file(path: Path, other: str | Path) -> bool:
    try:
        return os.path.samestat(path.stat(), os.stat(other))  # noqa: PTH116 - `other` may be a name, not a path
    except (OSError, ValueError):  # one of them does not exist, or is the name of a shipped file
        return False


def _shown(path: Path) -> str:
    return printable(str(path), MAX_LINE_CHARS // 2)
