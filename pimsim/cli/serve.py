"""`pimsim serve`: requests that share a machine by continuous batching."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pimsim.base.errors import printable
from pimsim.cli.config_loading import load
from pimsim.cli.exits import end_interrupted, refuse
from pimsim.cli.lazy_group import command_app
from pimsim.cli.options import ConfigArgument, JsonOption, PlotsOption, SetOption
from pimsim.cli.written_files import say_written

if TYPE_CHECKING:
    from pimsim.studies.serving.serving_result import ServingResult
    from workloads.requests import Request

app = command_app()

_LENGTHS = "N, uniform:LOW:HIGH or lognormal:MEDIAN:SIGMA"


@app.command(epilog="Example: pimsim serve pim-llm --poisson 2 --count 200 --prompt 128 --output 64")
def serve(
    context: typer.Context,
    config: ConfigArgument,
    overrides: SetOption = None,
    requests: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="A file of JSON lines with arrival_s, prompt_tokens and output_tokens, or the name of a shipped file.",
        ),
    ] = None,
    poisson: Annotated[
        float | None, typer.Option(metavar="RATE", help="Random requests instead: arrivals per second, on average.")
    ] = None,
    count: Annotated[int, typer.Option(metavar="N", help="Random requests: their number.")] = 100,
    prompt: Annotated[
        str, typer.Option(metavar="TOKENS", help=f"Random requests: tokens of the prompt, {_LENGTHS}.")
    ] = "128",
    output: Annotated[
        str, typer.Option(metavar="TOKENS", help=f"Random requests: tokens of the output, {_LENGTHS}.")
    ] = "64",
    seed: Annotated[int, typer.Option(metavar="N", help="Random requests: their seed.")] = 0,
    json: JsonOption = False,
    csv: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write one row per request with its times and energy.")
    ] = None,
    plots: PlotsOption = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the whole result to an HDF5 file.")] = None,
) -> None:
    """Serve requests as they arrive, with continuous batching, and show latencies and energy per request.

    The `serving` section of the config sets batch size, scheduling policy and memory for KV caches.
    """
    if (requests is None) == (poisson is None):
        refuse("give either --requests FILE or --poisson RATE")
    random = [name for name in ("count", "prompt", "output", "seed") if _is_given(context, name)]
    if requests is not None and random:
        refuse(f"--{random[0]} is an option of random requests; --requests reads requests from a file")
    loaded = load(config, overrides or [], command="serve")
    if requests is not None:
        from pimsim.config.file_recognition import other_kind

        if wrong := other_kind(requests, ()):
            refuse(f"--requests {printable(requests, 200)} {wrong}")
    from pimsim.base.files import check_target, make_folder

    for file in (csv, out):
        if file is not None:
            check_target(file)
    if plots is not None:
        make_folder(plots)
    arrivals = _requests(requests, poisson, count, prompt, output, seed)
    from pimsim.present.text.serving_report import progress_on_terminal
    from pimsim.studies.serving.serving_run import ServingInterrupted
    from pimsim.studies.serving.serving_run import serve as serve_all

    try:
        with progress_on_terminal() as progress:
            result = serve_all(loaded, arrivals, progress)
    except ServingInterrupted as interrupted:
        _present(interrupted.result, json, csv, plots, out)
        end_interrupted(f"{interrupted}; their results are shown and written")
    _present(result, json, csv, plots, out)


def _is_given(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def _requests(
    file: str | None, rate: float | None, count: int, prompt: str, output: str, seed: int
) -> tuple[Request, ...]:
    from pimsim.studies.serving.serving_run import load_requests, poisson_requests

    if file is not None:
        return load_requests(file)
    assert rate is not None  # `serve` has checked that one of the two is given
    return poisson_requests(rate, count, prompt=prompt, output=output, seed=seed)


def _present(result: ServingResult, json: bool, csv: Path | None, plots: Path | None, out: Path | None) -> None:
    from pimsim.base.files import write_text
    from pimsim.present.formats import to_csv, to_json

    if out is not None:
        from pimsim.studies.serving.serving_store import write_serving

        write_serving(result, out)
    if csv is not None:
        write_text(csv, to_csv(result.request_rows()))
    if plots is not None:
        from pimsim.present.plots import serving_plots, write_plots

        write_plots(plots, serving_plots(result))
    if json:
        typer.echo(to_json(result.to_dict()))
    else:
        from pimsim.present.text.serving_report import print_serving

        print_serving(result)
    say_written((csv, "the table of requests"), (plots, "all plots"), (out, "the whole result"), json=json)
