"""The delays that the channel model applies, taken from the rules of a part; a standard with other rules is refused.

Reference:
    docs/memory.md, "Standards as data files".
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from pimsim.base.errors import ConfigError, Problem, show
from pimsim.config.schema import DramConfig
from pimsim.hardware.shared.dram_standard import Role
from pimsim.hardware.shared.dram_timing import NEVER, PATH, Rule, Scope, Timing

Pair = tuple[int, int]
"""Delays of reads and of writes."""

APPLIED: frozenset[tuple[Role, Role, Scope]] = frozenset(
    [
        ("activate", "read", "bank"),
        ("activate", "write", "bank"),
        ("activate", "precharge", "bank"),
        ("activate", "activate", "bank"),
        ("activate", "activate", "group"),
        ("activate", "activate", "channel"),
        ("precharge", "activate", "bank"),
        ("precharge", "precharge", "channel"),
        ("read", "precharge", "bank"),
        ("write", "precharge", "bank"),
        ("read", "read", "group"),
        ("read", "read", "channel"),
        ("write", "write", "group"),
        ("write", "write", "channel"),
        ("read", "write", "group"),
        ("read", "write", "channel"),
        ("write", "read", "group"),
        ("write", "read", "channel"),
        ("activate", "refresh", "channel"),
        ("precharge", "refresh", "channel"),
        ("refresh", "refresh", "channel"),
        ("refresh", "activate", "channel"),
    ]
)
"""Roles of the two commands, and the scope, of each kind of rule that the channel applies."""

APPLIED_TO_BANKS: frozenset[tuple[Role, Role, Scope]] = frozenset(
    [
        ("activate", "refresh", "bank"),
        ("precharge", "refresh", "bank"),
        ("refresh", "refresh", "bank"),
        ("refresh", "activate", "bank"),
    ]
)
"""The same, for refreshes of single banks only."""


@dataclass(frozen=True, slots=True)
class ChannelDelays:
    """Delays in picoseconds, `NEVER` where the standard has no such rule, and what follows from them.

    Attributes:
        lanes: Banks over which a chunk is interleaved.
        spacing: Distance of the column commands of a chunk.
        latency: Column command to the end of its data.
        rcd: Activate to column command.
        ras: Activate to precharge.
        rc: Activate to activate, same bank.
        rp: Precharge to activate.
        ppd: Precharge to precharge.
        to_precharge: Column command to precharge.
        rrd: Activate to activate.
        rrd_group: The same, same bank group.
        faw: Time window for `window` activates.
        window: Number of activates that the window allows.
        ccd: Column command to the next one of its direction.
        ccd_group: The same, same bank group.
        turn: Column command of the other direction to one of this direction.
        turn_group: The same, same bank group.
        act_to_refresh: Activate to refresh, as all other delays up to `rfc` in the channel.
        pre_to_refresh: Precharge to refresh.
        refresh_to_refresh: Refresh to refresh.
        rfc: Refresh of all banks to activate; `NEVER` with refreshes of banks.
        refresh_to_act: Refresh of a bank to activate of another one.
        refresh_counts: Whether the refresh of a bank counts as an activate in the time window.
        refresh_faw: Time window that the refresh of a bank waits for.
        act_to_own_refresh: Activate to refresh of that bank, as all other delays that follow.
        pre_to_own_refresh: Precharge to refresh.
        own_refresh_to_refresh: Refresh to refresh.
        own_rfc: Refresh to activate.
    """

    lanes: int
    spacing: Pair
    latency: Pair
    rcd: Pair
    ras: int
    rc: int
    rp: int
    ppd: int
    to_precharge: Pair
    rrd: int
    rrd_group: int
    faw: int
    window: int
    ccd: Pair
    ccd_group: Pair
    turn: Pair
    turn_group: Pair
    act_to_refresh: int
    pre_to_refresh: int
    refresh_to_refresh: int
    rfc: int
    refresh_to_act: int
    refresh_counts: bool
    refresh_faw: int
    act_to_own_refresh: int
    pre_to_own_refresh: int
    own_refresh_to_refresh: int
    own_rfc: int

    @classmethod
    def of(cls, timing: Timing, config: DramConfig) -> ChannelDelays:
        """Take the delays from the rules of a part.

        Args:
            timing: Rules and latencies of the part.
            config: Bank groups and mapping of the part.

        Returns:
            The delays.

        Raises:
            ConfigError: If a rule is none of those that the model applies, or the column commands of a chunk would not
                follow one another at a constant distance.
        """
        window = _window(timing, config)
        for rule in timing.rules:
            if rule.window == 1:
                _check_applied(rule, timing, config)
        delay = timing.delay
        ccd = delay("read", "read", "channel"), delay("write", "write", "channel")
        ccd_group = delay("read", "read", "group"), delay("write", "write", "group")
        lanes = 1 if config.mapping == "row_bank_group_column" else config.bank_groups
        names = timing.names.get("refresh", "")
        in_banks = bool(timing.refreshed)
        return cls(
            lanes=lanes,
            spacing=_spacing(config, lanes, ccd, ccd_group),
            latency=(timing.read_latency + timing.burst, timing.write_latency + timing.burst),
            rcd=(delay("activate", "read", "bank"), delay("activate", "write", "bank")),
            ras=delay("activate", "precharge", "bank"),
            rc=delay("activate", "activate", "bank"),
            rp=delay("precharge", "activate", "bank"),
            ppd=delay("precharge", "precharge", "channel"),
            to_precharge=(delay("read", "precharge", "bank"), delay("write", "precharge", "bank")),
            rrd=max(0, delay("activate", "activate", "channel")),
            rrd_group=delay("activate", "activate", "group"),
            faw=window.delay_ps if window else NEVER,
            window=window.window if window else 1,
            ccd=ccd,
            ccd_group=ccd_group,
            turn=(delay("write", "read", "channel"), delay("read", "write", "channel")),
            turn_group=(delay("write", "read", "group"), delay("read", "write", "group")),
            act_to_refresh=delay("activate", "refresh", "channel"),
            pre_to_refresh=delay("precharge", "refresh", "channel"),
            refresh_to_refresh=delay("refresh", "refresh", "channel"),
            rfc=NEVER if in_banks else delay("refresh", "activate", "channel"),
            refresh_to_act=delay("refresh", "activate", "channel"),
            refresh_counts=bool(window and names in window.before),
            refresh_faw=window.delay_ps if window and names in window.after else NEVER,
            act_to_own_refresh=delay("activate", "refresh", "bank"),
            pre_to_own_refresh=delay("precharge", "refresh", "bank"),
            own_refresh_to_refresh=delay("refresh", "refresh", "bank"),
            own_rfc=delay("refresh", "activate", "bank"),
        )


@lru_cache(maxsize=64)
def channel_delays(timing: Timing, config: DramConfig) -> ChannelDelays:
    """Return the delays of a part, computed once for each part.

    Args:
        timing: Rules and latencies of the part, from `Timing.of`.
        config: Bank groups and mapping of the part.

    Returns:
        The delays.
    """
    return ChannelDelays.of(timing, config)


def _kinds(rule: Rule, timing: Timing) -> Iterator[tuple[Role, Role, Scope]]:
    roles = {name: role for role, name in timing.names.items()}
    for before in rule.before:
        for after in rule.after:
            yield roles[before], roles[after], rule.scope


def _check_applied(rule: Rule, timing: Timing, config: DramConfig) -> None:
    applied = APPLIED | APPLIED_TO_BANKS if timing.refreshed else APPLIED
    for kind in _kinds(rule, timing):
        if kind not in applied:
            raise ConfigError([_not_applied(rule, config, f"from {kind[0]} to {kind[1]} in the scope {kind[2]}")])


def _window(timing: Timing, config: DramConfig) -> Rule | None:
    """Return the rule about more than one earlier command, which may be one about activates in the channel.

    Args:
        timing: Rules of the part.
        config: The part, for the error message.

    Returns:
        The rule, or None.

    Raises:
        ConfigError: If there are several, or one is about other commands.
    """
    windows = [rule for rule in timing.rules if rule.window > 1]
    activate, refresh = timing.names["activate"], timing.names.get("refresh")
    for rule in windows:
        allowed = {activate, refresh} if timing.refreshed else {activate}
        whole = rule.scope == "channel" and activate in rule.before and activate in rule.after
        if not whole or not allowed >= {*rule.before, *rule.after} or len(windows) > 1:
            raise ConfigError([_not_applied(rule, config, f"with a window of {rule.window} commands")])
    return windows[0] if windows else None


def _not_applied(rule: Rule, config: DramConfig, what: str) -> Problem:
    message = f"has the rule {rule.name} {what}, which the model of a channel does not apply"
    hint = 'docs/memory.md, "Standards as data files", lists the kinds of rules that it applies'
    return Problem(f"{PATH}.standard", show(config.standard), message, hint)


def _spacing(config: DramConfig, lanes: int, ccd: Pair, ccd_group: Pair) -> Pair:
    """Return the distance of the column commands of a chunk, for reads and writes.

    Args:
        config: The part.
        lanes: Banks over which the chunk is interleaved.
        ccd: Distance in the channel.
        ccd_group: Distance in a bank group.

    Returns:
        Picoseconds.

    Raises:
        ConfigError: If the rules of bank groups would interrupt a chunk that is interleaved over them.
    """
    found = []
    for what, short, long in zip(("reads", "writes"), ccd, ccd_group, strict=True):
        if long > config.bank_groups * short:
            message = (
                f"has {what} of one bank group {long / 1000:g} ns apart, more than those of all "
                f"{config.bank_groups} groups in turn, {config.bank_groups} x {short / 1000:g} ns"
            )
            raise ConfigError([Problem(f"{PATH}.standard", show(config.standard), message)])
        found.append(short if lanes > 1 else max(short, long))
    return found[0], found[1]
