//! One event as the fuzzer holds it: the parts of its channel that are captured, and its payload
//! as a tree. A field is a name for a place in either.

use super::json::{Json, Path, name_of};
use crate::event::Event;

/// An event that can be varied.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Input {
    pub(super) channel: Vec<ChannelPiece>,
    pub(super) payload: Json,
    pub(super) received_at: u64,
}

/// A piece of an upstream channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ChannelPiece {
    Fixed(String),
    /// What stands for a capture, and its name.
    Captured(String, String),
}

/// Where a value stands in an event.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum FieldPlace {
    /// In the channel, by the capture's place among the pieces.
    Capture(usize),
    Payload(Path),
}

impl Input {
    /// None where the payload is not JSON: then it has no fields to vary. `captures` are slices
    /// of the event's own channel.
    pub(super) fn of(event: &Event, captures: &[(&str, &str)]) -> Option<Self> {
        let payload = serde_json::from_slice(&event.payload).ok()?;
        Some(Self {
            channel: pieces(&event.channel, captures),
            payload: Json::of(&payload),
            received_at: event.received_at,
        })
    }

    pub(super) fn event(&self) -> Event {
        let payload = self.payload.text().into_bytes();
        Event::at(self.channel(), payload, self.received_at)
    }

    pub(super) fn channel(&self) -> String {
        let pieces = self.channel.iter().map(|piece| match piece {
            ChannelPiece::Fixed(text) | ChannelPiece::Captured(_, text) => text.as_str(),
        });
        pieces.collect()
    }

    /// Every place that has a value and nothing below it.
    pub(super) fn places(&self) -> Vec<FieldPlace> {
        let captured = |piece: &ChannelPiece| matches!(piece, ChannelPiece::Captured(..));
        let captures = (0..self.channel.len()).filter(|at| captured(&self.channel[*at]));
        let leaves = self.payload.leaves().into_iter();
        captures
            .map(FieldPlace::Capture)
            .chain(leaves.map(|(path, _)| FieldPlace::Payload(path)))
            .collect()
    }

    pub(super) fn at(&self, place: &FieldPlace) -> Option<Json> {
        match place {
            FieldPlace::Capture(at) => match self.channel.get(*at)? {
                ChannelPiece::Captured(_, value) => Some(Json::Text(value.clone())),
                ChannelPiece::Fixed(_) => None,
            },
            FieldPlace::Payload(path) => self.payload.at(path).cloned(),
        }
    }

    /// Puts a value there; into a channel only a text that can stand for a capture.
    pub(super) fn set(&mut self, place: &FieldPlace, value: Json) {
        match place {
            FieldPlace::Capture(at) => {
                if let (Some(ChannelPiece::Captured(_, own)), Json::Text(text)) =
                    (self.channel.get_mut(*at), value)
                    && !text.is_empty()
                    && !text.contains([':', ' ', '\n'])
                {
                    *own = text;
                }
            }
            FieldPlace::Payload(path) => self.payload.set(path, value),
        }
    }

    pub(super) fn remove(&mut self, place: &FieldPlace) {
        if let FieldPlace::Payload(path) = place {
            self.payload.remove(path);
        }
    }

    /// As people write it: `legs[].price` of the payload, `{symbol}` of the channel.
    pub(super) fn name(&self, place: &FieldPlace) -> String {
        match place {
            FieldPlace::Payload(path) => name_of(path),
            FieldPlace::Capture(at) => match self.channel.get(*at) {
                Some(ChannelPiece::Captured(name, _)) => format!("{{{name}}}"),
                _ => String::new(),
            },
        }
    }
}

/// The channel with each capture by itself. What is captured stands in the channel in its order.
fn pieces(channel: &str, captures: &[(&str, &str)]) -> Vec<ChannelPiece> {
    let mut pieces = Vec::new();
    let mut done = 0;
    for (name, value) in captures {
        let start = (value.as_ptr() as usize).wrapping_sub(channel.as_ptr() as usize);
        if start < done || start + value.len() > channel.len() {
            continue;
        }
        if start > done {
            pieces.push(ChannelPiece::Fixed(channel[done..start].to_owned()));
        }
        pieces.push(ChannelPiece::Captured(
            (*name).to_owned(),
            (*value).to_owned(),
        ));
        done = start + value.len();
    }
    if done < channel.len() {
        pieces.push(ChannelPiece::Fixed(channel[done..].to_owned()));
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input() -> Input {
        let payload = br#"{"a":1,"b":{"c":"t"}}"#;
        let event = Event::at("x:BTC-USD:1h:y".into(), payload.into(), 5);
        let channel = event.channel.as_str();
        let captures = [("symbol", &channel[2..9]), ("timeframe", &channel[10..12])];
        Input::of(&event, &captures).unwrap()
    }

    #[test]
    fn an_event_comes_back_as_it_was() {
        let event = input().event();
        assert_eq!(event.channel, "x:BTC-USD:1h:y");
        assert_eq!(event.payload, br#"{"a":1,"b":{"c":"t"}}"#);
        assert!(Input::of(&Event::at("x".into(), b"ping".into(), 0), &[]).is_none());
    }

    #[test]
    fn captures_are_fields_beside_those_of_the_payload() {
        let mut input = input();
        let places = input.places();
        let names: Vec<String> = places.iter().map(|place| input.name(place)).collect();
        assert_eq!(names, ["{symbol}", "{timeframe}", "a", "b.c"]);
        input.set(&places[0], Json::Text("A".into()));
        input.set(&places[1], Json::Text("no:colon".into()));
        input.remove(&places[2]);
        input.set(&places[3], Json::Null);
        let event = input.event();
        assert_eq!(event.channel, "x:A:1h:y");
        assert_eq!(event.payload, br#"{"b":{"c":null}}"#);
    }
}
