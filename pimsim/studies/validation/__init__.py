"""`pimsim validate`: what pimsim was compared with, computed again."""

from __future__ import annotations

from pimsim.studies.validation.run_rows import Live, row_names, summary, validate

__all__ = ["Live", "row_names", "summary", "validate"]
