"""Strict parsing of untrusted JSON: problems are collected and reported together."""

import json
from collections import Counter
from typing import Any, NoReturn

from workloads.checked_fields import SHOWN_PROBLEMS, shorten
from workloads.workload_errors import WorkloadError


class Ambiguous(dict[str, Any]):
    """A JSON object with duplicate keys, which Python's parser accepts; `duplicates` lists these keys."""

    duplicates: list[str]


class Problems:
    """The problems of one file; at most `SHOWN_PROBLEMS` + 1 are kept.

    Args:
        source: Name of the file.
        verdict: Continuation of the sentence that begins with `source`, for example "is not a valid trace".
        error: Class of the exception that `error` creates.

    Attributes:
        headline: First line of the error message.
        kind: Class of the exception.
        found: The problems so far, one line each.
    """

    def __init__(self, source: str, verdict: str, error: type[WorkloadError]) -> None:
        self.headline = f"{source} {verdict}:"
        self.kind = error
        self.found: list[str] = []

    @property
    def full(self) -> bool:
        """Whether more problems have been found than an error message lists."""
        return len(self.found) > SHOWN_PROBLEMS

    def add(self, path: str, text: str) -> None:
        """Record a problem.

        Args:
            path: Path of the key with the invalid value; "" means the whole file.
            text: What is wrong, without the path.
        """
        if not self.full:
            self.found.append(f"{path} {text}" if path else text)

    def error(self) -> WorkloadError:
        """Create the error that the caller raises; it lists the recorded problems.

        Returns:
            An exception of the class `kind`, with up to `SHOWN_PROBLEMS` problems, one per line.
        """
        more = ["... and more"] if self.full else []
        return self.kind("\n  ".join([self.headline, *self.found[:SHOWN_PROBLEMS], *more]))


def parse(data: bytes | str, problems: Problems) -> object:
    """Parse JSON text.

    Args:
        data: The text; bytes must be UTF-8.
        problems: Receives the problem if the text cannot be parsed.

    Returns:
        The JSON value. Objects become dicts; an object with duplicate keys becomes an `Ambiguous`.

    Raises:
        WorkloadError: If the text is not JSON, is nested too deeply, contains NaN or an infinity, or an integer of more
            than 100 digits; its class is that of `problems`.
    """
    try:
        text = data.decode("utf-8") if isinstance(data, bytes) else data
        return json.loads(text, **_HOOKS)
    except UnicodeDecodeError as error:
        problems.add("", f"it is not UTF-8 text (byte {error.start})")
    except json.JSONDecodeError as error:
        problems.add("", f"it is not JSON: {error.msg} in line {error.lineno}, column {error.colno}")
    except RecursionError:
        problems.add("", "it is not usable JSON: nested too deeply")
    except ValueError as error:  # _refuse_constant or _integer
        problems.add("", f"it is not usable JSON: {error}")
    raise problems.error()


def decoder() -> json.JSONDecoder:
    """Return a decoder of single values, for JSON that is too large to be parsed at once.

    Returns:
        Decoder with the rules of `parse`; it raises ValueError where `parse` records a problem.
    """
    return json.JSONDecoder(**_HOOKS)


def as_object(raw: object, path: str, problems: Problems) -> dict[str, Any] | None:
    """Return a parsed JSON value as a dict and record its problems.

    Args:
        raw: The parsed value.
        path: Path of the value in the file, for messages.
        problems: Receives duplicate keys, or the problem that `raw` is not an object.

    Returns:
        A copy of the object, or None if `raw` is not an object.
    """
    if not isinstance(raw, dict):
        problems.add(path, f"must be an object, not {shorten(raw)}")
        return None
    if isinstance(raw, Ambiguous):
        for key in raw.duplicates:
            problems.add(join(path, key), "occurs twice")
    return raw.copy()


def join(path: str, key: str) -> str:
    """Return the path of a key for error messages.

    Args:
        path: Path of the object that contains the key; "" means the top level.
        key: The key.

    Returns:
        `path.key`; a key that is not an identifier of at most 60 characters is quoted and shortened.
    """
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
    if len(text) > 100:  # Python rejects more than 4,300 digits, with advice that does not apply to a JSON file
        raise ValueError(f"an integer of {len(text)} digits")
    return int(text)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


_HOOKS: dict[str, Any] = {
    "object_pairs_hook": _object,
    "parse_constant": _refuse_constant,
    "parse_int": _integer,
}
