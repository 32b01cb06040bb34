"""`pimsim devices` lists every cell, ADC, memory, unit of attention and technology that is shipped."""

from __future__ import annotations

import json

from pimsim.base.shipped_files import list_configs
from tests.support.command_line import pimsim as run_pimsim

KINDS = ("device-", "adc-", "circuits-", "memory-", "near-memory-", "sram-cim-", "technology-")


def test_every_shipped_device_is_listed() -> None:
    listed = [each["name"] for each in json.loads(run_pimsim("devices", "--json").ok)]
    assert sorted(listed) == [name for name in list_configs() if name.startswith(KINDS)]
    shown = run_pimsim("devices").ok
    assert [name for name in listed if name not in shown] == []
