"""Dates of a scenario: absolute, or relative to the `now` the server was started with.

-91d                 91 days before now, to the second
-1d2h30m             units w, d, h, m, s, largest first
+0d 23:59            that day (UTC) at that time
+0d 23:59 Asia/Tokyo the same in a named time zone
2026-11-01T00:00:00Z absolute
"""

import re
from datetime import UTC, datetime, time, timedelta, tzinfo
from zoneinfo import ZoneInfo

RELATIVE = re.compile(
    r"^(?P<sign>[+-])(?:(?P<weeks>\d+)w)?(?:(?P<days>\d+)d)?(?:(?P<hours>\d+)h)?(?:(?P<minutes>\d+)m)?"
    r"(?:(?P<seconds>\d+)s)?(?: (?P<clock>\d{2}:\d{2}(?::\d{2})?)(?: (?P<zone>[A-Za-z_/]+))?)?$"
)
UNITS = ("weeks", "days", "hours", "minutes", "seconds")
DAY = 86_400


def resolve(text: str, now: datetime) -> float:
    """Epoch seconds of a scenario date."""
    found = RELATIVE.match(text)
    if not found or not any(found[unit] for unit in UNITS):
        return absolute(text).timestamp()
    distance = timedelta(**{unit: int(found[unit] or 0) for unit in UNITS})
    moment = now - distance if found["sign"] == "-" else now + distance
    if found["clock"]:
        zone: tzinfo = ZoneInfo(found["zone"]) if found["zone"] else UTC
        clock = time.fromisoformat(found["clock"])
        moment = datetime.combine(moment.astimezone(zone).date(), clock, zone)
    return moment.timestamp()


def absolute(text: str) -> datetime:
    """An ISO 8601 date with its offset; without one it would depend on the machine."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"date {text!r} needs an offset such as Z or +09:00, or must be relative such as -91d")
    return moment


def midnight(epoch: float) -> int:
    """AWS records the last access of a secret as a day, in UTC."""
    return int(epoch) // DAY * DAY
