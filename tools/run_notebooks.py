"""Execute the notebooks of docs/notebooks and store what they print, or compare it with what they contain.

    python -m tools.run_notebooks                      # execute all, and write them
    python -m tools.run_notebooks sweep-and-front      # execute these
    python -m tools.run_notebooks --check              # change nothing; exit code 1 if something prints differently

A notebook runs in an empty folder, in a Python process of its own. What is stored does not depend on the machine: no
times, no paths, cells numbered from 1. Texts must be equal; of a picture only the place is compared, since its bytes
depend on versions of libraries.
"""

from __future__ import annotations

import argparse
import copy
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "docs" / "notebooks"
LONGEST_CELL_S = 900
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def executed(notebook: Any) -> Any:
    """Execute a notebook in an empty folder.

    Args:
        notebook: Notebook of `nbformat`, which is not changed.

    Returns:
        A copy with new outputs.

    Raises:
        CellExecutionError: If a cell fails.
    """
    from nbclient import NotebookClient

    new = copy.deepcopy(notebook)
    with tempfile.TemporaryDirectory() as folder:
        # The process of the kernel gets these variables.
        os.environ["PYTHONPATH"] = str(ROOT)
        os.environ["COLUMNS"] = "120"
        NotebookClient(
            new,
            timeout=LONGEST_CELL_S,
            kernel_name="python3",
            resources={"metadata": {"path": folder}},
            record_timing=False,
            coalesce_streams=True,
        ).execute()
    return cleaned(new)


def cleaned(notebook: Any) -> Any:
    """Remove what depends on the machine or on the editor from a notebook, in place, and return it."""
    notebook.metadata = type(notebook.metadata)(METADATA)
    for number, cell in enumerate((each for each in notebook.cells if each.cell_type == "code"), start=1):
        cell.execution_count = number
        for output in cell.outputs:
            if "execution_count" in output:
                output["execution_count"] = number
            if "metadata" in output:
                output["metadata"] = {}
    for cell in notebook.cells:
        cell.metadata = type(cell.metadata)()
    return notebook


def texts(cell: Any) -> list[tuple[str, str]]:
    """Return the kind and the text of each output of a cell; pictures have their kind only."""
    found = []
    for output in cell.get("outputs", ()):
        if output["output_type"] == "stream":
            found.append((output["name"], output["text"]))
        elif output["output_type"] == "error":
            found.append(("error", output["evalue"]))
        else:
            found += [
                (kind, "" if kind.startswith("image/") else text) for kind, text in sorted(output["data"].items())
            ]
    return [(kind, "".join(text)) for kind, text in found]


def differences(old: Any, new: Any) -> list[str]:
    """Return a description of each cell whose outputs differ."""
    pairs = zip(old.cells, new.cells, strict=True)
    return [
        f"cell {number}: contains\n{_shown(before)}\nand now prints\n{_shown(after)}"
        for number, (before, after) in enumerate(pairs, start=1)
        if texts(before) != texts(after)
    ]


def _shown(cell: Any) -> str:
    return "\n".join(f"  [{kind}] {text}" for kind, text in texts(cell))


def run(path: Path, check: bool) -> bool:
    """Execute a notebook, and write it unless `check` is true; return whether it printed what it contained."""
    import nbformat

    old = nbformat.read(path, as_version=4)
    start = time.monotonic()
    new = executed(old)
    found = differences(old, new)
    sys.stdout.write(f"{path.name}: {time.monotonic() - start:.0f} s, {'differs' if found else 'prints the same'}\n")
    if check:
        sys.stdout.writelines(f"{each}\n" for each in found)
    else:
        nbformat.write(new, path)
    sys.stdout.flush()
    return not found


def main(arguments: Sequence[str] | None = None) -> int:
    """Execute notebooks; return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="*", help="notebooks, such as decode-step; default: all")
    parser.add_argument("--check", action="store_true", help="change nothing; fail if something prints differently")
    options = parser.parse_args(arguments)
    paths = [FOLDER / f"{name}.ipynb" for name in options.names] or sorted(FOLDER.glob("*.ipynb"))
    same = [run(path, options.check) for path in paths]
    return 1 if options.check and not all(same) else 0


if __name__ == "__main__":
    sys.exit(main())
