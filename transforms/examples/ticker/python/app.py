"""The last price of each symbol, from `channel:exchange:{exchange}:ticker:{symbol}`.

Nothing of an event goes out but what is named below. Decimals are text from end to end: a JSON
number may have been rounded by whoever wrote it, so it is refused.
"""

import functools
import json
import re

from componentize_py_types import Err, Ok
from wit_world import exports
from wit_world.imports import log
from wit_world.imports.types import (
    AllowedValues_Pattern,
    Configuration,
    Delivery,
    Descriptor,
    Family,
    Message,
    Parameter,
    Publication,
    Rejection,
    RejectionReason,
    Sample,
)

SYMBOL = "^[A-Z0-9]{1,16}-[A-Z0-9]{1,16}$"
DECIMAL = r"^(0|[1-9][0-9]{0,17})(\.[0-9]{1,18})?$"
TIME = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,3})?Z$"
NAME = "^[a-z]{1,16}$"

SETTINGS_SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "exchanges": {
            "description": "The public name of each exchange, by the number it has upstream.",
            "type": "object",
            "minProperties": 1,
            "additionalProperties": {"type": "string", "pattern": NAME},
        }
    },
}

DATA_SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "required": ["exchange", "last", "time"],
    "properties": {
        "exchange": {"type": "string", "pattern": NAME},
        "last": {"type": "string", "pattern": DECIMAL},
        "bid": {"type": "string", "pattern": DECIMAL},
        "ask": {"type": "string", "pattern": DECIMAL},
        "time": {"type": "string", "pattern": TIME},
    },
}

DESCRIPTOR = Descriptor(
    name="ticker",
    version="1.0.0",
    summary="The last price of each symbol, with the best bid and ask where there are any.",
    settings_schema=json.dumps(SETTINGS_SCHEMA),
    families=[
        Family(
            name="tickers",
            parameters=[Parameter("symbol", AllowedValues_Pattern(SYMBOL))],
            messages=[Message("ticker", json.dumps(DATA_SCHEMA))],
            delivery=Delivery.EVERY,
            snapshot_on_subscribe=False,
        )
    ],
)

# Settings decide this alone, and no event changes it. An attribute of `Guest` would be gone
# by the next call.
exchanges: dict[str, str] = {}


def logged(call):
    """An exception that is no answer is a mistake in this file: its stack goes to the log."""

    @functools.wraps(call)
    def wrapped(*given):
        try:
            return call(*given)
        except Err:
            raise
        except BaseException as error:
            log.write(log.Level.ERROR, f"{error!r}; {'; '.join(stack(error.__traceback__))}")
            raise

    return wrapped


def stack(traceback) -> list[str]:
    """The innermost call first. `traceback` of the library looks for files, and there are none."""
    calls = []
    while traceback is not None:
        code = traceback.tb_frame.f_code
        calls.insert(0, f"{code.co_name} {code.co_filename}:{traceback.tb_lineno}")
        traceback = traceback.tb_next
    return calls


class Guest(exports.Guest):
    def describe(self) -> Descriptor:
        return DESCRIPTOR

    @logged
    def configure(self, settings: str) -> Configuration:
        global exchanges
        exchanges = json.loads(settings).get("exchanges", {"1": "coinbase"})
        names = list(exchanges.values())
        for index, name in enumerate(names):
            if name in names[:index]:
                raise Err(
                    f"setting `exchanges` has the name {name} twice: "
                    "each exchange has a name of its own"
                )
        return Configuration(["channel:exchange:{exchange}:ticker:{symbol}"], SAMPLES)

    @logged
    def transform(self, event) -> list[Publication]:
        captures = dict(event.captures)
        payload = json_object(event.payload)
        exchange = exchanges.get(captures["exchange"])
        if exchange is None:
            raise rejection(RejectionReason.UNWANTED, None, "an exchange of the settings")
        symbol = captures["symbol"]
        if not matches(SYMBOL, symbol):
            raise rejection(RejectionReason.INVALID, "symbol", "such as BTC-USD")
        data = {
            "exchange": exchange,
            "last": required(payload, "last", DECIMAL),
            "bid": text(payload, "bid", DECIMAL),
            "ask": text(payload, "ask", DECIMAL),
            "time": required(payload, "time", TIME),
        }
        return [publication(symbol, data)]


def publication(symbol: str, data: dict) -> Publication:
    present = {field: value for field, value in data.items() if value is not None}
    compact = json.dumps(present, ensure_ascii=False, separators=(",", ":"))
    return Publication(f"tickers:{symbol}", "ticker", compact)


def json_object(payload: bytes) -> dict:
    try:
        # JSON has no NaN and no Infinity, and numbers stay the text that they are.
        value = json.loads(
            payload.decode("utf-8"), parse_constant=refuse, parse_float=Number, parse_int=Number
        )
    except (ValueError, RecursionError):
        raise rejection(RejectionReason.MALFORMED, None, "JSON") from None
    if not isinstance(value, dict):
        raise rejection(RejectionReason.MALFORMED, None, "a JSON object")
    return value


class Number:
    """A JSON number, which is not looked at: as text it would pass for a decimal."""

    def __init__(self, _text: str):
        pass


def refuse(constant: str):
    raise ValueError(constant)


def required(payload: dict, field: str, pattern: str) -> str:
    value = text(payload, field, pattern)
    if value is None:
        raise rejection(RejectionReason.MISSING, field, f"`{field}` is needed")
    return value


def text(payload: dict, field: str, pattern: str) -> str | None:
    value = payload.get(field)
    if value is not None and not (isinstance(value, str) and matches(pattern, value)):
        raise rejection(RejectionReason.INVALID, field, f"text that matches {pattern}")
    return value


def matches(pattern: str, value: str) -> bool:
    # Whole: `$` by itself would let a line end pass.
    return re.fullmatch(pattern, value) is not None


def rejection(reason: RejectionReason, field: str | None, detail: str) -> Err:
    return Err(Rejection(reason, field, detail))


def sample(channel: str, payload: bytes, expected) -> Sample:
    # With settings of its own, so that it holds whatever an operator sets.
    own = '{"exchanges":{"1":"coinbase"}}'
    return Sample(own, f"channel:exchange:{channel}", payload, 0, expected)


SAMPLES = [
    sample(
        "1:ticker:BTC-USD",
        b'{"last":"42350.50","bid":"42350.4","ask":null,"time":"2026-02-19T12:00:00.123Z","desk":"x7"}',
        Ok(
            [
                publication(
                    "BTC-USD",
                    {
                        "exchange": "coinbase",
                        "last": "42350.50",
                        "bid": "42350.4",
                        "time": "2026-02-19T12:00:00.123Z",
                    },
                )
            ]
        ),
    ),
    sample(
        "1:ticker:BTC-USD",
        b'{"last":42350.5,"time":"2026-02-19T12:00:00Z"}',
        Err(RejectionReason.INVALID),
    ),
    sample(
        "1:ticker:BTC-USD", b'{"time":"2026-02-19T12:00:00Z"}', Err(RejectionReason.MISSING)
    ),
    sample(
        "2:ticker:BTC-USD",
        b'{"last":"1","time":"2026-02-19T12:00:00Z"}',
        Err(RejectionReason.UNWANTED),
    ),
    sample("1:ticker:BTC-USD", b"ping", Err(RejectionReason.MALFORMED)),
]
