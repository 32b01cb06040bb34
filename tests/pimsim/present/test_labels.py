"""Values with their units, as plots and reports print them."""

from __future__ import annotations

from pimsim.present.labels import axis_unit, context_label, percent, quantity, three_digits


def test_contexts() -> None:
    assert [context_label(context) for context in (1, 128, 1024, 1500, 4096)] == ["1", "128", "1k", "1500", "4k"]


def test_numbers() -> None:
    assert [three_digits(value) for value in (0.5124, 7.5, 99.94, 99.96, 1262.72)] == [
        "0.512",
        "7.50",
        "99.9",
        "100",
        "1,263",
    ]
    assert [percent(share) for share in (0.0, 0.0004, 0.0005, 0.527)] == ["0.0%", "<0.1%", "0.1%", "52.7%"]
    assert quantity(3.14e-6, "_s") == "3.14 µs"
    assert quantity(929e-6, "_m2") == "929 mm²"
    assert axis_unit(0.0155, "s") == (1e-3, "ms")
    assert axis_unit(3e-15, "J") == (1e-12, "pJ")
