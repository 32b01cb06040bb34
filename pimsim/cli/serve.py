"""`pimsim serve`: requests that share a machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pimsim.base.errors import INTERRUPTED_EXIT_CODE
from pimsim.cli.config_loading import load
from pimsim.cli.options import ConfigArgument, JsonOption, PlotsOption, SetOption

if TYPE_CHECKING:
    from pimsim.studies.serving.serving_result import ServingResult
    from workloads.requests import Request

serve_app = typer.Typer()

_LENGTHS = "N, uniform:LOW:HIGH or lognormal:MEDIAN:SIGMA"


@serve_app.command(epilog="Example: pimsim serve pim-llm --poisson 2 --count 200 --prompt 128 --output 64")
def serve(
    context: typer.Context,
    config: ConfigArgument,
    overrides: SetOption = None,
    requests: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Requests as JSON lines with arrival_s, prompt_tokens, output_tokens; or shipped ones by name.",
        ),
    ] = None,
    poisson: Annotated[
        float | None, typer.Option(metavar="RATE", help="Random requests in their place, so many a second.")
    ] = None,
    count: Annotated[int, typer.Option(metavar="N", help="Random requests: how many.")] = 100,
    prompt: Annotated[
        str, typer.Option(metavar="TOKENS", help=f"Random requests: tokens of the prompt: {_LENGTHS}.")
    ] = "128",
    output: Annotated[
        str, typer.Option(metavar="TOKENS", help=f"Random requests: tokens asked for: {_LENGTHS}.")
    ] = "64",
    seed: Annotated[int, typer.Option(metavar="N", help="Of random requests.")] = 0,
    json: JsonOption = False,
    csv: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a row per request with its times and energy.")
    ] = None,
    plots: PlotsOption = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the whole result to an HDF5 file.")] = None,
) -> None:
    """Serve requests as they arrive, in batches that change from token to token, and show who waits how long.

    Batch size, policy and memory for KV caches are the config's `serving` section.
    """
    if (requests is None) == (poisson is None):
        raise typer.BadParameter("give either --requests FILE or --poisson RATE")
    random = [name for name in ("count", "prompt", "output", "seed") if _is_given(context, name)]
    if requests is not None and random:
        raise typer.BadParameter(f"--{random[0]} is of random requests; those of a file are what the file says")
    loaded = load(config, list(overrides or []))
    from pimsim.base.files import check_target, make_folder

    for file in (csv, out):
        if file is not None:
            check_target(file)
    if plots is not None:
        make_folder(plots)
    arriving = _requests(requests, poisson, count, prompt, output, seed)
    from pimsim.present.text.serving_report import progress_on_terminal
    from pimsim.studies.serving.serving_run import ServingInterrupted
    from pimsim.studies.serving.serving_run import serve as serve_all

    try:
        with progress_on_terminal() as progress:
            result = serve_all(loaded, arriving, progress)
    except ServingInterrupted as interrupted:  # which Typer would end without a word
        _present(interrupted.result, json, csv, plots, out)
        typer.echo(f"pimsim: {interrupted}; these are shown and written", err=True)
        raise typer.Exit(INTERRUPTED_EXIT_CODE) from None
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
    assert rate is not None  # one of the two is given
    return poisson_requests(rate, count, prompt=prompt, output=output, seed=seed)


def _present(result: ServingResult, json: bool, csv: Path | None, plots: Path | None, out: Path | None) -> None:
    """Files first, then what is printed."""
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
