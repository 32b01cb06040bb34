"""Constraints and filters as text: "rows * columns <= 4096 and schedule == 'serial'".

The text is parsed into Python's syntax tree. Only a few kinds of nodes are allowed (numbers, texts, names, arithmetic,
comparisons, and, or, not). The expression is evaluated by walking this tree: nothing is called or imported, no
attribute of an object is read, and Python's eval is not used.

`metric@workload` is one name. A name of a workload may contain `-` and `.`, so that such names are replaced by
placeholders before the text is parsed; a minus sign after one needs a space.
"""

from __future__ import annotations

import ast
import math
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pimsim.base.errors import ExpressionError, printable
from pimsim.base.metric_names import METRIC_AT_WORKLOAD

MAX_CHARS = 1000
MAX_DEPTH = 40
MAX_NUMBER = 1e40
MAX_EXPONENT = 64
"""`MAX_EXPONENT` and `MAX_NUMBER` prevent expressions such as 9**9**9 from exhausting the memory."""

Values = Mapping[str, Any]
Walk = Callable[[Values], Any]

_ARITHMETIC: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
}
_COMPARISONS: Mapping[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: lambda value, among: value in among,
    ast.NotIn: lambda value, among: value not in among,
}
_ORDERING = (ast.Lt, ast.LtE, ast.Gt, ast.GtE)
_YAML_CONSTANTS = {"true": True, "false": False, "null": None}
"""YAML's spelling of constants, which is accepted in addition to Python's."""

_ALLOWED = "numbers, texts, names of axes, keys and metrics, + - * / // % **, comparisons, in, and, or, not"


class Expression:
    """A parsed expression.

    Attributes:
        text: The text of the expression.
        names: Names that the expression reads, without repetition. A dotted name counts as one name.
    """

    __slots__ = ("_walk", "names", "text")

    def __init__(self, text: str) -> None:
        """Parse an expression.

        Args:
            text: The text, at most `MAX_CHARS` characters.

        Raises:
            ExpressionError: If the text is not an expression, or contains something that is not allowed.
        """
        node, parser = parsed(text)
        self._walk = parser.walk(node, 0)
        self.text = text
        self.names = tuple(dict.fromkeys(parser.names))

    def __reduce__(self) -> tuple[type[Expression], tuple[str]]:
        return Expression, (self.text,)

    def value(self, values: Values) -> Any:
        """Evaluate the expression.

        Args:
            values: Value of each name.

        Returns:
            Value of the expression.

        Raises:
            ExpressionError: If a name has no value, or an operation is not possible; the message quotes the text.
        """
        try:
            return self._walk(values)
        except ExpressionError as error:
            raise ExpressionError(f"{_shown(self.text)}: {error}") from None
        except ZeroDivisionError:
            raise ExpressionError(f"{_shown(self.text)}: divides by zero") from None

    def holds(self, values: Values) -> bool:
        """Evaluate the expression as a condition.

        Args:
            values: Value of each name.

        Returns:
            Whether the condition is true.

        Raises:
            ExpressionError: As `value`, and if the value is not a boolean.
        """
        value = self.value(values)
        if not isinstance(value, bool):
            raise ExpressionError(f"{_shown(self.text)}: is {_kind(value)}, not true or false")
        return value


_TEXT_OR_METRIC = re.compile(rf"""'[^']*'|"[^"]*"|(?<![\w.])({METRIC_AT_WORKLOAD})""", re.ASCII)
_PLACEHOLDER = "__metric"


def _with_placeholders(text: str) -> tuple[str, dict[str, str]]:
    """Replace each `metric@workload` outside of quotes by a name that Python's parser accepts.

    Args:
        text: Text of an expression.

    Returns:
        The text with placeholders, and the name that each of them stands for. No user can write a placeholder, because
        names that begin with two underscores are refused.
    """
    names: dict[str, str] = {}
    if len(text) > MAX_CHARS or _PLACEHOLDER in text:  # refused later
        return text, names

    def replaced(match: re.Match[str]) -> str:
        name = match.group(1)
        if name is None:
            return match.group()
        placeholder = f"{_PLACEHOLDER}{len(names)}"
        names[placeholder] = name
        return placeholder

    return _TEXT_OR_METRIC.sub(replaced, text), names


def parsed(text: str) -> tuple[ast.expr, Parser]:
    """Parse the text of an expression.

    Args:
        text: The text.

    Returns:
        Its syntax tree, of which nothing is checked yet, and the compiler of its nodes.

    Raises:
        ExpressionError: If the text is too long, or is not an expression.
    """
    if len(text) > MAX_CHARS:
        raise ExpressionError(f"{_shown(text)}: has {len(text)} characters, more than {MAX_CHARS}")
    try:
        content, placeholders = _with_placeholders(text)
        return ast.parse(content.strip(), mode="eval").body, Parser(text, placeholders)
    except SyntaxError as error:
        raise ExpressionError(f"{_shown(text)}: is not an expression: {error.msg}; allowed are {_ALLOWED}") from None
    except (ValueError, RecursionError, MemoryError):  # a NUL character, or too many brackets
        raise ExpressionError(f"{_shown(text)}: is not an expression; allowed are {_ALLOWED}") from None


@dataclass
class Parser:
    """Compiler of a syntax tree into nested functions; it records the names that occur."""

    text: str
    placeholders: Mapping[str, str]

    def __post_init__(self) -> None:
        self.names: list[str] = []

    def walk(self, node: ast.expr, depth: int) -> Walk:
        """Compile a node.

        Args:
            node: A node of the syntax tree.
            depth: Number of levels above it.

        Returns:
            Function that evaluates the node.

        Raises:
            ExpressionError: If the node is not allowed, or too deep.
        """
        if depth > MAX_DEPTH:
            raise self.refuse(f"is nested more than {MAX_DEPTH} levels deep")
        match node:
            case ast.Constant(value=value) if value is None or isinstance(value, bool | int | float | str):
                constant = _bounded(value) if _is_number(value) else value
                return lambda values: constant
            case ast.Name() | ast.Attribute():
                return self.name(node)
            case ast.Tuple(elts=items) | ast.List(elts=items):
                walks = [self.walk(item, depth + 1) for item in items]
                return lambda values: tuple(walk(values) for walk in walks)
            case ast.UnaryOp(op=op, operand=operand):
                return _unary(op, self.walk(operand, depth + 1), self)
            case ast.BoolOp(op=op, values=parts):
                return _logic(isinstance(op, ast.And), [self.walk(part, depth + 1) for part in parts])
            case ast.BinOp(op=op, left=left, right=right) if type(op) in _ARITHMETIC:
                return _arithmetic(_ARITHMETIC[type(op)], self.walk(left, depth + 1), self.walk(right, depth + 1))
            case ast.Compare(left=left, ops=ops, comparators=others) if all(type(op) in _COMPARISONS for op in ops):
                return _comparison(ops, [self.walk(each, depth + 1) for each in (left, *others)])
        raise self.refuse(f"{_construct(node)} is not allowed; allowed are {_ALLOWED}")

    def name(self, node: ast.expr) -> Walk:
        """Compile a name, which may be dotted. A dotted name is looked up as one key; no attribute is ever read.

        Args:
            node: A name or an attribute node.

        Returns:
            Function that looks up the value of the name.

        Raises:
            ExpressionError: If the node is not a plain dotted name, or a part of it begins with two underscores.
        """
        steps: list[str] = []
        inner = node
        while isinstance(inner, ast.Attribute):
            steps.append(inner.attr)
            inner = inner.value
        if not isinstance(inner, ast.Name):
            raise self.refuse(f"an attribute of {_construct(inner)} is not allowed; allowed are {_ALLOWED}")
        name = ".".join((inner.id, *reversed(steps)))
        if name in self.placeholders and not steps:
            name = self.placeholders[name]
        elif any(step.startswith("__") for step in name.split(".")):
            raise self.refuse(f"the name {printable(name, 60)} is not allowed")
        if name in _YAML_CONSTANTS:
            value = _YAML_CONSTANTS[name]
            return lambda values: value
        self.names.append(name)

        def look_up(values: Values) -> Any:
            try:
                return values[name]
            except KeyError:
                raise ExpressionError(f"{name} has no value here") from None

        return look_up

    def refuse(self, complaint: str) -> ExpressionError:
        """Create the error of an expression.

        Args:
            complaint: What is wrong.

        Returns:
            The error, which quotes the expression.
        """
        return ExpressionError(f"{_shown(self.text)}: {complaint}")


def _unary(op: ast.unaryop, operand: Walk, parser: Parser) -> Walk:
    match op:
        case ast.Not():
            return lambda values: not _boolean(operand(values))
        case ast.USub():
            return lambda values: -_number(operand(values))
        case ast.UAdd():
            return lambda values: _number(operand(values))
    raise parser.refuse(f"the operator ~ is not allowed; allowed are {_ALLOWED}")


def _logic(all_of_them: bool, parts: list[Walk]) -> Walk:
    if all_of_them:
        return lambda values: all(_boolean(part(values)) for part in parts)
    return lambda values: any(_boolean(part(values)) for part in parts)


def _arithmetic(operate: Callable[[Any, Any], Any], left: Walk, right: Walk) -> Walk:
    power = operate is operator.pow

    def walk(values: Values) -> Any:
        a, b = _number(left(values)), _number(right(values))
        if power and abs(b) > MAX_EXPONENT:
            raise ExpressionError(f"an exponent is beyond {MAX_EXPONENT}")
        try:
            return _bounded(operate(a, b))
        except OverflowError:
            raise ExpressionError(f"a number is beyond {MAX_NUMBER:g}") from None

    return walk


def _comparison(ops: list[ast.cmpop], sides: list[Walk]) -> Walk:
    """Compile a chain of comparisons. As in Python, `a < b < c` means `a < b and b < c`.

    Args:
        ops: Comparison operators.
        sides: Operands, one more than operators.

    Returns:
        Function that evaluates the chain.
    """
    first, *others = sides
    steps = [(_COMPARISONS[type(op)], type(op), other) for op, other in zip(ops, others, strict=True)]

    def walk(values: Values) -> bool:
        left = first(values)
        for compare, kind, other in steps:
            right = other(values)
            _check_comparable(kind, left, right)
            if not compare(left, right):
                return False
            left = right
        return True

    return walk


def _check_comparable(kind: type[ast.cmpop], left: Any, right: Any) -> None:
    if kind in (ast.In, ast.NotIn):
        if not isinstance(right, tuple | str | list) or (isinstance(right, str) and not isinstance(left, str)):
            raise ExpressionError(f"{_kind(right)} is not a list; write in [1, 2]")
    elif kind in _ORDERING and not (_is_number(left) and _is_number(right)):
        raise ExpressionError(f"compares {_kind(left)} with {_kind(right)}; < and > need numbers")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _number(value: Any) -> Any:
    if not _is_number(value):
        raise ExpressionError(f"calculates with {_kind(value)}")
    return value


def _boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ExpressionError(f"{_kind(value)} is used where true or false is needed")
    return value


def _bounded(value: Any) -> Any:
    # Infinity is allowed, because a metric may be infinite: tokens per joule of a machine that uses no energy.
    if isinstance(value, complex) or MAX_NUMBER < abs(value) != math.inf:
        raise ExpressionError(f"a number is beyond {MAX_NUMBER:g}, or not real")
    return value


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true or false"
    if _is_number(value):
        return "a number"
    return "a text" if isinstance(value, str) else "a list" if isinstance(value, list | tuple) else "a section"


_CONSTRUCTS: Mapping[type[ast.expr], str] = {
    ast.Call: "a call",
    ast.Lambda: "a lambda",
    ast.Subscript: "an index",
    ast.ListComp: "a comprehension",
    ast.GeneratorExp: "a comprehension",
    ast.SetComp: "a comprehension",
    ast.DictComp: "a comprehension",
    ast.IfExp: "if ... else",
    ast.JoinedStr: "an f-string",
    ast.NamedExpr: "an assignment",
    ast.Await: "await",
    ast.Yield: "yield",
    ast.Starred: "a star",
    ast.Dict: "a dictionary",
    ast.Set: "a set",
    ast.Constant: "such a constant",
    ast.BinOp: "such an operator",
    ast.Compare: "such a comparison",
}


def _construct(node: ast.expr) -> str:
    return _CONSTRUCTS.get(type(node), f"{type(node).__name__}")


def _shown(text: str) -> str:
    return f"expression {printable(text, 120)!r}"
