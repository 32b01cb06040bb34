"""The timing parameters of a DRAM part in picoseconds, and the timing rules as rows of a table.

Each rule gives the minimum distance between two commands and its scope: the same bank, the same bank group, or the same
channel (for HBM2: pseudo-channel). `violations` checks a command trace against all rules; the traces of `dram_channel`
must have no violation.

Reference:
    docs/memory.md, "The rules"; the table follows Ramulator 2 (H. Luo et al., IEEE CAL 2023).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

from pimsim.base.units import to_ps
from pimsim.config.schema import DramConfig

Scope = Literal["channel", "group", "bank"]


class Command(NamedTuple):
    """A command on a channel: ACT, PRE, RD, WR, or REF of all banks (its `bank` is -1)."""

    at_ps: int
    name: str
    bank: int = -1
    row: int = -1


class Rule(NamedTuple):
    """A minimum distance: `after` comes at least `delay_ps` after the `window`-th last `before` in the scope."""

    name: str
    before: tuple[str, ...]
    after: tuple[str, ...]
    scope: Scope
    delay_ps: int
    window: int = 1


@dataclass(frozen=True, slots=True)
class Timing:
    """Delays in picoseconds, with JEDEC's names in lower case and without the t.

    `write_to_precharge`, `read_to_write` and `write_to_read_*` are distances between the commands, not from the end of
    the data as in data sheets.
    """

    burst: int
    rcd: int
    rp: int
    ras: int
    rc: int
    rrd_short: int
    rrd_long: int
    faw: int
    ccd_short: int
    ccd_long: int
    rtp: int
    read_latency: int
    write_latency: int
    write_to_precharge: int
    write_to_read_short: int
    write_to_read_long: int
    read_to_write: int
    rfc: int
    refi: int

    @classmethod
    def of(cls, config: DramConfig) -> Timing:
        """Compute the delays of a DRAM part, each rounded to picoseconds.

        Args:
            config: Timing table of the part, seconds.

        Returns:
            The delays, picoseconds.

        Reference:
            docs/memory.md, "The rules".
        """
        burst, read_latency, write_latency = map(to_ps, (config.burst_s, config.read_latency_s, config.write_latency_s))
        write_end = write_latency + burst
        ccd_short = to_ps(config.tccd_short_s)
        return cls(
            burst=burst,
            rcd=to_ps(config.trcd_s),
            rp=to_ps(config.trp_s),
            ras=to_ps(config.tras_s),
            rc=to_ps(config.trc_s),
            rrd_short=to_ps(config.trrd_short_s),
            rrd_long=to_ps(config.trrd_long_s),
            faw=to_ps(config.tfaw_s),
            ccd_short=ccd_short,
            ccd_long=to_ps(config.tccd_long_s),
            rtp=to_ps(config.trtp_s),
            read_latency=read_latency,
            write_latency=write_latency,
            write_to_precharge=write_end + to_ps(config.twr_s),
            write_to_read_short=write_end + to_ps(config.twtr_short_s),
            write_to_read_long=write_end + to_ps(config.twtr_long_s),
            read_to_write=max(read_latency + burst + to_ps(config.read_to_write_gap_s) - write_latency, ccd_short),
            rfc=to_ps(config.trfc_s),
            refi=to_ps(config.trefi_s),
        )


def rules(timing: Timing) -> tuple[Rule, ...]:
    """List all timing rules of the model.

    Args:
        timing: Delays of the part, picoseconds.

    Returns:
        The minimum distances between commands of one channel.

    Reference:
        docs/memory.md, "The rules".
    """
    return (
        Rule("tRCD", ("ACT",), ("RD", "WR"), "bank", timing.rcd),
        Rule("tRAS", ("ACT",), ("PRE",), "bank", timing.ras),
        Rule("tRC", ("ACT",), ("ACT",), "bank", timing.rc),
        Rule("tRP", ("PRE",), ("ACT",), "bank", timing.rp),
        Rule("tRTP", ("RD",), ("PRE",), "bank", timing.rtp),
        Rule("tWR", ("WR",), ("PRE",), "bank", timing.write_to_precharge),
        Rule("tRRD_S", ("ACT",), ("ACT",), "channel", timing.rrd_short),
        Rule("tRRD_L", ("ACT",), ("ACT",), "group", timing.rrd_long),
        Rule("tFAW", ("ACT",), ("ACT",), "channel", timing.faw, 4),
        Rule("tCCD_S", ("RD",), ("RD",), "channel", timing.ccd_short),
        Rule("tCCD_S", ("WR",), ("WR",), "channel", timing.ccd_short),
        Rule("tCCD_L", ("RD",), ("RD",), "group", timing.ccd_long),
        Rule("tCCD_L", ("WR",), ("WR",), "group", timing.ccd_long),
        Rule("tWTR_S", ("WR",), ("RD",), "channel", timing.write_to_read_short),
        Rule("tWTR_L", ("WR",), ("RD",), "group", timing.write_to_read_long),
        Rule("tRTW", ("RD",), ("WR",), "channel", timing.read_to_write),
        Rule("tRP", ("PRE",), ("REF",), "channel", timing.rp),
        Rule("tRC", ("ACT",), ("REF",), "channel", timing.rc),
        Rule("tRFC", ("REF",), ("ACT", "REF"), "channel", timing.rfc),
    )


def violations(commands: Iterable[Command], timing: Timing, groups: int) -> Iterator[str]:
    """Check the commands of a channel against the timing rules and the states of its banks.

    Args:
        commands: Commands of one channel, in any order.
        timing: Delays of the part.
        groups: Number of bank groups; bank `b` is in group `b % groups`.

    Yields:
        A sentence per violation: its rule, or "state" (a read of a row that is not open), and the command.
    """
    past: dict[tuple[str, int], list[int]] = {}
    open_rows: dict[int, int] = {}
    table = rules(timing)
    for command in sorted(commands, key=lambda each: each.at_ps):
        places = {"channel": -1, "group": command.bank % groups, "bank": command.bank}
        for rule in table:
            if command.name in rule.after:
                for name in rule.before:
                    times = past.get((f"{name} {rule.scope}", places[rule.scope]), ())
                    if len(times) >= rule.window and command.at_ps < times[-rule.window] + rule.delay_ps:
                        yield f"{rule.name}: {command} after {name} at {times[-rule.window]}"
        yield from _state_violations(command, open_rows)
        for scope, place in places.items():
            past.setdefault((f"{command.name} {scope}", place), []).append(command.at_ps)


def _state_violations(command: Command, open_rows: dict[int, int]) -> Iterator[str]:
    match command.name:
        case "ACT":
            if command.bank in open_rows:
                yield f"state: {command} of an open bank"
            open_rows[command.bank] = command.row
        case "PRE":
            open_rows.pop(command.bank, None)
        case "REF":
            if open_rows:
                yield f"state: {command} with open rows"
        case _:
            if open_rows.get(command.bank) != command.row:
                yield f"state: {command} of a row that is not open"
