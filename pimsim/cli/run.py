"""`pimsim run`: simulate a config."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pimsim.cli.completion import complete_model, complete_trace
from pimsim.cli.config_loading import Setting, load, notes_of, settings_of
from pimsim.cli.exits import refuse
from pimsim.cli.lazy_group import command_app
from pimsim.cli.options import (
    BatchOption,
    ByOption,
    ConfigArgument,
    ExplainRunOption,
    ForceOption,
    JsonOption,
    OpsCsvOption,
    OutputOption,
    PhaseOption,
    PlotsOption,
    ScheduleOption,
    SetOption,
    TimelineOption,
)
from pimsim.cli.plot_options import chosen_style
from pimsim.cli.ranges_options import (
    RangesOption,
    SamplesOption,
    SeedOption,
    UnknownOption,
    check_ranges_options,
    propagate_ranges,
)
from pimsim.cli.run_output import check_run_outputs, present_run
from pimsim.cli.system_run import run_if_system
from pimsim.cli.written_files import say_written

if TYPE_CHECKING:
    from pimsim.config.schema import Config

app = command_app()

ModelOption = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Run another model: its name, or its folder, config.json or GGUF file.",
        autocompletion=complete_model,
    ),
]
ContextOption = Annotated[
    int | None, typer.Option(metavar="N", help="Context length of a decode step, in tokens of the KV cache.")
]
PromptOption = Annotated[
    int | None, typer.Option(metavar="N", help="Tokens of the prompt of a prefill or a generation.")
]
TraceOption = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Run this trace instead of the config's model.", autocompletion=complete_trace),
]


@app.command(
    epilog="Example: pimsim run pim-llm --context 1024 --schedule dataflow --explain\n\n"
    "Example: pimsim run pim-llm --model gpt2-small --ranges --samples 100 --explain"
)
def run(
    config: ConfigArgument,
    overrides: SetOption = None,
    model: ModelOption = None,
    phase: PhaseOption = None,
    context: ContextOption = None,
    prompt: PromptOption = None,
    output: OutputOption = None,
    batch: BatchOption = None,
    schedule: ScheduleOption = None,
    trace: TraceOption = None,
    explain: ExplainRunOption = False,
    by: ByOption = None,
    timeline: TimelineOption = None,
    json: JsonOption = False,
    csv: OpsCsvOption = None,
    plots: PlotsOption = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the whole result to an HDF5 file.")] = None,
    ranges: RangesOption = False,
    samples: SamplesOption = None,
    seed: SeedOption = None,
    unknown: UnknownOption = None,
    force: ForceOption = False,
) -> None:
    """Simulate a config and show where its time and energy go."""
    settings = settings_of(
        overrides,
        model=("workload.model", model),
        phase=("workload.phase", phase),
        context=("workload.context_length", context),
        prompt=("workload.prompt_length", prompt),
        output=("workload.new_tokens", output),
        batch=("workload.batch", batch),
        schedule=("schedule", schedule),
        trace=("workload.trace", trace),
    )
    if model is not None and trace is None:
        settings.append(Setting(f"--model {model}", "workload.trace=null"))
    others = {"--by": by, "--plots": plots, "--out": out, "--ranges": ranges, "--trace": trace}
    if run_if_system(config, settings, others, explain=explain, timeline=timeline, json=json, csv=csv, force=force):
        return
    loaded = load(config, settings, note=False)
    notes = tuple(notes_of(config, loaded, settings, "run"))
    generates = loaded.workload.phase == "generate" and loaded.workload.trace is None
    if generates:
        _refuse_for_generation(
            {"--explain": explain, f"--by {by}": by, "--timeline": timeline, "--out": out, "--ranges": ranges}
        )
        if loaded.workload.new_tokens == 1:
            _refuse_without_steps({"--csv": csv, "--plots": plots})
    check_ranges_options(ranges=ranges, samples=samples, seed=seed, unknown=unknown, by=by)
    check_run_outputs((config, trace), timeline=timeline, csv=csv, plots=plots, out=out, force=force)
    if generates:
        _generate(loaded, notes, json, csv, plots)
        return
    from pimsim.simulation import simulate

    with _progress() as progress:
        simulated = simulate(loaded, progress=progress)
    result = replace(simulated, notes=(*notes, *simulated.notes)) if notes else simulated
    if out is not None:
        from pimsim.results.store import write_result

        write_result(result, out)
    found = propagate_ranges(config, loaded, settings, samples, seed, unknown) if ranges else None
    present_run(
        result, explain=explain, by=by, timeline=timeline, json=json, csv=csv, plots=plots, rerun=True, ranges=found
    )
    say_written((out, "the whole result; show it with pimsim show"), json=json)


def _progress() -> AbstractContextManager[Callable[[int, int], None] | None]:
    """Return a bar for the activities of a run that takes long, if standard error is a terminal."""
    if not sys.stderr.isatty():
        return nullcontext()
    from pimsim.present.text.tables import progress_bar

    return progress_bar("activities", late=True)


def _refuse_for_generation(options: dict[str, object]) -> None:
    for option, value in options.items():
        if value:
            refuse(
                f"{option} describes a single run, but a generation consists of many: --json and --csv contain its "
                f"steps; to run one of its steps, use --phase decode --context N {option}; to run its "
                f"prefill, use --phase prefill {option}"
            )


def _refuse_without_steps(options: dict[str, object]) -> None:
    for option, value in options.items():
        if value:
            refuse(
                f"{option} shows decode steps, but the prefill computes the only new token: set workload.new_tokens to "
                "at least 2"
            )


def _generate(config: Config, notes: tuple[str, ...], json: bool, csv: Path | None, plots: Path | None) -> None:
    from pimsim.base.files import write_text
    from pimsim.generation import generate
    from pimsim.present.formats import to_csv, to_json
    from pimsim.present.text.generation_report import print_generation, progress_on_terminal

    with progress_on_terminal() as progress:
        result = generate(config, progress)
    result = replace(result, notes=(*notes, *result.notes))
    if csv is not None:
        write_text(csv, to_csv(result.step_rows()))
    if plots is not None:
        from pimsim.present.plots import generation_plots, write_plots

        write_plots(plots, generation_plots(result), chosen_style())
    if json:
        typer.echo(to_json(result.to_dict()))
    else:
        print_generation(result)
    say_written((csv, "the table of simulated steps"), (plots, "all plots"), json=json)
