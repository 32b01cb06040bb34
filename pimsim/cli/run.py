"""`pimsim run`: simulate a config."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pimsim.cli.config_loading import load
from pimsim.cli.exits import refuse
from pimsim.cli.lazy_group import command_app
from pimsim.cli.options import (
    ByOption,
    ConfigArgument,
    ExplainRunOption,
    ForceOption,
    JsonOption,
    OpsCsvOption,
    PlotsOption,
    SetOption,
    TimelineOption,
    yaml_string,
)
from pimsim.cli.run_output import check_run_outputs, present_run

if TYPE_CHECKING:
    from pimsim.config.schema import Config

app = command_app()


@app.command(epilog="Example: pimsim run pim-llm --context 1024 --schedule dataflow --explain")
def run(
    config: ConfigArgument,
    overrides: SetOption = None,
    model: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Run another model: its name, or the path of its config.json."),
    ] = None,
    context: Annotated[
        int | None, typer.Option(metavar="N", help="Context length of a decode step, in tokens of the KV cache.")
    ] = None,
    schedule: Annotated[
        str | None,
        typer.Option(
            metavar="serial|dataflow|contended",
            help="One op after another; overlapping ops; or overlapping ops with contention inside shared hardware.",
        ),
    ] = None,
    trace: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Run this trace instead of the config's model.")
    ] = None,
    explain: ExplainRunOption = False,
    by: ByOption = None,
    timeline: TimelineOption = None,
    json: JsonOption = False,
    csv: OpsCsvOption = None,
    plots: PlotsOption = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the whole result to an HDF5 file.")] = None,
    force: ForceOption = False,
) -> None:
    """Simulate a config and show where its time and energy go."""
    settings = list(overrides or [])
    if model is not None:
        settings += ["workload.trace=null", f"workload.model={yaml_string(model)}"]
    if context is not None:
        settings.append(f"workload.context_length={context}")
    if schedule is not None:
        settings.append(f"schedule={yaml_string(schedule)}")
    if trace is not None:
        settings.append(f"workload.trace={yaml_string(str(trace))}")
    loaded = load(config, settings)
    generates = loaded.workload.phase == "generate" and loaded.workload.trace is None
    if generates:
        _refuse_for_generation({"--explain": explain, f"--by {by}": by, "--timeline": timeline, "--out": out})
        if loaded.workload.new_tokens == 1:
            _refuse_without_steps({"--csv": csv, "--plots": plots})
    check_run_outputs((config, trace), timeline=timeline, csv=csv, plots=plots, out=out, force=force)
    if generates:
        _generate(loaded, json, csv, plots)
        return
    from pimsim.simulation import simulate

    result = simulate(loaded)
    if out is not None:
        from pimsim.results.store import write_result

        write_result(result, out)
    present_run(result, explain=explain, by=by, timeline=timeline, json=json, csv=csv, plots=plots, rerun=True)


def _refuse_for_generation(options: dict[str, object]) -> None:
    for option, value in options.items():
        if value:
            refuse(
                f"{option} describes a single run, but a generation consists of many: --json and --csv contain its "
                f"steps; to run one of its steps, use --set workload.phase=decode --context N {option}; to run its "
                f"prefill, use --set workload.phase=prefill {option}"
            )


def _refuse_without_steps(options: dict[str, object]) -> None:
    for option, value in options.items():
        if value:
            refuse(
                f"{option} shows decode steps, but the prefill computes the only new token: set workload.new_tokens to "
                "at least 2"
            )


def _generate(config: Config, json: bool, csv: Path | None, plots: Path | None) -> None:
    from pimsim.base.files import write_text
    from pimsim.generation import generate
    from pimsim.present.formats import to_csv, to_json
    from pimsim.present.text.generation_report import print_generation, progress_on_terminal

    with progress_on_terminal() as progress:
        result = generate(config, progress)
    if csv is not None:
        write_text(csv, to_csv(result.step_rows()))
    if plots is not None:
        from pimsim.present.plots import generation_plots, write_plots

        write_plots(plots, generation_plots(result))
    if json:
        typer.echo(to_json(result.to_dict()))
    else:
        print_generation(result)
