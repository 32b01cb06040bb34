"""`pimsim doctor`: what of the environment keeps pimsim from working."""

from __future__ import annotations

import typer

from pimsim.cli.lazy_group import command_app
from pimsim.cli.options import JsonOption

app = command_app()


@app.command(epilog="Example: pimsim doctor")
def doctor(json: JsonOption = False) -> None:
    """Examine Python, libraries, name clashes, cores and compiled kernels; exit code 1 if there is a problem.

    Nothing is changed. A note is about something that not every command needs, such as an optional library.
    """
    import sys
    from dataclasses import asdict

    from pimsim.base.environment import check_environment
    from pimsim.present.formats import to_json

    findings = check_environment()
    problems = sum(each.state == "problem" for each in findings)
    if json:
        typer.echo(to_json({"problems": problems, "findings": [asdict(each) for each in findings]}))
    else:
        from pimsim.present.text.environment_report import print_environment

        print_environment(findings)
    if problems:
        sys.exit(1)
