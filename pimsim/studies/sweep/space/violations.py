"""Degree to which a point violates a constraint, from which a search learns in which direction the allowed points are.

A comparison a <= b that does not hold has the relative violation (a - b) / max(|a|, |b|), which has no unit, so that
constraints on an area and on a perplexity can be added. Several conditions joined by `and` add up, of those joined by
`or` the smallest counts. Any other condition that does not hold, such as one on texts, has the violation 1.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Sequence

from pimsim.studies.sweep.space.expressions import Expression, Parser, Values, parsed

UNKNOWN = 10.0
"""Violation of a comparison with a value that the point does not have (NaN). Others are at most 2."""
SMALLEST = 1e-9
"""Violation of a strict comparison of equal values, which must not be 0."""

Degree = Callable[[Values], float]


class Limit:
    """A constraint on metrics, which is known only after a point has run.

    Attributes:
        expression: The constraint.
    """

    __slots__ = ("_degree", "expression")

    def __init__(self, expression: Expression) -> None:
        """Prepare a constraint.

        Args:
            expression: The constraint.

        Raises:
            ExpressionError: If it is too deeply nested.
        """
        node, parser = parsed(expression.text)
        self._degree, self.expression = _degree(node, parser), expression

    def __reduce__(self) -> tuple[type[Limit], tuple[Expression]]:
        return Limit, (self.expression,)

    def violation(self, values: Values) -> float:
        """Compute how much a point violates the constraint.

        Args:
            values: Value of each name of the constraint.

        Returns:
            0 if the constraint holds; otherwise a positive number.

        Raises:
            ExpressionError: If the constraint cannot be evaluated.
        """
        if self.expression.holds(values):
            return 0.0
        return max(self._degree(values), SMALLEST)


def _degree(node: ast.expr, parser: Parser) -> Degree:
    match node:
        case ast.BoolOp(op=op, values=conditions):
            degrees = [_degree(condition, parser) for condition in conditions]
            combine = math.fsum if isinstance(op, ast.And) else min
            return lambda values: combine([degree(values) for degree in degrees])
        case ast.Compare(left=left, ops=ops, comparators=others) if all(type(op) in _SIGNS for op in ops):
            sides = [parser.walk(side, 0) for side in (left, *others)]
            signs = [_SIGNS[type(op)] for op in ops]
            return lambda values: _excess(signs, [side(values) for side in sides])
    holds = parser.walk(node, 0)
    return lambda values: 0.0 if holds(values) else 1.0


_SIGNS = {ast.Lt: 1.0, ast.LtE: 1.0, ast.Gt: -1.0, ast.GtE: -1.0}


def _excess(signs: Sequence[float], sides: Sequence[float]) -> float:
    """Add up the relative violations of a chain of comparisons.

    Args:
        signs: 1 for `<` and `<=`, -1 for `>` and `>=`.
        sides: Values of the operands, one more than signs.

    Returns:
        The sum; 0 for comparisons that hold, or that hold but for equality.
    """
    total = 0.0
    for sign, left, right in zip(signs, sides, sides[1:], strict=False):
        over = sign * (left - right)
        if math.isnan(over):
            total += UNKNOWN
        elif over > 0:
            largest = max(abs(left), abs(right))
            total += 1.0 if math.isinf(largest) else over / largest
    return total


def limits_of(expressions: Sequence[Expression]) -> tuple[Limit, ...]:
    """Prepare constraints on metrics.

    Args:
        expressions: The constraints.

    Returns:
        One limit per constraint.

    Raises:
        ExpressionError: As `Limit`.
    """
    return tuple(map(Limit, expressions))


def total_violation(limits: Sequence[Limit], values: Values) -> float:
    """Add up how much a point violates constraints.

    Args:
        limits: The constraints.
        values: Value of each name of the constraints.

    Returns:
        0 if all of them hold; otherwise a positive number.

    Raises:
        ExpressionError: If a constraint cannot be evaluated.
    """
    return math.fsum(limit.violation(values) for limit in limits)
