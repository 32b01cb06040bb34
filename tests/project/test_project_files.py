"""Files for contributors: the citation, the hooks, the changelog and the Makefile name what exists."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from pimsim import __version__
from pimsim.cli.app import app

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def commands(command: Any, path: tuple[str, ...] = ("pimsim",)) -> Iterator[str]:
    """Yield the names of the commands of a group, each with those of its groups."""
    if not hasattr(command, "list_commands"):
        yield " ".join(path)
        return
    context = typer.Context(command)
    for name in command.list_commands(context):
        yield from commands(command.get_command(context, name), (*path, name))


@pytest.mark.parametrize("command", [*commands(typer.main.get_command(app))])
def test_the_changelog_names_every_command(command: str) -> None:
    assert re.search(rf"`{command}[ `]", " ".join(text("CHANGELOG.md").split()))


def test_the_citation_is_complete_and_agrees_with_the_package() -> None:
    citation = yaml.safe_load(text("CITATION.cff"))
    assert citation["cff-version"] == "1.2.0"
    assert {"message", "title", "authors"} <= citation.keys(), "what CFF 1.2.0 requires"
    assert citation["type"] == "software"
    assert (str(citation["version"]), citation["license"]) == (__version__, PROJECT["license"])
    (author,) = citation["authors"]
    assert [author] == PROJECT["authors"]
    assert "arXiv:2504.01994" in str(citation["references"])


def test_hooks_use_tools_of_this_checkout_only() -> None:
    hooks = yaml.safe_load(text(".pre-commit-config.yaml"))
    (repository,) = hooks["repos"]
    assert repository["repo"] == "local"
    entries = {hook["id"]: hook["entry"] for hook in repository["hooks"]}
    assert entries.keys() == {"ruff-check", "ruff-format", "mypy", "docs", "configs"}
    for hook in repository["hooks"]:
        assert hook["language"] == "system"
        program, *arguments = hook["entry"].split()
        assert re.fullmatch(r"\.venv/bin/(ruff|mypy|python)", program)
        if arguments[0] == "-m":
            assert find_spec(arguments[1])
        for pattern in (hook[key] for key in ("files",) if key in hook):
            assert any(re.search(pattern, path.relative_to(ROOT).as_posix()) for path in ROOT.glob("*/*"))


def test_contributing_names_the_targets_of_the_makefile() -> None:
    targets = set(re.findall(r"^([a-z][a-z-]*):.*## ", text("Makefile"), re.MULTILINE))
    named = set(re.findall(r"^\| `make ([a-z-]+)", text("CONTRIBUTING.md"), re.MULTILINE))
    assert {"test", "lint", "nightly", "docs", "mutants"} <= named <= targets


def test_nightly_runs_the_deep_profile_transformers_gguf_peers_notebooks_and_mutants() -> None:
    (needs,) = re.findall(r"^nightly:(.*)##", text("Makefile"), re.MULTILINE)
    assert needs.split() == ["test-deep", "test-transformers", "gguf", "peers", "notebooks", "mutants"]
    assert "-c $(CONSTRAINTS)" in text("Makefile")
