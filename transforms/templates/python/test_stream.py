"""The transform as plain Python: its samples are true. Run with `python3 -m unittest`."""

import unittest

import stream
from tidegate import Refused, captures


class Samples(unittest.TestCase):
    def test_are_true(self):
        for channel, payload, expected in stream.SAMPLES:
            captured = captures(stream.UPSTREAM, channel)
            self.assertIsNotNone(captured, f"no pattern fits {channel}")
            with self.subTest(payload=payload):
                try:
                    answer = stream.transform(captured, payload)
                except Refused as refused:
                    answer = refused.reason
                self.assertEqual(answer, expected)
