"""`pimsim accuracy`: perplexity of a model on the analog arrays, with speed and energy of the same chip."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pimsim.cli.completion import complete_config
from pimsim.cli.config_loading import load, settings_of
from pimsim.cli.exits import end_interrupted, is_given, refuse
from pimsim.cli.lazy_group import command_app
from pimsim.cli.options import ForceOption, JsonOption, PlotsOption, SetOption
from pimsim.cli.plot_options import chosen_style
from pimsim.cli.written_files import say_written

if TYPE_CHECKING:
    from pimsim.config.schema import Config
    from pimsim.studies.accuracy import AccuracyStudy

app = command_app()

BosOption = Annotated[
    bool | None,
    typer.Option(
        "--bos/--no-bos",
        help="Begin each window with the BOS token that the tokenizer adds to a text; key accuracy.bos.",
        show_default=False,
    ),
]

SampleOption = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        help="Layers of each chip on arrays, drawn for each chip; the others are exact, and the increase of the "
        "likelihood is scaled to all layers, an estimate. Key accuracy.sampled_layers.",
    ),
]

StreamOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER",
        help="Evaluate layer by layer, in the memory of one layer, and keep the state in FOLDER: the same command "
        "continues after an interruption. The result is the same.",
    ),
]

_OF_A_NEW_STUDY = (
    "overrides",
    "model",
    "text",
    "calibration",
    "chips",
    "tokens",
    "sampled_layers",
    "vary",
    "bos",
    "seed",
    "threads",
    "stream",
    "out",
)
"""Parameters of `accuracy` that a stored study cannot take any more."""


@app.command(epilog="Example: pimsim accuracy pim-llm --tokens 256 --chips 1 --vary adc-bits=6,8")
def accuracy(
    context: typer.Context,
    config: Annotated[
        str,
        typer.Argument(
            help="A config file, the name of a shipped config, or a file that --out wrote, to show it again.",
            show_default=False,
            autocompletion=complete_config,
        ),
    ],
    overrides: SetOption = None,
    model: Annotated[
        str | None,
        typer.Option(
            metavar="PATH",
            help="GGUF file, or folder with config.json, safetensors and tokenizer.json; default: kjv-bitnet.",
        ),
    ] = None,
    text: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Text to predict; default: the held-out text of kjv-bitnet."),
    ] = None,
    calibration: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Text whose activations set the calibrated ADC ranges.")
    ] = None,
    chips: Annotated[
        int | None, typer.Option(metavar="N", help="Number of chips that are simulated; key accuracy.chips.")
    ] = None,
    tokens: Annotated[
        int | None, typer.Option(metavar="N", help="Number of tokens to predict; key accuracy.tokens.")
    ] = None,
    sampled_layers: SampleOption = None,
    bos: BosOption = None,
    vary: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=V1,V2",
            help="Also evaluate other values of a parameter, e.g. adc-bits=4,6,8. KEY is adc-bits, variation, "
            "on-off-ratio, stuck, drift, wire or any config key. May be repeated; one parameter varies at a time.",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(metavar="N", help="Seed of all random numbers.")] = 0,
    threads: Annotated[
        int | None,
        typer.Option(min=1, max=1024, metavar="N", help="Threads of the array kernels; default: one per core."),
    ] = None,
    stream: StreamOption = None,
    json: JsonOption = False,
    csv: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write one row per chip, or with --vary one row per value.")
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the whole study to an HDF5 file.")] = None,
    plots: PlotsOption = None,
    force: ForceOption = False,
) -> None:
    """Evaluate a trained 1-bit model on a config's analog arrays: perplexity, tokens/s and tokens/J."""
    stored = _stored_study(config, [name for name in _OF_A_NEW_STUDY if is_given(context, name)])
    check_accuracy_outputs((config, text, calibration), csv=csv, plots=plots, out=out, force=force)
    if stored is not None:
        present_accuracy(stored, json, csv, plots)
        return
    own = {"model": model, "text": text, "calibration": calibration, "chips": chips, "tokens": tokens, "bos": bos}
    own["sampled_layers"] = sampled_layers
    varied = [_values(each) for each in vary or []]
    settings = settings_of(overrides, **{name: (f"accuracy.{name}", value) for name, value in own.items()})
    loaded = load(config, settings, command="accuracy")
    study, interruption = _evaluated(loaded, varied, seed, threads, stream)
    if bos and not _adds_bos(loaded, streamed=stream is not None):
        typer.echo("note: --bos changes nothing: the tokenizer of this model adds no token before a text", err=True)
    if out is not None:
        from pimsim.studies.accuracy.accuracy_store import write_accuracy

        write_accuracy(study, out)
    present_accuracy(study, json, csv, plots)
    if interruption:
        end_interrupted(interruption)


def _adds_bos(config: Config, *, streamed: bool) -> bool:
    from pimsim.studies.accuracy.evaluation import inputs_of

    return bool(len(inputs_of(config, streamed=streamed).prefix))


def _stored_study(config: str, options: Sequence[str]) -> AccuracyStudy | None:
    from pimsim.base.files import is_result_file

    if not is_result_file(config):
        return None
    from pimsim.results.store import result_format
    from pimsim.studies.accuracy.accuracy_store import FILE, read_accuracy

    if result_format(config) != FILE.format:
        return None
    for option in options:
        shown = f"--{option}".replace("--overrides", "--set").replace("_", "-")
        refuse(f"{shown} is an option of a new study, but {config} holds a finished study, which is only shown")
    return read_accuracy(config)


def _values(text: str) -> tuple[str, tuple[str, ...]]:
    """Split KEY=V1,V2 at its commas, except at commas inside brackets.

    Args:
        text: Value of the option --vary.

    Returns:
        The key and its values.
    """
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
        refuse(f"--vary must be KEY=V1,V2,..., not {text!r}")
    return key.strip(), tuple(values)


def _evaluated(
    config: Config, varied: Sequence[tuple[str, tuple[str, ...]]], seed: int, threads: int | None, stream: Path | None
) -> tuple[AccuracyStudy, str]:
    """Evaluate the config and its variants.

    Args:
        config: Config to evaluate.
        varied: Key and values of each parameter that is varied.
        seed: Seed of all random numbers.
        threads: Threads of the array kernels; None means one per core.
        stream: Folder for the state of an evaluation layer by layer; None means that the whole model is in memory.

    Returns:
        The study, and a message about its interruption; the message is empty if the study is complete.
    """
    if stream is not None:
        if varied:
            refuse(
                "--stream evaluates one config: run it once for each value, with --set and a folder each, not --vary"
            )
        return _streamed(config, seed, threads, stream), ""
    from pimsim.cli.kernel_compiling import kernels_of
    from pimsim.present.text.tables import progress_bar
    from pimsim.studies.accuracy.parameter_study import AccuracyInterrupted, vary_accuracy

    try:
        with kernels_of(config), progress_bar("windows of text", at_first="loading kernels") as progress:
            return vary_accuracy(config, varied, seed=seed, threads=threads, progress=progress), ""
    except AccuracyInterrupted as interrupted:
        done = len(interrupted.study.points)
        return interrupted.study, f"interrupted; {done} finished point{'s' * (done != 1)} kept"


def _streamed(config: Config, seed: int, threads: int | None, folder: Path) -> AccuracyStudy:
    """Evaluate the config layer by layer, with a line on standard error after each layer.

    Args:
        config: Config to evaluate.
        seed: Seed of all random numbers.
        threads: Threads of the array kernels; None means one per core.
        folder: Folder for the state.

    Returns:
        The study, with one point.
    """
    from pimsim.cli.kernel_compiling import kernels_of
    from pimsim.present.text.long_work import layer_lines
    from pimsim.studies.accuracy.accuracy_study import AccuracyPoint, AccuracyStudy
    from pimsim.studies.accuracy.evaluation import evaluate_accuracy
    from pimsim.studies.accuracy.streaming import StreamInterrupted

    show = layer_lines(lambda line: typer.echo(line, err=True))
    try:
        with kernels_of(config):
            result = evaluate_accuracy(config, seed=seed, threads=threads, progress=show, stream=folder)
    except StreamInterrupted as interrupted:
        of = f"{interrupted.layers} of {interrupted.of} finished layers kept"
        end_interrupted(f"interrupted; {of} in {folder}: the same command continues")
    return AccuracyStudy((AccuracyPoint("", "", (), result),))


def check_accuracy_outputs(
    inputs: Sequence[str | Path | None], *, csv: Path | None, plots: Path | None, out: Path | None = None, force: bool
) -> None:
    """Check before the evaluation that the files can be written and destroy nothing.

    Args:
        inputs: Files that the command reads.
        csv: File for the table; None means no table.
        plots: Folder for the plots; None means no plots.
        out: File for the whole study; None means no such file.
        force: Whether to replace any existing file.

    Raises:
        OutputError: If a file cannot be written, or would be lost.
    """
    from pimsim.base import output_guard as guard

    outputs = (
        guard.Output("--csv", csv, guard.table("chip,seed,", "parameter,value,")),
        guard.Output("--out", out, guard.result("pimsim-accuracy")),
    )
    guard.check_outputs(outputs, inputs, force=force)
    guard.check_plots(plots, ("accuracy-*",), force=force)


def present_accuracy(study: AccuracyStudy, json: bool, csv: Path | None, plots: Path | None) -> None:
    """Write the files that are asked for, then print the study.

    Args:
        study: The study.
        json: Whether to print JSON instead of tables.
        csv: File for the table; None means no table.
        plots: Folder for the plots; None means no plots.

    Raises:
        OutputError: If a file cannot be written.
    """
    from pimsim.base.files import write_text
    from pimsim.present.formats import to_csv, to_json
    from pimsim.present.text.accuracy_report import print_accuracy

    single = study.base if len(study.points) == 1 else None
    if csv is not None:
        write_text(csv, to_csv(single.chip_rows() if single else study.rows()))
    if plots is not None:
        from pimsim.present.plots import accuracy_plots, write_plots

        write_plots(plots, accuracy_plots(study), chosen_style())
    if json:
        typer.echo(to_json(single.to_dict() if single else study.to_dict()))
    else:
        print_accuracy(study)
    say_written((csv, "the table of chips or values"), (plots, "all plots"), json=json)
