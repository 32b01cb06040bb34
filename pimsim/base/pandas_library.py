"""pandas, which the extra `pandas` installs; without it, the import of this module says so."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pimsim.base.optional_dependencies import import_optional

__all__ = ["pd"]

if TYPE_CHECKING:
    import pandas as pd
else:
    pd = import_optional("pandas", "pandas", "a data frame")
