"""`pimsim accuracy`: a model's perplexity on the chip's arrays, beside its speed and energy."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pimsim.base.errors import INTERRUPTED_EXIT_CODE
from pimsim.cli.config_loading import load
from pimsim.cli.options import JsonOption, PlotsOption, SetOption, yaml_string

if TYPE_CHECKING:
    from pimsim.studies.accuracy import AccuracyStudy

accuracy_app = typer.Typer()


@accuracy_app.command(epilog="Example: pimsim accuracy pim-llm --tokens 256 --chips 1 --vary adc-bits=6,8")
def accuracy(
    config: Annotated[
        str,
        typer.Argument(
            help="A config file, a shipped config by name, or a file that --out wrote, to be shown again.",
            show_default=False,
        ),
    ],
    overrides: SetOption = None,
    model: Annotated[
        str | None,
        typer.Option(
            metavar="DIR", help="A folder with config.json, safetensors, tokenizer.json; kjv-bitnet if not given."
        ),
    ] = None,
    text: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The text to predict; what kjv-bitnet never saw if not given.")
    ] = None,
    calibration: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A text whose activations set calibrated ADC ranges.")
    ] = None,
    chips: Annotated[int | None, typer.Option(metavar="N", help="Chips that are made; accuracy.chips.")] = None,
    tokens: Annotated[int | None, typer.Option(metavar="N", help="Tokens to predict; accuracy.tokens.")] = None,
    vary: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=V1,V2",
            help="Evaluate other values as well, e.g. adc-bits=4,6,8. KEY is adc-bits, variation, on-off-ratio, stuck, "
            "drift, wire or any key of the config. May be repeated: one varies at a time.",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(metavar="N", help="Of all that is random.")] = 0,
    threads: Annotated[
        int | None, typer.Option(min=1, max=1024, metavar="N", help="Of the arrays' loops; one per core if not given.")
    ] = None,
    json: JsonOption = False,
    csv: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a row per chip, or with --vary a row per value.")
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the whole study to an HDF5 file.")] = None,
    plots: PlotsOption = None,
) -> None:
    """Run a trained 1-bit model through a config's analog arrays: perplexity beside tokens/s and tokens/J."""
    from pimsim.base.files import check_target, is_result_file, make_folder

    if plots is not None:
        make_folder(plots)
    if is_result_file(config):
        from pimsim.studies.accuracy.accuracy_store import is_accuracy_file, read_accuracy

        if is_accuracy_file(config):
            given = {"--set": overrides, "--model": model, "--text": text, "--vary": vary, "--out": out}
            for option in (name for name, value in given.items() if value):
                raise typer.BadParameter(f"{option} asks for a new study; {config} holds one that is shown as it is")
            _present(read_accuracy(config), json, csv, plots)
            return
    given_texts = {"model": model, "text": text, "calibration": calibration}
    settings = list(overrides or [])
    settings += [
        f"accuracy.{name}={yaml_string(str(value))}" for name, value in given_texts.items() if value is not None
    ]
    settings += [f"accuracy.{n}={value}" for n, value in (("chips", chips), ("tokens", tokens)) if value is not None]
    varied = [_values(each) for each in vary or []]
    loaded = load(config, settings)
    if out is not None:
        check_target(out)
    from pimsim.present.text.tables import progress_bar
    from pimsim.studies.accuracy.parameter_study import AccuracyInterrupted, vary_accuracy

    try:
        with progress_bar("windows of text", at_first="loading kernels (compiled on first use)") as progress:
            study = vary_accuracy(loaded, varied, seed=seed, threads=threads, progress=progress)
    except AccuracyInterrupted as interrupted:
        done = len(interrupted.study.points)
        typer.echo(f"pimsim: interrupted; {done} finished point{'s' * (done != 1)} kept", err=True)
        _finish(interrupted.study, json, csv, out, plots)
        raise typer.Exit(INTERRUPTED_EXIT_CODE) from None
    _finish(study, json, csv, out, plots)


def _values(text: str) -> tuple[str, tuple[str, ...]]:
    """KEY=V1,V2 as a key and its values; commas within brackets do not separate."""
    key, equals, listed = text.partition("=")
    values, depth = [""], 0
    for character in listed:
        depth += (character in "[{(") - (character in ")}]")
        if character == "," and depth <= 0:
            values.append("")
        else:
            values[-1] += character
    values = [value.strip() for value in values]
    if not equals or not key.strip() or not all(values):
        raise typer.BadParameter(f"--vary takes KEY=V1,V2,..., not {text!r}")
    return key.strip(), tuple(values)


def _finish(study: AccuracyStudy, json: bool, csv: Path | None, out: Path | None, plots: Path | None) -> None:
    if out is not None:
        from pimsim.studies.accuracy.accuracy_store import write_accuracy

        write_accuracy(study, out)
    _present(study, json, csv, plots)


def _present(study: AccuracyStudy, json: bool, csv: Path | None, plots: Path | None) -> None:
    """Files first, then what is printed."""
    from pimsim.base.files import write_text
    from pimsim.present.formats import to_csv, to_json
    from pimsim.present.text.accuracy_report import print_accuracy

    alone = study.base if len(study.points) == 1 else None
    if csv is not None:
        write_text(csv, to_csv(alone.chip_rows() if alone else study.rows()))
    if plots is not None:
        from pimsim.present.plots import accuracy_plots, write_plots

        write_plots(plots, accuracy_plots(study))
    if json:
        typer.echo(to_json(alone.to_dict() if alone else study.to_dict()))
    else:
        print_accuracy(study)
