"""Runs what a Markdown page shows, and says where the page and the truth differ.

- A ``console`` block: lines "$ pimsim ..." are run, one after another in one folder; what follows each is what it
  prints (standard output, then standard error), then "[exit N]" if it fails. A line "..." stands for any lines.
- A ``yaml`` block with a name is written as NAME.yaml into that folder, and must load as a config, a sweep, a search or
  a system.
- A ``python`` block is run; the ``text`` block that follows is what it prints. If it begins with a comment "# NAME.py",
  it is also a file of this name in that folder, for the commands of the page.

Spaces at ends of lines do not count; everything else does.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from pimsim.config.system_file import load_system
from pimsim.studies.optimization.search_spec import load_search
from pimsim.studies.sweep.space.plan import load_sweep

ROOT = Path(__file__).parents[2]

_BLOCK = re.compile(r"^```(console|python|yaml|text)\n(.*?)^```$", re.M | re.S)
_FILE = re.compile(r"# (\w+\.py)\n")


@dataclass(frozen=True)
class Block:
    """A fenced block and where it stands."""

    language: str
    text: str
    line: int


@dataclass(frozen=True)
class Example:
    """Something to run, what it should print, and the text of the page that stands directly before that."""

    where: str
    command: tuple[str, ...]
    expected: str
    before: str


def blocks(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    return [Block(match[1], match[2], text.count("\n", 0, match.start()) + 1) for match in _BLOCK.finditer(text)]


def examples(page: Path) -> list[Example]:
    return list(_examples(page))


def _examples(page: Path) -> Iterator[Example]:
    found = blocks(page)
    for index, block in enumerate(found):
        where = f"{page.relative_to(ROOT)}:{block.line}"
        if block.language == "console":
            commands = re.split(r"^\$ ", block.text, flags=re.M)
            assert not commands[0], f"{where}: a console block begins with a command"
            for each in commands[1:]:
                command, _, expected = each.partition("\n")
                program, *arguments = shlex.split(command)
                assert program == "pimsim", f"{where}: runs pimsim only, not {program}"
                yield Example(where, (sys.executable, "-m", "pimsim", *arguments), expected, f"$ {command}\n")
        if block.language == "python":
            output = found[index + 1] if index + 1 < len(found) else None
            assert output, f"{where}: what it prints should follow in a text block"
            assert output.language == "text", f"{where}: what it prints should follow in a text block"
            before = f"{block.text}```\n\n```text\n"
            yield Example(where, (sys.executable, "-c", block.text), output.text, before)


def write_configs(page: Path, folder: Path) -> list[Path]:
    """Write the page's named configs, sweeps and searches into a folder, and return the configs."""
    configs = []
    for block in blocks(page):
        if name := _FILE.match(block.text) if block.language == "python" else None:
            (folder / name[1]).write_text(block.text, encoding="utf-8")
        if block.language == "yaml":
            tree = yaml.safe_load(block.text)
            path = folder / f"{tree['name']}.yaml"
            path.write_text(block.text, encoding="utf-8")
            if "objectives" in tree:
                load_search(path)
            elif "base" in tree:
                load_sweep(path)
            elif "machines" in tree:
                load_system(path)
            else:
                configs.append(path)
    return configs


def run(example: Example, folder: Path) -> str:
    done = subprocess.run(
        example.command, capture_output=True, text=True, encoding="utf-8", cwd=folder, timeout=900, check=False
    )
    failure = f"[exit {done.returncode}]\n" if done.returncode else ""
    return done.stdout + done.stderr + failure


def differences(expected: str, printed: str) -> str | None:
    """None if `printed` is as expected, else both."""
    wanted, got = ([line.rstrip() for line in text.strip("\n").splitlines()] for text in (expected, printed))
    pattern = "".join(r"(?:.*\n)*" if line == "..." else re.escape(line) + "\n" for line in wanted)
    if re.fullmatch(pattern, "".join(line + "\n" for line in got)):
        return None
    return "\n".join(["expected:", *wanted, "", "printed:", *got])
