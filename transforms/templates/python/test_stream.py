"""The transform as plain Python: its samples are true. Run with `python3 -m unittest`."""

import unittest

import stream
from tidegate import Refused


class Samples(unittest.TestCase):
    def test_are_true(self):
        for channel, payload, expected in stream.SAMPLES:
            symbol = channel.rsplit(":", 1)[-1]
            with self.subTest(payload=payload):
                try:
                    answer = stream.transform({"symbol": symbol}, payload)
                except Refused as refused:
                    answer = refused.reason
                self.assertEqual(answer, expected)
