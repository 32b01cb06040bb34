"""What may differ between the two revisions, each with its reason. All else must be equal.

A path is one of `values.read_values`, a file a case's name, `run` or `read`, and a file name: `sweep/run/sweep.h5`.
Patterns of paths are regular expressions that have to match as a whole, those of files are as in a shell.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from tools.compare_revisions.values import Value, Values, numbers_of


@dataclass(frozen=True)
class Rule:
    """What may differ, where, and why.

    Attributes:
        path: Regular expression of paths.
        reason: Why it may differ.
        file: Pattern of files.

    """

    path: str
    reason: str
    file: str = "*"

    def applies_to(self, file: str) -> bool:
        """Say whether the rule is about a file."""
        return fnmatchcase(file, self.file)


@dataclass(frozen=True)
class Ignored(Rule):
    """A value that is not compared, be it in one revision or in both."""


@dataclass(frozen=True)
class Renamed(Rule):
    r"""A key that has another name now; `new` may refer to groups of `path`, as in `/summary/\1`."""

    new: str = ""


@dataclass(frozen=True)
class Respelt(Rule):
    """A value that names something, such as a resource: where it was `old`, a regular expression, it is `new`."""

    old: str = ""
    new: str = ""


@dataclass(frozen=True)
class Reworded(Rule):
    """A sentence of which only the numbers are compared."""


IGNORED = (
    Ignored(r".*/@?pimsim_version", "the version of pimsim that ran"),
    Ignored(r"(/points/version/\d+|.*/summary/version)", "the version of pimsim that ran, by study", "a*"),
    Ignored(r"/@git_revision", "the checkout that ran"),
    Ignored(r"/@created", "the time at which a file was written"),
    Ignored(
        r"/block (0|8)/number \d+",
        "printed tables of switches and claims break sentences elsewhere now; their JSON and CSV are compared",
        "corrected/run/run-2.txt",
    ),
    Ignored(r"(/@|/)code_hash", "a hash of the source code"),
    Ignored(r"/fig4/notes(/0)?", "a note says which dataflow each label stands for", "reproduce/*"),
    Ignored(r".*/schema_version", "the version of the format of configs"),
    Ignored(r".*/description", "the frozen configs describe themselves in other words"),
    Ignored(r"(/points)?/(key/\d+|\d+/key)", "a hash of a point's config and of the source code", "sweep/*"),
    Ignored(r"(/points|/front)?/(key/\d+|\d+/key)", "a hash of a point's config and of the source code", "optimize/*"),
)

IGNORED_FILES = {
    "*.study": "Optuna's own record, with times and process numbers; its points are in the HDF5 file beside it",
}

RENAMED: tuple[Renamed, ...] = (
    Renamed(
        r"(.*)/existence/(.*)",
        "what says whether a machine can be built is called feasibility",
        "*.json",
        new=r"\1/feasibility/\2",
    ),
)

GATINGS = (("off", "ungated"), ("idle", "idle_gated"), ("always", "not_charged"))

RESPELT: tuple[Respelt, ...] = (
    *(
        Respelt(r".*leakage(_gating)?", "the values of leakage_gating say what is charged", "*", f"^{old}$", new)
        for old, new in GATINGS
    ),
    *(
        Respelt(
            r".*", "switches of the corrected accounting have the values of leakage_gating", "corrected/*", old, new
        )
        for old, new in ((r"\bleakage=off\b", "leakage=ungated"), (r"\bleakage=idle\b", "leakage=idle_gated"))
    ),
    Respelt(r".*/dataflow", "ws and is were exchanged", "import-scalesim/*", "^ws$", "is"),
    Respelt(".*/values", "as the values of leakage_gating", "corrected/*", "^off, idle$", "ungated, idle_gated"),
    *(
        Respelt(
            r".*/(name|config|base)",
            "the old machines are frozen configs; a file that the old revision wrote keeps its names",
            file,
            r"^(pim|tpu)-llm(?=:|$)",
            r"\1-llm-published",
        )
        for file in ("*/run/*", "trace/read/read-2.json")  # the latter runs a machine with an old trace
    ),
    Respelt(
        "/sweep/0",
        "the text of a sweep file names its base",
        "*/run/*",
        r"\bbase: pim-llm\b",
        "base: pim-llm-published",
    ),
)

REWORDED = (
    Reworded(r".*/source", "comments of configs, from which sources are read, are in plain English", "catalog/*"),
    Reworded(r"/\w+/(title|notes/\d+)", "titles and notes of the paper's tables are in plain English", "reproduce/*"),
    Reworded(r"/\w+/(title|notes/\d+)", "titles and notes of the paper's tables are in plain English", "corrected/*"),
    Reworded(
        r"(/switches/rows)?/\d+/(changes|reason)|(/claims/rows)?/\d+/(claim|published|all_together|broken_by)",
        "claims and switches are described in plain English",
        "corrected/*",
    ),
)


def is_ignored_file(name: str) -> str:
    """Return why a file is not compared, or nothing if it is.

    Args:
        name: The file's name, without folders.

    """
    return next((reason for pattern, reason in IGNORED_FILES.items() if fnmatchcase(name, pattern)), "")


def expected(values: Values, file: str) -> Values:
    """Turn what the old revision gave into what the new one has to give.

    Args:
        values: Of a file of the old revision.
        file: The file, as rules call it.

    Returns:
        The values under the names that they have now, without those that are ignored.

    """
    renamed = [rule for rule in RENAMED if rule.applies_to(file)]
    respelt = [rule for rule in RESPELT if rule.applies_to(file)]
    if renamed:
        values = {_renamed(path, renamed): value for path, value in values.items()}
    if respelt:
        values = {path: _respelt(path, value, respelt) for path, value in values.items()}
    return compared(values, file)


def compared(values: Values, file: str) -> Values:
    """Leave out what is ignored, and reduce sentences to their numbers.

    Args:
        values: Of a file, under the names of the new revision.
        file: The file, as rules call it.

    """
    ignored = _pattern([rule for rule in IGNORED if rule.applies_to(file)])
    reworded = _pattern([rule for rule in REWORDED if rule.applies_to(file)])
    return {
        path: " ".join(numbers_of(value)) if isinstance(value, str) and reworded.fullmatch(path) else value
        for path, value in values.items()
        if not ignored.fullmatch(path)
    }


def _pattern(rules: Sequence[Rule]) -> re.Pattern[str]:
    """Return one expression for the paths of all rules; without rules it matches nothing."""
    return re.compile("|".join(f"(?:{rule.path})" for rule in rules) or r"(?!)")


def _renamed(path: str, rules: Sequence[Renamed]) -> str:
    """Return the name that a path has now; the first rule that matches decides."""
    for rule in rules:
        if match := re.fullmatch(rule.path, path):
            return match.expand(rule.new)
    return path


def _respelt(path: str, value: Value, rules: Sequence[Respelt]) -> Value:
    """Return a value with the names that it contains as they are now."""
    for rule in rules:
        if isinstance(value, str) and re.fullmatch(rule.path, path):
            value = re.sub(rule.old, rule.new, value)
    return value
