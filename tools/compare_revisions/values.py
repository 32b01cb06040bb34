"""Readers of output files: each file becomes a flat mapping from a path inside the file to a single value."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import yaml

Value = str | int | float | bool | None
Values = dict[str, Value]

UNIT = re.compile(r"[fpnumkMGT]?(s|J|W|Hz|Ohm|V|S|bit|B|m\^2)(/(s|bit|J|W))?|[KMGT]iB(/s)?|[kMGT]?b/s|dB|GOPS(/W)?|%")
NUMBER = re.compile(r"[-+]?(\d[\d,]*\.?\d*|\.\d+)(e[-+]?\d+)?[%x]?|nan|inf|-inf")


def read_values(path: Path, cleaned: Callable[[str], str] = str) -> Values:
    """Read all values of an output file.

    Args:
        path: A file with the suffix .h5, .json, .yaml or .csv, or .txt for the output of a terminal.
        cleaned: Function that removes what is not read from the output of a terminal.

    Returns:
        Values by path, in the order of the file.

    Raises:
        ValueError: If the suffix is unknown, or the content does not have the format of the suffix.
    """
    readers: dict[str, Callable[[Path], Iterator[tuple[str, Value]]]] = {
        ".h5": _hdf5,
        ".json": _json,
        ".yaml": _yaml,
        ".csv": _csv,
        ".txt": partial(_text, cleaned=cleaned),
    }
    if path.suffix not in readers:
        raise ValueError(f"{path}: files that end in {path.suffix!r} cannot be compared")
    try:
        return dict(readers[path.suffix](path))
    except (OSError, yaml.YAMLError) as error:
        raise ValueError(f"{path}: {error}") from error


def numbers_of(text: str) -> Iterator[str]:
    """Yield the numbers of a text in order, each with the unit that follows it.

    Args:
        text: Lines of words and numbers. A word that contains digits, such as the name of a model, is not one.

    Yields:
        A number as it is written, without thousands separators.
    """
    words = [word.strip("():;,").rstrip(".") for word in text.split()]
    for word, following in zip(words, [*words[1:], ""], strict=False):
        if NUMBER.fullmatch(word):
            unit = f" {following}" if UNIT.fullmatch(following) else ""
            yield word.replace(",", "") + unit


def _hdf5(path: Path) -> Iterator[tuple[str, Value]]:
    """Yield the attributes and the elements of all datasets, each dataset with its type."""
    with h5py.File(path, "r") as file:
        found: dict[str, Any] = {"": file}
        file.visititems(found.__setitem__)
        for name, item in found.items():
            place = f"/{name}" if name else ""
            for attribute, value in item.attrs.items():
                yield f"{place}/@{attribute}", _plain(value)
            if isinstance(item, h5py.Dataset):
                yield from _dataset(place, item)


def _dataset(place: str, dataset: Any) -> Iterator[tuple[str, Value]]:
    """Yield a dataset's type and elements; the value of dataset `config` is itself a YAML document."""
    is_text = h5py.check_string_dtype(dataset.dtype) is not None
    yield f"{place}:type", "text" if is_text else str(dataset.dtype)
    elements = (dataset.asstr()[()] if is_text else dataset[()]).reshape(-1).tolist()
    if place == "/config" and len(elements) == 1:
        yield from _flat(yaml.load(elements[0], yaml.CSafeLoader), place)
        return
    for index, element in enumerate(elements):
        yield f"{place}/{index}", _plain(element)


def _plain(value: Any) -> Value:
    """Convert a value of NumPy or HDF5 to a Python value."""
    if isinstance(value, bytes):
        return value.decode()
    plain: Value = value.item() if hasattr(value, "item") else value
    return plain.decode() if isinstance(plain, bytes) else plain


def _flat(tree: Any, place: str = "") -> Iterator[tuple[str, Value]]:
    """Yield the leaves of a tree of mappings and lists; an empty mapping or list is a leaf."""
    if isinstance(tree, dict) and tree:
        for key, value in tree.items():
            yield from _flat(value, f"{place}/{key}")
    elif isinstance(tree, list) and tree:
        for index, value in enumerate(tree):
            yield from _flat(value, f"{place}/{index}")
    else:
        yield place or "/", str(tree) if isinstance(tree, (dict, list)) else tree


def _json(path: Path) -> Iterator[tuple[str, Value]]:
    """Yield the leaves of a JSON file."""
    return _flat(json.loads(path.read_text(encoding="utf-8")))


def _yaml(path: Path) -> Iterator[tuple[str, Value]]:
    """Yield the leaves of a YAML file; comments are not among them."""
    return _flat(yaml.load(path.read_text(encoding="utf-8"), yaml.CSafeLoader))


def _csv(path: Path) -> Iterator[tuple[str, Value]]:
    """Yield the order of the columns of a CSV file, and its cells as text by row number and heading."""
    with path.open(encoding="utf-8", newline="") as file:
        headings, *rows = csv.reader(file)
    for column, heading in enumerate(headings):
        yield f"/order/{heading}", column
    for index, row in enumerate(rows):
        for heading, cell in zip(headings, row, strict=True):
            yield f"/{index}/{heading}", cell


def _text(path: Path, cleaned: Callable[[str], str]) -> Iterator[tuple[str, Value]]:
    """Yield the numbers of each block of lines; empty lines separate blocks, and blocks without numbers are skipped."""
    blocks = re.split(r"\n\s*\n", cleaned(path.read_text(encoding="utf-8")))
    with_numbers = [numbers for numbers in (list(numbers_of(block)) for block in blocks) if numbers]
    for place, numbers in enumerate(with_numbers):
        for index, number in enumerate(numbers):
            yield f"/block {place}/number {index}", number
