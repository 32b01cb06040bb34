"""Names of columns, as people and instruments write them."""

from __future__ import annotations

import pytest

from pimsim.importers.measurement_columns import read_column
from tests.support.closeness import near


@pytest.mark.parametrize(
    ("name", "role", "quantity", "factor"),
    [
        ("conductance_uS", "value", "conductance", 1e-6),
        ("G [µS]", "value", "conductance", 1e-6),  # micro sign
        ("Conductance (μS)", "value", "conductance", 1e-6),  # Greek mu
        ("g/us", "value", "conductance", 1e-6),
        ("g_S", "value", "conductance", 1.0),
        ("g (nS)", "value", "conductance", 1e-9),
        ("R_kohm", "value", "resistance", 1e3),
        ("R [kΩ]", "value", "resistance", 1e3),
        ("Resistance (MOhm)", "value", "resistance", 1e6),
        ("Device resistance [Ω]", "value", "resistance", 1.0),
        ("mean_uS", "mean", "conductance", 1e-6),
        ("median (uS)", "mean", "conductance", 1e-6),
        ("std_uS", "sigma", "conductance", 1e-6),
        ("sigma_%", "relative sigma", "", 0.01),
        ("CV", "relative sigma", "", 1.0),
        ("sigma_ln", "log sigma", "", 1.0),
        ("time_s", "time", "time", 1.0),
        ("t (us)", "time", "time", 1e-6),
        ("Time [h]", "time", "time", 3600.0),
        ("State", "state", "", 1.0),
        ("target_uS", "state", "", 1.0),
        ("cell", "cell", "", 1.0),
        ("Device ID", "cell", "", 1.0),
        ("n", "count", "", 1.0),
        ("sample", "other", "", 1.0),
        ("Set voltage (V)", "other", "", 1.0),
        ("", "other", "", 1.0),
    ],
)
def test_a_name_says_role_and_unit(name: str, role: str, quantity: str, factor: float) -> None:
    column = read_column(name)
    assert (column.role, column.quantity, column.problem) == (role, quantity, "")
    assert column.factor == near(factor)


@pytest.mark.parametrize(("name", "state"), [("LRS (uS)", "lrs"), ("g_off_kohm", "off"), ("hrs/uS", "hrs")])
def test_a_column_of_one_state(name: str, state: str) -> None:
    assert (read_column(name).role, read_column(name).state) == ("value", state)


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("conductance", "names no unit; name it e.g. conductance_uS (S, mS, uS, nS, ohm, kohm, Mohm)"),
        ("lrs", "names no unit; name it e.g. lrs_uS"),
        ("sigma", "names no unit"),
        ("R_mohm", "has the unit mohm, which is milliohm; write Mohm for megaohm"),
        ("time", "names no unit of time; name it e.g. time_s (s, ms, us, ns, min, h, d)"),
    ],
)
def test_a_name_that_lacks_its_unit(name: str, problem: str) -> None:
    assert read_column(name).problem.startswith(problem)
