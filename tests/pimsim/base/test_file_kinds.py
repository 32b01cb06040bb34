"""Files given to the wrong command are named as what they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from pimsim.base.file_kinds import kind_of
from tests.support.command_line import assert_refused, pimsim

TRACE = "traces/gpt2-medium-decode-128.json"


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("run", TRACE), 3, f"a workload without a machine: use pimsim run pim-llm --trace {TRACE}"),
        (("run", "sweep-tiles"), 3, "is a sweep, which varies a config: use pimsim sweep sweep-tiles --out points.h5"),
        (("run", "configs/sweep-tiles.yaml"), 3, "is a sweep, which varies a config: use pimsim sweep"),
        (("run", "memory-lpddr5"), 3, "is a preset of a memory, not a whole machine. Layer it over one in a file"),
        (("serve", "configs/device-isaac.yaml", "--poisson=1"), 3, "extends: [pim-llm, device-isaac]"),
        (("sweep", "pim-llm", "--out=p.h5"), 3, "is a config, which describes a machine and its workload: use"),
        (("sweep", TRACE, "--out=p.h5"), 3, "is a trace"),
        (("optimize", "sweep-tiles", "--out=p.h5"), 3, "is a sweep, which varies a config: use pimsim sweep"),
        (("run", "pim-llm", "--trace", "sweep-tiles"), 4, "is a sweep"),
    ],
)  # fmt: skip
def test_the_message_names_the_kind_and_the_command(arguments: tuple[str, ...], code: int, told: str) -> None:
    root = Path(__file__).parents[3]
    placed = [str(root / each) if (root / each).is_file() else each for each in arguments]
    outcome = pimsim(*placed)
    assert_refused(outcome, code)
    assert told.replace(TRACE, str(root / TRACE)) in outcome.err


def test_a_misspelt_config_is_no_other_kind() -> None:
    assert kind_of({"machine": {}, "axes": {}}) == "config"
    assert kind_of({"mashine": {}}) is None
    assert kind_of({"base": "pim-llm", "machine": {}, "axes": {}}) is None  # both: its keys are refused one by one
    assert kind_of([1]) is None
