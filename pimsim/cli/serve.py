"""`pimsim serve`: requests that share a machine by continuous batching."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pimsim.base.errors import printable
from pimsim.cli.completion import complete_requests
from pimsim.cli.config_loading import load
from pimsim.cli.exits import end_interrupted, refuse
from pimsim.cli.lazy_group import command_app
from pimsim.cli.options import ConfigArgument, ForceOption, JsonOption, PlotsOption, SetOption
from pimsim.cli.system_serve import check_cluster_outputs, end_before_first, load_if_system, serve_system
from pimsim.cli.written_files import say_written

if TYPE_CHECKING:
    from pimsim.config.schema import Config
    from pimsim.studies.serving.serving_result import ServingResult
    from workloads.requests import Request

app = command_app()

_LENGTHS = "N, uniform:LOW:HIGH or lognormal:MEDIAN:SIGMA"

RequestsOption = Annotated[
    str | None,
    typer.Option(
        metavar="FILE",
        help="A file of requests, or the name of a shipped one: JSON lines with arrival_s, prompt_tokens and "
        "output_tokens, or a trace of Azure, BurstGPT, Mooncake, Vidur, LLMServingSim, vLLM or ShareGPT.",
        autocompletion=complete_requests,
    ),
]
LimitOption = Annotated[int | None, typer.Option(metavar="N", help="Requests of a file: only the first N.")]
WindowOption = Annotated[
    str | None,
    typer.Option(metavar="START:END", help="Requests of a file: only those of these seconds after the first one."),
]
ScaleOption = Annotated[
    float,
    typer.Option(
        metavar="F", help="Requests of a file: multiply arrival times; 2 halves the request rate, 0.5 doubles it."
    ),
]
TokenizerOption = Annotated[
    Path | None, typer.Option(metavar="PATH", help="Requests of a file with texts: tokenizer.json, or its folder.")
]
RateOption = Annotated[
    float | None,
    typer.Option(metavar="RATE", help="Requests of a file without arrival times: Poisson arrivals per second."),
]
PoissonOption = Annotated[
    float | None, typer.Option(metavar="RATE", help="Random requests instead: arrivals per second, on average.")
]
CountOption = Annotated[int, typer.Option(metavar="N", help="Random requests: their number.")]
PromptOption = Annotated[
    str, typer.Option(metavar="TOKENS", help=f"Random requests: tokens of the prompt, {_LENGTHS}.")
]
OutputOption = Annotated[
    str, typer.Option(metavar="TOKENS", help=f"Random requests: tokens of the output, {_LENGTHS}.")
]
SeedOption = Annotated[int, typer.Option(metavar="N", help="Seed of random requests, or of the arrivals of --rate.")]


@app.command(epilog="Example: pimsim serve pim-llm --poisson 2 --count 200 --prompt 128 --output 64")
def serve(
    context: typer.Context,
    config: ConfigArgument,
    overrides: SetOption = None,
    requests: RequestsOption = None,
    limit: LimitOption = None,
    window: WindowOption = None,
    scale: ScaleOption = 1.0,
    tokenizer: TokenizerOption = None,
    rate: RateOption = None,
    poisson: PoissonOption = None,
    count: CountOption = 100,
    prompt: PromptOption = "128",
    output: OutputOption = "64",
    seed: SeedOption = 0,
    json: JsonOption = False,
    csv: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write one row per request with its times and energy.")
    ] = None,
    plots: PlotsOption = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the whole result to an HDF5 file.")] = None,
    force: ForceOption = False,
) -> None:
    """Serve requests as they arrive, with continuous batching, and show latencies and energy per request.

    The `serving` section of the config sets batch size, scheduling policy and memory for KV caches. In place of a
    config, a system of replicas or of prefill and decode machines can be given; its `cluster` section sets the routing.
    """
    if (requests is None) == (poisson is None):
        refuse("give either --requests FILE or --poisson RATE")
    names = ("count", "prompt", "output", *(("seed",) if rate is None else ()))
    random = [name for name in names if _is_given(context, name)]
    if requests is not None and random == ["seed"]:
        refuse(
            "--seed needs --rate, which draws arrival times; without it the requests of a file contain nothing random"
        )
    if requests is not None and random:
        refuse(f"--{random[0]} is an option of random requests; --requests reads requests from a file")
    of_file = [name for name in ("limit", "window", "scale", "tokenizer", "rate") if _is_given(context, name)]
    if poisson is not None and of_file:
        refuse(f"--{of_file[0]} is an option of --requests; --poisson draws random requests")
    system = load_if_system(config, overrides or [])
    loaded = load(config, overrides or [], command="serve") if system is None else None
    if requests is not None:
        from pimsim.config.file_recognition import other_kind

        if wrong := other_kind(requests, ()):
            refuse(f"--requests {printable(requests, 200)} {wrong}")
    check_outputs = check_serving_outputs if system is None else check_cluster_outputs
    check_outputs((config, requests), csv=csv, plots=plots, out=out, force=force)
    from pimsim.studies.serving.serving_run import load_requests, poisson_requests

    arrivals: Sequence[Request]
    if poisson is None:
        assert requests is not None  # one of the two is given
        between = None if window is None else _parsed(window)
        arrivals = load_requests(
            requests, limit=limit, window=between, scale=scale, tokenizer=tokenizer, rate=rate, seed=seed
        )
    else:
        arrivals = poisson_requests(poisson, count, prompt=prompt, output=output, seed=seed)
    if system is not None:
        serve_system(system, arrivals, json, csv, plots, out)
    else:
        assert loaded is not None  # the file is a config
        _serve_config(loaded, arrivals, json, csv, plots, out)


def _serve_config(
    config: Config, arrivals: Sequence[Request], json: bool, csv: Path | None, plots: Path | None, out: Path | None
) -> None:
    """Serve requests on one machine, and present the result, also after an interruption."""
    from pimsim.present.text.serving_report import progress_on_terminal
    from pimsim.studies.serving.serving_run import ServingInterrupted
    from pimsim.studies.serving.serving_run import serve as serve_all

    try:
        with progress_on_terminal() as progress:
            result = serve_all(config, arrivals, progress)
    except ServingInterrupted as interrupted:
        present_serving(interrupted.result, json, csv, plots, out)
        end_interrupted(f"{interrupted}; their results are shown and written")
    except KeyboardInterrupt:
        end_before_first(len(arrivals))
    present_serving(result, json, csv, plots, out)


def _parsed(window: str) -> tuple[float, float | None]:
    from pimsim.importers.request_traces.trace_selection import parse_window

    return parse_window(window)


def _is_given(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def check_serving_outputs(
    inputs: Sequence[str | Path | None], *, csv: Path | None, plots: Path | None, out: Path | None = None, force: bool
) -> None:
    """Check before the requests are served that the files can be written and destroy nothing.

    Args:
        inputs: Files that the command reads.
        csv: File for the table of requests; None means no table.
        plots: Folder for the plots; None means no plots.
        out: File for the whole result; None means no such file.
        force: Whether to replace any existing file.

    Raises:
        OutputError: If a file cannot be written, or would be lost.
    """
    from pimsim.base import output_guard as guard

    outputs = (
        guard.Output("--csv", csv, guard.table("id,prompt_tokens,output_tokens,")),
        guard.Output("--out", out, guard.result("pimsim-serving")),
    )
    guard.check_outputs(outputs, inputs, force=force)
    guard.check_plots(plots, ("serving-times", "serving-load", "serving-power"), force=force)


def present_serving(result: ServingResult, json: bool, csv: Path | None, plots: Path | None, out: Path | None) -> None:
    """Write the files that are asked for, then print the result.

    Args:
        result: Result of serving requests.
        json: Whether to print JSON instead of tables.
        csv: File for the table of requests; None means no table.
        plots: Folder for the plots; None means no plots.
        out: File for the whole result; None means no such file.

    Raises:
        OutputError: If a file cannot be written.
    """
    from pimsim.base.files import write_text
    from pimsim.present.formats import json_pieces, to_csv

    if out is not None:
        from pimsim.studies.serving.serving_store import write_serving

        write_serving(result, out)
    if csv is not None:
        write_text(csv, to_csv(result.request_rows()))
    if plots is not None:
        from pimsim.present.plots import serving_plots, write_plots

        write_plots(plots, serving_plots(result))
    if json:
        for piece in json_pieces(result.json_tree()):
            typer.echo(piece, nl=False)
        typer.echo()
    else:
        from pimsim.present.text.serving_report import print_serving

        print_serving(result)
    say_written((csv, "the table of requests"), (plots, "all plots"), (out, "the whole result"), json=json)
