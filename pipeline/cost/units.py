"""Amounts and times in words: 34 min, 3.6 k, 1,627 GB."""

_MINUTE_S, _HOUR_S, _DAY_S = 60, 3600, 86400


def duration(seconds: float) -> str:
    """A time, such as 34 min."""
    minutes, hours = (90 * _MINUTE_S, _MINUTE_S, "min"), (2 * _DAY_S, _HOUR_S, "h")
    for limit, unit, name in ((90, 1, "s"), minutes, hours):
        if seconds < limit:
            return f"{_digits(seconds / unit)} {name}"
    return f"{_digits(seconds / _DAY_S)} days"


def count(number: float) -> str:
    """Three digits and a prefix, such as 3.6 k."""
    for unit, name in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= unit:
            return f"{number / unit:.3g} {name}"
    return f"{number:.3g}"


def size(number: float) -> str:
    """Bytes, such as 25 MB."""
    return f"{number / 1e9:,.0f} GB" if number >= 1e11 else f"{count(number)}B"


def pace(rate: float, unit: str) -> str:
    """Units a second; of recordings, hours in an hour."""
    return f"{count(rate * _HOUR_S)} h an hour" if unit == "h" else f"{count(rate)} {unit}/s"


def _digits(number: float) -> str:
    return f"{number:.0f}" if number >= 10 else f"{number:.1f}"
