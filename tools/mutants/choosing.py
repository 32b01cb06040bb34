"""Which mutants are worth a run: one or two replacements of an operator, no annotations, no decorators; a sample."""

from __future__ import annotations

import ast
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

Position = tuple[int, int]
"""Line, from 1, and character in it, from 0."""

_REPLACED_BY = {
    "ReplaceBinaryOperator": (
        *("Add_Sub", "Sub_Add", "Mul_FloorDiv", "Div_Mul", "FloorDiv_Mul", "Mod_FloorDiv", "Pow_Mul"),
        *("LShift_RShift", "RShift_LShift", "BitAnd_BitOr", "BitOr_BitAnd", "BitXor_BitOr"),
    ),
    "ReplaceComparisonOperator": (
        *("Eq_NotEq", "NotEq_Eq", "Is_IsNot", "IsNot_Is"),
        *("Lt_LtE", "Lt_GtE", "LtE_Lt", "LtE_Gt", "Gt_GtE", "Gt_LtE", "GtE_Gt", "GtE_Lt"),
    ),
    "ReplaceUnaryOperator": ("USub_UAdd", "Delete_Not", "Delete_Invert"),
}
"""Replacements of operators, as cosmic-ray names them: the neighbour and the opposite.

cosmic-ray also has eleven replacements of each `+`, most of which end in a TypeError at once: they would cost time and
make the share of killed mutants look better than it is.
"""
OPERATORS = frozenset(
    {f"core/{kind}_{each}" for kind, pairs in _REPLACED_BY.items() for each in pairs}
    | {f"core/{each}" for each in ("AddNot", "NumberReplacer", "ZeroIterationForLoop", "ExceptionReplacer")}
    | {f"core/Replace{each}" for each in ("TrueWithFalse", "FalseWithTrue", "AndWithOr", "OrWithAnd")}
    | {f"core/Replace{each}" for each in ("BreakWithContinue", "ContinueWithBreak")}
)


@dataclass(frozen=True, order=True)
class Mutant:
    """One change: the operator's name, its how-many-eth place in the module, and where that place begins."""

    module: str
    start: Position
    operator: str
    occurrence: int


@dataclass(frozen=True)
class Equivalent:
    """A mutant that computes the same as the module, with the reason.

    The lines are compared without their indentation; so an entry stays true when code above it moves.
    """

    module: str
    line: str
    mutated: str
    reason: str


def without_effect(source: str) -> list[tuple[Position, Position]]:
    """Return the places of a module that are not worth a mutant.

    Annotations are never evaluated (`from __future__ import annotations`). Decorators such as `@dataclass(frozen=True)`
    and `@njit(cache=True)` guard or hasten the code, and the type checker and the benchmarks look after them. So does
    `strict=True` of a `zip`, whose arguments have the same length.

    Args:
        source: Text of the module.

    Returns:
        Begin and end of each place, the end exclusive.
    """
    found: list[ast.AST] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.arg | ast.AnnAssign) and node.annotation is not None:
            found.append(node.annotation)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found += node.decorator_list
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.returns is not None:
            found.append(node.returns)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "zip":
            found += [each.value for each in node.keywords if each.arg == "strict"]
    at = _in_characters(source)
    return [
        (at(node.lineno, node.col_offset), at(node.end_lineno, node.end_col_offset))  # type: ignore[attr-defined]
        for node in found
    ]


def _in_characters(source: str) -> Callable[[int, int], Position]:
    """Return a function of line and byte, as `ast` counts, that returns line and character."""
    lines = [line.encode() for line in source.splitlines()]
    return lambda line, byte: (line, len(lines[line - 1][:byte].decode()))


def between_operands(source: str) -> list[tuple[Position, Position]]:
    """Return the places of binary operators.

    cosmic-ray also replaces the stars of parameters and of unpacked arguments, most of which then have no valid syntax.

    Args:
        source: Text of the module.

    Returns:
        End of the left operand and begin of the right one, of each operator.
    """
    at = _in_characters(source)
    return [
        (at(node.left.end_lineno or 0, node.left.end_col_offset or 0), at(node.right.lineno, node.right.col_offset))
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.BinOp)
    ]


def worthwhile(mutants: Iterable[Mutant], source: str) -> list[Mutant]:
    """Return the mutants of one module that a run may tell something about.

    Args:
        mutants: All that there are.
        source: Text of the module.

    Returns:
        Those with an operator of `OPERATORS`, outside `without_effect`, which replace no star of an argument.
    """
    skipped, operators = without_effect(source), between_operands(source)

    def within(each: Mutant, places: Iterable[tuple[Position, Position]]) -> bool:
        return any(begin <= each.start < end for begin, end in places)

    return [
        each
        for each in mutants
        if each.operator in OPERATORS
        and not within(each, skipped)
        and ("ReplaceBinaryOperator" not in each.operator or within(each, operators))
    ]


def sample(mutants: Sequence[Mutant], count: int, seed: int) -> list[Mutant]:
    """Return at most `count` mutants, drawn by `seed`.

    They stay in the order of the draw, so that those before a limit of time are a fair sample too.
    """
    return random.Random(seed).sample(sorted(mutants), min(count, len(mutants)))


def equivalent_of(module: str, diff: str, known: Iterable[Equivalent]) -> Equivalent | None:
    """Return the entry that a change is, or None.

    Args:
        module: Path of the module.
        diff: The change, as a unified diff.
        known: The entries.

    Returns:
        The first entry with the same module and lines.
    """
    removed, added = changed_lines(diff)
    for each in known:
        if (each.module, each.line, each.mutated) == (module, removed, added):
            return each
    return None


def changed_lines(diff: str) -> tuple[str, str]:
    """Return what a unified diff removes and what it adds, without indentation; several lines are joined by a space."""

    def marked(sign: str) -> str:
        lines = diff.splitlines()
        return " ".join(line[1:].strip() for line in lines if line.startswith(sign) and not line.startswith(sign * 3))

    return marked("-"), marked("+")
