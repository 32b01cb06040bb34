"""The command line: parse, call the library, print. Everything else is imported when a command needs it."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from pimsim.errors import INTERNAL_EXIT_CODE, OutputError, PimsimError
from pimsim.version import __version__

if TYPE_CHECKING:
    from pimsim.schema import Config

INTERRUPTED_EXIT_CODE = 130

app = typer.Typer(
    name="pimsim",
    help="Simulate ReRAM processing-in-memory accelerators for 1-bit large language models.",
    epilog="Example: pimsim run pim-llm --set workload.context_length=1024",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # rich help takes as long to import as everything else that --help needs
    context_settings={"help_option_names": ["-h", "--help"]},
)
trace_app = typer.Typer(
    help="Write and read traces: what a model computes, op by op.",
    epilog="Example: pimsim trace make opt-6.7b --context 1024 --out opt.json",
    no_args_is_help=True,
)
app.add_typer(trace_app, name="trace")

ConfigArgument = Annotated[
    str,
    typer.Argument(help="A config file, a shipped config by name, or a result file to run again.", show_default=False),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override a key, e.g. machine.systolic.rows=64. May be repeated."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]


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


@app.command(epilog="Example: pimsim run pim-llm --set workload.context_length=1024 --out result.h5")
def run(
    config: ConfigArgument,
    overrides: SetOption = None,
    trace: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Run this trace in place of the config's model.")
    ] = None,
    json: JsonOption = False,
    csv: Annotated[
        Path | None, typer.Option("--csv", metavar="FILE", help="Write a row per op with its time by part and energy.")
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the whole result to an HDF5 file.")] = None,
) -> None:
    """Run a config and show where time and energy go."""
    from pimsim.files import write_text
    from pimsim.simulation import simulate

    settings = list(overrides or [])
    if trace is not None:
        settings.append(f"workload.trace={_yaml_string(str(trace))}")
    result = simulate(_load(config, settings))
    if out is not None:
        from pimsim.store import write_result

        write_result(result, out)
    from pimsim import report

    if csv is not None:
        write_text(csv, report.to_csv(result.op_rows()))
    if json:
        typer.echo(report.to_json(result.to_dict()))
    else:
        report.print_run(result)


@app.command(epilog="Example: pimsim reproduce fig5 --csv tables/")
def reproduce(
    items: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="ITEM...",
            help="Any of fig1b, fig4, fig5, fig6, fig7, fig8, table3; all of them if none is given.",
            show_default=False,
        ),
    ] = None,
    json: JsonOption = False,
    csv: Annotated[Path | None, typer.Option(metavar="DIR", help="Write each as a CSV file into this folder.")] = None,
) -> None:
    """Print PIM-LLM's tables and figures, ours beside the published values."""
    from pimsim.errors import did_you_mean
    from pimsim.files import make_folder, write_text
    from pimsim.paper import reproduce as tables_of
    from pimsim.paper.tables import ITEMS

    wanted = items or ["all"]
    for item in wanted:
        if item not in (*ITEMS, "all"):
            hint = did_you_mean(item, (*ITEMS, "all"))
            raise typer.BadParameter(f"{item!r} is none of {', '.join(ITEMS)}, all. {hint}".strip())
    if csv is not None:
        make_folder(csv)
    tables = tables_of(wanted)
    from pimsim import report

    if csv is not None:
        for name, table in tables.items():
            write_text(csv / f"{name}.csv", report.to_csv(table.rows))
    if json:
        shown = {name: {"title": t.title, "rows": list(t.rows), "notes": list(t.notes)} for name, t in tables.items()}
        typer.echo(report.to_json(shown))
        return
    for table in tables.values():
        report.print_table(table)
        typer.echo()


@app.command(epilog="Example: pimsim calibrate --variants")
def calibrate(
    variants: Annotated[bool, typer.Option("--variants", help="Judge every placement variant as well.")] = False,
    json: JsonOption = False,
) -> None:
    """Compute the fitted constants anew from the published values that they are fitted to."""
    import dataclasses

    from pimsim import report
    from pimsim.paper.fit import fit_energies, fit_links
    from pimsim.paper.study import Study
    from pimsim.paper.variants import variants as all_variants

    study = Study()
    fits = [*fit_energies(study), *fit_links(study)]
    judged = list(all_variants(study.config("pim-llm"))) if variants else []
    if json:
        shown = {"fits": list(map(dataclasses.asdict, fits)), "variants": list(map(dataclasses.asdict, judged))}
        typer.echo(report.to_json(shown))
        return
    report.print_fits(fits)
    if judged:
        typer.echo()
        report.print_variants(judged)


@trace_app.command("make", epilog="Example: pimsim trace make opt-6.7b --context 1024 --out opt.json")
def trace_make(
    model: Annotated[str, typer.Argument(help="A model's name or alias.", show_default=False)],
    context: Annotated[int, typer.Option(help="KV-cache entries that the token attends to.", show_default=False)],
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where to write it; standard output if not given.")
    ] = None,
    embedding: Annotated[bool, typer.Option("--embedding", help="Include the embedding look-up.")] = False,
    lm_head: Annotated[bool, typer.Option("--lm-head", help="Include the final norm and the LM head.")] = False,
) -> None:
    """Write the trace of a model's decode step."""
    from pimsim.config import load_config
    from pimsim.simulation import make_trace
    from workloads.trace import dumps

    config = load_config(
        {
            "workload": {
                "model": model,
                "trace": None,
                "context_length": context,
                "embedding": embedding,
                "lm_head": lm_head,
            }
        }
    )
    text = dumps(make_trace(config))
    if out is None:
        typer.echo(text, nl=False)
        return
    from pimsim.files import write_text

    write_text(out, text)


@trace_app.command("show", epilog="Example: pimsim trace show opt-6.7b-decode-1024")
def trace_show(
    trace: Annotated[str, typer.Argument(help="A trace file, or a shipped trace by name.", show_default=False)],
) -> None:
    """Print a trace op by op."""
    from pimsim import report
    from pimsim.simulation import load_trace

    report.print_trace(load_trace(trace))


def _load(source: str, overrides: list[str]) -> Config:
    """A config from a config file, or from the result file of an earlier run."""
    from pimsim.config import load_config
    from pimsim.files import is_result_file

    if is_result_file(source):
        from pimsim.store import read_config

        return load_config(read_config(source).model_dump(mode="json"), overrides)
    return load_config(source, overrides)


def _yaml_string(text: str) -> str:
    """A YAML scalar that reads back as this text, whatever it looks like."""
    import json

    return json.dumps(text)


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
