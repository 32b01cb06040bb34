"""Part of `pimsim run` for a system file: several machines with a link."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from pimsim.cli.exits import refuse
from pimsim.cli.written_files import say_written

if TYPE_CHECKING:
    from pimsim.cli.config_loading import Setting

UNSUPPORTED = "is not available for a system of several machines; run the config of one machine, or use --json"


def run_if_system(
    source: str,
    settings: Sequence[Setting],
    unsupported: Mapping[str, object],
    *,
    explain: bool,
    timeline: Path | None,
    json: bool,
    csv: Path | None,
    force: bool,
) -> bool:
    """Simulate a system and print the result, if a file describes a system.

    Args:
        source: Path of the file, or what the user typed in its place.
        settings: Overrides of the command line.
        unsupported: Values of options that a system does not have.
        explain: Whether to explain the latency of a single pass.
        timeline: File for the timeline of a single pass; None means no timeline.
        json: Whether to print JSON instead of tables.
        csv: File for the table of ops, or of the steps of a generation; None means no table.
        force: Whether to replace any existing file.

    Returns:
        False if the file is not a system; then nothing was done.

    Raises:
        BadParameter: If an option is not available.
    """
    from pimsim.config.file_recognition import is_system

    if not is_system(source):
        return False
    for option, value in unsupported.items():
        if value:
            refuse(f"{option} {UNSUPPORTED}")
    _run(source, settings, explain=explain, timeline=timeline, json=json, csv=csv, force=force)
    return True


def _run(
    source: str,
    settings: Sequence[Setting],
    *,
    explain: bool,
    timeline: Path | None,
    json: bool,
    csv: Path | None,
    force: bool,
) -> None:
    """Simulate a system; the arguments are those of `run_if_system`."""
    from pimsim.base.files import write_text
    from pimsim.cli.config_loading import refuse_useless_in_system
    from pimsim.cli.run_output import check_run_outputs
    from pimsim.config.schema.system_section import ClusterSection
    from pimsim.config.system_file import load_system
    from pimsim.generation import GenerationResult
    from pimsim.present.formats import to_csv, to_json
    from pimsim.present.text.generation_report import progress_on_terminal
    from pimsim.present.text.split_report import print_split
    from pimsim.studies.splitting.splitting import run_system

    system = load_system(source, [each.text for each in settings])
    refuse_useless_in_system(source, system, settings)
    generates = system.first.workload.phase == "generate"
    for option, value in {"--explain": explain, "--timeline": timeline}.items():
        if value and generates:
            advice = "use --json" if system.split == "phases" else "set workload.phase to decode"
            refuse(f"{option} describes a single pass, but this system runs a generation; {advice}")
    check_run_outputs((source,), timeline=timeline, csv=csv, plots=None, force=force)
    if system.cluster != ClusterSection():
        typer.echo(
            "note: pimsim run uses one machine of each role; only pimsim serve reads the section cluster", err=True
        )
    with progress_on_terminal() as progress:
        split = run_system(system, progress)
    result = split.result
    if csv is not None:
        rows = result.step_rows() if isinstance(result, GenerationResult) else result.op_rows()
        write_text(csv, to_csv(rows))
    explanation = None
    if not isinstance(result, GenerationResult):
        if timeline is not None:
            from pimsim.results.timeline import write_timeline

            write_timeline(result, timeline)
        if explain:
            from pimsim.results.explanation import explain as explain_run

            explanation = explain_run(result)
    if json:
        extra = {} if explanation is None else {"explanation": explanation.to_dict()}
        typer.echo(to_json(split.to_dict() | extra))
    else:
        print_split(split)
        if explanation is not None:
            from pimsim.present.text.explanation_report import print_explanation

            typer.echo()
            print_explanation(explanation)
    rows_of = "simulated steps" if generates else "ops"
    say_written((timeline, "a timeline for ui.perfetto.dev"), (csv, f"the table of {rows_of}"), json=json)
