"""DRAM standards as data: commands, their scopes, and the minimum distances between them, each rule with its source.

A standard is one YAML file; those of pimsim are in the folder `standards`. The values of its named timings belong to
the part, which is a config (`machine.memory.dram`). Other packages register theirs with `register_dram_standard`.

Reference:
    docs/memory.md, "Standards as data files".
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from pimsim.base.errors import ConfigError, Problem, did_you_mean
from pimsim.base.registries import Registry
from pimsim.base.shipped_files import read_limited
from pimsim.config.provenance import CONFIDENCES
from pimsim.config.schema.quantities import Section
from pimsim.config.schema.registered_names import DRAM_STANDARDS
from pimsim.config.validation import validate
from pimsim.config.yaml_tree import parse_yaml
from pimsim.hardware.shared.delay_expression import delay_names, parse_delay

MAX_FILE_BYTES = 1 << 18
FOLDER = Path(__file__).parent / "standards"

ScopeName = Literal["channel", "pseudo_channel", "rank", "bank_group", "bank"]
Role = Literal["activate", "precharge", "read", "write", "refresh", "not_issued"]
Text = Annotated[str, Field(min_length=1, max_length=400)]


def _is_expression(text: str) -> str:
    try:
        parse_delay(text)
    except ValueError as error:
        raise ValueError(f"is not a delay: {error}") from None
    return text


def _is_confidence(letter: str) -> str:
    if letter not in CONFIDENCES:
        raise ValueError(f"is not one of {', '.join(CONFIDENCES)}")
    return letter


Expression = Annotated[str, AfterValidator(_is_expression)]


class CommandEntry(Section):
    """A command of a standard.

    `does` is what the model uses it for; a `not_issued` command, and rules about it, are documentation.
    """

    does: Role
    scope: ScopeName = Field(description="what one command acts on")
    every: Expression | None = Field(default=None, description="refresh: mean time between two of these commands")
    banks: int = Field(default=1, ge=1, le=64, description="refresh of scope bank: banks that one command refreshes")


class RuleEntry(Section):
    """A minimum distance: `after` comes at least `delay` after the `window`-th last of the commands `before`."""

    name: Text
    before: tuple[str, ...] = Field(min_length=1)
    after: tuple[str, ...] = Field(min_length=1)
    scope: ScopeName
    delay: Expression
    window: int = Field(default=1, ge=1, le=64)
    source: Text
    confidence: Annotated[str, AfterValidator(_is_confidence)]


REQUIRED: tuple[tuple[Role, Role], ...] = (
    ("activate", "read"),
    ("activate", "write"),
    ("activate", "precharge"),
    ("activate", "activate"),
    ("precharge", "activate"),
    ("read", "precharge"),
    ("write", "precharge"),
    ("read", "read"),
    ("write", "write"),
    ("read", "write"),
    ("write", "read"),
)
"""Roles of commands whose distance a standard must bound in some scope; without one a trace would have no meaning."""


class DramStandard(Section):
    """A DRAM standard: what a controller may do, and when."""

    name: str = Field(min_length=1, max_length=100, description="name by which a config selects it")
    title: Text
    document: Text = Field(description="the standard's document, and the public sources that were read")
    scopes: tuple[ScopeName, ...] = Field(min_length=2, description="from the largest to the smallest")
    commands: dict[str, CommandEntry]
    rules: tuple[RuleEntry, ...] = Field(min_length=1)

    def __hash__(self) -> int:
        return hash(self.name)

    def problems(self) -> list[Problem]:
        """List what contradicts itself in the standard: names that it does not have, else what it lacks.

        Returns:
            Problems with the path of the entry in the file.
        """
        return [*self._unknown_names()] or [*self._wrong_roles()] or [*self._gaps()]

    def _unknown_names(self) -> Iterator[Problem]:
        for number, rule in enumerate(self.rules):
            for key, names in (("before", rule.before), ("after", rule.after)):
                for name in dict.fromkeys(names):
                    if name not in self.commands:
                        guess = did_you_mean(name, self.commands) or f"known: {', '.join(self.commands)}"
                        message = f"there is no command {name}, which rule {rule.name} names"
                        yield Problem(f"rules.{number}.{key}", "", message, guess)
        used = [(f"commands.{name}", each.scope) for name, each in self.commands.items()]
        used += [(f"rules.{number}", each.scope) for number, each in enumerate(self.rules)]
        for where, scope in used:
            if scope not in self.scopes:
                yield Problem(f"{where}.scope", "", f"scope {scope} is not one of {', '.join(self.scopes)}")

    def _wrong_roles(self) -> Iterator[Problem]:
        for role in ("activate", "precharge", "read", "write"):
            named = [name for name, each in self.commands.items() if each.does == role]
            if len(named) != 1:
                yield Problem("commands", "", f"expected one command that does: {role}, not {len(named)}")
            elif self.commands[named[0]].scope != "bank":
                yield Problem(f"commands.{named[0]}.scope", "", f"expected the scope bank of what does: {role}")
        for of_banks, what in ((True, "of banks"), (False, "of all banks")):
            if len([each for each in self._refreshes() if (each.scope == "bank") == of_banks]) > 1:
                yield Problem("commands", "", f"expected at most one refresh {what}")
        for name, command in self.commands.items():
            if (command.does == "refresh") != (command.every is not None):
                yield Problem(f"commands.{name}", "", "`every` belongs to a refresh, and each refresh needs it")

    def _gaps(self) -> Iterator[Problem]:
        pairs = set(self._pairs())
        needed = [(self.command(before), self.command(after)) for before, after in REQUIRED]
        for name, command in self.commands.items():
            if command.does == "refresh":
                needed += [(self.command("precharge"), name), (name, self.command("activate"))]
        for before, after in needed:
            if (before, after) not in pairs:
                yield Problem("rules", "", f"lacks a rule from {before} to {after}")

    def _refreshes(self) -> list[CommandEntry]:
        return [each for each in self.commands.values() if each.does == "refresh"]

    def _pairs(self) -> Iterator[tuple[str, str]]:
        for rule in self.rules:
            yield from ((before, after) for before in rule.before for after in rule.after)

    def command(self, role: Role) -> str:
        """Return the name of the command of a role.

        Args:
            role: activate, precharge, read or write.

        Returns:
            Name of the command.
        """
        return next(name for name, each in self.commands.items() if each.does == role)

    def refresh(self, of_banks: bool) -> str | None:
        """Return the name of a refresh command.

        Args:
            of_banks: True for the refresh of single banks (or a few), False for that of all banks.

        Returns:
            Name of the command; None if the standard has none.
        """
        for name, each in self.commands.items():
            if each.does == "refresh" and (each.scope == "bank") == of_banks:
                return name
        return None

    def timings(self) -> set[str]:
        """Collect the names of all timings.

        Returns:
            Names in the delays of the rules and in the intervals of refreshes.
        """
        texts = [rule.delay for rule in self.rules] + [each.every for each in self._refreshes() if each.every]
        return {name for text in texts for name in delay_names(parse_delay(text))}


STANDARDS: Registry[DramStandard | Path] = DRAM_STANDARDS
"""Standards by name: those of pimsim as the paths of their files, others as they were registered."""

_FILES: dict[str, tuple[str, Mapping[str, int]]] = {}
"""Path and lines of the file from which the standard of a name was read last, for messages."""

STANDARDS.ship({path.stem: path for path in FOLDER.glob("*.yaml")})


def register_dram_standard(source: str | Path | Mapping[str, Any]) -> DramStandard:
    """Register a DRAM standard, which a config then selects with `machine.memory.dram.standard`.

    The same registration may be repeated.

    Args:
        source: Path of its YAML file, or the content of one.

    Returns:
        The standard.

    Raises:
        ConfigError: If the file cannot be read or is not a standard; all problems are listed.
        ValueError: If its name is not valid, or is registered with another standard.
    """
    standard = _of_tree(source, "DRAM standard", {}) if isinstance(source, Mapping) else _of_file(Path(source))
    content = json.dumps(standard.model_dump(mode="json"), sort_keys=True)
    STANDARDS.register(standard.name, standard, content.encode())
    return standard


def find_standard(name: str, path: str = "machine.memory.dram.standard") -> DramStandard:
    """Find a standard.

    Args:
        name: Name of a shipped or registered standard.
        path: Dotted config key that gives the name, for the message.

    Returns:
        The standard.
    """
    found = STANDARDS.get(name, path)
    return _shipped(found) if isinstance(found, Path) else found


@cache
def _shipped(path: Path) -> DramStandard:
    return _of_file(path)


def _of_file(path: Path) -> DramStandard:
    def fail(message: str) -> ConfigError:
        return ConfigError(message, str(path))

    try:
        text = read_limited(path, MAX_FILE_BYTES, fail).decode()
    except UnicodeDecodeError:
        raise fail("is not UTF-8 text") from None
    document = parse_yaml(text, str(path))
    if not isinstance(document.tree, Mapping):
        raise fail("is not a section of keys")
    lines = {".".join(map(str, key)): line for key, line in document.lines.items()}
    standard = _of_tree(document.tree, str(path), lines)
    _FILES[standard.name] = str(path), lines
    if path.parent == FOLDER and standard.name != path.stem:
        raise fail(f"has the name {standard.name}, which is not that of the file")
    return standard


def _of_tree(tree: Mapping[str, Any], source: str, lines: Mapping[str, int]) -> DramStandard:
    standard, invalid = validate(tree, DramStandard)
    problems = [*invalid.values()] if standard is None else standard.problems()
    if standard is not None and not problems:
        return standard
    found = [replace(each, source=_place(each.path, source, lines)) for each in problems]
    raise ConfigError(found, source)


def _place(path: str, source: str, lines: Mapping[str, int]) -> str:
    """Return the file and the line of an entry, or of the entry that contains it; empty if no line is known."""
    while path and path not in lines:
        path = path.rpartition(".")[0]
    return f"{Path(source).name}:{lines[path]}" if path else ""


def place_of_delay(standard: DramStandard, delay: str) -> str:
    """Say where the file of a standard has a delay.

    Args:
        standard: The standard.
        delay: Text of a delay, or of the interval of a refresh.

    Returns:
        File and line; empty if the standard was not read from a file.
    """
    paths = [f"rules.{number}.delay" for number, each in enumerate(standard.rules) if each.delay == delay]
    paths += [f"commands.{name}.every" for name, each in standard.commands.items() if each.every == delay]
    source, lines = _FILES.get(standard.name, ("", {}))
    return _place(paths[0], source, lines) if paths else ""
