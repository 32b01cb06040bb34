"""Switches of the corrected accounting that are turned on."""

from __future__ import annotations

from pimsim.studies.paper.switches import ALL_SETTINGS, NONE, Switches


def on(*names: str) -> Switches:
    """Return these switches at their last values, and the others off."""
    return NONE.turned_on(*(setting for setting in ALL_SETTINGS if setting.switch.name in names))
