"""Entry point of the command line: the table of commands, and the handling of errors.

To add a command, add one line to `COMMANDS` and one module with a Typer `app` (see `pimsim.cli.lazy_group`) whose
command has the same name.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, NoReturn

import typer

from pimsim.base.errors import (
    INTERNAL_EXIT_CODE,
    INTERRUPTED_EXIT_CODE,
    SYSTEM_EXIT_CODE,
    OutputError,
    PimsimError,
)
from pimsim.cli.exits import discard_output, forget_interrupt
from pimsim.cli.lazy_group import LazyGroup
from pimsim.cli.quick_start import skip_plugin_search
from pimsim.cli.signals import interruptible
from pimsim.cli.verbose import VerboseOption
from pimsim.version import __version__

COMMANDS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "run": ("pimsim.cli.run", "Simulate a config and show where its time and energy go."),
        "show": ("pimsim.cli.show", "Show a stored result without simulating it again."),
        "report": ("pimsim.cli.report", "Write stored results as one HTML page with charts and tables."),
        "diff": ("pimsim.cli.diff", "Say why two results differ: keys, parts, ops and work."),
        "compare": ("pimsim.cli.compare", "Compare designs side by side on the same workloads."),
        "waterfall": ("pimsim.cli.waterfall", "Show the effect of each key that differs between two configs."),
        "reproduce": ("pimsim.cli.reproduce", "Print PIM-LLM's tables and figures beside the published ones."),
        "validate": ("pimsim.cli.validate", "Compare pimsim with published values and other programs."),
        "calibrate": ("pimsim.cli.calibrate", "Fit the fitted constants again to the published values."),
        "macros": ("pimsim.cli.macros", "Compare published in-memory-compute macros with their configs."),
        "accuracy": ("pimsim.cli.accuracy", "Evaluate a trained 1-bit model on a config's analog arrays."),
        "array": ("pimsim.cli.array", "Show the errors of a matrix product on the analog arrays."),
        "init": ("pimsim.cli.init", "Write a commented config to start from."),
        "models": ("pimsim.cli.models", "List the models and their shapes."),
        "configs": ("pimsim.cli.configs", "List the shipped configs and their changes to the defaults."),
        "config": ("pimsim.cli.config", "Show the values of a config, compare two, or explain a key."),
        "devices": ("pimsim.cli.devices", "List presets of cells, ADCs, memories, attention and technologies."),
        "kv": ("pimsim.cli.kv", "Show the size of a KV cache, and what each memory tier holds of it."),
        "roofline": ("pimsim.cli.roofline", "Show what bounds each class of ops under the machine's roofs."),
        "serve": ("pimsim.cli.serve", "Serve requests as they arrive, with continuous batching."),
        "sweep": ("pimsim.cli.sweep", "Simulate a config for many values of its keys."),
        "optimize": ("pimsim.cli.optimize", "Search a design space for its Pareto front."),
        "results": ("pimsim.cli.results", "Analyse the points of a sweep or a search."),
        "import": ("pimsim.cli.import_config", "Convert configs of other simulators."),
        "trace": ("pimsim.cli.trace", "Write and show traces, the ops that a model computes."),
        "warm-up": ("pimsim.cli.warm_up", "Compile the kernels now, so that no later command waits for it."),
        "doctor": ("pimsim.cli.doctor", "Examine the environment: libraries, name clashes, cores, kernels."),
    }
)
"""Module and summary of each command, in the order of `pimsim --help`."""


TOO_LITTLE_MEMORY = "too little memory: the system refuses more; use a smaller workload or a smaller machine"


class CommandGroup(LazyGroup):
    """All commands of pimsim."""

    table = COMMANDS
    with_plugins = frozenset(  # and those of `config`
        (
            "run",
            "compare",
            "kv",
            "roofline",
            "serve",
            "diff",
            "waterfall",
            "accuracy",
            "array",
            "sweep",
            "optimize",
            "trace",
        )
    )


app = typer.Typer(
    name="pimsim",
    cls=CommandGroup,
    help="Simulate ReRAM processing-in-memory accelerators for 1-bit large language models.",
    epilog="Example: pimsim run pim-llm --set workload.context_length=1024",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # importing rich for the help text takes as long as everything else that --help needs
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"pimsim {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
    verbose: VerboseOption = False,
) -> None:
    del version, verbose


def main() -> NoReturn:
    """Run the command line. Every error ends in a few lines on standard error and the exit code of its class.

    Raises:
        Exception: An internal error, if the environment variable PIMSIM_DEBUG is set.
    """
    if sys.stdout is None:  # closed by the caller: pimsim run x --out y >&-
        sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - stays open until the process ends
    if sys.stderr is None:
        sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - stays open until the process ends
    skip_plugin_search()
    try:
        with interruptible(), _logging():
            code = _run()
            sys.stdout.flush()
    except PimsimError as error:
        _fail(str(error), error.exit_code)
    except KeyboardInterrupt:
        forget_interrupt()
        _fail("interrupted", INTERRUPTED_EXIT_CODE)
    except BrokenPipeError:
        # The reader has closed the pipe (`pimsim run x | head`): end without a message, also when Python flushes
        # standard output at exit.
        discard_output()
        sys.exit(0)
    except MemoryError:
        _fail(TOO_LITTLE_MEMORY, SYSTEM_EXIT_CODE)
    except RecursionError as error:
        _fail(f"internal error: {error}", INTERNAL_EXIT_CODE)
    except Exception as error:
        if os.environ.get("PIMSIM_DEBUG"):
            raise
        if isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE):
            _fail("too many open files: raise the limit of the system, e.g. ulimit -n 1024", SYSTEM_EXIT_CODE)
        if isinstance(error, OSError) and error.errno == errno.ENOMEM:
            _fail(TOO_LITTLE_MEMORY, SYSTEM_EXIT_CODE)
        if isinstance(error, OSError) and error.filename is None:
            # Errors of files that pimsim writes are OutputErrors. What remains is redirected output on a full disk.
            _fail(f"standard output: cannot be written: {error.strerror or error}", OutputError.exit_code)
        what = f"{type(error).__name__}: {error}"
        if isinstance(error, ImportError | AttributeError) and (broken := _broken_package()):
            _fail(f"{broken} ({what})", SYSTEM_EXIT_CODE)
        _fail(f"internal error: {what}. PIMSIM_DEBUG=1 shows the traceback; please report it", INTERNAL_EXIT_CODE)
    sys.exit(code)


def _broken_package() -> str:
    """Return what is wrong with the packages of pimsim, if another project has installed one of their names."""
    from pimsim.base.environment import name_clashes

    return "; ".join(
        f"the package {name} is not that of pimsim alone: {clash}; use an environment of its own for pimsim"
        for name, clash in name_clashes().items()
    )


def _logging() -> AbstractContextManager[None]:
    """Return a context that shows the log on a terminal; what writes elsewhere does not wait for the import."""
    if not sys.stderr.isatty():
        return nullcontext()
    from pimsim.cli.log_lines import log_on_terminal

    return log_on_terminal()


def _run() -> str | int | None:
    """Run the command.

    Returns:
        Exit code of the command, or the message with which it ended.

    Raises:
        KeyboardInterrupt: At an interrupt outside of a command.
    """
    if any(each.endswith("-completion") for each in sys.argv[1:]):
        from pimsim.cli.completion_scripts import use_scripts

        use_scripts()
    try:
        app(prog_name="pimsim")  # also for python -m pimsim: --install-completion takes the name from it
    except SystemExit as end:
        forget_interrupt()
        if isinstance(getattr(end.__context__, "__cause__", None), KeyboardInterrupt):
            raise KeyboardInterrupt from None  # Typer caught it outside of a command, and would end without a message
        if type(sys.stdout).__name__ == "PacifyFlushWrapper":  # Typer's, for a pipe that closed while it printed help
            discard_output()
            return 0
        return end.code
    return 0


def _fail(message: str, exit_code: int) -> NoReturn:
    print(f"pimsim: {message}", file=sys.stderr)
    sys.exit(exit_code)


if __name__ == "__main__":
    main()
