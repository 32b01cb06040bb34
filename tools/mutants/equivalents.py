"""Mutants that no test can notice, each with the reason. They count neither as killed nor as survived."""

from __future__ import annotations

from tools.mutants.choosing import Equivalent

EQUIVALENT: tuple[Equivalent, ...] = ()
