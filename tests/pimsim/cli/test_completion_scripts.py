"""`pimsim --install-completion` installs scripts with which bash, zsh and fish complete, each in a home of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from pimsim.cli.completion_scripts import BASH, ZSH, use_scripts

LINES = (
    "pimsim warm",
    "pimsim run tpu-llm-p",
    "pimsim run pim-llm --set machine.mesh.row",
    "pimsim run x --set schedule=d",
)
FOUND = ["warm-up", "tpu-llm-published", "machine.mesh.rows=", "schedule=dataflow"]

IN_BASH = r"""
source "$HOME/.bashrc"
COMP_WORDBREAKS=$' \t\n"\'><=;|&(:'
compopt() { echo compopt "$1" "$2"; }
complete -p pimsim
for COMP_LINE in "$@"; do
    COMP_POINT=${#COMP_LINE}
    _pimsim_completion pimsim
    printf '%s\n' "${COMPREPLY[@]}"
done
"""
IN_ZSH = r"""
compinit() { :; }
compdef() { echo "compdef $*"; }
compadd() { shift 3; print -rl -- "without space: ${(P)1}"; }
_describe() { print -rl -- "${(@P)3}"; }
_files() { echo files; }
autoload() { :; }
source $HOME/.zfunc/_pimsim
for line in "$@"; do
    words=("${(@s: :)line}") CURRENT=${#${(@s: :)line}}
    _pimsim_completion
done
"""
IN_FISH = r"""
source "$HOME/.config/fish/completions/pimsim.fish"
for line in $argv
    complete -C $line
end
"""


def in_shell(shell: str, folder: Path, script: str, arguments: Sequence[str] = ()) -> list[str]:
    """Lines that a script of a shell prints; its home is `folder`, and `pimsim` is this one."""
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"{shell} is not installed")
    command = folder / "bin" / "pimsim"
    command.parent.mkdir(exist_ok=True)
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m pimsim "$@"\n', encoding="utf-8")
    command.chmod(0o755)
    (folder / "script").write_text(script, encoding="utf-8")
    done = subprocess.run(
        [program, folder / "script", *arguments],
        env=os.environ | {"HOME": str(folder), "PATH": f"{command.parent}:{os.environ['PATH']}"},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), done
    return done.stdout.splitlines()


@pytest.mark.parametrize(("shell", "script"), [("bash", IN_BASH), ("zsh", IN_ZSH), ("fish", IN_FISH)])
def test_one_command_installs_what_completes_commands_configs_keys_and_values(
    shell: str, script: str, tmp_path: Path
) -> None:
    installed = in_shell(shell, tmp_path, "pimsim --install-completion\ntrue\n")
    assert installed[0].startswith(f"{shell} completion installed in {tmp_path}")
    found = in_shell(shell, tmp_path, script, LINES)
    if shell == "bash":
        assert found == [
            "complete -o default -F _pimsim_completion pimsim",
            *FOUND[:2],
            "compopt -o nospace",
            FOUND[2],
            "dataflow",  # bash replaces what follows the =
        ]
    elif shell == "zsh":
        help_text = "warm-up:Compile kernels into Numba's cache, one..."
        assert found == [
            "compdef _pimsim_completion pimsim",
            help_text,
            FOUND[1],
            f"without space: {FOUND[2]}",
            FOUND[3],
        ]
    else:
        assert [line.split("\t")[0] for line in found] == FOUND


def test_installed_through_the_module_it_completes_the_command(tmp_path: Path) -> None:
    """Typer took the name "python -m pimsim" for that of the command."""
    in_shell("bash", tmp_path, f'"{sys.executable}" -m pimsim --install-completion\ntrue\n')
    assert (tmp_path / ".bash_completions" / "pimsim.sh").is_file()


def test_typer_has_the_table_in_which_the_scripts_are_replaced() -> None:
    from typer._completion_shared import get_completion_script

    use_scripts()
    for shell, script in (("bash", BASH), ("zsh", ZSH)):
        shown = get_completion_script(prog_name="pimsim", complete_var="_PIMSIM_COMPLETE", shell=shell)
        assert shown.splitlines()[-1] == script.strip().splitlines()[-1].replace(
            "%(complete_func)s", "_pimsim_completion"
        ).replace("%(prog_name)s", "pimsim")
        assert "complete_fish" in shown
