"""Report of an array study."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import IO, TYPE_CHECKING

from rich.table import Table as RichTable
from rich.text import Text

from crossbar.intervals import Interval
from crossbar.sources import SOURCES
from pimsim.base.errors import printable
from pimsim.present.text.accounting_lines import print_plugins
from pimsim.present.text.tables import console, quantity, table
from pimsim.studies.array.array_description import describe_array
from pimsim.studies.array.array_result import ArrayStudy, ErrorHistogram, Errors, source_label

if TYPE_CHECKING:
    from pimsim.results.measured_activity import MeasuredActivity

SHOWN_COLUMNS = 5
SHOWN_BINS = 15
BAR = 40
_NAME_CHARS = 60


def print_array(study: ArrayStudy, file: IO[str] | None = None) -> None:
    """Print the array, its errors in total, by source, column and ADC resolution, and the costs of reading and writing.

    Args:
        study: Array study.
        file: File to write to; None means standard output.
    """
    out = console(file)
    out.print(Text(_title(study), style="bold"))
    print_plugins(out, study.plugins)
    blocks = [_description(study), _headline(study)]
    if study.source_chips:
        blocks.append(_sources(study))
    for block in blocks:
        out.print()
        out.print(block)
    for line in _notes(study):
        out.print(Text(f"  {line}"))
    rest = [_columns(study), _histogram(study.histogram), _reading(study), _writing(study)]
    if study.by_adc_bits:
        rest.insert(0, _adc_bits(study))
    for block in rest:
        out.print()
        out.print(block)


def _title(study: ArrayStudy) -> str:
    name, matrix = printable(study.config.name, _NAME_CHARS), printable(study.matrix, _NAME_CHARS)
    sizes = f"{study.inputs:,} x {study.outputs:,}"
    vectors, chips = _count(study.vectors, "vector"), _count(len(study.chips), "chip")
    return f"{name}: {matrix}, {sizes}, {vectors}, {chips}, seed {study.seed}"


def _description(study: ArrayStudy) -> RichTable:
    grid = RichTable.grid(padding=(0, 2))
    for row in describe_array(study.config):
        grid.add_row(row.what, row.text, row.source)
    return grid


def _headline(study: ArrayStudy) -> RichTable:
    errors = study.errors
    grid = RichTable.grid(padding=(0, 2))
    for row in (
        ("SNR", _decibels(study.snr_db.mean), _interval(study.snr_db, " dB")),
        ("rms error", f"{study.rms.mean:.4g}", _interval(study.rms)),
        ("results", f"rms {errors.signal_rms:.4g}", "of the exact results; errors have the same unit"),
        ("bias", f"{errors.mean:+.3g}", f"mean error; the largest error is {errors.largest:.4g}"),
        ("gain", *_gain(errors)),
        ("saturated", f"{errors.saturated:.3%}", "of the ADC conversions are out of range"),
    ):
        grid.add_row(*row)
    return grid


def _gain(errors: Errors) -> tuple[str, str]:
    """Describe the gain of the results.

    Args:
        errors: Errors of all chips.

    Returns:
        Its value and a remark. Exact results that are all 0 have no gain.
    """
    if errors.signal_rms == 0:
        return "", "all exact results are 0, so that there is no signal: all results are errors"
    return f"{errors.gain:.4g}", f"with this factor corrected, the SNR is {_decibels(errors.rescaled_snr_db)}"


def _interval(interval: Interval, unit: str = "") -> str:
    if interval.ends is None:
        return "mean over chips; no interval"
    certainty = f"at {interval.confidence:.0%} confidence (Student's t)"
    low, high = interval.ends
    half_width = high - interval.mean
    if interval.mean - low < half_width * (1 - 1e-9):  # cut at the end of its domain
        return f"mean over chips, {low:.2g} to {high:.2g}{unit} {certainty}"
    return f"mean over chips, +- {half_width:.2g}{unit} {certainty}"


def _sources(study: ArrayStudy) -> RichTable:
    shown = table(
        "source of error", "", "alone: rms", "SNR", "of total", "without it: rms", "SNR", numeric=(2, 3, 4, 5, 6)
    )
    present = [each for each in study.sources if each.alone is not None]
    for each in sorted(present, key=lambda each: -(each.alone or 0.0)):
        alone = each.alone or 0.0
        without = ("", "") if each.without is None else (_rms(each.without), _decibels(study.snr_of(each.without)))
        shown.add_row(
            source_label(each.name), SOURCES[each.name],
            _rms(alone), _decibels(study.snr_of(alone)), _share(alone, study.total), *without,
        )  # fmt: skip
    total, added = study.total, study.sum_alone
    shown.add_row(
        "sum", "if the sources were independent", _rms(added), _decibels(study.snr_of(added)), _share(added, total)
    )
    shown.add_row("all together", "", _rms(total), _decibels(study.snr_of(total)), _share(total, total))
    return shown


def _notes(study: ArrayStudy) -> Iterator[str]:
    if not study.source_chips:
        return
    yield f"errors by source: on the first {_count(study.source_chips, 'chip')}; alone: all other sources are ideal"
    yield "powers do not add up exactly: sources interact, a calibrated ADC range adapts to them, and codes are rounded"
    none = [source_label(each.name) for each in study.sources if each.alone is None]
    if none:
        yield f"not in this config: {', '.join(none)}"


def _adc_bits(study: ArrayStudy) -> RichTable:
    own = study.params.adc.bits
    shown = table("ADC bits", *(f"{bits}{'*' * (bits == own)}" for bits, _ in study.by_adc_bits), numeric=range(1, 20))
    shown.add_row("SNR, dB", *("no signal" if snr == float("-inf") else f"{snr:.1f}" for _, snr in study.by_adc_bits))
    return shown


def _columns(study: ArrayStudy) -> RichTable:
    shown = table("worst columns", "rms error", "bias", "", numeric=(1, 2))
    order = sorted(range(study.outputs), key=lambda column: (-study.column_rms[column], column))
    for column in order[:SHOWN_COLUMNS]:
        shown.add_row(str(column), f"{study.column_rms[column]:.4g}", f"{study.column_bias[column]:+.3g}", "")
    middle = order[len(order) // 2]
    shown.add_row(
        str(middle), f"{study.column_rms[middle]:.4g}", f"{study.column_bias[middle]:+.3g}", "the median column"
    )
    return shown


def _histogram(histogram: ErrorHistogram) -> RichTable:
    shown = table("error", "share", "", numeric=(0, 1))
    rows = list(_bars(histogram))
    total, most = sum(count for _, count in rows), max(count for _, count in rows)
    for label, count in rows:
        shown.add_row(label, f"{count / total:.2%}", "\N{FULL BLOCK}" * round(BAR * count / most))
    return shown


def _bars(histogram: ErrorHistogram) -> Iterator[tuple[str, int]]:
    """Merge the bins of a histogram until they are few enough to print.

    Args:
        histogram: Histogram of the errors.

    Yields:
        Label and count of each merged bin. The outermost bins also count errors beyond them.
    """
    width, counts = histogram.width, histogram.counts
    middle = len(counts) // 2
    filled = [abs(index - middle) for index, count in enumerate(counts) if count]
    join = 1 if max(filled, default=0) <= SHOWN_BINS // 2 else 3
    side = min(SHOWN_BINS // 2 - 1, (middle - 1 - join // 2) // join)
    groups = range(-side, side + 1)
    first, end = middle - side * join - join // 2, middle + side * join + join // 2 + 1
    low = (-side * join - join / 2) * width
    if any(counts[:first]):
        yield f"below {low:,.4g}", sum(counts[:first])
    for group in groups:
        at = middle + group * join - join // 2
        centre = group * join * width
        label = f"{centre:+,d}" if join * width == 1 else f"{centre:+,d} ± {join * width / 2:,.4g}"
        yield label, sum(counts[at : at + join])
    if any(counts[end:]):
        yield f"above {-low:,.4g}", sum(counts[end:])


def _reading(study: ArrayStudy) -> RichTable:
    reading, vectors = study.reading, study.vectors
    shown = table("reading, per vector", "", "", numeric=(1,))
    rows, pulses = reading.rows_active / vectors, reading.row_pulses / vectors
    shown.add_row("rows driven", f"{rows:,.4g}", f"of {pulses:,.4g} rows times pulses")
    shown.add_row("conversions", f"{reading.conversions / vectors:,.4g}", "")
    shown.add_row(
        "energy of cells",
        quantity(reading.cell_energy_j / vectors, "_j"),
        "V^2 G t of the cells in driven rows, ideal wires",
    )
    shown.add_row("energy of DACs", quantity(reading.dac_energy_j / vectors, "_j"), "of the driven rows")
    scaling = study.config.machine.adc_scaling
    derived = "" if scaling is None else scaling.text
    shown.add_row("energy of ADCs", quantity(reading.adc_energy_j / vectors, "_j"), derived)
    if reading.codes:
        mean_j, procedure = reading.mean_conversion_energy_j, study.params.adc.code_energy
        ratio = reading.conversion_energy_j / mean_j if mean_j else 1.0
        note = f"by its code ({procedure}): {ratio:.4f} of that of equally frequent codes, {quantity(mean_j, '_j')}"
        shown.add_row("energy of a conversion", quantity(reading.conversion_energy_j, "_j"), note)
    own, estimate = (
        quantity(each, "_j") for each in (reading.cell_read_energy_j, reading.estimated_cell_read_energy_j)
    )
    note = f"mean over driven and idle cells; pimsim run uses {estimate}, {_factor(reading.ratio)} (docs/array.md)"
    shown.add_row("energy of a cell read", own, note)
    return shown


def print_activity(activity: MeasuredActivity, file: IO[str] | None = None) -> None:
    """Print a stored activity.

    Args:
        activity: The activity.
        file: File to write to; None means standard output.
    """
    out = console(file)
    out.print(Text(printable(activity.origin, 4 * _NAME_CHARS), style="bold"))
    shown = table("activity", "", "", numeric=(1,))
    shown.add_row("rows driven", f"{activity.driven_share:.2%}", f"of {activity.row_pulses:,} rows times pulses")
    shown.add_row("mean square drive", f"{activity.drive:.4g}", "of the read voltage, over rows and pulses")
    shown.add_row("conductance", quantity(activity.conductance_s, "_siemens"), "times square drive, mean over cells")
    if activity.codes:
        shown.add_row("conversions", f"{sum(activity.codes):,}", _codes_text(activity.codes))
    out.print()
    out.print(shown)


def _codes_text(counts: Sequence[int]) -> str:
    """Return where the codes of conversions lie, as text."""
    total, size = sum(counts), len(counts)
    middle = sum(counts[size // 4 : size - size // 4])
    return f"of {size:,} codes; {middle / total:.1%} in the middle half of the range"


def _writing(study: ArrayStudy) -> RichTable:
    writing = study.writing
    shown = table("programming", "", "", numeric=(1,))
    shown.add_row("writes", f"{writing.writes:,}", "pulses, one cell each")
    shown.add_row("energy", quantity(writing.energy_j, "_j"), "upper bound: write voltage across a cell in LRS")
    shown.add_row("time", quantity(writing.time_s, "_s"), "cell by cell, all arrays in parallel")
    shown.add_row("endurance", f"{writing.endurance_used:.2e}", "of the endurance, mean over cells")
    return shown


def _factor(ratio: float) -> str:
    return f"1 / {ratio:.3g} of this value" if ratio >= 1 else f"{1 / ratio:.3g} times as much"


def _share(power: float, total: float) -> str:
    return f"{power / total:.1%}" if total else ""


def _rms(power: float) -> str:
    return f"{power**0.5:.4g}"


def _decibels(value: float) -> str:
    if value == float("inf"):
        return "exact"
    return "no signal" if value == float("-inf") else f"{value:.2f} dB"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}" + ("" if number == 1 else "s")
