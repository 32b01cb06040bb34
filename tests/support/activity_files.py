"""Files of measured activity without a measurement, for `machine.crossbar.activity`."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pimsim import load_config, write_activity
from pimsim.results.measured_activity import MeasuredActivity

FOLDER = TemporaryDirectory(prefix="pimsim-activity-")


def activity_of(config: str = "pim-llm", overrides: Any = (), **changes: Any) -> MeasuredActivity:
    """Return an activity in which a quarter of the rows are driven, and each cell read has a mean of 4 uS."""
    made = MeasuredActivity(
        config=load_config(config, overrides),
        version="0",
        matrix="made up",
        inputs=10,
        outputs=5,
        vectors=2,
        seed=7,
        row_pulses=160,
        rows_active=40,
        squared_drive=40.0,
        cell_reads=1600,
        conductance_sum_s=1600 * 4e-6,
    )
    return replace(made, **changes)


@cache
def activity_file() -> str:
    """Return the path of a file with `activity_of()`; the folder is removed at the end."""
    path = Path(FOLDER.name) / "made.h5"
    write_activity(activity_of(), path)
    return str(path)
