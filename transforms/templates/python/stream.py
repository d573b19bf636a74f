"""Trades from `feed:example-stream:{symbol}`, as much of them as is public.

`public` is the function to fill in, and `DATA` names all that may leave. Nothing learnt from one
event may change the answer to another, so nothing is kept between events.
"""

import json
import re

from tidegate import DECIMAL, TIMESTAMP, Payload, closed, invalid

NAME = "example-stream"
VERSION = "0.1.0"
SUMMARY = "Each trade of a symbol."
UPSTREAM = ["feed:example-stream:{symbol}"]
FAMILY = "example_stream"
MESSAGE_TYPE = "example_stream_update"
SYMBOL = "^[A-Za-z0-9]{1,32}-[A-Za-z0-9]{1,32}$"
SIDES = ["buy", "sell"]

# The parts of a public channel behind the family, each with a pattern or a list of words.
PARAMETERS = {"symbol": SYMBOL}

# "latest" where a message makes the one before it worthless; and whether who subscribes gets the
# last message of each channel at once.
DELIVERY = "every"
SNAPSHOT = False

# What may be set for the transform: nothing.
SETTINGS = {"type": "object", "additionalProperties": False}

# What may leave: each field with its bound, and no others.
DATA = closed(
    {
        "price": {**DECIMAL, "description": "What was paid, exact to the last digit."},
        "side": {"type": "string", "enum": SIDES, "description": "Who took the offer."},
        "time": {**TIMESTAMP, "description": "When, in UTC with milliseconds."},
    }
)


def public(payload: Payload) -> dict:
    """What is public of an event, or why nothing is: the part to fill in."""
    return {
        "price": payload.decimal("price"),
        "side": payload.one_of("side", SIDES),
        "time": payload.milliseconds("time"),
    }


def transform(captures: dict[str, str], payload: bytes) -> list[tuple[str, str, str]]:
    """Of each publication the channel, the type and the data, as JSON."""
    symbol = captures["symbol"]
    if re.fullmatch(SYMBOL, symbol) is None:
        raise invalid("symbol", "such as BTC-USD")
    return [publication(symbol, public(Payload(payload)))]


def publication(symbol: str, data: dict) -> tuple[str, str, str]:
    return (f"{FAMILY}:{symbol}", MESSAGE_TYPE, json.dumps(data, separators=(",", ":")))


# Events that a host runs before it trusts the transform, each with what comes of it: publications,
# or the reason of a refusal.
SAMPLES = [
    (
        "feed:example-stream:BTC-USD",
        b'{"price":42350.50,"side":"buy","time":1708264800000,"desk":"x7"}',
        [
            publication(
                "BTC-USD",
                {"price": "42350.5", "side": "buy", "time": "2024-02-18T14:00:00.000Z"},
            )
        ],
    ),
    ("feed:example-stream:BTC-USD", b'{"side":"buy","time":1708264800000}', "missing"),
]
