"""What a transform is written with: payloads that are read strictly, decimals without floats,
timestamps, refusals. It came with `tidegate transform new` and is not to be edited. The SDKs of
all languages give the same answers.
"""

import json
import re

# The most characters that a decimal may take.
MAX_DECIMAL = 64

# The last millisecond of the year 9999, and the first of the year 0, counted from 1970.
LAST = 253402300799999
FIRST = -62167219200000

# Schemas of what `decimal`, and `milliseconds` and `instant`, give.
DECIMAL = {
    "type": "string",
    "maxLength": MAX_DECIMAL,
    "pattern": r"^-?(0|[1-9][0-9]*)(\.[0-9]*[1-9])?$",
}
TIMESTAMP = {
    "type": "string",
    "maxLength": 24,
    "pattern": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z$",
}


def closed(fields: dict, optional: tuple = ()) -> dict:
    """The schema of an object with these fields and no others: all of them, but for those named."""
    required = [name for name in fields if name not in optional]
    return {
        "type": "object",
        "additionalProperties": False,
        "required": required,
        "properties": fields,
    }


class Refused(Exception):
    """An event of which nothing goes out. It names fields, never values."""

    def __init__(self, reason: str, field: str | None, detail: str):
        super().__init__(detail)
        self.reason, self.field, self.detail = reason, field, detail


def malformed(detail: str) -> Refused:
    return Refused("malformed", None, detail)


def missing(field: str) -> Refused:
    return Refused("missing", field, f"`{field}` is needed")


def invalid(field: str, expected: str) -> Refused:
    return Refused("invalid", field, f"`{field}` must be {expected}")


def unwanted(detail: str) -> Refused:
    return Refused("unwanted", None, detail)


class Number(str):
    """A JSON number, as the text that was published. A string in the payload is a plain `str`."""


class Payload:
    """An event's payload: a JSON object whose fields are looked at one by one. Each method raises
    a refusal where the field is not what it must be; a field that is null is absent.
    """

    def __init__(self, payload: bytes):
        try:
            text = payload.decode("utf-8")
            fields = json.loads(
                text, parse_constant=refuse, parse_float=Number, parse_int=Number
            )
        except (ValueError, RecursionError):
            fields = None
        if not isinstance(fields, dict):
            raise malformed("the payload must be a JSON object")
        self.fields = fields

    def field(self, name: str):
        """The value of a field, with numbers as `Number`; `None` where it is absent or null."""
        return self.fields.get(name)

    def required(self, name: str):
        """A field that must be there."""
        value = self.field(name)
        if value is None:
            raise missing(name)
        return value

    def text(self, name: str) -> str:
        """A field that must be a string."""
        value = self.required(name)
        if type(value) is not str or not is_unicode(value):
            raise invalid(name, "a string")
        return value

    def one_of(self, name: str, words) -> str:
        """A field that must be one of these strings."""
        word = self.text(name)
        if word not in words:
            raise invalid(name, f"one of {', '.join(words)}")
        return word

    def decimal(self, name: str) -> str:
        """A field that must be a number, or a string that holds exactly a number: in plain
        notation, to the last digit.
        """
        value = self.required(name)
        plain = decimal(value) if isinstance(value, str) else None
        if plain is None:
            raise invalid(name, f"a number that takes at most {MAX_DECIMAL} characters")
        return plain

    def milliseconds(self, name: str) -> str:
        """A field that must be a whole number of milliseconds since 1970, as ISO 8601."""
        value = self.required(name)
        whole = decimal(value) if isinstance(value, Number) else None
        text = from_milliseconds(int(whole)) if whole and whole.isdigit() else None
        if text is None:
            raise invalid(name, "whole milliseconds since 1970, up to the year 9999")
        return text

    def instant(self, name: str) -> str:
        """A field that must be an RFC 3339 timestamp, as ISO 8601 in UTC."""
        text = from_rfc3339(self.text(name))
        if text is None:
            raise invalid(name, "an RFC 3339 timestamp with an offset")
        return text


def captures(patterns: list[str], channel: str) -> dict[str, str] | None:
    """What the first of the patterns that fits captures of a channel, as a host does it: for tests."""
    for pattern in patterns:
        parts = re.split(r"\{([a-z0-9_]+)\}", pattern)
        named = [f"(?P<{part}>[^:]*?)" if at % 2 else re.escape(part) for at, part in enumerate(parts)]
        found = re.fullmatch("".join(named), channel)
        if found is not None:
            return found.groupdict()
    return None


def refuse(constant: str):
    """JSON has no NaN and no Infinity."""
    raise ValueError(constant)


def is_unicode(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)


JSON_NUMBER = re.compile(r"(-?)(0|[1-9][0-9]*)(?:\.([0-9]+))?(?:[eE]([-+]?)0*([0-9]+))?")


def decimal(text: str) -> str | None:
    """A JSON number as text in plain notation: no exponent, no zeros that say nothing, no negative
    zero. `None` where it is none, or takes more than 64 characters.
    """
    parts = JSON_NUMBER.fullmatch(text)
    if parts is None:
        return None
    sign, whole, fraction, minus, exponent = (part or "" for part in parts.groups())
    digits = (whole + fraction).lstrip("0")
    zeros = len(whole) + len(fraction) - len(digits)
    digits = digits.rstrip("0")
    if not digits:
        return "0"
    # An exponent of more digits is as good as infinite, and Python would refuse to read it.
    size = int(exponent[:18] or "0") if len(exponent) <= 18 else 10**18
    # The value is 0.DIGITS × 10^point. Checked before anything is written: the exponent may ask
    # for gigabytes.
    point = len(whole) - zeros + (-size if minus == "-" else size)
    count = len(digits)
    unsigned = count - point + 2 if point <= 0 else count + 1 if point < count else point
    if unsigned + len(sign) > MAX_DECIMAL:
        return None
    if point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    if point >= count:
        return sign + digits.ljust(point, "0")
    return f"{sign}{digits[:point]}.{digits[point:]}"


def from_milliseconds(milliseconds: int) -> str | None:
    """Milliseconds since 1970 as ISO 8601; `None` outside of the years 1970 to 9999."""
    return written(milliseconds) if 0 <= milliseconds <= LAST else None


RFC_3339 = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt]([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]+))?"
    r"(?:[Zz]|([-+])([0-9]{2}):([0-9]{2}))"
)


def from_rfc3339(text: str) -> str | None:
    """An RFC 3339 timestamp in UTC; `None` where it is none, or its year there is not 0 to 9999.
    Digits after the millisecond are cut off; a leap second is the second after it.
    """
    parts = RFC_3339.fullmatch(text)
    if parts is None:
        return None
    year, month, day, hour, minute, second = (int(part) for part in parts.groups()[:6])
    offset_hour, offset_minute = int(parts[9] or 0), int(parts[10] or 0)
    if hour > 23 or minute > 59 or second > 60 or offset_hour > 23 or offset_minute > 59:
        return None
    if not 1 <= month <= 12 or not 1 <= day <= days_of(year, month):
        return None
    offset = (-1 if parts[8] == "-" else 1) * (offset_hour * 60 + offset_minute)
    minutes = days_before(year, month, day) * 1440 + hour * 60 + minute - offset
    milliseconds = int((parts[7] or "")[:3].ljust(3, "0"))
    moment = (minutes * 60 + second) * 1000 + milliseconds
    return written(moment) if FIRST <= moment <= LAST else None


def written(milliseconds: int) -> str:
    """`datetime` has no year 0, so the calendar is counted out here."""
    days, rest = divmod(milliseconds, 86_400_000)
    seconds, millisecond = divmod(rest, 1000)
    # From the March of a year 0 on, eras of 400 years have the same days each.
    era, of_era = divmod(days + 719_468, 146_097)
    year_of_era = (of_era - of_era // 1460 + of_era // 36_524 - of_era // 146_096) // 365
    of_year = of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    month_from_march = (5 * of_year + 2) // 153
    day = of_year - (153 * month_from_march + 2) // 5 + 1
    month = month_from_march + 3 if month_from_march < 10 else month_from_march - 9
    year = year_of_era + era * 400 + (month <= 2)
    hour, minute, second = seconds // 3600, seconds // 60 % 60, seconds % 60
    return f"{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millisecond:03}Z"


def days_before(year: int, month: int, day: int) -> int:
    """Days from 1970-01-01 to this day, in the calendar that `written` counts."""
    year -= month <= 2
    era, of_era = divmod(year, 400)
    of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    return era * 146_097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719_468


def days_of(year: int, month: int) -> int:
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    return (31, 29 if leap else 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)[month - 1]
