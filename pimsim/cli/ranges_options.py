"""Options of the commands that compute intervals from the ranges of a config's constants."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from pimsim.cli.exits import refuse

if TYPE_CHECKING:
    from pimsim.cli.config_loading import Setting
    from pimsim.config.schema import Config
    from pimsim.studies.ranges.ranges_result import RangesResult

RangesOption = Annotated[
    bool,
    typer.Option(
        "--ranges",
        help="Also show 95 % intervals of the figures, from the ranges of all uncertain constants (docs/ranges.md); "
        "with --explain also which constants to measure next. --csv then writes the intervals.",
    ),
]
SamplesOption = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        help="Number of samples for --ranges, 40 to 1,000,000; by default 1,000, for claims and macros 400.",
    ),
]
SeedOption = Annotated[
    int | None, typer.Option(metavar="N", min=0, help="Seed of the random numbers of --ranges; 0 if not given.")
]
UnknownOption = Annotated[
    list[str] | None,
    typer.Option(
        "--unknown",
        metavar="KEY",
        help="With --ranges: a number that is not known of this chip, or a pattern, e.g. "
        "'machine.crossbar.pair.adc.*'; it has the range of all such parts. May be repeated.",
    ),
]


def check_ranges_options(
    *,
    ranges: bool,
    samples: int | None,
    seed: int | None,
    unknown: Sequence[str] | None = None,
    by: object = None,
) -> None:
    """Check that options of ranges are given with `--ranges`, before any work.

    Args:
        ranges: Whether `--ranges` is given.
        samples: Value of `--samples`.
        seed: Value of `--seed`.
        unknown: Values of `--unknown`.
        by: Value of `--by`, whose rows would be written to the same file.
    """
    from pimsim.studies.ranges.sample_count import check_samples

    for option, value in (("--samples", samples), ("--seed", seed), ("--unknown", unknown or None)):
        if value is not None and not ranges:
            refuse(f"{option} has an effect with --ranges only")
    if ranges and by is not None:
        refuse("--by and --ranges each write the rows of --csv; run them one after the other")
    if samples is not None:
        check_samples(samples)


def propagate_ranges(
    source: str,
    config: Config,
    settings: Sequence[Setting],
    samples: int | None,
    seed: int | None,
    unknown: Sequence[str] | None,
) -> RangesResult:
    """Compute the intervals of a run, and show how long it takes.

    Args:
        source: Config as the user names it.
        config: The config with all settings.
        settings: The settings, which are exact.
        samples: Number of samples; None means the default.
        seed: Seed; None means 0.
        unknown: Keys or patterns of numbers that are taken as unknown; None means none.

    Returns:
        The intervals.
    """
    from pimsim.base.files import is_result_file
    from pimsim.present.text.long_work import samples_progress
    from pimsim.studies.ranges.ranges_run import run_ranges
    from pimsim.studies.ranges.sample_count import SAMPLES

    texts = [each.text for each in settings]
    with samples_progress() as progress:
        return run_ranges(
            config,
            texts,
            samples=SAMPLES if samples is None else samples,
            seed=seed or 0,
            unknown=unknown or (),
            source=None if is_result_file(source) else source,
            progress=progress,
        )
