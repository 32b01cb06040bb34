"""Load configs and sweep files, and print every problem of each.

python -m tools.check_configs                       # all of configs/
python -m tools.check_configs configs/pim-llm.yaml  # some of them, as the pre-commit hook does
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from pimsim.base.errors import PimsimError
from pimsim.config.loading import load_config
from pimsim.studies.sweep.space.plan import load_sweep

CONFIGS = Path(__file__).resolve().parents[1] / "configs"


def problems(paths: Sequence[Path]) -> list[str]:
    """Load files, and return one message for each that is not valid.

    Args:
        paths: Configs, and sweep files, whose names begin with `sweep-`.

    Returns:
        The messages, with all problems of a file.
    """
    out = []
    for path in paths:
        try:
            if path.name.startswith("sweep-"):
                load_sweep(path)
            else:
                load_config(path)
        except PimsimError as error:
            out.append(str(error))
    return out


def main() -> int:
    """Check the files; return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("file", nargs="*", type=Path, help="by default all of configs/")
    found = problems(parser.parse_args().file or sorted(CONFIGS.glob("*.yaml")))
    sys.stdout.writelines(f"{message}\n" for message in found)
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
