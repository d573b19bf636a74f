// The transform as plain JavaScript: its samples are true. Run with `npm test`.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { guest } from './stream.js';
import { captures } from './tidegate.js';

const { samples, upstreamPatterns } = guest.configure('{}');

for (const [index, { channel, payload, expected }] of samples.entries()) {
  test(`sample ${index + 1}`, () => {
    const captured = captures(upstreamPatterns, channel);
    assert.ok(captured, `no pattern fits ${channel}`);
    const event = { channel, captures: captured, payload, receivedAt: 0 };
    let answer;
    try {
      answer = { tag: 'ok', val: guest.transform(event) };
    } catch (refusal) {
      if (refusal instanceof Error) throw refusal;
      answer = { tag: 'err', val: refusal.reason };
    }
    assert.deepEqual(answer, expected);
  });
}
