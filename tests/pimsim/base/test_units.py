import math
from contextlib import suppress
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pimsim.base.errors import UnitError
from pimsim.base.units import DIMENSIONS, Dimension, dimension_of_key, format_quantity, parse_quantity, ps_to_s, to_ps
from tests.support.closeness import near
from tests.support.documents import si_value


def dimension(key: str) -> Dimension:
    found = dimension_of_key(key)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("read_pulse_s", "3.16 ns", 3.16e-9),
        ("read_pulse_s", "3.16ns", 3.16e-9),
        ("read_pulse_s", " 1e-3 us ", 1e-9),
        ("read_pulse_s", "-1 ps", -1e-12),
        ("clock_hz", "100 MHz", 100e6),
        ("clock_hz", "500 mhz", 500e6),
        ("clock_hz", "100 MHZ", 100e6),
        ("clock_hz", "2ghz", 2e9),
        ("clock_hz", "32 KHz", 32e3),
        ("lrs_ohm", "10 kOhm", 10e3),
        ("lrs_ohm", "1 MΩ", 1e6),
        ("read_v", "0.15 V", 0.15),
        ("cell_f", "1 fF", 1e-15),
        ("leakage_w", "8.863 mW", 8.863e-3),
        ("conversion_energy_j", "45 pJ", 45e-12),
        ("energy_per_access_j", "1 nJ", 1e-9),
        ("hop_energy_j_per_bit", "0.23 pJ/bit", 0.23e-12),
        ("energy_j_per_bit_hop", "1 pJ/bit/hop", 1e-12),
        ("area_m2", "1650 um^2", 1650e-12),
        ("area_m2", "2 mm²", 2e-6),
        ("area_m2", "3 µm2", 3e-12),
        ("pitch_m", "2.5 mm", 2.5e-3),
        ("link_bandwidth_bps", "20 Gb/s", 20e9),
        ("link_bandwidth_bps", "20 Gbps", 20e9),
        ("link_bandwidth_bps", "1 GB/s", 8e9),
        ("memory_bandwidth_bytes_per_s", "25.6 GB/s", 25.6e9),
        ("memory_bandwidth_bytes_per_s", "8 Gb/s", 1e9),
        ("capacity_bytes", "8 MiB", 8 * 2**20),
        ("capacity_bytes", "1.5 KiB", 1536),
        ("capacity_bytes", "16 kB", 16000),
    ],
)
def test_unit_strings_are_exact(key: str, text: str, value: float) -> None:
    parsed = parse_quantity(text, dimension(key))
    assert parsed == value
    assert isinstance(parsed, int) == key.endswith("_bytes")


@pytest.mark.parametrize(
    ("key", "text", "message"),
    [
        (
            "mesh.link_bandwidth_bps",
            "20 ns",
            "'20 ns' is a time; mesh.link_bandwidth_bps takes a data rate, e.g. 20 Gb/s",
        ),
        ("a_j", "1 pJ/bit", "'1 pJ/bit' is an energy per bit; a_j takes an energy, e.g. 45 pJ"),
        ("a_j_per_bit", "1 pJ", "'1 pJ' is an energy; a_j_per_bit takes an energy per bit, e.g. 45 pJ/bit"),
        ("a_bytes", "16 KB", "'16 KB' has the unknown unit 'KB' (did you mean kB?); a_bytes takes a size, e.g. 8 MiB"),
        (
            "a_hz",
            "5 mHz",
            "'5 mHz' has the unknown unit 'mHz' (did you mean MHz?); a_hz takes a frequency, e.g. 100 MHz",
        ),
        ("a_s", "100", "'100' has no unit; a_s takes a time, e.g. 3.16 ns"),
        ("a_s", "ten s", "'ten s' is not a number with a unit; a_s takes a time, e.g. 3.16 ns"),
        ("a_s", "nan s", "'nan s' is not a number with a unit; a_s takes a time, e.g. 3.16 ns"),
        ("a_s", "1e999 s", "'1e999 s' is out of range; a_s takes a time, e.g. 3.16 ns"),
        ("a_bytes", "0.5 B", "'0.5 B' is not a whole number of bytes below 2^63; a_bytes takes a size, e.g. 8 MiB"),
    ],
)
def test_wrong_units_are_explained(key: str, text: str, message: str) -> None:
    with pytest.raises(UnitError) as caught:
        parse_quantity(text, dimension(key), key)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    "key", ["rows", "tokens_per_j", "operations_per_mac", "pes_per_tile", "d_ff", "s", "", "_per_"]
)
def test_other_keys_have_no_dimension(key: str) -> None:
    assert dimension_of_key(key) is None


def test_every_example_parses_under_its_own_suffix() -> None:
    for known in DIMENSIONS:
        assert dimension(f"some_{known.suffix}") is known
        assert format_quantity(parse_quantity(known.example, known), known) == known.example


@given(st.text(max_size=60) | st.from_regex(r"[+-]?[0-9]{1,50}(\.[0-9]{0,50})?(e-?[0-9]{1,9})? ?[a-zA-Z/^2]{0,6}"))
def test_any_text_parses_or_is_refused(text: str) -> None:
    for known in DIMENSIONS:
        with suppress(UnitError):
            value = parse_quantity(text, known)
            assert math.isfinite(value)
            assert value == near(si_value(text, f"a_{known.suffix}"), rel=1e-12)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_the_repr_of_any_float_survives(value: float) -> None:
    assert parse_quantity(f"{value!r} s", dimension("a_s")) == value


@given(st.decimals("-1e6", "1e6", allow_nan=False, places=6), st.sampled_from("fpnumkMGT"))
def test_prefixes_shift_the_exponent_exactly(number: Decimal, prefix: str) -> None:
    shift = {"f": -15, "p": -12, "n": -9, "u": -6, "m": -3, "k": 3, "M": 6, "G": 9, "T": 12}[prefix]
    assert parse_quantity(f"{number} {prefix}W", dimension("a_w")) == float(f"{number}e{shift}")


@pytest.mark.parametrize(
    ("value", "key", "text"),
    [
        (3.16e-9, "a_s", "3.16 ns"),
        (0.99999e-6, "a_s", "1 us"),
        (1e-18, "a_s", "0.001 fs"),
        (-0.0025, "a_s", "-2.5 ms"),
        (0, "a_s", "0 s"),
        (math.inf, "a_s", "inf s"),
        (20e9, "a_bps", "20 Gb/s"),
        (8 * 2**20, "a_bytes", "8 MiB"),
        (1000, "a_bytes", "1000 B"),
        (1650e-12, "a_m2", "1650 um^2"),
        (2.3e-13, "a_j_per_bit", "230 fJ/bit"),
    ],
)
def test_quantities_are_printed_for_humans(value: float, key: str, text: str) -> None:
    assert format_quantity(value, dimension(key)) == text


@given(st.floats(1e-15, 9e14))
def test_a_printed_quantity_reads_back_to_its_digits(value: float) -> None:
    text = format_quantity(value, dimension("a_hz"), digits=6)
    assert parse_quantity(text, dimension("a_hz")) == near(value, rel=5e-6)


@pytest.mark.parametrize(
    ("seconds", "picoseconds"),
    [(0, 0), (3.16e-9, 3160), (0.5e-12, 0), (1.5e-12, 2), (2.5e-12, 2), (0.032744e-9, 33), (1, 10**12)],
)
def test_seconds_round_to_picoseconds_halves_to_even(seconds: float, picoseconds: int) -> None:
    assert to_ps(seconds) == picoseconds
    assert type(to_ps(seconds)) is int


@pytest.mark.parametrize("seconds", [-1e-9, math.nan, math.inf, 1e300])
def test_what_is_no_duration_is_refused(seconds: float) -> None:
    with pytest.raises(UnitError, match="is not a duration"):
        to_ps(seconds)


@given(st.integers(0, 2**50))
def test_picoseconds_survive_the_way_through_seconds(picoseconds: int) -> None:
    assert to_ps(ps_to_s(picoseconds)) == picoseconds
