// The last price of each symbol, from `channel:exchange:{exchange}:ticker:{symbol}`.
//
// Nothing of an event goes out but what is named below. Decimals are text from end to end: a
// JSON number has been rounded by the time JavaScript sees it, so it is refused.

import { write } from 'tidegate:transform/log@1.0.0';

const SYMBOL = '^[A-Z0-9]{1,16}-[A-Z0-9]{1,16}$';
const DECIMAL = '^(0|[1-9][0-9]{0,17})(\\.[0-9]{1,18})?$';
const TIME = '^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]{1,3})?Z$';
const NAME = '^[a-z]{1,16}$';

const SETTINGS_SCHEMA = {
  type: 'object',
  additionalProperties: false,
  properties: {
    exchanges: {
      description: 'The public name of each exchange, by the number it has upstream.',
      type: 'object',
      minProperties: 1,
      additionalProperties: { type: 'string', pattern: NAME },
    },
  },
};

const DATA_SCHEMA = {
  type: 'object',
  additionalProperties: false,
  required: ['exchange', 'last', 'time'],
  properties: {
    exchange: { type: 'string', pattern: NAME },
    last: { type: 'string', pattern: DECIMAL },
    bid: { type: 'string', pattern: DECIMAL },
    ask: { type: 'string', pattern: DECIMAL },
    time: { type: 'string', pattern: TIME },
  },
};

const DESCRIPTOR = {
  name: 'ticker',
  version: '1.0.0',
  summary: 'The last price of each symbol, with the best bid and ask where there are any.',
  settingsSchema: JSON.stringify(SETTINGS_SCHEMA),
  families: [
    {
      name: 'tickers',
      parameters: [{ name: 'symbol', allowed: { tag: 'pattern', val: SYMBOL } }],
      messages: [{ messageType: 'ticker', dataSchema: JSON.stringify(DATA_SCHEMA) }],
      delivery: 'every',
      snapshotOnSubscribe: false,
    },
  ],
};

// Settings decide this alone, and no event changes it.
let exchanges;

function configure(settings) {
  const configured = JSON.parse(settings).exchanges ?? { 1: 'coinbase' };
  const names = Object.values(configured);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) {
    throw `setting \`exchanges\` has the name ${twice} twice: each exchange has a name of its own`;
  }
  exchanges = new Map(Object.entries(configured));
  return {
    upstreamPatterns: ['channel:exchange:{exchange}:ticker:{symbol}'],
    samples: [
      sample('1:ticker:BTC-USD', '{"last":"42350.50","bid":"42350.4","ask":null,"time":"2026-02-19T12:00:00.123Z","desk":"x7"}', {
        tag: 'ok',
        val: [publication('BTC-USD', { exchange: 'coinbase', last: '42350.50', bid: '42350.4', time: '2026-02-19T12:00:00.123Z' })],
      }),
      sample('1:ticker:BTC-USD', '{"last":42350.5,"time":"2026-02-19T12:00:00Z"}', { tag: 'err', val: 'invalid' }),
      sample('1:ticker:BTC-USD', '{"time":"2026-02-19T12:00:00Z"}', { tag: 'err', val: 'missing' }),
      sample('2:ticker:BTC-USD', '{"last":"1","time":"2026-02-19T12:00:00Z"}', { tag: 'err', val: 'unwanted' }),
      sample('1:ticker:BTC-USD', 'ping', { tag: 'err', val: 'malformed' }),
    ],
  };
}

// Samples bring their settings, so that they hold whatever an operator sets. Payloads are ASCII.
function sample(channel, payload, expected) {
  return {
    settings: '{"exchanges":{"1":"coinbase"}}',
    channel: `channel:exchange:${channel}`,
    payload: Uint8Array.from(payload, (character) => character.charCodeAt(0)),
    receivedAt: 0,
    expected,
  };
}

function transform(event) {
  const captures = new Map(event.captures);
  const payload = object(event.payload);
  const exchange = exchanges.get(captures.get('exchange'));
  if (exchange === undefined) throw rejection('unwanted', undefined, 'an exchange of the settings');
  const symbol = captures.get('symbol');
  if (!matches(SYMBOL, symbol)) throw rejection('invalid', 'symbol', 'such as BTC-USD');
  const data = {
    exchange,
    last: required(payload, 'last', DECIMAL),
    // What is undefined is left out of the JSON.
    bid: text(payload, 'bid', DECIMAL),
    ask: text(payload, 'ask', DECIMAL),
    time: required(payload, 'time', TIME),
  };
  return [publication(symbol, data)];
}

function publication(symbol, data) {
  return { channel: `tickers:${symbol}`, messageType: 'ticker', data: JSON.stringify(data) };
}

function object(bytes) {
  let value;
  try {
    value = JSON.parse(utf8(bytes));
  } catch {
    throw rejection('malformed', undefined, 'JSON');
  }
  if (value === null || typeof value !== 'object' || Array.isArray(value)) {
    throw rejection('malformed', undefined, 'a JSON object');
  }
  return value;
}

// Bytes that are no UTF-8 are an error, and not mended. QuickJS has no TextDecoder.
function utf8(bytes) {
  if (globalThis.TextDecoder !== undefined) {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  }
  const escaped = Array.from(bytes, (byte) => `%${byte.toString(16).padStart(2, '0')}`);
  return decodeURIComponent(escaped.join(''));
}

function required(payload, field, pattern) {
  const value = text(payload, field, pattern);
  if (value === undefined) throw rejection('missing', field, `\`${field}\` is needed`);
  return value;
}

function text(payload, field, pattern) {
  const value = payload[field] ?? undefined;
  if (value === undefined) return undefined;
  if (typeof value !== 'string' || !matches(pattern, value)) {
    throw rejection('invalid', field, `text that matches ${pattern}`);
  }
  return value;
}

const compiled = new Map([SYMBOL, DECIMAL, TIME].map((pattern) => [pattern, new RegExp(pattern)]));

function matches(pattern, value) {
  return compiled.get(pattern).test(value);
}

// What is thrown and no `Error` is the answer that the contract has for a refusal.
function rejection(reason, field, detail) {
  return { reason, field, detail };
}

// An `Error` is a mistake in this file. The call fails by it; its stack goes to the host's log.
function logged(call) {
  return (...given) => {
    try {
      return call(...given);
    } catch (error) {
      if (error instanceof Error) write('error', `${error}; ${error.stack.trim().replace(/\s*\n\s*/g, '; ')}`);
      throw error;
    }
  };
}

export const guest = {
  describe: () => DESCRIPTOR,
  configure: logged(configure),
  transform: logged(transform),
};
