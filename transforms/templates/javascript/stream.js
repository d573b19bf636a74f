// Trades from `feed:example-stream:{symbol}`, as much of them as is public.
//
// `publicOf` is the function to fill in, and DATA names all that may leave. Nothing learnt from
// one event may change the answer to another, so nothing is kept between events.

import { DECIMAL, Payload, TIMESTAMP, closed, published, reject, rejected } from './tidegate.js';

const FAMILY = 'example_stream';
const MESSAGE_TYPE = 'example_stream_update';
const SYMBOL = '^[A-Za-z0-9]{1,32}-[A-Za-z0-9]{1,32}$';
const SIDES = ['buy', 'sell'];

// What may leave: each field with its bound, and no others.
const DATA = closed({
  price: { ...DECIMAL, description: 'What was paid, exact to the last digit.' },
  side: { type: 'string', enum: SIDES, description: 'Who took the offer.' },
  time: { ...TIMESTAMP, description: 'When, in UTC with milliseconds.' },
});

// What is public of an event, or why nothing is: the part to fill in.
function publicOf(payload) {
  return {
    price: payload.decimal('price'),
    side: payload.oneOf('side', SIDES),
    time: payload.milliseconds('time'),
  };
}

function transform(event) {
  const symbol = new Map(event.captures).get('symbol');
  if (!new RegExp(SYMBOL).test(symbol)) throw reject.invalid('symbol', 'such as BTC-USD');
  return [publication(symbol, publicOf(new Payload(event.payload)))];
}

function publication(symbol, data) {
  return { channel: `${FAMILY}:${symbol}`, messageType: MESSAGE_TYPE, data: JSON.stringify(data) };
}

// What the transform says of itself, whatever its settings.
function describe() {
  return {
    name: 'example-stream',
    version: '0.1.0',
    summary: 'Each trade of a symbol.',
    settingsSchema: JSON.stringify({ type: 'object', additionalProperties: false }),
    families: [
      {
        name: FAMILY,
        parameters: [{ name: 'symbol', allowed: { tag: 'pattern', val: SYMBOL } }],
        messages: [{ messageType: MESSAGE_TYPE, dataSchema: JSON.stringify(DATA) }],
        delivery: 'every',
        snapshotOnSubscribe: false,
      },
    ],
  };
}

// What it listens to, and samples that a host runs before it trusts it.
function configure(settings) {
  return {
    upstreamPatterns: ['feed:example-stream:{symbol}'],
    samples: [
      published(
        'feed:example-stream:BTC-USD',
        '{"price":42350.50,"side":"buy","time":1708264800000,"desk":"x7"}',
        publication('BTC-USD', { price: '42350.5', side: 'buy', time: '2024-02-18T14:00:00.000Z' }),
      ),
      rejected('feed:example-stream:BTC-USD', '{"side":"buy","time":1708264800000}', 'missing'),
    ],
  };
}

export const guest = { describe, configure, transform };
