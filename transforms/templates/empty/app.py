# What a transform in Python costs that does nothing: each event becomes one empty message.
# `tidegate transform bench` builds it with the tools of a project, and holds the project's beside it.

from componentize_py_types import Ok
from wit_world import exports
from wit_world.imports import types as t

PUBLICATION = t.Publication("empties:one", "empty", "{}")


class Guest(exports.Guest):
    def describe(self):
        name = t.Parameter("name", t.AllowedValues_OneOf(["one"]))
        closed = '{"type":"object","additionalProperties":false,"properties":{}}'
        family = t.Family("empties", [name], [t.Message("empty", closed)], t.Delivery.EVERY, False)
        settings = '{"type":"object","additionalProperties":false}'
        summary = "One empty message for each event."
        return t.Descriptor("empty", "1.0.0", summary, settings, [family])

    def configure(self, settings):
        sample = t.Sample(None, "empty:one", b"{}", 0, Ok([PUBLICATION]))
        return t.Configuration(["empty:one"], [sample])

    def transform(self, event):
        return [PUBLICATION]
