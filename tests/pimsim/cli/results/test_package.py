"""`pimsim results FILE`, as it was before it had subcommands, is told the new command."""

from __future__ import annotations

import pytest

from tests.support.analysed_sweeps import METRICS
from tests.support.command_line import assert_refused, pimsim


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["grid.h5"], "`pimsim results show FILE`"),
        (["grid.h5", "--where", "side < 64"], "`pimsim results show FILE`"),
        (["grid.h5", "--pareto", METRICS], "--pareto is now `pimsim results front FILE METRIC,...`"),
        (["--best=tokens_per_s", "grid.h5"], "--best is now `pimsim results best FILE METRIC`"),
        (["grid.h5", "--sensitivity", "macs"], "--sensitivity is now `pimsim results sensitivity FILE METRIC`"),
        (["grid.h5", "--plots", "plots"], "--plots is now `pimsim results plot FILE --out DIR`"),
        (["shwo"], "Did you mean 'show'?"),
    ],
)
def test_a_command_line_without_subcommand_is_told_the_new_command(arguments: list[str], told: str) -> None:
    outcome = pimsim("results", *arguments)
    assert_refused(outcome, 2)
    assert outcome.err.rstrip().endswith(told)
