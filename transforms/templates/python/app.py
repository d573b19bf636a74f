"""The transform in the words of the host's contract: `stream` has all that is to be changed."""

import json

import stream
from componentize_py_types import Err, Ok
from tidegate import Refused
from wit_world import exports
from wit_world.imports import types


class Guest(exports.Guest):
    def describe(self):
        parameters = [parameter(*stated) for stated in stream.PARAMETERS.items()]
        message = types.Message(stream.MESSAGE_TYPE, json.dumps(stream.DATA))
        delivery = types.Delivery[stream.DELIVERY.upper()]
        family = types.Family(stream.FAMILY, parameters, [message], delivery, stream.SNAPSHOT)
        settings = json.dumps(stream.SETTINGS)
        return types.Descriptor(stream.NAME, stream.VERSION, stream.SUMMARY, settings, [family])

    def configure(self, settings):
        return types.Configuration(stream.UPSTREAM, [sample(*given) for given in stream.SAMPLES])

    def transform(self, event):
        try:
            published = stream.transform(dict(event.captures), event.payload)
        except Refused as refused:
            reason = types.RejectionReason[refused.reason.upper()]
            raise Err(types.Rejection(reason, refused.field, refused.detail)) from None
        return [types.Publication(*publication) for publication in published]


def parameter(name, allowed):
    if isinstance(allowed, str):
        return types.Parameter(name, types.AllowedValues_Pattern(allowed))
    return types.Parameter(name, types.AllowedValues_OneOf(allowed))


def sample(channel, payload, expected):
    if isinstance(expected, str):
        outcome = Err(types.RejectionReason[expected.upper()])
    else:
        outcome = Ok([types.Publication(*publication) for publication in expected])
    return types.Sample(None, channel, payload, 0, outcome)
