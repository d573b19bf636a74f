//! The smallest events that still show what was found.

use super::input::{FieldPlace, Input};
use super::json::{Json, Path, Step};

/// How many smaller events are tried.
const MAX_TRIES: usize = 600;

/// Two events; everything but the varied fields is the same in both.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Pair {
    pub(super) left: Input,
    pub(super) right: Input,
    /// Where they differ.
    pub(super) varied: Vec<FieldPlace>,
}

/// Makes a pair smaller as long as `holds` says that it still shows the same.
pub(super) fn shrink(pair: Pair, mut holds: impl FnMut(&Pair) -> bool) -> Pair {
    let mut best = pair;
    let mut tries = 0;
    let mut smaller = true;
    while smaller {
        smaller = false;
        for step in steps(&best) {
            let candidate = step.of(&best);
            if candidate == best
                || candidate
                    .varied
                    .iter()
                    .any(|place| candidate.is_alike(place))
            {
                continue;
            }
            if tries == MAX_TRIES {
                return best;
            }
            tries += 1;
            if holds(&candidate) {
                best = candidate;
                smaller = true;
                break;
            }
        }
    }
    best
}

/// A way to make a pair smaller.
enum Smaller {
    Remove(Path),
    Set(Path, Json),
    /// Of the varied values, that of the left event, or of the right one.
    Left(FieldPlace, Json),
    Right(FieldPlace, Json),
}

impl Smaller {
    fn of(&self, pair: &Pair) -> Pair {
        let mut pair = pair.clone();
        match self {
            Self::Remove(path) => {
                pair.left.payload.remove(path);
                pair.right.payload.remove(path);
            }
            Self::Set(path, value) => {
                pair.left.payload.set(path, value.clone());
                pair.right.payload.set(path, value.clone());
            }
            Self::Left(place, value) => pair.left.set(place, value.clone()),
            Self::Right(place, value) => pair.right.set(place, value.clone()),
        }
        pair
    }
}

impl Pair {
    fn is_alike(&self, place: &FieldPlace) -> bool {
        self.left.at(place) == self.right.at(place)
    }
}

/// Steps to smaller pairs, the largest first.
fn steps(pair: &Pair) -> Vec<Smaller> {
    let varied = |path: &[Step]| {
        let below =
            |place: &FieldPlace| matches!(place, FieldPlace::Payload(own) if own.starts_with(path));
        pair.varied.iter().any(below)
    };
    let (mut removals, mut simpler_values) = (Vec::new(), Vec::new());
    pair.left
        .payload
        .walk(&mut Path::new(), &mut |path, value| {
            if removals.len() + simpler_values.len() > MAX_TRIES || varied(path) {
                return;
            }
            // What stands behind an item moves when it goes, also what is varied.
            if matches!(path.last(), Some(Step::Name(_))) {
                removals.push(Smaller::Remove(path.to_vec()));
            }
            let simple = simpler(value).into_iter();
            simpler_values.extend(simple.map(|value| Smaller::Set(path.to_vec(), value)));
        });
    let mut steps = removals;
    steps.append(&mut simpler_values);
    for place in &pair.varied {
        let simple = |input: &Input| input.at(place).iter().flat_map(simpler).collect::<Vec<_>>();
        let left = simple(&pair.left).into_iter();
        steps.extend(left.map(|value| Smaller::Left(place.clone(), value)));
        let right = simple(&pair.right).into_iter();
        steps.extend(right.map(|value| Smaller::Right(place.clone(), value)));
    }
    steps
}

/// Simpler values, the simplest first. Each is simpler than `value` by a measure that has an end.
fn simpler(value: &Json) -> Vec<Json> {
    match value {
        Json::Literal(text) => {
            let mut simple: Vec<&str> = vec!["0", "1", "2"];
            if let Some((whole, _)) = text.split_once('.') {
                simple.push(whole);
            }
            simple.retain(|simple| (simple.len(), *simple) < (text.len(), text.as_str()));
            simple
                .into_iter()
                .map(|text| Json::Literal(text.into()))
                .collect()
        }
        Json::Text(text) if text.len() > 1 => {
            let half = text.char_indices().nth(text.chars().count() / 2);
            let half = half.map_or(0, |(at, _)| at);
            let mut simple = vec![Json::Text("a".into())];
            if half > 0 {
                simple.push(Json::Text(text[..half].to_owned()));
            }
            simple
        }
        Json::Array(items) if !items.is_empty() => {
            let half = Json::Array(items[..items.len() / 2].to_vec());
            vec![Json::Array(Vec::new()), half]
        }
        Json::Object(fields) if !fields.is_empty() => vec![Json::Object(Vec::new())],
        _ => Vec::new(),
    }
}

/// The places in which two events of one channel's form differ. Lists of different lengths differ
/// as a whole.
pub(super) fn varied(left: &Input, right: &Input) -> Vec<FieldPlace> {
    let pieces = (0..left.channel.len()).map(FieldPlace::Capture);
    let mut places: Vec<FieldPlace> = pieces
        .filter(|place| left.at(place) != right.at(place))
        .collect();
    let mut found = Vec::new();
    differing(&left.payload, &right.payload, &mut Path::new(), &mut found);
    places.extend(found.into_iter().map(FieldPlace::Payload));
    places
}

fn differing(left: &Json, right: &Json, path: &mut Path, found: &mut Vec<Path>) {
    match (left, right) {
        (Json::Object(fields), Json::Object(others)) => {
            let only_right = others
                .iter()
                .filter(|(name, _)| fields.iter().all(|(own, _)| own != name));
            for (name, _) in fields.iter().chain(only_right) {
                path.push(Step::Name(name.clone()));
                let step = std::slice::from_ref(&path[path.len() - 1]);
                match (left.at(step), right.at(step)) {
                    (Some(left), Some(right)) => differing(left, right, path, found),
                    _ => found.push(path.clone()),
                }
                path.pop();
            }
        }
        (Json::Array(items), Json::Array(others)) if items.len() == others.len() => {
            for (place, (left, right)) in items.iter().zip(others).enumerate() {
                path.push(Step::Item(place));
                differing(left, right, path, found);
                path.pop();
            }
        }
        (left, right) if left == right => {}
        _ => found.push(path.clone()),
    }
}

/// `left` with what `right` has at these places.
pub(super) fn with(left: &Input, right: &Input, places: &[FieldPlace]) -> Input {
    let mut input = left.clone();
    for place in places {
        match right.at(place) {
            Some(value) => input.set(place, value),
            None => input.remove(place),
        }
    }
    input
}

/// The channel and payload of an event, as JSON.
pub(super) fn shown(input: &Input) -> serde_json::Value {
    let text = input.payload.text();
    let payload = serde_json::from_str(&text).unwrap_or(serde_json::Value::String(text));
    serde_json::json!({
        "channel": input.channel(),
        "payload": payload,
        "received-at": input.received_at,
    })
}

#[cfg(test)]
mod tests {
    use super::super::input::ChannelPiece;
    use super::*;

    fn top(name: &str) -> FieldPlace {
        FieldPlace::Payload(vec![Step::Name(name.to_owned())])
    }

    fn input(payload: &str) -> Input {
        Input {
            channel: vec![ChannelPiece::Fixed("x".into())],
            payload: Json::of(&serde_json::from_str(payload).unwrap()),
            received_at: 0,
        }
    }

    #[test]
    fn a_pair_loses_all_that_does_not_matter() {
        let left = input(r#"{"a":"long text","b":{"c":12.5,"d":[1,2]},"s":85.3,"need":7}"#);
        let mut right = left.clone();
        let place = top("s");
        right.set(&place, Json::Literal("912.75".into()));
        let varied = varied(&left, &right);
        assert_eq!(varied, [place]);
        let pair = Pair {
            left,
            right,
            varied,
        };
        let small = shrink(pair, |pair| {
            let s = |input: &Input| match input.at(&top("s")) {
                Some(Json::Literal(text)) => text.parse::<f64>().unwrap() > 100.0,
                _ => false,
            };
            s(&pair.left) != s(&pair.right) && pair.left.at(&top("need")).is_some()
        });
        assert_eq!(small.left.payload.text(), r#"{"s":0,"need":0}"#);
        assert_eq!(small.right.payload.text(), r#"{"s":912,"need":0}"#);
    }

    #[test]
    fn differences_are_found_and_put_over_one_by_one() {
        let left = input(r#"{"a":1,"b":[1,2],"c":3}"#);
        let right = input(r#"{"a":2,"b":[1],"d":4}"#);
        let places = varied(&left, &right);
        let names: Vec<String> = places.iter().map(|place| left.name(place)).collect();
        assert_eq!(names, ["a", "b", "c", "d"]);
        assert_eq!(
            with(&left, &right, &places).payload.text(),
            r#"{"a":2,"b":[1],"d":4}"#
        );
        assert_eq!(
            with(&left, &right, &places[..1]).payload.text(),
            r#"{"a":2,"b":[1,2],"c":3}"#
        );
    }
}
