#!/usr/bin/env bash
# Library:     pydantic 2.14.4, from PyPI.
# One guesses: in a strict model, `x: Literal[1, 2]` accepts the integers 1 and 2, as `x: int` accepts only integers.
# Behaviour:   what equals one of them is accepted and replaced by it, without an error: true is 1, and 2.0 is 2. Strict
#              mode is of no effect on literals, though the same values are refused for `x: int` in the same model.
# Seen:        "Literal[1, 2]: True became 1, 2.0 became 2", "int: True refused, 2.0 refused".
# Way out:     a BeforeValidator that refuses what is not an integer.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check "pydantic==2.14.4"
cat >"$folder/literals.py" <<'PY'
from typing import Literal

import pydantic
from pydantic import BaseModel, ConfigDict, ValidationError


class OfLiterals(BaseModel):
    model_config = ConfigDict(strict=True)
    x: Literal[1, 2]


class OfIntegers(BaseModel):
    model_config = ConfigDict(strict=True)
    x: int


def seen(model, value):
    try:
        return f"{value!r} became {model(x=value).x!r}"
    except ValidationError:
        return f"{value!r} refused"


found = [", ".join(seen(model, value) for value in (True, 2.0)) for model in (OfLiterals, OfIntegers)]
print(f"pydantic {pydantic.VERSION}")
print(f"Literal[1, 2]: {found[0]}")
print(f"int: {found[1]}")
raise SystemExit(0 if found == ["True became 1, 2.0 became 2", "True refused, 2.0 refused"] else 1)
PY
"$folder/venv/bin/python" "$folder/literals.py"
