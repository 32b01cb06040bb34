"""`pimsim trace`: write and show traces."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from pimsim.cli.completion import complete_config, complete_model, complete_trace
from pimsim.cli.lazy_group import command_app
from pimsim.cli.options import ForceOption, SetOption
from pimsim.cli.written_files import say_written

app = command_app(
    name="trace",
    help="Write and show traces: the ops that a model computes.",
    epilog="Example: pimsim trace make opt-6.7b --context 1024 --out opt.json",
    no_args_is_help=True,
)


@app.command("make", epilog="Example: pimsim trace make opt-6.7b --context 1024 --out opt.json")
def trace_make(
    model: Annotated[
        str, typer.Argument(help="Name or alias of a model.", show_default=False, autocompletion=complete_model)
    ],
    context: Annotated[int, typer.Option(help="Context length, in tokens of the KV cache.", show_default=False)],
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="File to write; default: standard output.")] = None,
    config: Annotated[
        str,
        typer.Option(
            metavar="CONFIG",
            help="Config that says what a step contains and how wide its numbers are.",
            autocompletion=complete_config,
        ),
    ] = "defaults",
    layers_only: Annotated[
        bool, typer.Option("--layers-only", help="Include only the ops of the layers, and what other options add.")
    ] = False,
    embedding: Annotated[bool | None, typer.Option(help="Include the embedding look-up.", show_default=False)] = None,
    lm_head: Annotated[
        bool | None, typer.Option(help="Include the final norm and the LM head.", show_default=False)
    ] = None,
    quantisation: Annotated[
        bool | None, typer.Option(help="Include the passes that quantise and dequantise.", show_default=False)
    ] = None,
    kv_step_bits: Annotated[
        int | None,
        typer.Option(metavar="BITS", help="Bits of the scales of cached keys and values.", show_default=False),
    ] = None,
    setting: SetOption = None,
    force: ForceOption = False,
) -> None:
    """Write the trace of a model's decode step; by default it has everything that `pimsim run` counts."""
    from pimsim.base import output_guard as guard
    from pimsim.config.loading import load_config
    from pimsim.simulation import make_trace
    from workloads.trace import dumps

    guard.check_outputs([guard.Output("--out", out, guard.never)], [model, config], force=force)
    layers: dict[str, object] = {"embedding": False, "lm_head": False, "quantisation": False, "kv.scale_bits": 0}
    asked = {"embedding": embedding, "lm_head": lm_head, "quantisation": quantisation, "kv.scale_bits": kv_step_bits}
    contents = (layers if layers_only else {}) | {key: value for key, value in asked.items() if value is not None}
    step = {"model": model, "trace": None, "phase": "decode", "context_length": context, **contents}
    settings = {f"workload.{key}": value for key, value in step.items()}
    overrides = [*(setting or ()), *(f"{key}={json.dumps(value)}" for key, value in settings.items())]
    loaded = load_config(config, [*overrides, "mapping.microbatches=1"])
    text = dumps(make_trace(loaded))
    if out is None:
        typer.echo(text, nl=False)
        return
    from pimsim.base.errors import printable
    from pimsim.base.files import write_text

    write_text(out, text)
    say_written((out, f"a trace; run it with pimsim run pim-llm --trace {printable(str(out), 200)}"))


@app.command("show", epilog="Example: pimsim trace show opt-6.7b-decode-1024")
def trace_show(
    trace: Annotated[
        str,
        typer.Argument(
            help="A trace file, or the name of a shipped trace.", show_default=False, autocompletion=complete_trace
        ),
    ],
) -> None:
    """Print the ops of a trace."""
    from pimsim.present.text.trace_report import print_trace
    from pimsim.simulation import load_trace

    print_trace(load_trace(trace))
