"""The page of a machine, and the index of all pages."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from tools.bench.outcomes import Machine, Outcome, load

NOT_RUN = "not run"


def tables(text: str) -> Iterator[list[list[str]]]:
    """Yield the Markdown tables of a text: the head and the rows, as cells."""
    table: list[list[str]] = []
    for line in [*text.splitlines(), ""]:
        if line.startswith("|"):
            table.append([cell.strip() for cell in line.strip().strip("|").split("|")])
        elif table:
            if len(table) > 2:
                yield [table[0], *table[2:]]
            table = []


def ratios(output: str) -> str:
    """Return the ranges of the columns of ratios and speedups in what a benchmark printed.

    Args:
        output: The text.

    Returns:
        Such as "time ratio 2.56 to 3.57"; empty if there is none.
    """
    found = []
    for head, *rows in tables(output):
        for at, title in enumerate(head):
            if not re.search(r"\bratio|speedup|times less|/ eight|/ this$", title, re.I):
                continue
            cells = [each[at].replace(",", "") for each in rows if at < len(each)]
            values = [float(match[0]) for match in map(re.compile(r"^\d+(\.\d+)?").match, cells) if match]
            if values:
                low, high = min(values), max(values)
                found.append(f"{title} {low:g}" if low == high else f"{title} {low:g} to {high:g}")
    return "; ".join(found)


def page(machine: Machine, outcomes: Mapping[str, Outcome], names: Iterable[str], plots: Sequence[Path]) -> str:
    """Write the page of a machine.

    Args:
        machine: The machine.
        outcomes: Outcomes by name of the benchmark.
        names: Names of all benchmarks.
        plots: Files of plots, beside the page.

    Returns:
        Markdown.
    """
    lines = [
        f"# Benchmarks on {machine.name}",
        "",
        f"{machine.processor}, {machine.cores} cores; {machine.system}. Written by `make bench`. Times",
        "of short forms vary more than those of [the main page](../README.md).",
        "",
        "| benchmark | state | date | wall time | processor time | load | ratios | other revision |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    every = sorted({*names, *outcomes})
    for name in every:
        each = outcomes.get(name)
        if each is None:
            lines.append(f"| {name} | {NOT_RUN} |  |  |  |  |  |  |")
            continue
        linked = f"[{name}](#{name})"
        load_text = "" if each.load is None else f"{each.load:.1f}"
        times = f"{each.wall_s:.3g} s | {each.processor_s:.3g} s | {load_text}"
        lines.append(f"| {linked} | {each.state} | {each.date} | {times} | {ratios(each.output)} | {each.against} |")
    for plot in plots:
        lines += ["", f"![Processor time against size]({plot.name})"]
    for name in every:
        if (each := outcomes.get(name)) is not None:
            lines += ["", f"## {name}", "", f"{each.date}; `{each.command}`; {each.versions}; {each.state}", ""]
            lines += [each.output.rstrip()]
    return "\n".join(lines) + "\n"


def index(folder: Path) -> str:
    """Write the index of a folder of results.

    Args:
        folder: The folder.

    Returns:
        Markdown, with one row per machine.

    Raises:
        ValueError: If a file of results cannot be read.
    """
    lines = ["# Results of benchmarks by machine", ""]
    lines += ["| machine | processor | cores | last run | whole | other |", "| --- | --- | --- | --- | --- | --- |"]
    for path in sorted(folder.glob("*.json")):
        machine, outcomes = load(path)
        if machine is not None and outcomes:
            done = sum(each.state == "done" for each in outcomes.values())
            last = max(each.date for each in outcomes.values())
            link = f"[{machine.name}]({path.stem}.md)"
            lines.append(
                f"| {link} | {machine.processor} | {machine.cores} | {last} | {done} | {len(outcomes) - done} |"
            )
    return "\n".join(lines) + "\n"
