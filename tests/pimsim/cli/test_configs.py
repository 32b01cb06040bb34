"""`pimsim configs` and `pimsim devices` list everything that is shipped."""

from __future__ import annotations

import json

from pimsim.base.shipped_files import list_configs
from tests.support.command_line import pimsim as run_pimsim


def test_configs_and_devices_list_everything_shipped() -> None:
    shown = run_pimsim("configs").ok + run_pimsim("devices").ok
    listed = [
        each["name"] for command in ("configs", "devices") for each in json.loads(run_pimsim(command, "--json").ok)
    ]
    assert sorted(listed) == list_configs()
    for name in listed:
        assert name in shown
    assert "[F]" in shown
    assert "stock 10.08 pJ" in shown
