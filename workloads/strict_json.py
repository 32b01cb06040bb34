"""JSON from strangers: parsed strictly, its problems collected and raised once."""

import json
from collections import Counter
from typing import Any, NoReturn

from workloads.checked_fields import SHOWN_PROBLEMS, shorten
from workloads.workload_errors import WorkloadError


class Ambiguous(dict[str, Any]):
    """A JSON object with keys written twice, which Python would let pass; ``duplicates`` are those keys."""

    duplicates: list[str]


class Problems:
    """What is wrong with one file, key by key; only the first few are kept.

    ``verdict`` is what the ``error`` to be raised says of the file called ``source``: "is not a valid trace".
    """

    def __init__(self, source: str, verdict: str, error: type[WorkloadError]) -> None:
        self.headline = f"{source} {verdict}:"
        self.kind = error
        self.found: list[str] = []

    @property
    def full(self) -> bool:
        """True once looking for more would be a waste: more than enough to show."""
        return len(self.found) > SHOWN_PROBLEMS

    def add(self, path: str, text: str) -> None:
        """Note that the value at ``path`` ("" for the whole file) is wrong, as ``text`` says."""
        if not self.full:
            self.found.append(f"{path} {text}" if path else text)

    def error(self) -> WorkloadError:
        """Return one error with every problem noted, to be raised."""
        more = ["... and more"] if self.full else []
        return self.kind("\n  ".join([self.headline, *self.found[:SHOWN_PROBLEMS], *more]))


def parse(data: bytes | str, problems: Problems) -> object:
    """Return the JSON value in ``data``, objects as dicts; raise the problems' error if it is not JSON."""
    try:
        text = data.decode("utf-8") if isinstance(data, bytes) else data
        return json.loads(text, object_pairs_hook=_object, parse_constant=_refuse_constant, parse_int=_integer)
    except UnicodeDecodeError as error:
        problems.add("", f"it is not UTF-8 text (byte {error.start})")
    except json.JSONDecodeError as error:
        problems.add("", f"it is not JSON: {error.msg} in line {error.lineno}, column {error.colno}")
    except RecursionError:
        problems.add("", "it is not usable JSON: nested too deeply")
    except ValueError as error:  # _refuse_constant or _integer
        problems.add("", f"it is not usable JSON: {error}")
    raise problems.error()


def as_object(raw: object, path: str, problems: Problems) -> dict[str, Any] | None:
    """Return ``raw`` as a dict, noting keys written twice; None, and a problem noted, if it is no object."""
    if not isinstance(raw, dict):
        problems.add(path, f"must be an object, not {shorten(raw)}")
        return None
    if isinstance(raw, Ambiguous):
        for key in raw.duplicates:
            problems.add(join(path, key), "is given twice")
    return raw.copy()


def join(path: str, key: str) -> str:
    """Return the path of ``key`` in the object at ``path``; a strange key is shown quoted and shortened."""
    shown = key if key.isidentifier() and len(key) <= 60 else shorten(key)
    return f"{path}.{shown}" if path else shown


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    plain = dict(pairs)
    if len(plain) == len(pairs):
        return plain
    ambiguous = Ambiguous(plain)
    ambiguous.duplicates = [key for key, count in Counter(key for key, _ in pairs).items() if count > 1]
    return ambiguous


def _integer(text: str) -> int:
    if len(text) > 100:  # Python itself refuses above 4300 digits, with advice that helps nobody here
        raise ValueError(f"an integer of {len(text)} digits")
    return int(text)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")
