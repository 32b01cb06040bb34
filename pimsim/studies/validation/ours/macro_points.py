"""Rows about published macros: our values are those of `pimsim macros`."""

from __future__ import annotations

from pimsim.studies.validation.comparison import Point, Reference
from pimsim.studies.validation.macro_references import macro_quantities
from pimsim.studies.validation.workbench import Makers, Workbench


def _points(bench: Workbench, reference: Reference) -> tuple[Point, ...]:
    macro, spec, labels = macro_quantities()[reference.name]
    points = []
    for row in bench.macro(macro.name):
        if row.quantity == spec.name and row.point in labels:
            assert row.ours is not None  # a predicted quantity
            points.append(Point(labels[row.point], row.ours, reference.values[labels[row.point]]))
    return tuple(points)


MAKERS: Makers = dict.fromkeys(macro_quantities(), _points)
