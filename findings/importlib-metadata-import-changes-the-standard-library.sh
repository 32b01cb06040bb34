#!/usr/bin/env bash
# Library:     importlib_metadata 10.2.0, from PyPI, beside Python's own importlib.metadata.
# One guesses: the two are separate modules, so that importing the one changes nothing for code that uses the other.
# Behaviour:   the import takes the finder of the standard library out of service and puts its own in place of it. From
#              then on importlib.metadata.distributions() returns objects of importlib_metadata, whose `files` leave out
#              what RECORD names but is not on disk; the standard library of Python 3.11 lists it. Any library may make
#              the import (dask does), so the answer depends on what else a process has loaded.
# Seen:        "before: PathDistribution of importlib.metadata, files 1; after: PathDistribution of importlib_metadata,
#              files 0".
# Way out:     look at the disk oneself, and let the files of a made-up distribution exist in tests.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check "importlib_metadata==10.2.0"
info="$folder/place/made-1.0.dist-info"
mkdir -p "$info"
printf 'Metadata-Version: 2.1\nName: made\nVersion: 1.0\n' >"$info/METADATA"
printf 'made/absent.py,,\n' >"$info/RECORD"
cat >"$folder/ask.py" <<'PY'
import sys
from importlib import metadata


def seen():
    (made,) = metadata.distributions(path=[sys.argv[1]])
    return f"{type(made).__name__} of {type(made).__module__}, files {len(list(made.files))}"


before = seen()
import importlib_metadata  # noqa: E402, F401

print(f"before: {before}; after: {seen()}")
PY
said=$("$folder/venv/bin/python" "$folder/ask.py" "$folder/place")
echo "$said"
[ "$said" = "before: PathDistribution of importlib.metadata, files 1; after: PathDistribution of importlib_metadata, files 0" ] ||
  { echo "changed" >&2; exit 1; }
