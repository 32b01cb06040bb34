"""Plans of small sweeps, and the message of one that is refused."""

from __future__ import annotations

from typing import Any

import pytest

from pimsim.base.errors import ConfigError
from pimsim.studies.sweep.space.plan import Plan, load_sweep, sweep_of_text

ROWS = "machine.systolic.rows"


CLOCK = "machine.systolic.clock_hz"


LINK = "machine.mesh.link_bandwidth_bps"


def plan_of(axes: dict[str, Any] | None = None, **more: Any) -> Plan:
    return load_sweep({"name": "x", "base": "pim-llm"} | ({"axes": axes} if axes else {}) | more)


def values(axis: Any, name: str = LINK) -> list[Any]:
    return [point[0] for point in plan_of({name: axis})]


def refusal(source: Any) -> str:
    with pytest.raises(ConfigError) as error:
        load_sweep(source) if not isinstance(source, str) else sweep_of_text(source)
    return str(error.value)
