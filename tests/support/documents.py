"""What a config document says against what the config that was accepted from it holds."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

PREFIXES = {
    prefix: 10.0**exponent
    for exponent, prefixes in {
        -15: "f", -12: "p", -9: "n", -6: "u\u00b5\u03bc", -3: "m", 3: "k", 6: "M", 9: "G", 12: "T"
    }.items()
    for prefix in prefixes
} | {"": 1.0, "Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30, "Ti": 2.0**40}  # fmt: skip
QUANTITY = re.compile(
    r"\s*(?P<number>[-+.\deE]+?)\s*(?P<prefix>[fpnu\u00b5\u03bcmkMGT]|[KMGT]i)??"
    r"(?P<unit>Hz|Ohm|ohm|[\u03a9\u2126]|m\^2|m2|m\u00b2|b/s|bit/s|bps|B/s|byte/s|[sSFVAWJKmB])?(?P<per>/[a-z]+)?\s*"
)


def si_value(text: str, key: str) -> float:
    """The number that a text with a unit stands for, by a reading of its own. NaN if it is none."""
    found = QUANTITY.fullmatch(text)
    if found is None:
        return math.nan
    try:
        number = float(found["number"])
    except ValueError:
        return math.nan
    size = PREFIXES[found["prefix"] or ""]
    unit = found["unit"] or ""
    if unit in ("m^2", "m2", "m\u00b2"):
        size *= size
    if key.endswith("_bps") and unit in ("B/s", "byte/s"):
        size *= 8
    if key.endswith("_bytes_per_s") and unit in ("b/s", "bit/s", "bps"):
        size /= 8
    return number * size


def leaves(tree: Any, path: str = "") -> dict[str, Any]:
    """Every value of a document by its key; an item of a list by its number."""
    if not isinstance(tree, Mapping | list) or not tree:
        return {path: tree}
    found: dict[str, Any] = {}
    for key, value in tree.items() if isinstance(tree, Mapping) else enumerate(tree):
        found |= leaves(value, f"{path}.{key}" if path else str(key))
    return found


def differences(written: Any, held: Any, path: str = "") -> Iterator[str]:
    """Every value of a document that a dump of the accepted object does not hold, by its key."""
    if isinstance(written, Mapping) and written:
        for key, value in written.items():
            below = f"{path}.{key}" if path else str(key)
            if below in ("extends", "preset"):  # of the file, not of the config
                continue
            if isinstance(held, list) and str(key).isdigit() and int(key) < len(held):  # as an override names it
                yield from differences(value, held[int(key)], below)
            elif not isinstance(held, Mapping) or key not in held:
                yield f"{below}: {value!r} has no place in {held!r}"
            else:
                yield from differences(value, held[key], below)
    elif isinstance(written, Sequence) and not isinstance(written, str | bytes):
        if not isinstance(held, list) or len(held) != len(written):
            yield f"{path}: {written!r} became {held!r}"
        else:
            for index, (value, other) in enumerate(zip(written, held, strict=True)):
                yield from differences(value, other, f"{path}.{index}")
    elif not _same(written, held, path.rpartition(".")[2]):
        yield f"{path}: {written!r} became {held!r}"


def _same(written: Any, held: Any, key: str) -> bool:
    if isinstance(written, Mapping):
        return isinstance(held, Mapping)  # an empty section changes nothing, but it does not remove one
    if isinstance(held, bool) or isinstance(written, bool) or written is None or held is None:
        return written is held
    if isinstance(written, str) and isinstance(held, int | float):
        return math.isclose(si_value(written, key), held, rel_tol=1e-12)
    return bool(written == held)
