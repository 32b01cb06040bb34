"""`pimsim serve`: requests that share a machine by continuous batching."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pimsim.base.errors import printable
from pimsim.cli.completion import complete_requests
from pimsim.cli.config_loading import load
from pimsim.cli.exits import is_given, refuse
from pimsim.cli.lazy_group import command_app
from pimsim.cli.options import ConfigArgument, ForceOption, JsonOption, PlotsOption, SetOption
from pimsim.cli.served_output import ONE_MACHINE, SEVERAL_MACHINES, check_served_outputs, serve_and_present

if TYPE_CHECKING:
    from pimsim.config.system_file import System
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
    random = [name for name in names if is_given(context, name)]
    if requests is not None and random == ["seed"]:
        refuse(
            "--seed needs --rate, which draws arrival times; without it the requests of a file contain nothing random"
        )
    if requests is not None and random:
        refuse(f"--{random[0]} is an option of random requests; --requests reads requests from a file")
    of_file = [name for name in ("limit", "window", "scale", "tokenizer", "rate") if is_given(context, name)]
    if poisson is not None and of_file:
        refuse(f"--{of_file[0]} is an option of --requests; --poisson draws random requests")
    system = _system_of(config, overrides or [])
    server = load(config, overrides or [], command="serve") if system is None else system
    kind = ONE_MACHINE if system is None else SEVERAL_MACHINES
    if requests is not None:
        from pimsim.config.file_recognition import other_kind

        if wrong := other_kind(requests, ()):
            refuse(f"--requests {printable(requests, 200)} {wrong}")
    check_served_outputs(kind, (config, requests), csv=csv, plots=plots, out=out, force=force)
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
    serve_and_present(kind, server, arrivals, json=json, csv=csv, plots=plots, out=out)


def _system_of(source: str, overrides: Sequence[str]) -> System | None:
    """Load a system, if a file describes one.

    Args:
        source: Path of the file, or what the user typed in its place.
        overrides: Settings "key=value" of the command line.

    Returns:
        The system; None if the file is not a system.

    Raises:
        ConfigError: If it is a system that is not valid.
    """
    from pimsim.config.file_recognition import is_system

    if not is_system(source):
        return None
    from pimsim.config.system_file import load_system

    return load_system(source, overrides)


def _parsed(window: str) -> tuple[float, float | None]:
    from pimsim.importers.request_traces.trace_selection import parse_window

    return parse_window(window)
