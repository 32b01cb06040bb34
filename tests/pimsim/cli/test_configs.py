"""`pimsim configs` lists every shipped config that is not a device."""

from __future__ import annotations

import json

from pimsim.base.shipped_files import list_configs
from tests.support.command_line import pimsim as run_pimsim


def test_every_shipped_config_is_listed_by_configs_or_by_devices() -> None:
    listed = [
        each["name"] for command in ("configs", "devices") for each in json.loads(run_pimsim(command, "--json").ok)
    ]
    assert sorted(listed) == list_configs()


def test_configs_are_shown_with_their_changes_and_the_stock_values() -> None:
    shown = run_pimsim("configs").ok
    for each in json.loads(run_pimsim("configs", "--json").ok):
        assert each["name"] in shown
    assert "[F]" in shown
    assert "stock 10.08 pJ" in shown
