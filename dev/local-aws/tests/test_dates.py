"""Dates of scenarios: each form, the boundaries of a day, and what is refused."""

from datetime import datetime

import pytest

from local_aws.dates import midnight, resolve

NOW = datetime.fromisoformat("2026-11-22T09:00:00+09:00")  # midnight UTC exactly


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("-0d", "2026-11-22T00:00:00+00:00"),
        ("-91d", "2026-08-23T00:00:00+00:00"),
        ("+12d", "2026-12-04T00:00:00+00:00"),
        ("-1d2h30m", "2026-11-20T21:30:00+00:00"),
        ("-1w", "2026-11-15T00:00:00+00:00"),
        ("-1s", "2026-11-21T23:59:59+00:00"),
        ("+0d 23:59", "2026-11-22T23:59:00+00:00"),
        ("-1s 23:59:59", "2026-11-21T23:59:59+00:00"),
        ("+0d 23:59 Asia/Tokyo", "2026-11-22T23:59:00+09:00"),
        ("-1s 00:00 Asia/Tokyo", "2026-11-22T00:00:00+09:00"),
        ("2026-11-01T00:00:00Z", "2026-11-01T00:00:00+00:00"),
    ],
)
def test_forms(text: str, expected: str) -> None:
    assert resolve(text, NOW) == datetime.fromisoformat(expected).timestamp()


@pytest.mark.parametrize("text", ["91d", "-", "-91", "yesterday", "2026-11-01T00:00:00", "-1h2d", "+0d 25:00"])
def test_refused(text: str) -> None:
    with pytest.raises(ValueError):
        resolve(text, NOW)


def test_midnight_is_the_day_in_utc() -> None:
    day = resolve("2026-11-22T00:00:00Z", NOW)
    assert midnight(day - 1) == day - 86_400
    assert midnight(day) == day
    assert midnight(day + 86_399.9) == day
