from collections.abc import Iterable
from dataclasses import dataclass

import pytest

from pimsim.base.summaries import Figure, HeadlineRepr, format_value


@dataclass(frozen=True, repr=False)
class Result(HeadlineRepr):
    name: str
    seconds: float
    records: tuple[int, ...] = tuple(range(10_000))

    def headline(self) -> Iterable[Figure]:
        yield Figure("name", self.name)
        yield Figure("rate", 1 / self.seconds, "tokens/s")
        yield Figure("records", len(self.records), brief=False)


def test_a_repr_is_one_line_of_the_brief_figures() -> None:
    assert repr(Result("a", 0.03)) == "<Result name: a, rate: 33.33 tokens/s>"


def test_a_repr_is_short_and_printable_for_any_text() -> None:
    shown = repr(Result("\x1b[31m\n" * 1000, 1e-300))
    assert len(shown) < 400
    assert shown.isprintable()


def test_a_notebook_shows_all_figures_with_units() -> None:
    html = Result("a", 0.03)._repr_html_()
    for text in ("<caption>Result</caption>", ">rate<", ">33.33<", ">tokens/s<", ">records<", ">10,000<"):
        assert text in html


def test_a_notebook_escapes_every_text() -> None:
    html = Result('<script>alert("x")</script>&', 1.0)._repr_html_()
    assert "<script>" not in html
    assert "&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt;&amp;" in html


def test_a_repr_does_not_raise_if_a_figure_cannot_be_computed() -> None:
    assert repr(Result("a", 0.0)).startswith("<Result figures not available: ZeroDivisionError")


def test_a_class_must_name_its_figures() -> None:
    with pytest.raises(NotImplementedError):
        HeadlineRepr().headline()


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "none"), (True, "yes"), (False, "no"), (1234567, "1,234,567"), (0.123456, "0.1235"), ("text", "text")],
)
def test_values_are_formatted_for_people(value: str | float | bool | None, text: str) -> None:
    assert format_value(value) == text


def test_long_texts_are_cut() -> None:
    assert len(format_value("x" * 1000)) <= 61
    assert format_value("x" * 100, 200) == "x" * 100
