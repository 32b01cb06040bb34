"""From one config to another, one key at a time: the effect of each key on time, energy and area."""

from __future__ import annotations
