"""Accessors of results: what is not provided, and what has none, is an AttributeError."""

from __future__ import annotations

import pytest

from pimsim.base.accessors import accessor_of, provide_accessor
from pimsim.base.summaries import HeadlineRepr


def counted(result: object) -> tuple[str, object]:
    return "counted", result


def test_the_function_that_provides_an_accessor_is_called_with_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pimsim.base.accessors._providers", {})
    provide_accessor("count", f"{__name__}:counted")
    assert accessor_of(3, "count") == ("counted", 3)
    with pytest.raises(AttributeError, match="nothing provides the accessor 'other' of results"):
        accessor_of(3, "other")


def test_a_class_without_plots_has_no_attribute_plot() -> None:
    class Bare(HeadlineRepr):
        pass

    assert not hasattr(Bare(), "plot")
