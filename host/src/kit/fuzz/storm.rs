//! Events that no honest publisher sends: fields missing, of the wrong type, huge, deep, twice,
//! in odd characters; bytes that are no JSON. A component may refuse them, and nothing else.

use fastrand::Rng;

use super::input::Input;
use super::json::{Json, Path};
use super::vary::ill_typed;
use crate::event::Event;

/// How deep, how long and how many: within what the default limits leave room for.
const MAX_DEPTH: usize = 120;
const MAX_TEXT: usize = 16 << 10;
const MAX_ITEMS: usize = 1_000;

/// Texts that trip those who count bytes, trust characters, or read numbers their own way.
const ODD: [&str; 14] = [
    "",
    " ",
    "\u{0}",
    "\u{202e}abc",
    "\u{1f469}\u{200d}\u{1f680}",
    "e\u{301}",
    "\u{feff}x",
    "\u{fffd}",
    "İıſK",
    "NaN",
    "-Infinity",
    "1e400",
    "__proto__",
    "../../x",
];

/// Numbers at the ends of the types that hold them.
const EDGES: [&str; 16] = [
    "0",
    "-0",
    "-1",
    "0.1",
    "1e-400",
    "1e400",
    "1e308",
    "-1e308",
    "2147483648",
    "-2147483649",
    "4294967296",
    "9007199254740993",
    "9223372036854775808",
    "-9223372036854775809",
    "18446744073709551616",
    "0.30000000000000004",
];

/// A payload that is in one or more ways not what the samples have.
pub(super) fn stormy(rng: &mut Rng, calm: &Input) -> Input {
    let mut input = calm.clone();
    for _ in 0..rng.usize(1..=3) {
        disturb(rng, &mut input.payload);
    }
    input
}

/// Its bytes, sometimes broken.
pub(super) fn event(rng: &mut Rng, input: &Input) -> Event {
    let mut event = input.event();
    if rng.u32(..6) == 0 {
        tear(rng, &mut event.payload);
    }
    event
}

fn disturb(rng: &mut Rng, payload: &mut Json) {
    let mut paths: Vec<Path> = Vec::new();
    payload.walk(&mut Path::new(), &mut |path, _| paths.push(path.to_vec()));
    let path = paths[rng.usize(..paths.len())].clone();
    let Some(value) = payload.at(&path).cloned() else {
        return;
    };
    let changed = match rng.u32(..10) {
        0 | 1 => {
            payload.remove(&path);
            return;
        }
        2 | 3 => ill_typed(rng, &value),
        4 => Json::Text(ODD[rng.usize(..ODD.len())].to_owned()),
        5 => Json::Literal(EDGES[rng.usize(..EDGES.len())].to_owned()),
        6 => Json::Text("x".repeat(rng.usize(..MAX_TEXT))),
        7 => deep(rng),
        8 => Json::Array(vec![value.clone(); rng.usize(..items_of(&value))]),
        _ => return twice(rng, payload, &path),
    };
    payload.set(&path, changed);
}

/// How often a value can stand in a list that is not too long.
fn items_of(value: &Json) -> usize {
    (MAX_TEXT / value.text().len().max(1)).clamp(2, MAX_ITEMS)
}

fn deep(rng: &mut Rng) -> Json {
    let mut value = Json::Literal("1".into());
    for _ in 0..rng.usize(1..=MAX_DEPTH) {
        value = match rng.bool() {
            true => Json::Array(vec![value]),
            false => Json::Object(vec![("a".into(), value)]),
        };
    }
    value
}

/// A name of an object stands there a second time, with another value.
fn twice(rng: &mut Rng, payload: &mut Json, path: &Path) {
    let Some((super::json::Step::Name(name), above)) = path.split_last() else {
        return;
    };
    let (name, above) = (name.clone(), above.to_vec());
    let Some(Json::Object(fields)) = payload.at(&above) else {
        return;
    };
    let mut fields = fields.clone();
    let Some((_, value)) = fields.iter().find(|(own, _)| *own == name) else {
        return;
    };
    let second = ill_typed(rng, value);
    match rng.bool() {
        true => fields.push((name, second)),
        false => fields.insert(0, (name, second)),
    }
    payload.set(&above, Json::Object(fields));
}

/// Cut off, with a byte of another kind, or with something behind it.
fn tear(rng: &mut Rng, payload: &mut Vec<u8>) {
    if payload.is_empty() {
        return;
    }
    let at = rng.usize(..payload.len());
    match rng.u32(..5) {
        0 => payload.truncate(at),
        1 => payload[at] = rng.u8(..),
        2 => payload.extend(b"}x"),
        3 => payload.splice(at..at, *b"\\ud800").for_each(drop),
        _ => *payload = b"[".repeat(rng.usize(1..=MAX_DEPTH)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::input::ChannelPiece;
    use super::*;

    #[test]
    fn a_storm_changes_most_events_and_stays_within_bounds() {
        let mut rng = Rng::with_seed(3);
        let payload = serde_json::json!({"a": 1, "b": {"c": "x"}, "d": [1, 2]});
        let calm = Input {
            channel: vec![ChannelPiece::Fixed("x".into())],
            payload: Json::of(&payload),
            received_at: 0,
        };
        let mut changed = 0;
        for _ in 0..500 {
            let stormy = stormy(&mut rng, &calm);
            let event = event(&mut rng, &stormy);
            assert!(
                event.payload.len() < MAX_TEXT * 8,
                "{}",
                event.payload.len()
            );
            changed += usize::from(event.payload != calm.event().payload);
        }
        assert!(changed > 450, "{changed}");
    }
}
