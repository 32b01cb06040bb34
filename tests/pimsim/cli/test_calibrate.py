"""`pimsim calibrate`: each fitted constant beside its stock value."""

from __future__ import annotations

import json
import re

from pimsim.studies.paper.fits import BANDWIDTH_KEY, CONVERSION_KEY, CYCLE_KEY, HOP_KEY, PE_BUFFER_KEY, TILE_BUFFER_KEY
from tests.support.closeness import near
from tests.support.command_line import pimsim as run_pimsim


def test_calibrate_shows_each_fitted_constant_beside_its_stock_value() -> None:
    keys = (CYCLE_KEY, CONVERSION_KEY, HOP_KEY, BANDWIDTH_KEY, PE_BUFFER_KEY, TILE_BUFFER_KEY)
    fits = json.loads(run_pimsim("calibrate", "--json").ok)["fits"]
    assert [each["key"] for each in fits] == list(keys)
    # Array cycle, conversion, bit and hop, link, and the cycle of both buffers: docs/accounting.md.
    values = [32.39e-12, 12.04e-12, 0.09027e-12, 19.646e9, 19.924e-9, 19.924e-9]
    assert [each["value"] for each in fits] == near(values, rel=5e-4)
    assert [each["stock"] for each in fits] == near([7.36e-12, 10.08e-12, 0.48e-12, 20e9, 20e-9, 20e-9])
    assert all(each["fitted_to"] for each in fits)
    shown = run_pimsim("calibrate").ok
    assert all(re.search(rf"^{re.escape(key)} +\S+ \S+ +\S+ \S+ +\S+ ", shown, re.MULTILINE) for key in keys)
