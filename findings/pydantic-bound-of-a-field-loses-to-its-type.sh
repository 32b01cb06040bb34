#!/usr/bin/env bash
# Library:     pydantic 2.14.4, from PyPI.
# One guesses: a field whose type has an upper bound, and which states a lower one, `x: Rate = Field(le=1e15)` with
#              `Rate = Annotated[float, Field(le=1e18)]`, accepts what is within both bounds.
# Behaviour:   both bounds are in the metadata of the field, that of the type last, and only the last one is checked.
#              The bound that stands in the field has no effect: 1e16 is accepted, and the JSON schema says 1e18. With
#              the bound inside a second Annotated, it comes last and holds; the order decides, not the tighter bound.
# Seen:        "bound as the default: 1e16 accepted, schema 1e+18", "bound in Annotated: 1e16 refused, schema 1e+15".
# Way out:     give the type no bound that a field narrows, or write Annotated[Rate, Field(le=1e15)].
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check "pydantic==2.14.4"
cat >"$folder/bounds.py" <<'PY'
from typing import Annotated

import pydantic
from pydantic import BaseModel, Field, ValidationError

Rate = Annotated[float, Field(le=1e18)]


class AsDefault(BaseModel):
    x: Rate = Field(le=1e15)


class InAnnotated(BaseModel):
    x: Annotated[Rate, Field(le=1e15)]


def seen(model):
    maximum = model.model_json_schema()["properties"]["x"]["maximum"]
    try:
        model(x=1e16)
    except ValidationError:
        return "refused", maximum
    return "accepted", maximum


first, second = seen(AsDefault), seen(InAnnotated)
print(f"pydantic {pydantic.VERSION}")
print(f"bound as the default: 1e16 {first[0]}, schema {first[1]:g}")
print(f"bound in Annotated: 1e16 {second[0]}, schema {second[1]:g}")
raise SystemExit(0 if (first, second) == (("accepted", 1e18), ("refused", 1e15)) else 1)
PY
"$folder/venv/bin/python" "$folder/bounds.py"
