"""The timing rules of a DRAM part in picoseconds: those of its standard, with the values of the part.

Each rule gives the minimum distance between two commands and its scope: the same bank, the same bank group, or the same
channel (for HBM: pseudo-channel). `violations` checks a command trace against all rules; the traces of `dram_channel`
must have no violation.

Reference:
    docs/memory.md, "The rules" and "Standards as data files".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, NamedTuple

from pimsim.base.errors import ConfigError, Problem, did_you_mean
from pimsim.base.units import to_ps
from pimsim.config.schema import DramConfig
from pimsim.hardware.shared.delay_expression import delay_names, evaluate_delay, parse_delay
from pimsim.hardware.shared.dram_standard import DramStandard, Role, RuleEntry, find_standard, place_of_delay

Scope = Literal["channel", "group", "bank"]
PATH = "machine.memory.dram"
NEVER = -(1 << 60)
"""Delay of a rule that a standard does not have: the earlier command does not matter."""


class Command(NamedTuple):
    """A command on a channel, by its name in the standard. A refresh of all banks has bank -1.

    Attributes:
        at_ps: Its time, picoseconds.
        name: Its name.
        bank: Its bank.
        row: The row of an activate, a read or a write.
        also: Further banks that a refresh refreshes at the same time.
    """

    at_ps: int
    name: str
    bank: int = -1
    row: int = -1
    also: tuple[int, ...] = ()


class Rule(NamedTuple):
    """A minimum distance: `after` comes at least `delay_ps` after the `window`-th last of `before` in the scope."""

    name: str
    before: tuple[str, ...]
    after: tuple[str, ...]
    scope: Scope
    delay_ps: int
    window: int = 1


@dataclass(frozen=True, slots=True, eq=False)
class Timing:
    """Rules and latencies of a part, in picoseconds. `of` returns the same object for the same part.

    Attributes:
        rules: Rules between the commands that the model issues.
        names: Name of the command of each role; without "refresh" if nothing is refreshed.
        burst: Time of a burst on the data bus.
        read_latency: Read command to the first of its data.
        write_latency: Write command to the first of its data.
        refi: Time between refresh commands; 0 without refresh.
        refreshed: Banks of each refresh command of a round; empty if a command refreshes all banks.
    """

    rules: tuple[Rule, ...]
    names: Mapping[Role, str]
    burst: int
    read_latency: int
    write_latency: int
    refi: int = 0
    refreshed: tuple[tuple[int, ...], ...] = ()

    @classmethod
    def of(cls, config: DramConfig) -> Timing:
        """Apply the rules of a part's standard to its timings, each rounded to picoseconds.

        Args:
            config: Timing table of the part, seconds.

        Returns:
            Its rules and latencies.

        Raises:
            ConfigError: If the standard is unknown, or does not fit the timings or the banks of the part.
        """
        return _timing(config, find_standard(config.standard))

    @classmethod
    def resolve(cls, config: DramConfig, standard: DramStandard) -> Timing:
        """Apply the rules of a standard to the timings of a part.

        Args:
            config: Timing table of the part, seconds.
            standard: The standard.

        Returns:
            Its rules and latencies.
        """
        timings_ps = _timings_ps(config)
        names = _commands(config, standard)
        entries = [each for each in standard.rules if _is_used(each, names)]
        every = standard.commands[names["refresh"]].every if "refresh" in names else None
        texts = {each.delay: each.name for each in entries} | ({every: "its refresh"} if every else {})
        _check_names(config, standard, timings_ps, texts)
        _check_delays(standard, timings_ps, texts)
        used = set(names.values())
        rules = tuple(
            Rule(
                each.name,
                tuple(name for name in each.before if name in used),
                tuple(name for name in each.after if name in used),
                _scope(each, config, standard),
                evaluate_delay(parse_delay(each.delay), timings_ps),
                each.window,
            )
            for each in entries
        )
        timing = cls(
            rules,
            names,
            timings_ps["burst"],
            timings_ps["read_latency"],
            timings_ps["write_latency"],
            evaluate_delay(parse_delay(every), timings_ps) if every else 0,
            _refreshed(config, standard, names),
        )
        timing._check_refresh(config)
        return timing

    def delay(self, before: Role, after: Role, scope: Scope) -> int:
        """Return the delay from the last command of one role to the next one of another role.

        Args:
            before: Role of the earlier command.
            after: Role of the later command.
            scope: Scope of the rule.

        Returns:
            The largest delay of such rules, picoseconds; `NEVER` if there is none.
        """
        first, second = self.names.get(before, ""), self.names.get(after, "")
        found = (
            each.delay_ps
            for each in self.rules
            if each.window == 1 and each.scope == scope and first in each.before and second in each.after
        )
        return max(found, default=NEVER)

    def _check_refresh(self, config: DramConfig) -> None:
        """Refuse refreshes of banks that would use more than half of the time.

        Those of all banks are checked with the config.

        Args:
            config: Timing table of the part.

        Raises:
            ConfigError: If they would.
        """
        if not self.refreshed:
            return
        steps: tuple[tuple[Role, Role], ...] = (
            ("precharge", "refresh"),
            ("refresh", "activate"),
            ("activate", "read"),
        )
        busy_ps = sum(max(0, self.delay(before, after, "bank")) for before, after in steps)
        delays_ps = self.delay("refresh", "refresh", "channel"), self.delay("refresh", "activate", "channel")
        refresh = self.names["refresh"]
        many = (each for each in self.rules if each.window > 1 and refresh in each.before and refresh in each.after)
        # A window of several commands, such as tFAW, leaves them a mean distance.
        spread_ps = max(0, *delays_ps, *(-(-each.delay_ps // each.window) for each in many))
        if self.refi * len(self.refreshed) < 2 * busy_ps or self.refi < 2 * spread_ps:
            message = (
                f"refreshes of banks every {self.refi / 1000:g} ns would use more than half of the time; a refreshed "
                f"bank is blocked for {busy_ps / 1000:g} ns, and others for up to {spread_ps / 1000:g} ns"
            )
            raise ConfigError([Problem(f"{PATH}.refresh", "", message)])


@lru_cache(maxsize=64)
def _timing(config: DramConfig, standard: DramStandard) -> Timing:
    return Timing.resolve(config, standard)


def _timings_ps(config: DramConfig) -> dict[str, int]:
    """Return the timings of a part by name: its keys in seconds, without `_s`.

    Args:
        config: Timing table of the part.

    Returns:
        Picoseconds by name.

    Raises:
        ConfigError: If one of the further timings has no `_s`, or the name of a key of the table.
    """
    keys = [key for key in type(config).model_fields if key.endswith("_s")]
    timings_ps = {key.removesuffix("_s"): to_ps(getattr(config, key)) for key in keys}
    problems = []
    for key, value in config.timings.items():
        if not key.endswith("_s"):
            problems.append(Problem(f"{PATH}.timings.{key}", "", f"has no unit; write {key}_s"))
        elif key in keys:
            problems.append(Problem(f"{PATH}.timings.{key}", "", f"is the key {PATH}.{key}; give it there"))
        elif value is not None:
            timings_ps[key.removesuffix("_s")] = to_ps(value)
    if problems:
        raise ConfigError(problems)
    return timings_ps


def _commands(config: DramConfig, standard: DramStandard) -> dict[Role, str]:
    """Return the commands that the model issues for a part, by role.

    Args:
        config: Timing table of the part.
        standard: Its standard.

    Returns:
        Names in the standard.

    Raises:
        ConfigError: If the standard does not have the refresh that the config wants.
    """
    roles: tuple[Role, ...] = ("activate", "precharge", "read", "write")
    names = {role: standard.command(role) for role in roles}
    if config.refresh:
        of_banks = config.refresh == "per_bank"
        name = standard.refresh(of_banks)
        if name is None:
            other = standard.refresh(not of_banks)
            message = f"the standard {standard.name} has no refresh of {'single' if of_banks else 'all'} banks"
            values = [*(["all_bank" if of_banks else "per_bank"] if other else []), "false"]
            raise ConfigError([Problem(f"{PATH}.refresh", "", message, f"use {' or '.join(values)}")])
        names["refresh"] = name
    return names


def _is_used(rule: RuleEntry, names: Mapping[Role, str]) -> bool:
    used = set(names.values())
    return not used.isdisjoint(rule.before) and not used.isdisjoint(rule.after)


def _check_names(
    config: DramConfig, standard: DramStandard, timings_ps: Mapping[str, int], texts: Mapping[str, str]
) -> None:
    """Check that a part has the timings that its standard names, and no others.

    Args:
        config: Timing table of the part.
        standard: Its standard.
        timings_ps: Its timings.
        texts: The delays that are used, and the rule that uses each.

    Raises:
        ConfigError: If one is missing or unknown.
    """
    known = standard.timings()
    problems = []
    for text, rule in texts.items():
        for name in sorted(set(delay_names(parse_delay(text))) - set(timings_ps)):
            message = f"this timing is missing: the standard {standard.name} needs it for {rule} ({text})"
            swapped = [each for each in timings_ps if sorted(each) == sorted(name)]  # trdc is trcd rather than trc
            guess = did_you_mean(name, swapped or timings_ps)
            place = place_of_delay(standard, text)
            problems.append(Problem(f"{PATH}.timings.{name}_s", "", message, guess, place))
    further = sorted(f"{name}_s" for name in known if f"{name}_s" not in type(config).model_fields)
    for key, value in config.timings.items():
        if value is not None and key.removesuffix("_s") not in known:
            guess = did_you_mean(key, further) or f"further timings of it: {', '.join(further) or 'none'}"
            message = f"is not a timing of the standard {standard.name}"
            problems.append(Problem(f"{PATH}.timings.{key}", "", message, guess))
    if problems:
        raise ConfigError(list(dict.fromkeys(problems)))


def _check_delays(standard: DramStandard, timings_ps: Mapping[str, int], texts: Mapping[str, str]) -> None:
    """Refuse negative delays, which would let a command come before the one that it waits for.

    Args:
        standard: Standard of the part.
        timings_ps: Timings of the part.
        texts: The delays that are used, and the rule that uses each.

    Raises:
        ConfigError: If there are some.
    """
    problems = []
    for text, rule in texts.items():
        if (delay_ps := evaluate_delay(parse_delay(text), timings_ps)) < 0:
            message = (
                f"{rule} of the standard {standard.name} has a negative delay: {text} is {delay_ps / 1000:g} ns with "
                "the timings of this part"
            )
            problems.append(Problem(f"{PATH}.standard", "", message, source=place_of_delay(standard, text)))
    if problems:
        raise ConfigError(problems)


def _scope(rule: RuleEntry, config: DramConfig, standard: DramStandard) -> Scope:
    if rule.scope == "channel" and "pseudo_channel" in standard.scopes and config.pseudo_channels > 1:
        message = (
            f"rule {rule.name} of the standard {standard.name} has the scope channel; pseudo-channels are simulated "
            "independently, so rules between them cannot be kept"
        )
        raise ConfigError([Problem(f"{PATH}.standard", "", message)])
    scopes: Mapping[str, Scope] = {"bank": "bank", "bank_group": "group"}
    return scopes.get(rule.scope, "channel")  # one rank is modelled


def _refreshed(config: DramConfig, standard: DramStandard, names: Mapping[Role, str]) -> tuple[tuple[int, ...], ...]:
    """Return the banks of each refresh command of a round.

    Banks that are refreshed together have the same number in different bank groups, or without groups are half of the
    banks (a third, ...) apart.

    Args:
        config: Bank groups and banks of the part.
        standard: Its standard.
        names: Commands that the model issues.

    Returns:
        Numbers of banks for each command; empty if a command refreshes all banks, or nothing is refreshed.

    Raises:
        ConfigError: If the banks cannot be divided so.
    """
    if config.refresh != "per_bank":
        return ()
    together, groups = standard.commands[names["refresh"]].banks, config.bank_groups
    span, banks = (groups, groups) if groups > 1 else (config.banks_per_group, config.banks_per_group)
    if span % together:
        message = (
            f"the standard {standard.name} refreshes {together} banks of different bank groups at once, which "
            f"{groups} bank groups do not allow"
            if groups > 1
            else f"the standard {standard.name} refreshes {together} banks at once, which {banks} banks do not allow"
        )
        raise ConfigError([Problem(f"{PATH}.refresh", "", message)])
    step = span // together
    # The same group of all bank numbers first: so the banks of one number are not refreshed one after another.
    firsts = [first + offset for offset in range(step) for first in range(0, groups * config.banks_per_group, span)]
    return tuple(tuple(first + step * each for each in range(together)) for first in firsts)


def violations(commands: Iterable[Command], timing: Timing, groups: int) -> Iterator[str]:
    """Check the commands of a channel against the timing rules and the states of its banks.

    Args:
        commands: Commands of one channel, in any order.
        timing: Rules of the part.
        groups: Number of bank groups; bank `b` is in group `b % groups`.

    Yields:
        A sentence per violation: its rule, or "state" (a read of a row that is not open), and the command.
    """
    past: dict[tuple[Rule, int], list[int]] = {}
    open_rows: dict[int, int] = {}
    roles = {name: role for role, name in timing.names.items()}
    for command in sorted(commands, key=lambda each: each.at_ps):
        banks = (command.bank, *command.also)
        places = {"channel": (-1,), "group": tuple({bank % groups for bank in banks}), "bank": banks}
        for rule in timing.rules:
            if command.name in rule.after:
                for place in places[rule.scope]:
                    times = past.get((rule, place), ())
                    if len(times) >= rule.window and command.at_ps < times[-rule.window] + rule.delay_ps:
                        before = " or ".join(rule.before)
                        yield f"{rule.name}: {command} after {before} at {times[-rule.window]}"
        yield from _state_violations(command, roles[command.name], open_rows)
        for rule in timing.rules:
            if command.name in rule.before:
                for place in places[rule.scope]:
                    past.setdefault((rule, place), []).append(command.at_ps)


def _state_violations(command: Command, role: Role, open_rows: dict[int, int]) -> Iterator[str]:
    match role:
        case "activate":
            if command.bank in open_rows:
                yield f"state: {command} of an open bank"
            open_rows[command.bank] = command.row
        case "precharge":
            open_rows.pop(command.bank, None)
        case "refresh":
            banks = open_rows if command.bank < 0 else {command.bank, *command.also} & open_rows.keys()
            if banks:
                yield f"state: {command} with open rows"
        case _:
            if open_rows.get(command.bank) != command.row:
                yield f"state: {command} of a row that is not open"
