"""Delays as expressions of the named timings of a DRAM part: `write_latency + burst + twr`.

The language is as small as data sheets need: sums, differences, whole multiples (`2 * tck`) and maxima
(`max(tccd_long, 4 * tck)`). There is no division, and a number by itself has no unit, so it is refused. Nothing is
evaluated as Python.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache

MAX_CHARS = 200
MAX_DEPTH = 10
MAX_FACTOR = 1000

_TOKEN = re.compile(r"\s*(?:(?P<number>[0-9]+)|(?P<name>[a-z][a-z0-9_]*)|(?P<sign>[-+*(),]))")

Tree = tuple[str, tuple["Tree", ...]] | tuple[str, int, "Tree"] | str
"""("max" or "sum", operands), ("times", factor, operand) or the name of a timing."""


@lru_cache(maxsize=1024)
def parse_delay(text: str) -> Tree:
    """Parse an expression.

    Args:
        text: The expression.

    Returns:
        Its tree.

    Raises:
        ValueError: If the text is not an expression; the message names the place.
    """
    if len(text) > MAX_CHARS:
        raise ValueError(f"is longer than {MAX_CHARS} characters")
    parser = _Parser(text)
    tree = parser.sum(0)
    if parser.token:
        raise parser.error("expected + or - or the end")
    return tree


def delay_names(tree: Tree) -> Iterator[str]:
    """Iterate over the timings that an expression names.

    Args:
        tree: Tree of the expression.

    Yields:
        Names, possibly several times.
    """
    if isinstance(tree, str):
        yield tree
    elif len(tree) == 3:
        yield from delay_names(tree[2])
    else:
        for each in tree[1]:
            yield from delay_names(each)


def evaluate_delay(tree: Tree, timings_ps: Mapping[str, int]) -> int:
    """Compute an expression.

    Args:
        tree: Tree of the expression.
        timings_ps: Value of each timing, picoseconds.

    Returns:
        The delay in picoseconds.

    Raises:
        KeyError: If a timing has no value.
    """
    if isinstance(tree, str):
        return timings_ps[tree]
    if len(tree) == 3:
        return tree[1] * evaluate_delay(tree[2], timings_ps)
    values = [evaluate_delay(each, timings_ps) for each in tree[1]]
    return max(values) if tree[0] == "max" else sum(values)


class _Parser:
    """Recursive descent: a sum of products of a number and a name, a maximum or a sum in parentheses."""

    def __init__(self, text: str) -> None:
        self.text, self.end, self.start = text, 0, 0
        self.kind = self.token = ""
        self.advance()

    def advance(self) -> None:
        match = _TOKEN.match(self.text, self.end)
        if match is None:
            self.start = self.end
            self.kind = self.token = ""
            if self.text[self.end :].strip():
                raise self.error("expected the name of a timing, a number, max, + - * ( ) or a comma")
            return
        self.kind, self.token = str(match.lastgroup), match.group().strip()
        self.start, self.end = match.end() - len(self.token), match.end()

    def error(self, message: str) -> ValueError:
        rest = self.text[self.start :].strip()
        return ValueError(f"{message}, not {rest[:20]!r}" if rest else f"{message}, but the text ends")

    def take(self, token: str) -> None:
        if self.token != token:
            raise self.error(f"expected {token}")
        self.advance()

    def sum(self, depth: int) -> Tree:
        if depth > MAX_DEPTH:
            raise ValueError(f"is nested more than {MAX_DEPTH} levels deep")
        terms = [self.product(depth)]
        while self.token in ("+", "-"):
            minus = self.token == "-"
            self.advance()
            term = self.product(depth)
            terms.append(("times", -1, term) if minus else term)
        return terms[0] if len(terms) == 1 else ("sum", tuple(terms))

    def product(self, depth: int) -> Tree:
        if self.kind != "number":
            return self.operand(depth)
        factor = int(self.token[:8])
        if factor > MAX_FACTOR:
            raise ValueError(f"has a factor above {MAX_FACTOR}")
        self.advance()
        if self.token != "*":
            raise ValueError(f"has the number {factor} without a unit; write a multiple of a timing, such as 2 * tck")
        self.advance()
        return ("times", factor, self.operand(depth))

    def operand(self, depth: int) -> Tree:
        if self.token == "(":
            self.advance()
            tree = self.sum(depth + 1)
            self.take(")")
            return tree
        if self.kind != "name":
            raise self.error("expected the name of a timing")
        name = self.token
        self.advance()
        if name != "max":
            return name
        self.take("(")
        operands = [self.sum(depth + 1)]
        while self.token == ",":
            self.advance()
            operands.append(self.sum(depth + 1))
        self.take(")")
        return ("max", tuple(operands))
