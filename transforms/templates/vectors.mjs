// Holds `javascript/tidegate.js` against the vectors of the Rust SDK: `node vectors.mjs`.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';

import { Payload, captures, decimal, fromMilliseconds, fromRfc3339 } from './javascript/tidegate.js';

const vectors = JSON.parse(readFileSync(new URL('../sdk/vectors.json', import.meta.url)));
const same = (found, expected, vector) => assert.deepEqual(found, expected ?? undefined, JSON.stringify(vector));

for (const vector of vectors.decimals) same(decimal(vector.text), vector.plain, vector);
for (const vector of vectors.milliseconds) same(fromMilliseconds(vector.milliseconds), vector.utc, vector);
for (const vector of vectors.instants) same(fromRfc3339(vector.text), vector.utc, vector);
for (const vector of vectors.fields) {
  let gives;
  try {
    gives = { value: new Payload(new TextEncoder().encode(vector.payload))[vector.read]('a') };
  } catch (refusal) {
    if (refusal instanceof Error) throw refusal;
    gives = { refused: refusal.reason };
  }
  same(gives, vector.gives, vector);
}
for (const { pattern, channel, captured } of vectors.captures) {
  const found = captures([pattern], channel);
  assert.deepEqual(found === undefined ? null : Object.fromEntries(found), captured, `${pattern} ${channel}`);
}
console.log(`${Object.values(vectors).flat().length} vectors hold`);
