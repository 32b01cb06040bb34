"""Arrival times of request traces: numbers in the unit of a format, or dates. They are exact until they are subtracted.

A time since 1970 needs more digits than a float has for nanoseconds, so times are decimal numbers of seconds.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

from workloads.checked_fields import shorten

MAX_TIME_S = Decimal(10) ** 12

_NUMBER = re.compile(r"[+-]?(\d{1,30}(\.\d{0,30})?|\.\d{1,30})([eE][+-]?\d{1,2})?", re.ASCII)
_DATE = re.compile(
    r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)([.,]\d{1,12})?\s?(Z|UTC|[+-]\d\d(?::?\d\d)?)?",
    re.ASCII | re.IGNORECASE,
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def time_in_s(value: object, unit_s: Decimal) -> Decimal:
    """Convert an arrival time.

    Args:
        value: A number in `unit_s`, also as text, or a date such as "2023-11-16 18:15:46.6805900" or
            "2024-05-12T00:00:00.25+00:00". A date without a time zone counts as UTC.
        unit_s: Unit of numbers, seconds.

    Returns:
        Seconds; of a date, since 1970.

    Raises:
        ValueError: If the value is neither, or is too large; the message begins with "must".
    """
    text = repr(value) if isinstance(value, int | float) and not isinstance(value, bool) else value
    if isinstance(text, str):
        text = text.strip()
        if _NUMBER.fullmatch(text):
            seconds = Decimal(text) * unit_s
            if abs(seconds) <= MAX_TIME_S:
                return seconds
            raise ValueError(f"must be a time of at most {MAX_TIME_S:g} s, not {shorten(value)}")
        if match := _DATE.fullmatch(text):
            return _date_in_s(*match.groups(), text=text)
    raise ValueError(f"must be a number or a date such as 2023-11-16 18:15:46.68, not {shorten(value)}")


def _date_in_s(day: str, clock: str, fraction: str | None, zone: str | None, *, text: str) -> Decimal:
    try:
        moment = datetime.fromisoformat(f"{day}T{clock}").replace(tzinfo=_zone(zone))
    except ValueError as error:
        raise ValueError(f"must be a date that exists, not {shorten(text)}: {error}") from error
    since = moment - _EPOCH
    whole_s = Decimal(since.days) * 86_400 + since.seconds
    return whole_s + Decimal("0" + fraction.replace(",", ".")) if fraction else whole_s


def _zone(text: str | None) -> timezone:
    if text is None or text.upper() in ("Z", "UTC"):
        return UTC
    digits = text[1:].replace(":", "")
    offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:] or 0))
    return timezone(-offset if text[0] == "-" else offset)
