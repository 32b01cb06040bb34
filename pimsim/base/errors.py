"""Every way pimsim says no, and the exit code the command line turns it into.

| exit | class              | when                                                            |
|------|--------------------|-----------------------------------------------------------------|
| 1    | PimsimError        | the base; never raised itself                                   |
| 2    | (click's own)      | wrong usage of the command line                                 |
| 3    | ConfigError        | a config that cannot be read or does not validate               |
| 3    | UnitError          | text that is not a quantity of the wanted dimension             |
| 3    | ExpressionError    | a constraint or filter that is none, or has no value            |
| 4    | WorkloadInputError | a model, trace or context length that cannot be used            |
| 5    | CapacityError      | the model needs more tiles than the machine has                 |
| 6    | StalledError       | the engine stopped with unfinished work                         |
| 7    | OutputError        | a result that cannot be written                                 |
| 8    | ResultFileError    | a result file that cannot be read                               |
| 9    | SweepError         | a sweep that cannot start, or could not go on                   |
| 10   | AnalysisError      | points that cannot answer what is asked of them                 |
| 11   | MissingExtraError  | a library that is not installed with pimsim by itself           |
| 70   | (anything else)    | a bug in pimsim                                                 |
| 130  | KeyboardInterrupt  | Ctrl-C                                                          |

All of them survive pickling, so that a worker of a sweep can hand them back.
"""

from __future__ import annotations

import difflib
import reprlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

USAGE_EXIT_CODE = 2
INTERNAL_EXIT_CODE = 70
INTERRUPTED_EXIT_CODE = 130

MAX_LISTED_PROBLEMS = 20
MAX_VALUE_CHARS = 60
MAX_LINE_CHARS = 400
# difflib is quadratic in the length of a name; no key of ours is nearly this long.
MAX_NAME_CHARS = 80


class PimsimError(Exception):
    """Base of every error a user of pimsim may meet; its text is fit to print as it is."""

    exit_code = 1


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a config.

    `path` is the dotted key, `value` the offending value as `show` renders it (empty when there is none to show),
    `message` a predicate of that value ("is a time; takes a data rate, e.g. 20 Gb/s"), `suggestion` the nearest
    valid thing and `source` where the value was written.
    """

    path: str
    value: str
    message: str
    suggestion: str = ""
    source: str = ""

    def __str__(self) -> str:
        text = f"{self.value} {self.message}" if self.value else self.message
        if self.path:
            text = f"{self.path}: {text}"
        if self.suggestion:
            text += f"; {self.suggestion}"
        if self.source:
            text += f"  ({self.source})"
        return printable(text, MAX_LINE_CHARS)


class ConfigError(PimsimError):
    """A config with one or more problems, all listed at once."""

    exit_code = 3

    def __init__(self, problems: Sequence[Problem], source: str = "config") -> None:
        # The arguments are kept in `args` unchanged, which is what makes the exception picklable.
        super().__init__(problems, source)
        self.problems = tuple(problems)
        self.source = source

    @classmethod
    def of(cls, message: str, source: str = "config") -> ConfigError:
        """An error about a source as a whole rather than about one of its keys."""
        return cls((Problem("", "", message),), source)

    def __str__(self) -> str:
        source = printable(self.source, MAX_LINE_CHARS)
        if len(self.problems) == 1:
            return f"{source}: {self.problems[0]}"
        lines = [f"{source}: {len(self.problems)} problems"]
        lines += [f"  {problem}" for problem in self.problems[:MAX_LISTED_PROBLEMS]]
        if len(self.problems) > MAX_LISTED_PROBLEMS:
            lines.append(f"  ... and {len(self.problems) - MAX_LISTED_PROBLEMS} more")
        return "\n".join(lines)


class UnitError(PimsimError, ValueError):
    """Text that is not a quantity of the dimension its key takes.

    str(): "'20 ns' is a time; machine.mesh.link_bandwidth_bps takes a data rate, e.g. 20 Gb/s".
    """

    exit_code = 3

    def __init__(self, value: str, complaint: str, allowed: str, key: str = "this value") -> None:
        super().__init__(value, complaint, allowed, key)
        self.value, self.complaint, self.allowed, self.key = value, complaint, allowed, key

    def __str__(self) -> str:
        return printable(f"{self.value} {self.complaint}; {self.key} takes {self.allowed}", MAX_LINE_CHARS)


class WorkloadInputError(PimsimError):
    """A model, trace, checkpoint or context length that cannot be used."""

    exit_code = 4


class CapacityError(PimsimError):
    """The model needs more tiles than the machine has; the text says how many."""

    exit_code = 5


class StalledError(PimsimError):
    """The engine stopped with unfinished work; the text says who waits for what."""

    exit_code = 6


class OutputError(PimsimError):
    """A result, trace or table that cannot be written."""

    exit_code = 7


class ResultFileError(PimsimError):
    """A result file that cannot be read: missing, damaged, or of an unknown version."""

    exit_code = 8


class AnalysisError(PimsimError):
    """Points of a sweep that cannot answer what is asked of them: no such column, no values, not enough points."""

    exit_code = 10


class MissingExtraError(PimsimError):
    """A library that comes with one of pimsim's extras only; the text says what to install."""

    exit_code = 11


class ExpressionError(PimsimError):
    """A text that is no expression, or an expression without a value for what it is given."""

    exit_code = 3


class SweepError(PimsimError):
    """A sweep that cannot start or go on: a file in use or in the way, workers that die, a library that is missing."""

    exit_code = 9


def nearest(name: str, candidates: Iterable[str]) -> str | None:
    """The candidate most like `name`, ignoring case, or None when nothing is close."""
    if len(name) > MAX_NAME_CHARS:
        return None
    by_folded: dict[str, str] = {}
    for candidate in candidates:
        by_folded.setdefault(candidate.casefold(), candidate)  # of mW and MW the smaller, which comes first
    matches = difflib.get_close_matches(name.casefold(), by_folded, n=1)
    return by_folded[matches[0]] if matches else None


def did_you_mean(name: str, candidates: Iterable[str]) -> str:
    """The question "did you mean X?" for the nearest candidate, or nothing."""
    match = nearest(name, candidates)
    return f"did you mean {match}?" if match else ""


def show(value: object) -> str:
    """A value as a config would spell it, short and safe to print on a terminal."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, dict):
        return "a section"
    if isinstance(value, int) and value.bit_length() > 1024:
        return "a huge integer"  # Python refuses to spell out thousands of digits
    return printable(_SHORT_REPR.repr(value), MAX_VALUE_CHARS)


def printable(text: str, limit: int) -> str:
    """`text` with control characters escaped and its middle cut out beyond `limit` characters."""
    if len(text) > limit:
        text = text[: limit * 2 // 3] + " ... " + text[-limit // 4 :]
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


_SHORT_REPR = reprlib.Repr()
_SHORT_REPR.maxstring = _SHORT_REPR.maxother = _SHORT_REPR.maxlong = MAX_VALUE_CHARS
