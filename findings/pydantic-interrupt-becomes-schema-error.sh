#!/usr/bin/env bash
# Library:     pydantic 2.14.4 with pydantic-core 2.50.5, from PyPI.
# One guesses: Ctrl-C ends a program at any time, since KeyboardInterrupt is no Exception and passes "except Exception".
# Behaviour:   a KeyboardInterrupt in Python code that runs while the validator of a model is built becomes a
#              SchemaError without a cause; only the text names it. SchemaError is an Exception: "except Exception"
#              takes the interrupt and the program goes on, and "except KeyboardInterrupt" does not see it. While a
#              value is validated, the same interrupt passes unchanged. Here __repr__ of an enum member, which is
#              called to write error messages in advance, sends the signal of Ctrl-C, so that it always arrives then.
# Seen:        "class statement: SchemaError, an Exception: True, names KeyboardInterrupt: True, cause: None" and
#              "validation: KeyboardInterrupt".
# Way out:     define models at import, or handle SIGINT with a function that sets a flag and raises nothing.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check "pydantic==2.14.4" "pydantic-core==2.50.5"
cat >"$folder/interrupt.py" <<'PY'
import enum
import signal
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel


class Colour(enum.Enum):
    RED = "red"

    def __repr__(self):
        signal.raise_signal(signal.SIGINT)
        return "red"


def stop(value):
    signal.raise_signal(signal.SIGINT)
    return value


class Number(BaseModel):
    number: Annotated[int, AfterValidator(stop)]


building = validating = None
signal.signal(signal.SIGINT, signal.default_int_handler)
try:

    class Car(BaseModel):
        colour: Literal[Colour.RED]

except BaseException as error:
    building = error
try:
    Number(number=1)
except BaseException as error:
    validating = error
found = (type(building).__name__, isinstance(building, Exception), "KeyboardInterrupt" in str(building))
print(f"class statement: {found[0]}, an Exception: {found[1]}, names KeyboardInterrupt: {found[2]}, "
      f"cause: {getattr(building, '__cause__', '')}")
print(f"validation: {type(validating).__name__}")
as_stated = found == ("SchemaError", True, True) and building.__cause__ is None
raise SystemExit(0 if as_stated and type(validating) is KeyboardInterrupt else 1)
PY
"$folder/venv/bin/python" "$folder/interrupt.py"
