"""Delay expressions: values worked out by hand, and texts that are refused."""

from __future__ import annotations

import pytest

from pimsim.hardware.shared.delay_expression import delay_names, evaluate_delay, parse_delay

TIMINGS = {"trp": 18_000, "tck": 1_250, "write_latency": 13_750, "burst": 2_500}


@pytest.mark.parametrize(
    ("text", "expected_ps"),
    [
        ("trp", 18_000),
        ("write_latency + burst + trp", 34_250),
        ("trp - 2 * tck", 15_500),
        ("2 * (trp - tck) - burst", 31_000),
        ("max(trp, 16 * tck)", 20_000),
        ("max(4*tck,burst)+max(trp - burst, tck, burst)", 20_500),
        ("max(trp)", 18_000),
    ],
)
def test_value(text: str, expected_ps: int) -> None:
    tree = parse_delay(text)
    assert evaluate_delay(tree, TIMINGS) == expected_ps
    assert set(delay_names(tree)) <= set(TIMINGS)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "expected the name of a timing, but the text ends"),
        ("trp +", "but the text ends"),
        ("5", "has the number 5 without a unit"),
        ("2 + trp", "has the number 2 without a unit"),
        ("1001 * trp", "a factor above 1000"),
        ("trp trp", "expected + or - or the end, not 'trp'"),
        ("trp / 2", "not '/ 2'"),
        ("__import__('os')", "max, + - * ( ) or a comma, not"),
        ("max(trp, )", "expected the name of a timing, not ')'"),
        ("(trp", "expected ), but the text ends"),
        ("(" * 30 + "trp" + ")" * 30, "nested more than 10 levels"),
        ("trp + " * 50 + "trp", "longer than 200 characters"),
    ],
)
def test_what_is_no_expression_is_refused(text: str, said: str) -> None:
    with pytest.raises(ValueError) as refused:
        parse_delay(text)
    assert said in str(refused.value)
