"""Holds `python/tidegate.py` against the vectors of the Rust SDK: `python3 vectors.py`."""

import json
import pathlib
import sys

FOLDER = pathlib.Path(__file__).parent
sys.dont_write_bytecode = True
sys.path.insert(0, str(FOLDER / "python"))

import tidegate  # noqa: E402

vectors = json.loads((FOLDER / "../sdk/vectors.json").read_text("utf-8"))


def same(found, expected, vector):
    assert found == expected, f"{found!r} for {vector}"


for vector in vectors["decimals"]:
    same(tidegate.decimal(vector["text"]), vector["plain"], vector)
for vector in vectors["milliseconds"]:
    same(tidegate.from_milliseconds(vector["milliseconds"]), vector["utc"], vector)
for vector in vectors["instants"]:
    same(tidegate.from_rfc3339(vector["text"]), vector["utc"], vector)
for vector in vectors["fields"]:
    try:
        payload = tidegate.Payload(vector["payload"].encode("utf-8"))
        gives = {"value": getattr(payload, vector["read"])("a")}
    except tidegate.Refused as refused:
        gives = {"refused": refused.reason}
    same(gives, vector["gives"], vector)
for vector in vectors["captures"]:
    same(tidegate.captures([vector["pattern"]], vector["channel"]), vector["captured"], vector)
print(sum(map(len, vectors.values())), "vectors hold")
