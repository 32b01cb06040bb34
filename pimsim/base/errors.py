"""All errors that pimsim raises for its users, with the exit code that the command line returns for each.

| exit | class              | when                                                                |
|------|--------------------|---------------------------------------------------------------------|
| 1    | PimsimError        | base class; never raised itself                                     |
| 2    | (click's own)      | wrong usage of the command line                                     |
| 3    | ConfigError        | a config that cannot be read or is not valid                        |
| 3    | UnitError          | a text that is not a quantity of the required dimension             |
| 3    | ExpressionError    | a constraint or filter that is malformed or has no value            |
| 4    | WorkloadInputError | a model, trace or context length that cannot be used                |
| 5    | CapacityError      | the model needs more tiles than the machine has                     |
| 6    | StalledError       | the engine stopped with unfinished work                             |
| 7    | OutputError        | a result that cannot be written                                     |
| 8    | ResultFileError    | a result file that cannot be read                                   |
| 9    | SweepError         | a sweep that cannot start or cannot continue                        |
| 10   | AnalysisError      | data points that are not sufficient for the requested analysis      |
| 11   | MissingExtraError  | an optional library that is not installed                           |
| 12   | PluginError        | a plugin file or a package's entry point that cannot be loaded      |
| 70   | (anything else)    | a bug in pimsim                                                     |
| 71   | (the system's)     | too little memory, too many open files, or another project's package |
| 130  | KeyboardInterrupt  | Ctrl-C, or SIGTERM                                                  |

All of them can be pickled, so that a worker process of a sweep can return them to the main process.
"""

from __future__ import annotations

import difflib
import reprlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

USAGE_EXIT_CODE = 2
INTERNAL_EXIT_CODE = 70
SYSTEM_EXIT_CODE = 71
INTERRUPTED_EXIT_CODE = 130

MAX_LISTED_PROBLEMS = 20
MAX_VALUE_CHARS = 60
MAX_LINE_CHARS = 400
# The time of difflib is quadratic in the length of a name. All keys of pimsim are much shorter than this.
MAX_NAME_CHARS = 80


class PimsimError(Exception):
    """Base class of all errors that a user of pimsim may see; `str()` gives a message that can be printed as it is."""

    exit_code = 1


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem of a config.

    Attributes:
        path: Dotted key, such as "machine.mesh.rows"; empty for a problem of the whole source.
        value: The wrong value as `show` spells it; empty if there is none to show.
        message: Predicate of that value, such as "is a time; takes a data rate, e.g. 20 Gb/s".
        suggestion: The nearest valid name or value, such as "did you mean rows?"; may be empty.
        source: Where the value was written, such as "pim-llm.yaml:12"; may be empty.
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
    """A config with one or more problems; the message lists all of them.

    Attributes:
        problems: The problems, at least one.
        source: Name of the config: a path, the name of a shipped config, or "--set".
    """

    exit_code = 3

    def __init__(self, problems: Sequence[Problem] | str, source: str = "config") -> None:
        """Create the error.

        Args:
            problems: The problems; a text stands for one problem that concerns the source as a whole.
            source: Name of the config.
        """
        # `args` must hold the arguments unchanged: unpickling calls the class with them.
        super().__init__(problems, source)
        self.problems = (Problem("", "", problems),) if isinstance(problems, str) else tuple(problems)
        self.source = source

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
    """A text that is not a quantity of the dimension that its key requires.

    The message reads "'20 ns' is a time; machine.mesh.link_bandwidth_bps takes a data rate, e.g. 20 Gb/s".
    """

    exit_code = 3

    def __init__(self, value: str, complaint: str, allowed: str, key: str = "this value") -> None:
        """Create the error.

        Args:
            value: The wrong value, as `show` spells it.
            complaint: What is wrong with it, such as "is a time".
            allowed: What the key accepts, such as "a data rate, e.g. 20 Gb/s".
            key: Name of the key.
        """
        super().__init__(value, complaint, allowed, key)
        self.value, self.complaint, self.allowed, self.key = value, complaint, allowed, key

    def __str__(self) -> str:
        return printable(f"{self.value} {self.complaint}; {self.key} takes {self.allowed}", MAX_LINE_CHARS)


class WorkloadInputError(PimsimError):
    """A model, trace, checkpoint or context length that cannot be used."""

    exit_code = 4


class CapacityError(PimsimError):
    """The model needs more tiles or memory than the machine has; the message gives both numbers."""

    exit_code = 5


class StalledError(PimsimError):
    """The engine stopped with unfinished work; the message lists the waiting activities and their resources."""

    exit_code = 6


class OutputError(PimsimError):
    """A result, trace or table that cannot be written."""

    exit_code = 7


class ResultFileError(PimsimError):
    """A result file that cannot be read: missing, damaged, or of an unknown version."""

    exit_code = 8


class AnalysisError(PimsimError):
    """Points of a sweep that do not suffice for an analysis: a missing or empty column, or too few points."""

    exit_code = 10


class MissingExtraError(PimsimError):
    """A library that only an optional extra of pimsim installs; the message names the extra."""

    exit_code = 11


class PluginError(PimsimError):
    """A plugin file, or the entry point of an installed package, that cannot be loaded."""

    exit_code = 12


class ExpressionError(PimsimError):
    """A text that is not a valid expression, or an expression that has no value for the given variables."""

    exit_code = 3


class SweepError(PimsimError):
    """A sweep that cannot start or continue: its file is in use or exists, workers fail, a library is missing."""

    exit_code = 9


def nearest(name: str, candidates: Iterable[str]) -> str | None:
    """Return the candidate that is most similar to a name, regardless of case.

    Args:
        name: The name that is not valid.
        candidates: The valid names; of two that differ only in case, the first one counts.

    Returns:
        The most similar candidate; None if no candidate is similar, or `name` has more than 80 characters.
    """
    if len(name) > MAX_NAME_CHARS:
        return None
    by_folded: dict[str, str] = {}
    for candidate in candidates:
        by_folded.setdefault(candidate.casefold(), candidate)  # of mW and MW the smaller, which comes first
    matches = difflib.get_close_matches(name.casefold(), by_folded, n=1)
    return by_folded[matches[0]] if matches else None


def did_you_mean(name: str, candidates: Iterable[str]) -> str:
    """Return the question "did you mean X?" with the most similar candidate.

    Args:
        name: The name that is not valid.
        candidates: The valid names.

    Returns:
        The question; empty if no candidate is similar.
    """
    match = nearest(name, candidates)
    return f"did you mean {match}?" if match else ""


def show(value: object) -> str:
    """Format a value as a config spells it, for an error message.

    Args:
        value: Value from a config or another untrusted file, of any type.

    Returns:
        At most 60 characters that are safe to print on a terminal.
    """
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, dict):
        return "a section"
    if isinstance(value, int) and value.bit_length() > 1024:
        return "a huge integer"  # Python raises an error for the decimal text of thousands of digits
    return printable(_SHORT_REPR.repr(value), MAX_VALUE_CHARS)


def printable(text: str, limit: int) -> str:
    """Make a text safe to print on a terminal.

    Args:
        text: Any text.
        limit: Number of characters beyond which the middle of the text is cut out.

    Returns:
        The text with control characters escaped.
    """
    if len(text) > limit:
        text = text[: limit * 2 // 3] + " ... " + text[-limit // 4 :]
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


_SHORT_REPR = reprlib.Repr()
_SHORT_REPR.maxstring = _SHORT_REPR.maxother = _SHORT_REPR.maxlong = MAX_VALUE_CHARS
