"""The generated parts of docs/memory.md: the DRAM standards and their rules, from the data files."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pimsim.hardware.shared.dram_delays import APPLIED, APPLIED_TO_BANKS
from pimsim.hardware.shared.dram_standard import STANDARDS, DramStandard, find_standard
from tools.docs_generator.facts import table

UNITS = {"channel": "channel", "pseudo_channel": "channel", "rank": "channel", "bank_group": "group", "bank": "bank"}


def _standards() -> list[DramStandard]:
    return [find_standard(name) for name in STANDARDS.shipped]


def _refreshes(standard: DramStandard) -> str:
    found = []
    for name, command in standard.commands.items():
        if command.does == "refresh":
            many = (
                "all banks" if command.scope != "bank" else f"{command.banks} banks" if command.banks > 1 else "a bank"
            )
            found.append(f"{name}: {many} every `{command.every}`")
    return ", ".join(found)


def standards() -> str:
    """Return the table of the shipped standards."""
    rows = [[f"`{each.name}`", each.title, len(each.rules), _refreshes(each), each.document] for each in _standards()]
    return table(["name", "parts", "rules", "refresh", "document, what was read, what is left out"], rows)


def rules() -> str:
    """Return the table of the rules of all standards; equal rules of several standards are one row."""
    rows: dict[tuple[str, ...], tuple[set[str], list[str]]] = {}
    for standard in _standards():
        for rule in standard.rules:
            later = ", ".join(rule.after) + (f", {rule.window}th" if rule.window > 1 else "")
            key = (", ".join(rule.before), later, UNITS[rule.scope], f"`{rule.delay}`")
            names, having = rows.setdefault(key, (set(), []))
            names.add(rule.name)
            having.append(standard.name)
    body = [[", ".join(sorted(names)), *key, ", ".join(having)] for key, (names, having) in rows.items()]
    return table(["rule", "from", "to", "where", "delay", "standards"], body)


def applied() -> str:
    """Return the list of the kinds of rules that the model of a channel applies."""
    kinds: dict[tuple[str, str], list[str]] = {}
    for before, after, scope in sorted(APPLIED | APPLIED_TO_BANKS):
        kinds.setdefault((before, after), []).append(scope)
    return table(["from", "to", "where"], [[*pair, ", ".join(scopes)] for pair, scopes in kinds.items()])


SECTIONS: Mapping[str, Callable[[], str]] = {"standards": standards, "rules": rules, "applied": applied}
