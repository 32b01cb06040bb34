"""Tables of measured cells: every content gives measurements or one sentence with file and line."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pimsim.base.errors import ConfigError
from pimsim.importers.measured_cell import import_cell
from pimsim.importers.measurements import Measurements, read_measurements
from tests.support.closeness import near


def read(tmp_path: Path, text: str) -> Measurements:
    path = tmp_path / "cells.csv"
    path.write_bytes(text.encode())
    return read_measurements(path)


@pytest.mark.parametrize(
    "text",
    [
        "state,g_uS\nlrs,100\nhrs,2\n",
        "\ufeff# wafer 7\n\nState;G (uS);\r\nlrs;100;\r\nhrs;2;\r\n",
        "% comment\nstate\tg_S\nlrs\t1e-4\nhrs\t2e-6\n",
        'state,"R (kΩ)"\nlrs,10\n// comment\nhrs,"500"\n',
        "lrs_uS,hrs_kohm\n100,\n,500\n",
    ],
)
def test_the_same_two_samples_in_several_tables(text: str, tmp_path: Path) -> None:
    rows = read(tmp_path, text).rows
    assert [(row.state, row.siemens) for row in rows] == [("lrs", near(1e-4)), ("hrs", near(2e-6))]


def test_a_summary_in_ohms(tmp_path: Path) -> None:
    """To first order, sigma of g = sigma of R g^2: 0.5 kohm of 10 kohm are 5 uS of 100 uS."""
    measured = read(tmp_path, "level,mean_kohm,sigma_kohm,n,wafer\n0,10,0.5,64,7\n")
    (row,) = measured.rows
    assert (row.siemens, row.sigma, row.count) == (near(1e-4), near(5e-6), 64)
    assert (measured.spread, measured.quantity, measured.unused) == ("absolute", "resistance", ("wafer",))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("# nothing\n", "is empty"),
        ("state,g_uS\n", "has no measurement below the line of names"),
        ("1,2\n3,4\n", "line 1: the first line must name the columns, such as state,conductance_uS"),
        ("state,V\nlrs,1\n", "line 1: has no column of conductances among 'state', 'V'"),
        ("# x\nstate,conductance\nlrs,1\n", "line 2: column 'conductance' names no unit; name it e.g. conductance_uS"),
        ("state,g_uS,r_ohm\nlrs,1,2\n", "line 1: columns 'g_uS' and 'r_ohm' both give the value"),
        ("state,g_uS,g_uS\nlrs,1,2\n", "line 1: columns 'g_uS' and 'g_uS' both give the value"),
        ("g_uS\n1\n", "line 1: has no column of states"),
        ("level,mean_uS\n1,2\n", "line 1: has means without their spread"),
        ("level,mean_uS,sigma_ohm\n1,2,3\n", "line 1: 'sigma_ohm' is a resistance, 'mean_uS' is not"),
        ("lrs_uS,hrs_uS,sigma_uS\n1,2,3\n", "line 1: has several columns of conductances"),
        ("state,g_uS\nlrs,1\nlrs,few\n", "line 3: 'few' in column 'g_uS' is not a number"),
        ("state,g_uS\nlrs,nan\n", "line 2: 'nan' in column 'g_uS' is not a number"),
        ("state,g_uS\nlrs,0\n", "line 2: '0' in column 'g_uS' is not above 0; leave out what was not measured"),
        ("state,g_uS\nlrs,1e9\n", "line 2: '1e9' in column 'g_uS' is not between 1e-15 S and 1 S"),
        ("state,g_uS\nlrs,1,2\n", "line 2: has 3 values for 2 columns"),
        ("state,g_uS\n,1\n", "line 2: names no state"),
        ("state,g_uS,time_s\nlrs,1,-1\n", "line 2: '-1' in column 'time_s' is negative"),
        ("level,mean_uS,sigma_uS\nlrs,1,-1\n", "line 2: '-1' in column 'sigma_uS' is negative"),
        ("level,mean_uS,sigma_uS,n\nlrs,1,1,2.5\n", "line 2: '2.5' is not a number of samples"),
        ("state;g_uS\nlrs;1,5\n", "line 2: '1,5' in column 'g_uS' is not a number"),
    ],
)
def test_what_cannot_be_used_is_told_with_its_line(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as error:
        read(tmp_path, text)
    assert str(error.value).startswith(f"{tmp_path / 'cells.csv'}: {message}")


@pytest.mark.parametrize(
    ("content", "message"), [(b"\xff\xfe", "not UTF-8 text"), (b"state\0,g_uS\n", "contains binary data")]
)
def test_a_file_that_is_no_table(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "cells.csv"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=message):
        read_measurements(path)


PIECES = st.sampled_from(
    [
        *"\n\n,,;\t\"'#0-1.",
        "state",
        "lrs",
        "hrs",
        "g_uS",
        "mean_uS",
        "sigma_ln",
        "time_s",
        "1e-3",
        "5",
        "1e400",
        "µ",
        "cell",
    ]
)


@given(st.lists(PIECES, max_size=40).map("".join), st.sampled_from(["", "state,g_uS,time_s\nlrs,1,1\nlrs,2,2\n"]))
def test_any_table_is_imported_or_told(tmp_path_factory: pytest.TempPathFactory, text: str, head: str) -> None:
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_text(head + text, encoding="utf-8")
    try:
        import_cell(path)
    except ConfigError as error:
        assert str(error).isprintable() or "problems" in str(error)  # noqa: PT017
