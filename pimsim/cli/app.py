"""The command line: parse, call the library, print. Everything else is imported when a command needs it."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from pimsim.base.errors import INTERNAL_EXIT_CODE, INTERRUPTED_EXIT_CODE, OutputError, PimsimError
from pimsim.cli.accuracy import accuracy_app
from pimsim.cli.array import array_app
from pimsim.cli.catalog import catalog_app
from pimsim.cli.config_loading import load
from pimsim.cli.import_config import import_app
from pimsim.cli.optimize import optimize_app
from pimsim.cli.options import (
    ConfigArgument,
    ExplainOption,
    JsonOption,
    OpsCsvOption,
    PlotsOption,
    SetOption,
    TimelineOption,
    yaml_string,
)
from pimsim.cli.results import results_app
from pimsim.cli.serve import serve_app
from pimsim.cli.sweep import sweep_app
from pimsim.cli.trace import trace_app
from pimsim.version import __version__

if TYPE_CHECKING:
    from pimsim.config.schema import Config
    from pimsim.results.run_result import RunResult

app = typer.Typer(
    name="pimsim",
    help="Simulate ReRAM processing-in-memory accelerators for 1-bit large language models.",
    epilog="Example: pimsim run pim-llm --set workload.context_length=1024",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # rich help takes as long to import as everything else that --help needs
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(accuracy_app)
app.add_typer(array_app)
app.add_typer(catalog_app)
app.add_typer(serve_app)
app.add_typer(sweep_app)
app.add_typer(optimize_app)
app.add_typer(results_app)
app.add_typer(import_app, name="import")
app.add_typer(trace_app, name="trace")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"pimsim {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    del version


@app.command(epilog="Example: pimsim run pim-llm --context 1024 --schedule dataflow --explain")
def run(
    config: ConfigArgument,
    overrides: SetOption = None,
    model: Annotated[
        str | None, typer.Option(metavar="NAME", help="Another model: its name, or the path of its config.json.")
    ] = None,
    context: Annotated[
        int | None, typer.Option(metavar="N", help="KV-cache entries that a decode step attends to.")
    ] = None,
    schedule: Annotated[
        str | None, typer.Option(metavar="serial|dataflow", help="One op after another, or each as soon as it can.")
    ] = None,
    trace: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Run this trace in place of the config's model.")
    ] = None,
    explain: ExplainOption = False,
    timeline: TimelineOption = None,
    json: JsonOption = False,
    csv: OpsCsvOption = None,
    plots: PlotsOption = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the whole result to an HDF5 file.")] = None,
) -> None:
    """Run a config and show where time and energy go."""
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
    if plots is not None:
        from pimsim.base.files import make_folder

        make_folder(plots)
    if loaded.workload.phase == "generate" and loaded.workload.trace is None:
        _refuse_for_generation({"--explain": explain, "--timeline": timeline, "--out": out})
        _generate(loaded, json, csv, plots)
        return
    from pimsim.simulation import simulate

    result = simulate(loaded)
    if out is not None:
        from pimsim.results.store import write_result

        write_result(result, out)
    _present(result, explain, timeline, json, csv, plots)


@app.command(epilog="Example: pimsim show result.h5 --explain")
def show(
    result: Annotated[Path, typer.Argument(metavar="RESULT", help="A file that run --out wrote.", show_default=False)],
    explain: ExplainOption = False,
    timeline: TimelineOption = None,
    json: JsonOption = False,
    csv: OpsCsvOption = None,
    plots: PlotsOption = None,
) -> None:
    """Show a stored result as it was when it ran."""
    from pimsim.results.store import read_result

    _present(read_result(result), explain, timeline, json, csv, plots)


@app.command(epilog="Example: pimsim reproduce fig5 --csv tables/")
def reproduce(
    items: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="ITEM...",
            help="Any of fig1b, fig4, fig5, fig6, fig7, fig8, table3; all of them if none is given. With --accounting "
            "corrected any of switches, tokens_per_s, tokens_per_j, gops, gops_per_w, words_per_charge, all_together, "
            "claims_by_switch, claims.",
            show_default=False,
        ),
    ] = None,
    accounting: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="published counts what the paper does; corrected adds, switch by switch, what it leaves out, and "
            "says which of its claims hold.",
        ),
    ] = "published",
    json: JsonOption = False,
    csv: Annotated[Path | None, typer.Option(metavar="DIR", help="Write each as a CSV file into this folder.")] = None,
    plots: PlotsOption = None,
) -> None:
    """Print PIM-LLM's tables and figures, ours beside the published values."""
    from pimsim.base.errors import did_you_mean
    from pimsim.base.files import make_folder, write_text
    from pimsim.studies.paper import ACCOUNTINGS, known_items
    from pimsim.studies.paper import reproduce as tables_of

    rules = next((each for each in ACCOUNTINGS if each == accounting), None)
    if rules is None:
        hint = did_you_mean(accounting, ACCOUNTINGS)
        raise typer.BadParameter(f"--accounting: {accounting!r} is none of {', '.join(ACCOUNTINGS)}. {hint}".strip())
    known, wanted = known_items(rules), items or ["all"]
    for item in wanted:
        if item not in (*known, "all"):
            hint = did_you_mean(item, (*known, "all"))
            raise typer.BadParameter(f"{item!r} is none of {', '.join(known)}, all. {hint}".strip())
    for folder in (csv, plots):
        if folder is not None:
            make_folder(folder)
    tables = tables_of(wanted, rules)
    from pimsim.present.formats import to_csv, to_json
    from pimsim.present.text.paper_report import print_table

    if csv is not None:
        for name, table in tables.items():
            write_text(csv / f"{name}.csv", to_csv(table.rows))
    if plots is not None:
        from pimsim.present.plots import paper_plots, write_plots

        write_plots(plots, paper_plots(tables))
    if json:
        shown = {name: {"title": t.title, "rows": list(t.rows), "notes": list(t.notes)} for name, t in tables.items()}
        typer.echo(to_json(shown))
        return
    for table in tables.values():
        print_table(table)
        typer.echo()


@app.command(epilog="Example: pimsim calibrate --variants")
def calibrate(
    variants: Annotated[bool, typer.Option("--variants", help="Judge every placement variant as well.")] = False,
    json: JsonOption = False,
) -> None:
    """Compute the fitted constants anew from the published values that they are fitted to."""
    import dataclasses

    from pimsim.present.formats import to_json
    from pimsim.present.text.paper_report import print_fits, print_variants
    from pimsim.studies.paper.fits import fit_energies, fit_links
    from pimsim.studies.paper.paper_runs import Study
    from pimsim.studies.paper.placement_variants import variants as all_variants

    study = Study()
    fits = [*fit_energies(study), *fit_links(study)]
    judged = list(all_variants(study.config("pim-llm"))) if variants else []
    if json:
        shown = {"fits": list(map(dataclasses.asdict, fits)), "variants": list(map(dataclasses.asdict, judged))}
        typer.echo(to_json(shown))
        return
    print_fits(fits)
    if judged:
        typer.echo()
        print_variants(judged)


def _present(
    result: RunResult, explain: bool, timeline: Path | None, json: bool, csv: Path | None, plots: Path | None
) -> None:
    """Files first, then what is printed."""
    from pimsim.base.files import write_text
    from pimsim.present.formats import to_csv, to_json
    from pimsim.present.text.run_report import print_run

    if timeline is not None:
        from pimsim.results.timeline import write_timeline

        write_timeline(result, timeline)
    if csv is not None:
        write_text(csv, to_csv(result.op_rows()))
    if plots is not None:
        from pimsim.present.plots import run_plots, write_plots

        write_plots(plots, run_plots(result))
    explanation = None
    if explain:
        from pimsim.results.explanation import explain as explained

        explanation = explained(result)
    if json:
        why = {} if explanation is None else {"explanation": explanation.to_dict()}
        typer.echo(to_json(result.to_dict() | why))
        return
    print_run(result)
    if explanation is not None:
        from pimsim.present.text.explanation_report import print_explanation

        typer.echo()
        print_explanation(explanation)


def _refuse_for_generation(options: dict[str, object]) -> None:
    """What is about one run has no meaning for the many of a generation."""
    for option, given in options.items():
        if given:
            raise typer.BadParameter(
                f"{option} is about one run, and a generation is many: --json and --csv have its steps; "
                f"run one of them with --set workload.phase=decode --context N {option}, or its prefill with "
                "--set workload.phase=prefill"
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


def main() -> NoReturn:
    """Run the command line. Every error ends in a few lines on standard error and an exit code of its class."""
    if sys.stdout is None:  # closed by the caller: pimsim run x --out y >&-
        sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - until the end
    try:
        app()
    except PimsimError as error:
        _fail(str(error), error.exit_code)
    except KeyboardInterrupt:
        _fail("interrupted", INTERRUPTED_EXIT_CODE)
    except BrokenPipeError:
        # The reader has closed the pipe (`pimsim run x | head`): end quietly, also when Python flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except RecursionError as error:
        _fail(f"internal error: {error}", INTERNAL_EXIT_CODE)
    except Exception as error:
        if os.environ.get("PIMSIM_DEBUG"):
            raise
        if isinstance(error, OSError) and error.filename is None:
            # All files are written under OutputError; what is left is a full disk behind a redirection.
            _fail(f"standard output: cannot be written: {error.strerror or error}", OutputError.exit_code)
        what = f"{type(error).__name__}: {error}"
        _fail(f"internal error: {what}. PIMSIM_DEBUG=1 shows where; please report it", INTERNAL_EXIT_CODE)
    sys.exit(0)


def _fail(message: str, exit_code: int) -> NoReturn:
    print(f"pimsim: {message}", file=sys.stderr)
    sys.exit(exit_code)


if __name__ == "__main__":
    main()
