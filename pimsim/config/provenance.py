"""Provenance of the numbers in shipped configs, read from the comments beside them.

Every number in a shipped config has a comment that cites its source and ends with a confidence letter. The comment is
on the line of the number or directly above it.

    clock_hz: 100 MHz   # arXiv:2504.01994, section on the TPU [A]

    # MNSIM Buffer.py: fixed cycle [A]
    cycle_s: 20 ns

Only for files that ship with pimsim; `pimsim.config.loading` reads untrusted configs.
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
    """A number of a config file with its source.

    Attributes:
        value_text: The number as the file spells it.
        source: Source that the comment cites; empty without such a comment.
        confidence: Confidence letter, a key of `CONFIDENCES`; empty without such a comment.
    """

    value_text: str
    source: str = ""
    confidence: str = ""


def read_provenance(path: str | Path, *, words: bool = False) -> dict[str, Provenance]:
    """Read the provenance of every number in a config file.

    Args:
        path: A trusted config file.
        words: Whether values that are not numbers are included.

    Returns:
        Provenance by dotted key. Elements of a list may share the comment of the list.
    """
    text = Path(path).read_text(encoding="utf-8")
    lines = text.splitlines()
    root = yaml.compose(text, Loader=LOADER)
    found = _values(root, (), "", lines) if root else ()
    return {".".join(at): provenance for at, node, provenance in found if words or _is_number(node, at)}


def _values(
    node: yaml.Node, path: tuple[str, ...], above: str, lines: list[str]
) -> Iterator[tuple[tuple[str, ...], yaml.ScalarNode, Provenance]]:
    """Iterate over the values below a node.

    Args:
        node: Node of the YAML document.
        path: Keys and list indices from the root to the node.
        above: Comment above the key of the node, or above the list that contains it.
        lines: Lines of the file.

    Yields:
        Path, node and provenance of each scalar.
    """
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
    """Join the comment lines directly above a line.

    Args:
        line: 0-based number of the line.
        lines: Lines of the file.

    Returns:
        One comment with its "#"; empty if there is none.
    """
    start = line
    while start > 0 and lines[start - 1].lstrip().startswith("#"):
        start -= 1
    texts = [text.strip().lstrip("#").strip() for text in lines[start:line]]
    return f"# {' '.join(texts)}" if texts else ""
