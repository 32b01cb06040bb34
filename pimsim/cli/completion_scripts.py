"""Scripts that `pimsim --install-completion` installs for bash and zsh, in place of Typer's.

With Typer's scripts, bash completes no value of `--set key=value`, since it splits words at "=", and both shells add
a space behind `machine.crossbar.` and `machine.mesh.rows=`, where the user wants to go on. These scripts ask pimsim by
the protocol of Typer's script for fish, one name and its help per line. That script is right as it is.
"""

from __future__ import annotations

BASH = r"""
%(complete_func)s() {
    local IFS=$'\n' line="${COMP_LINE:0:COMP_POINT}" word before
    word="${line##*[[:space:]]}"
    COMPREPLY=( $( env %(autocomplete_var)s=complete_fish _TYPER_COMPLETE_FISH_ACTION=get-args \
                   _TYPER_COMPLETE_ARGS="$line" "$1" 2>/dev/null | cut -f 1 ) )
    # bash replaces only what follows the last character of the word at which it splits words
    if [[ "$COMP_WORDBREAKS" == *=* ]]; then
        before="${word%%"${word##*=}"}"
        COMPREPLY=( "${COMPREPLY[@]#"$before"}" )
    fi
    if [[ ${#COMPREPLY[@]} -eq 1 && "${COMPREPLY[0]}" == *[=./] ]]; then
        compopt -o nospace 2>/dev/null
    fi
    return 0
}

complete -o default -F %(complete_func)s %(prog_name)s
"""

ZSH = r"""
#compdef %(prog_name)s

%(complete_func)s() {
  local -a lines closed open
  local each name help
  lines=("${(@f)$(env %(autocomplete_var)s=complete_fish _TYPER_COMPLETE_FISH_ACTION=get-args \
                  _TYPER_COMPLETE_ARGS="${words[1,$CURRENT]}" %(prog_name)s 2>/dev/null)}")
  for each in $lines; do
    name="${each%%%%$'\t'*}"
    help="${each#*$'\t'}"
    if [[ "$name" == *[=./] ]]; then
      open+=("$name")
    elif [[ "$help" == "$name" ]]; then
      closed+=("${name//:/\\:}")
    else
      closed+=("${name//:/\\:}:$help")
    fi
  done
  if (( ! ${#open} && ! ${#closed} )); then
    _files
    return
  fi
  (( ${#open} )) && compadd -S '' -a open
  (( ${#closed} )) && _describe -V value closed
}

compdef %(complete_func)s %(prog_name)s
"""


def use_scripts() -> None:
    """Let Typer install and show these scripts; a Typer without its private table keeps its own."""
    from typer import _completion_shared

    table = getattr(_completion_shared, "_completion_scripts", None)
    if isinstance(table, dict):
        table.update(bash=BASH, zsh=ZSH)
