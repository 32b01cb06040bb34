"""DACs and ADCs of MNSIM 2.0.

Facts from MNSIM/Hardware_Model/ADC.py and DAC.py, commits 762fabc (HEAD) and ab3f989~1 (before 2023-11-21).
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from crossbar.adc_series import SeriesName
from pimsim.base.errors import ConfigError, Problem
from pimsim.importers.imported_config import ImportedConfig, Ini, Value, plain

INTERFACE = "Interface level"
PAIR = "machine.crossbar.pair"
USER_DEFINED = -1


@dataclass(frozen=True, slots=True)
class Converter:
    """One line of a table of MNSIM.

    Attributes:
        bits: Resolution.
        power: Power as the table's text: mW for an ADC, uW for a DAC.
        rate_ghz: Rate of the internal steps, GS/s.
        area_um2: Area, um^2.
    """

    bits: int
    power: str
    rate_ghz: str
    area_um2: str


DACS = {
    1: Converter(1, "3.9", "1", "0.166"),
    2: Converter(2, "7.8", "1", "0.332"),
    3: Converter(3, "15.6", "1", "0.664"),
    4: Converter(4, "31.2", "1", "1.328"),
    5: Converter(6, "124.8", "1", "5.312"),
    6: Converter(8, "499.2", "1", "21.248"),
    7: Converter(1, "3.9", "1", "0.166"),
}
"""By DAC_Choice."""
WITHOUT_MILLI = 6
"""The DAC whose power lacks a factor of 1e-3 in MNSIM."""
ADCS = {
    1: Converter(10, "6.92", "1.5", "1600"),
    2: Converter(8, "2", "1.28", "1200"),
    3: Converter(8, "4", "1.1", "1650"),
    4: Converter(6, "1.26", "1", "580"),
    5: Converter(8, "4", "1.1", "1650"),
    6: Converter(6, "1.26", "1", "1650"),
    7: Converter(4, "0.7", "1", "500"),
    8: Converter(1, "0.001629", "1", "1"),
    9: Converter(8, "0.0584", "6", "15899"),
}
"""By ADC_Choice. 8 is a sense amplifier; 9 takes 2^bits steps."""
RAMP = 9
SINCE_2023 = (8, 9)
"""Choices that MNSIM has had since 2023-11-21."""
SERIES: dict[int, SeriesName] = {1: "mnsim", 3: "mnsim", 4: "mnsim_small", 5: "mnsim", 6: "mnsim", 7: "mnsim"}
"""Series of designs that an ADC_Choice belongs to; the others are single designs."""
_SERIES_NOTES = {
    "mnsim": "choices 7, 6, 3 and 1",
    "mnsim_small": "choices 7, 4, 3 and 1",
    None: "a single design",
}
GATES_UM2 = {"0": "3.1104", "1": "3.1104", "2": "3.456"}
"""Area that Logic_Op (AND, OR, XOR) adds to an ADC, um^2; its energy is commented out in MNSIM."""
_MOST_GHZ = 1000


def put_dac(draft: ImportedConfig, ini: Ini) -> Decimal | None:
    """Set the DAC.

    Args:
        draft: The config that is built.
        ini: The imported file.

    Returns:
        Its area in um^2; None if the file chooses none.
    """
    choice = ini.get(INTERFACE, "DAC_Choice")
    if choice is None:
        return None
    number = _choice(choice, tuple(DACS))
    dac = f"{PAIR}.dac"
    if number == USER_DEFINED:
        bits, power, area = (_required(ini, key) for key in ("DAC_Precision", "DAC_Power", "DAC_Area"))
        rate, of_rate = _rate(ini, "DAC_Sample_Rate")
        draft.agree(choice, "the DAC of the keys DAC_Precision, DAC_Sample_Rate, DAC_Power and DAC_Area")
        draft.put(f"{dac}.bits", bits.integer(), bits)
        draft.put(f"{dac}.sample_rate_hz", f"{plain(rate)} GHz", of_rate)
        draft.put(f"{dac}.power_w", f"{plain(power.number())} W", power)
        draft.put(f"{dac}.area_m2", f"{plain(area.number())} um^2", area)
        return area.number()
    known = DACS[number]
    draft.put(f"{dac}.bits", known.bits, choice)
    draft.put(f"{dac}.sample_rate_hz", f"{known.rate_ghz} GHz", choice)
    if number == WITHOUT_MILLI:
        note = f"{choice.origin} = {number}: MNSIM's table has 0.4992 W, without the factor 1e-3 of its other lines"
        draft.put(f"{dac}.power_w", f"{known.power} uW", note, of=[choice])
    else:
        draft.put(f"{dac}.power_w", f"{known.power} uW", choice)
    draft.put(f"{dac}.area_m2", f"{known.area_um2} um^2", choice)
    return Decimal(known.area_um2)


@dataclass(frozen=True, slots=True)
class _Adc:
    """The ADC of a file: its figures, and the texts and values that they come from."""

    choice: Value
    number: int
    figures: Converter
    of: tuple[Value, ...]

    @property
    def origin(self) -> str:
        return f"{self.choice.origin} = {self.choice.text}"


def put_adc(draft: ImportedConfig, ini: Ini, since_2023: bool) -> tuple[int, Decimal] | None:
    """Set the ADC.

    Args:
        draft: The config that is built.
        ini: The imported file.
        since_2023: Whether the file is of a version since 2023-11-21, in which a 1-bit ADC takes one step.

    Returns:
        Its bits and its area in um^2; None if the file chooses none.
    """
    choice = ini.get(INTERFACE, "ADC_Choice")
    if choice is None:
        return None
    adc = _read_adc(ini, choice)
    known = adc.figures
    key = f"{PAIR}.adc"
    kind, theirs, ours = _steps(adc.number, known.bits, since_2023)
    rate = Decimal(known.rate_ghz)
    if adc.number == USER_DEFINED:
        draft.agree(choice, "the ADC of the keys ADC_Precision, ADC_Sample_Rate, ADC_Power and ADC_Area")
        draft.put(f"{key}.bits", known.bits, adc.of[0])
    else:
        draft.put(f"{key}.bits", known.bits, choice)
    note = f"{theirs} steps per conversion" if theirs == ours else f"{ours} steps per conversion, in MNSIM {theirs}"
    draft.put(f"{key}.kind", kind, f"{adc.origin}: {note}", of=adc.of)
    if theirs == ours:
        draft.put(f"{key}.sample_rate_hz", f"{plain(rate)} GHz", adc.of[-1])
    else:
        note = f"{adc.origin}: {plain(rate)} GS/s x {ours}/{theirs}, so that a conversion takes the time of MNSIM"
        draft.put(f"{key}.sample_rate_hz", f"{plain(rate * ours / theirs)} GHz", note, of=adc.of)
    power_mw = Decimal(known.power)
    note = f"{adc.origin}: {plain(power_mw)} mW for {theirs} / {plain(rate)} GS/s"
    draft.put(f"{key}.conversion_energy_j", f"{plain(round(power_mw * theirs / rate, 12))} pJ", note, of=adc.of)
    draft.put(f"{key}.energy_bits", known.bits, f"{adc.origin}: the resolution of that energy", of=adc.of)
    series = SERIES.get(adc.number)
    draft.put(f"{key}.series", series, f"{adc.origin}: {_SERIES_NOTES[series]}", of=adc.of)
    return known.bits, _put_adc_area(draft, ini, adc)


def _read_adc(ini: Ini, choice: Value) -> _Adc:
    number = _choice(choice, tuple(ADCS))
    if number != USER_DEFINED:
        return _Adc(choice, number, ADCS[number], (choice,))
    bits, power, area = (_required(ini, key) for key in ("ADC_Precision", "ADC_Power", "ADC_Area"))
    rate, of_rate = _rate(ini, "ADC_Sample_Rate")
    figures = Converter(bits.integer(), plain(power.number() * 1000), plain(rate), plain(area.number()))
    return _Adc(choice, number, figures, (bits, power, of_rate))


def _steps(number: int, bits: int, since_2023: bool) -> tuple[Literal["sar", "ramp"], int, int]:
    """Return pimsim's kind of an ADC, and the steps of a conversion in MNSIM and in pimsim.

    Args:
        number: ADC_Choice.
        bits: Its resolution.
        since_2023: Whether the file is of a version since 2023-11-21.

    Returns:
        The kind, MNSIM's steps and pimsim's steps.
    """
    if bits == 1 and since_2023:
        return "sar", 1, 3
    if number == RAMP:
        return "ramp", 2**bits, 2**bits + 2
    return "sar", bits + 2, bits + 2


def _put_adc_area(draft: ImportedConfig, ini: Ini, adc: _Adc) -> Decimal:
    key, area = f"{PAIR}.adc.area_m2", Decimal(adc.figures.area_um2)
    gate = ini.get(INTERFACE, "Logic_Op")
    if gate is not None and gate.text in GATES_UM2:
        whole = area + Decimal(GATES_UM2[gate.text])
        note = f"{adc.origin}: {plain(area)} um^2, and {GATES_UM2[gate.text]} um^2 for Logic_Op = {gate.text}"
        draft.put(key, f"{plain(whole)} um^2", note, of=[gate, adc.choice])
        return whole
    if gate is not None:
        draft.agree(gate, "ADCs have no logic gate")
    own = ini.get(INTERFACE, "ADC_Area") if adc.number == USER_DEFINED else None
    draft.put(key, f"{plain(area)} um^2", own or adc.choice)
    return area


def _choice(value: Value, known: tuple[int, ...]) -> int:
    """Convert the number of an ADC or DAC choice.

    Args:
        value: DAC_Choice or ADC_Choice.
        known: Numbers of the converters that MNSIM provides.

    Returns:
        The number; -1 for a converter that the user defines.
    """
    if value.text == str(USER_DEFINED):
        return USER_DEFINED
    number = value.integer()
    if number not in known:
        raise value.error(f"is neither {USER_DEFINED} nor between {known[0]} and {known[-1]}")
    return number


def _required(ini: Ini, key: str) -> Value:
    value = ini.get(INTERFACE, key)
    if value is None:
        raise ConfigError([Problem(f"[{INTERFACE}] {key}", "", "is missing, which a user-defined one needs")], ini.file)
    return value


def _rate(ini: Ini, key: str) -> tuple[Decimal, Value]:
    value = _required(ini, key)
    rate = value.number()
    if not rate:
        raise value.error("is not above 0, which a user-defined converter needs")
    if rate > _MOST_GHZ:
        raise value.error("is above 1000: MNSIM's code takes it in GS/s, whatever the comment in its file says")
    return rate, value
