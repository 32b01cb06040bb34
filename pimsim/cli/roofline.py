"""`pimsim roofline`: classes of ops under the roofs of a machine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pimsim.cli.completion import complete_model, one_of
from pimsim.cli.config_loading import Setting, load, settings_of
from pimsim.cli.exits import refuse
from pimsim.cli.lazy_group import command_app
from pimsim.cli.options import ConfigArgument, ForceOption, JsonOption, PlotOption, SetOption, comma_separated
from pimsim.cli.plot_options import chosen_style
from pimsim.cli.written_files import say_written

if TYPE_CHECKING:
    from pimsim.config.schema import Config
    from pimsim.studies.memory_wall.roofline_result import Roofline

app = command_app()

PHASES = ("decode", "prefill")
MAX_RUNS = 64
"""Runs of one command; a plot of more has no colours for them, and `pimsim sweep` is made for many."""


@app.command(epilog="Example: pimsim roofline pim-llm --context 1024 --phase decode,prefill --batch 1,8")
def roofline(
    config: ConfigArgument,
    overrides: SetOption = None,
    model: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Run another model: its name, or its folder, config.json or GGUF file.",
            autocompletion=complete_model,
        ),
    ] = None,
    context: Annotated[
        int | None,
        typer.Option(metavar="N", help="Tokens of the KV cache of a decode step, or of the prompt of a prefill."),
    ] = None,
    phase: Annotated[
        str | None,
        typer.Option(
            metavar="PHASE,...",
            help="Phases, each a run: decode, prefill. Default: that of the config.",
            autocompletion=one_of(*PHASES, ",".join(PHASES)),
        ),
    ] = None,
    batch: Annotated[
        str | None, typer.Option(metavar="N,...", help="Numbers of sequences that run together, each a run.")
    ] = None,
    by: Annotated[
        str,
        typer.Option(
            metavar="class|op", help="One point per class of ops, or per op.", autocompletion=one_of("class", "op")
        ),
    ] = "class",
    json: JsonOption = False,
    csv: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write one row per run and class of ops to a CSV file.")
    ] = None,
    plot: PlotOption = None,
    force: ForceOption = False,
) -> None:
    """Show each class of ops at its arithmetic intensity under the roofs of the machine, and what bounds it.

    Operations, bytes and times are those of a simulated run. The roofs are the peak rates of the crossbars, the
    systolic array and the vector unit, and of each memory, port and link.
    """
    if by not in ("class", "op"):
        refuse(f"--by: {by!r} is neither class nor op")
    phases, batches = _phases(phase), _batches(batch)
    from pimsim.base import output_guard as guard

    outputs = (
        guard.Output("--csv", csv, guard.table("name,model,phase,context_length,batch,schedule,class,")),
        guard.Output("--plot", plot, guard.plot),
    )
    configs = list(_configs(config, overrides, model, context, phases, batches))
    guard.check_outputs(outputs, (config,), force=force)
    found = list(_rooflines(configs, by))
    from pimsim.present.formats import to_csv, to_json
    from pimsim.studies.memory_wall.roofline_result import all_rows

    if csv is not None:
        from pimsim.base.files import write_text

        write_text(csv, to_csv(all_rows(found)))
    if plot is not None:
        from pimsim.present.plots import roofline_plots, write_plot

        write_plot(plot, roofline_plots(found)["roofline"], chosen_style())
    if json:
        typer.echo(to_json({"runs": [each.to_dict() for each in found]}))
        return
    from pimsim.present.text.roofline_report import print_rooflines

    print_rooflines(found)
    say_written((csv, "the table of classes"), (plot, "the plot"))


def _phases(text: str | None) -> Sequence[str | None]:
    if text is None:
        return (None,)
    from pimsim.base.errors import did_you_mean

    names = comma_separated("--phase", text)
    for name in names:
        if name not in PHASES:
            hint = did_you_mean(name, PHASES)
            refuse(f"--phase: {name!r} is not one of {', '.join(PHASES)}{'; ' if hint else ''}{hint}")
    return names


def _batches(text: str | None) -> Sequence[int | None]:
    if text is None:
        return (None,)
    numbers = []
    for item in comma_separated("--batch", text):
        if not item.isdecimal() or len(item) > 9 or not int(item):
            refuse(f"--batch: {item!r} is not a number of sequences, such as 8")
        numbers.append(int(item))
    return numbers


def _configs(
    source: str,
    overrides: list[str] | None,
    model: str | None,
    context: int | None,
    phases: Sequence[str | None],
    batches: Sequence[int | None],
) -> Iterator[Config]:
    """Load the config of each run.

    Args:
        source: The config as the user names it.
        overrides: Values of --set.
        model: Value of --model.
        context: Value of --context.
        phases: Phases; None for that of the config.
        batches: Batches; None for that of the config.

    Yields:
        The configs, phase by phase.
    """
    if len(phases) * len(batches) > MAX_RUNS:
        refuse(f"--phase and --batch: {len(phases) * len(batches)} runs are more than {MAX_RUNS}; use pimsim sweep")
    for phase in phases:
        of_config = phase
        if context and phase is None:
            # With the other options, since keys of --set may have an effect only beside them.
            of_config = load(source, _settings(overrides, model, batch=batches[0]), note=False).workload.phase
        key = "workload.prompt_length" if of_config == "prefill" else "workload.context_length"
        for batch in batches:
            settings = _settings(overrides, model, phase=phase, context=(key, context), batch=batch)
            loaded = load(source, settings, command="roofline", note=phase is phases[0] and batch is batches[0])
            if loaded.workload.trace is None and loaded.workload.phase not in PHASES:
                refuse(
                    f"workload.phase is {loaded.workload.phase}, and a roofline is that of one pass: "
                    "give --phase decode or --phase prefill"
                )
            yield loaded


def _settings(
    overrides: list[str] | None,
    model: str | None,
    *,
    batch: int | None,
    phase: str | None = None,
    context: tuple[str, int | None] = ("workload.context_length", None),
) -> list[Setting]:
    options = {"model": ("workload.model", model), "phase": ("workload.phase", phase), "context": context}
    settings = settings_of(overrides, **options, batch=("workload.batch", batch))
    if model is not None:
        settings.append(Setting(f"--model {model}", "workload.trace=null"))
    return settings


def _rooflines(configs: Sequence[Config], by: str) -> Iterator[Roofline]:
    from pimsim.simulation import simulate
    from pimsim.studies.memory_wall.roofline_study import roofline as roofline_of

    for config in configs:
        yield roofline_of(simulate(config), by=by)
