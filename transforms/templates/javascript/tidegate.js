// What a transform is written with: payloads that are read strictly, decimals without floats,
// timestamps, refusals. It came with `tidegate transform new` and is not to be edited. The SDKs
// of all languages give the same answers.

// The most characters that a decimal may take.
const MAX_DECIMAL = 64;

// The last millisecond of the year 9999, and the first of the year 0, counted from 1970.
const LAST = 253402300799999;
const FIRST = -62167219200000;

// Schemas of what `decimal`, and `milliseconds` and `instant`, give.
export const DECIMAL = {
  type: 'string',
  maxLength: MAX_DECIMAL,
  pattern: '^-?(0|[1-9][0-9]*)(\\.[0-9]*[1-9])?$',
};
export const TIMESTAMP = {
  type: 'string',
  maxLength: 24,
  pattern: '^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3}Z$',
};

// The schema of an object with these fields and no others: all of them, but for those named.
export const closed = (fields, optional = []) => ({
  type: 'object',
  additionalProperties: false,
  required: Object.keys(fields).filter((name) => !optional.includes(name)),
  properties: fields,
});

// Refusals, to be thrown. They name fields, never values.
export const reject = {
  malformed: (detail) => ({ reason: 'malformed', detail }),
  missing: (field) => ({ reason: 'missing', field, detail: `\`${field}\` is needed` }),
  invalid: (field, expected) => ({ reason: 'invalid', field, detail: `\`${field}\` must be ${expected}` }),
  unwanted: (detail) => ({ reason: 'unwanted', detail }),
};

// An event's payload: a JSON object whose fields are looked at one by one. Each method throws a
// refusal where the field is not what it must be; a field that is null is absent.
export class Payload {
  // With each number as its text, behind a mark.
  #fields;

  constructor(bytes) {
    try {
      this.#fields = JSON.parse(utf8(bytes).replace(STRING_OR_NUMBER, marked));
    } catch {
      throw reject.malformed('the payload must be a JSON object');
    }
    if (!isObject(this.#fields)) throw reject.malformed('the payload must be a JSON object');
  }

  // The value of a field; undefined where it is absent or null. Numbers in it are rounded.
  field(name) {
    return unmarked(this.#marked(name));
  }

  // A field that must be there.
  required(name) {
    return unmarked(this.#given(name));
  }

  // A field that must be a string.
  text(name) {
    const value = this.#given(name);
    const text = typeof value === 'string' && numberIn(value) === undefined ? unmarked(value) : undefined;
    if (text === undefined || /[\ud800-\udfff]/u.test(text)) throw reject.invalid(name, 'a string');
    return text;
  }

  // A field that must be one of these strings.
  oneOf(name, words) {
    const word = this.text(name);
    if (!words.includes(word)) throw reject.invalid(name, `one of ${words.join(', ')}`);
    return word;
  }

  // A field that must be a number, or a string that holds exactly a number: in plain notation, to
  // the last digit.
  decimal(name) {
    const value = this.#given(name);
    const text = numberIn(value) ?? unmarked(value);
    const plain = typeof text === 'string' ? decimal(text) : undefined;
    if (plain === undefined) throw reject.invalid(name, `a number that takes at most ${MAX_DECIMAL} characters`);
    return plain;
  }

  // A field that must be a whole number of milliseconds since 1970, as ISO 8601.
  milliseconds(name) {
    const whole = decimal(numberIn(this.#given(name)) ?? '');
    const text = /^[0-9]+$/.test(whole) ? fromMilliseconds(Number(whole)) : undefined;
    if (text === undefined) throw reject.invalid(name, 'whole milliseconds since 1970, up to the year 9999');
    return text;
  }

  // A field that must be an RFC 3339 timestamp, as ISO 8601 in UTC.
  instant(name) {
    const text = fromRfc3339(this.text(name));
    if (text === undefined) throw reject.invalid(name, 'an RFC 3339 timestamp with an offset');
    return text;
  }

  #marked(name) {
    const key = name.startsWith(MARK) ? MARKED_STRING + name : name;
    return Object.hasOwn(this.#fields, key) ? (this.#fields[key] ?? undefined) : undefined;
  }

  #given(name) {
    const value = this.#marked(name);
    if (value === undefined) throw reject.missing(name);
    return value;
  }
}

// Numbers are kept as their text: exact, and the engine takes up to a hundred times longer to read
// one into a float. A string that begins like a marked number gets a mark of its own. A number in
// the place of a name stays, so that it is refused.
const MARK = '\u0001';
const MARKED_STRING = `${MARK}s`;
const STRING_OR_NUMBER = /"(?:[^"\\]|\\.)*"|-?[0-9][-+.0-9eE]*(?![-+.0-9eE]*\s*:)/g;
const NUMBER = /^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?$/;

function marked(token) {
  if (token.startsWith('"')) return token.startsWith('"\\u0001') ? `"\\u0001s${token.slice(1)}` : token;
  return NUMBER.test(token) ? `"\\u0001${token}"` : token;
}

function numberIn(value) {
  const isNumber = typeof value === 'string' && value.startsWith(MARK) && !value.startsWith(MARKED_STRING);
  return isNumber ? value.slice(MARK.length) : undefined;
}

// The value as it was published, but for numbers, which are rounded.
function unmarked(value) {
  if (typeof value === 'string') {
    const number = numberIn(value);
    if (number !== undefined) return Number(number);
    return value.startsWith(MARKED_STRING) ? value.slice(MARKED_STRING.length) : value;
  }
  if (Array.isArray(value)) return value.map(unmarked);
  if (!isObject(value)) return value;
  const plain = {};
  for (const [name, own] of Object.entries(value)) {
    Object.defineProperty(plain, unmarked(name), { value: unmarked(own), writable: true, enumerable: true, configurable: true });
  }
  return plain;
}

// A JSON number as text in plain notation: no exponent, no zeros that say nothing, no negative
// zero. Undefined where it is none, or takes more than 64 characters.
export function decimal(text) {
  const parts = /^(-?)(0|[1-9][0-9]*)(?:\.([0-9]+))?(?:[eE]([-+]?[0-9]+))?$/.exec(text);
  if (parts === null) return undefined;
  const [, sign, whole, fraction = '', exponent = '0'] = parts;
  const all = whole + fraction;
  let first = 0;
  while (all[first] === '0') first += 1;
  let end = all.length;
  while (end > first && all[end - 1] === '0') end -= 1;
  const digits = all.slice(first, end);
  if (digits === '') return '0';
  // The value is 0.DIGITS × 10^point. Checked before anything is written: the exponent may ask
  // for gigabytes.
  const point = whole.length - first + Number(exponent);
  const count = digits.length;
  const unsigned = point <= 0 ? count - point + 2 : point < count ? count + 1 : point;
  if (!(unsigned + sign.length <= MAX_DECIMAL)) return undefined;
  if (point <= 0) return `${sign}0.${'0'.repeat(-point)}${digits}`;
  if (point >= count) return sign + digits.padEnd(point, '0');
  return `${sign}${digits.slice(0, point)}.${digits.slice(point)}`;
}

// Milliseconds since 1970 as ISO 8601; undefined outside of the years 1970 to 9999.
export function fromMilliseconds(milliseconds) {
  const inside = Number.isInteger(milliseconds) && milliseconds >= 0 && milliseconds <= LAST;
  return inside ? new Date(milliseconds).toISOString() : undefined;
}

const RFC_3339 =
  /^([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt]([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]+))?(?:[Zz]|([-+])([0-9]{2}):([0-9]{2}))$/;

// An RFC 3339 timestamp in UTC; undefined where it is none, or its year there is not 0 to 9999.
// Digits after the millisecond are cut off; a leap second is the second after it.
export function fromRfc3339(text) {
  const parts = RFC_3339.exec(text);
  if (parts === null) return undefined;
  const [year, month, day, hour, minute, second] = parts.slice(1, 7).map(Number);
  const [offsetHour, offsetMinute] = [Number(parts[9] ?? 0), Number(parts[10] ?? 0)];
  if (hour > 23 || minute > 59 || second > 60 || offsetHour > 23 || offsetMinute > 59) return undefined;
  const midnight = new Date(0);
  midnight.setUTCFullYear(year, month - 1, day);
  if (midnight.getUTCMonth() !== month - 1 || midnight.getUTCDate() !== day) return undefined;
  const offset = (parts[8] === '-' ? -1 : 1) * (offsetHour * 60 + offsetMinute);
  const milliseconds = Number((parts[7] ?? '').slice(0, 3).padEnd(3, '0'));
  const moment = midnight.getTime() + ((hour * 60 + minute - offset) * 60 + second) * 1000 + milliseconds;
  return moment >= FIRST && moment <= LAST ? new Date(moment).toISOString() : undefined;
}

// A sample of an event that becomes one publication, and of one that is refused. Text is ASCII.
export function published(channel, payload, publication) {
  return sample(channel, payload, { tag: 'ok', val: [publication] });
}
export function rejected(channel, payload, reason) {
  return sample(channel, payload, { tag: 'err', val: reason });
}
function sample(channel, payload, expected) {
  const bytes = Uint8Array.from(payload, (character) => character.charCodeAt(0));
  return { settings: undefined, channel, payload: bytes, receivedAt: 0, expected };
}

// What the first of the patterns that fits captures of a channel, as a host does it: for tests.
export function captures(patterns, channel) {
  for (const pattern of patterns) {
    const found = new RegExp(`^${expression(pattern)}$`).exec(channel);
    if (found !== null) return Object.entries(found.groups ?? {});
  }
  return undefined;
}

function expression(pattern) {
  const parts = pattern.split(/\{([a-z0-9_]+)\}/);
  const literal = (text) => text.replace(/[^A-Za-z0-9]/g, '\\$&');
  const part = (text, index) => (index % 2 === 0 ? literal(text) : `(?<${text}>[^:]*?)`);
  return parts.map(part).join('');
}

// Bytes that are no UTF-8 are an error, and not mended. The engine has no TextDecoder, and what it
// does in a loop of our own takes ten times as long.
function utf8(bytes) {
  let characters = '';
  for (let start = 0; start < bytes.length; start += CHUNK) {
    characters += String.fromCharCode(...bytes.subarray(start, start + CHUNK));
  }
  return decodeURIComponent(escape(characters));
}

// As many arguments as any engine takes.
const CHUNK = 4096;

function isObject(value) {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}
