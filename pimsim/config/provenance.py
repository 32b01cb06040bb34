"""Where the numbers of a shipped config come from, read from the comments beside them.

Every number in a shipped config has a comment that cites its source and ends in a confidence letter: on its own
line, or directly above.

    clock_hz: 100 MHz   # arXiv:2504.01994, section on the TPU [A]

    # MNSIM Buffer.py: fixed cycle [A]
    cycle_s: 20 ns

This is for files that we ship and trust; strangers' configs go through `pimsim.config.loading`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from pimsim.base.errors import UnitError
from pimsim.base.units import dimension_of_key, parse_quantity
from pimsim.config.yaml_tree import LOADER, plain_scalar

CONFIDENCES = {
    "A": "read in the primary code, configuration or paper",
    "B": "third-party notes or an abstract",
    "C": "arithmetic on A or B",
    "R": "from memory of the source, to be checked before it is cited",
    "S": "our assumption",
    "F": "fitted",
}

_CITATION = re.compile(rf"#+ *(?P<source>.*?) *\[(?P<confidence>[{''.join(CONFIDENCES)}])\]\s*$")
_TRAILING_COMMENT = re.compile(r"(?:^|\s)#.*$")


@dataclass(frozen=True, slots=True)
class Provenance:
    """A number as the file spells it, its source, and the confidence in it; both empty when no comment gives them."""

    value_text: str
    source: str = ""
    confidence: str = ""


def read_provenance(path: str | Path, *, words: bool = False) -> dict[str, Provenance]:
    """The provenance of every number in a config file, with or without unit, by dotted key.

    List elements may share the comment of their list. With `words`, of every other value as well.
    """
    text = Path(path).read_text(encoding="utf-8")
    lines = text.splitlines()
    root = yaml.compose(text, Loader=LOADER)
    found = _values(root, (), "", lines) if root else ()
    return {".".join(at): provenance for at, node, provenance in found if words or _is_number(node, at)}


def _values(
    node: yaml.Node, path: tuple[str, ...], above: str, lines: list[str]
) -> Iterator[tuple[tuple[str, ...], yaml.ScalarNode, Provenance]]:
    """Provenance of the values under `node`; `above` is the comment over its key, or over the list it is in."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield from _values(value, (*path, key.value), _comment_above(key.start_mark.line, lines), lines)
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            comment = _comment_above(item.start_mark.line, lines) or _trailing_comment(node, lines) or above
            yield from _values(item, (*path, str(index)), comment, lines)
    elif isinstance(node, yaml.ScalarNode):
        comment = _trailing_comment(node, lines)
        citation = _CITATION.search(comment) or _CITATION.search(above)
        cited = citation.group("source", "confidence") if citation else ("", "")
        yield path, node, Provenance(node.value, *cited)


def _is_number(node: yaml.ScalarNode, path: tuple[str, ...]) -> bool:
    if not node.style and type(plain_scalar(node.value)) in (int, float):
        return True
    key = next((step for step in reversed(path) if not step.isdigit()), "")
    dimension = dimension_of_key(key)
    try:
        return dimension is not None and parse_quantity(node.value, dimension) is not None
    except UnitError:
        return False


def _trailing_comment(node: yaml.Node, lines: list[str]) -> str:
    mark = node.end_mark
    comment = _TRAILING_COMMENT.search(lines[mark.line][mark.column :]) if mark.line < len(lines) else None
    return comment.group().strip() if comment else ""


def _comment_above(line: int, lines: list[str]) -> str:
    """The comment lines directly above a line, as one comment."""
    start = line
    while start > 0 and lines[start - 1].lstrip().startswith("#"):
        start -= 1
    texts = [text.strip().lstrip("#").strip() for text in lines[start:line]]
    return f"# {' '.join(texts)}" if texts else ""
