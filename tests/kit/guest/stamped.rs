//! Revisions of the ticks that differ visibly: each puts its mark at both ends of every
//! message, so that a message that came from two of them would show. From them come those
//! that show more or less to clients, and those that are fine until live events come.

use serde_json::{Map, Value, json};

use super::text::Wrapping;
use super::{Allowed, Expected, Guest, Sample};

/// How a revision fails on live events of symbols that begin with `X`. Its samples are fine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failing {
    Trap,
    Loop,
    /// Publishes what its own schema forbids.
    Guard,
    Memory,
    Output,
    /// Does not fail: it takes some milliseconds of processor time.
    Slow,
    /// Does not fail: it makes nothing of them.
    Mute,
    /// Does not fail: it rejects them.
    Rejecting,
}

impl Failing {
    /// The word by which Tidegate names it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Trap => "trap",
            Self::Loop => "deadline",
            Self::Guard => "schema",
            Self::Memory => "memory",
            Self::Output => "output",
            Self::Slow => "slow",
            Self::Mute => "mute",
            Self::Rejecting => "rejecting",
        }
    }

    fn instructions(self) -> &'static str {
        match self {
            Self::Trap => "(unreachable)",
            Self::Loop => "(loop $l (br $l))",
            Self::Guard => {
                "(return (call $publish (i32.const 1400) (i32.const 9) (local.get $pl) \
                 (local.get $pll)))"
            }
            Self::Memory => {
                "(loop $l (if (i32.eq (memory.grow (i32.const 64)) (i32.const -1)) \
                 (then (unreachable))) (br $l))"
            }
            Self::Output => {
                "(return (call $publish (i32.const 1400) (i32.const 9) (i32.const 0x80000) \
                 (i32.const 0x14000)))"
            }
            Self::Mute => {
                "(i32.store (i32.const 512) (i32.const 0)) \
                 (i32.store (i32.const 516) (i32.const 512)) \
                 (i32.store (i32.const 520) (i32.const 0)) \
                 (return (i32.const 512))"
            }
            Self::Rejecting => {
                "(i32.store (i32.const 512) (i32.const 1)) \
                 (i32.store (i32.const 516) (i32.const 2)) \
                 (i32.store (i32.const 520) (i32.const 0)) \
                 (i32.store (i32.const 532) (i32.const 0)) \
                 (i32.store (i32.const 536) (i32.const 0)) \
                 (return (i32.const 512))"
            }
            Self::Slow => {
                "(global.set $turns (i32.const 1000000)) (loop $l \
                 (global.set $turns (i32.sub (global.get $turns) (i32.const 1))) \
                 (br_if $l (global.get $turns)))"
            }
        }
    }
}

/// What a revision takes away from clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Breaking {
    /// A field that was always there is gone.
    FieldGone,
    /// A text became a number.
    Retyped,
    MessageType,
    /// Symbols of one letter only.
    Parameter,
}

impl Guest {
    /// Of `{"n":1}` it makes `{"rev":mark,"tick":{"n":1},"rev_again":mark}`.
    pub fn stamped(mark: &str) -> Self {
        let mut guest = Self::ticks();
        guest.descriptor.data_schema = schema(json!({
            "rev": {"type": "string", "maxLength": 20},
            "rev_again": {"type": "string", "maxLength": 20},
        }));
        guest.wrap(
            &format!(r#"{{"rev":"{mark}","tick":"#),
            &format!(r#","rev_again":"{mark}"}}"#),
        )
    }

    /// The same, and a field more: `venue`.
    pub fn wider(mark: &str) -> Self {
        let mut guest = Self::stamped(mark);
        guest.property("venue", json!({"type": "string", "maxLength": 20}));
        guest.wrap(
            &format!(r#"{{"rev":"{mark}","venue":"north","tick":"#),
            &format!(r#","rev_again":"{mark}"}}"#),
        )
    }

    /// The same, and something that clients rely on is another.
    pub fn breaking(mark: &str, how: Breaking) -> Self {
        let mut guest = Self::stamped(mark);
        match how {
            Breaking::FieldGone => {
                let rev = json!({"rev": {"type": "string", "maxLength": 20}});
                guest.descriptor.data_schema = schema(rev);
                guest.wrap(&format!(r#"{{"rev":"{mark}","tick":"#), "}")
            }
            Breaking::Retyped => {
                guest.property("rev", json!({"type": "integer"}));
                let after = format!(r#","rev_again":"{mark}"}}"#);
                guest.wrap(r#"{"rev":7,"tick":"#, &after)
            }
            Breaking::MessageType => {
                "price_tick".clone_into(&mut guest.descriptor.message_type);
                guest
            }
            Breaking::Parameter => {
                guest.descriptor.parameters[0].1 = Allowed::Pattern("^[A-Z]$".into());
                let sample = &mut guest.descriptor.samples[0];
                sample.channel = format!("{}A", super::FEED);
                if let Expected::Publications(publications) = &mut sample.expected {
                    publications[0].0 = "ticks:A".into();
                }
                guest
            }
        }
    }

    /// Fails on live events of symbols that begin with `X`.
    pub fn failing(self, how: Failing) -> Self {
        self.when_bad(how.instructions()).fields(
            r#"(data (i32.const 1400) "ticks:XXX") (global $turns (mut i32) (i32.const 0))"#,
        )
    }

    /// Shows its settings, which may have a `mark`, as the data's `settings`. Its sample
    /// brings settings of its own.
    pub fn showing_settings(mark: &str) -> Self {
        let mut guest = Self::stamped(mark);
        let text = json!({"type": "string", "maxLength": 20});
        let closed = json!({"type": "object", "additionalProperties": false,
            "properties": {"mark": text}});
        guest.property("settings", closed);
        let settings = r#"{"mark":"s"}"#;
        let shown = format!(
            r#"{{"rev":"{mark}","settings":{settings},"tick":{{"n":1}},"rev_again":"{mark}"}}"#
        );
        let sample = Sample::published("feed:ticks:ABC", r#"{"n":1}"#, "ticks:ABC", &shown);
        guest.descriptor.samples = vec![Sample {
            settings: Some(settings.into()),
            ..sample
        }];
        guest.wrapping = Some(Wrapping {
            before: format!(r#"{{"rev":"{mark}","settings":"#),
            middle: Some(r#","tick":"#.into()),
            after: format!(r#","rev_again":"{mark}"}}"#),
        });
        guest
    }

    /// Refuses to be configured without settings.
    pub fn needing_settings(mark: &str) -> Self {
        let refusal = "mark is missing: a text";
        Self::showing_settings(mark)
            .configure(&format!(
                "(if (i32.eq (local.get 1) (i32.const 2)) (then
                   (i32.store (i32.const 512) (i32.const 1))
                   (i32.store (i32.const 516) (i32.const 1400))
                   (i32.store (i32.const 520) (i32.const {}))
                   (return (i32.const 512))))",
                refusal.len()
            ))
            .fields(&format!(r#"(data (i32.const 1400) "{refusal}")"#))
    }

    /// Says something else of each second event of a symbol that begins with `X`, on one
    /// instance: what depends on what it saw before.
    pub fn remembering(mark: &str) -> Self {
        let second_time = format!(r#"{{"rev":"other","tick":{{"n":1}},"rev_again":"{mark}"}}"#);
        let fields = format!(
            r#"(data (i32.const 1400) "ticks:XY") (data (i32.const 1600) "{}")
               (global $seen (mut i32) (i32.const 0))"#,
            second_time.escape_default()
        );
        Self::stamped(mark)
            .when_bad(&format!(
                "(global.set $seen (i32.add (global.get $seen) (i32.const 1)))
                 (if (i32.and (global.get $seen) (i32.const 2)) (then (return (call $publish
                   (i32.const 1400) (i32.const 8) (i32.const 1600) (i32.const {})))))",
                second_time.len()
            ))
            .fields(&fields)
    }

    /// Traps where it is configured.
    pub fn trapping_at_configure(mark: &str) -> Self {
        Self::stamped(mark).configure("(unreachable)")
    }

    /// Publishes something else than its own samples say.
    pub fn lying_in_samples(mark: &str) -> Self {
        let mut guest = Self::stamped("honest");
        let samples = guest.descriptor.samples.clone();
        guest = guest.wrap(
            &format!(r#"{{"rev":"{mark}","tick":"#),
            r#","rev_again":"honest"}"#,
        );
        guest.descriptor.samples = samples;
        guest
    }

    /// The same under another name, with a family and a message type of its own.
    pub fn named(mut self, name: &str) -> Self {
        let descriptor = &mut self.descriptor;
        name.clone_into(&mut descriptor.name);
        name.clone_into(&mut descriptor.family);
        descriptor.message_type = name.trim_end_matches('s').to_owned();
        for sample in &mut descriptor.samples {
            if let Expected::Publications(publications) = &mut sample.expected {
                for (channel, _) in publications {
                    *channel = channel.replace("ticks:", &format!("{name}:"));
                }
            }
        }
        self
    }

    /// Listens to channels that begin so instead; it has as many characters as `FEED`.
    pub fn listening_to(mut self, feed: &str) -> Self {
        assert_eq!(feed.len(), super::FEED.len());
        self.descriptor.upstream_patterns = vec![format!("{feed}{{symbol}}")];
        for sample in &mut self.descriptor.samples {
            sample.channel = sample.channel.replace(super::FEED, feed);
        }
        self
    }

    /// A version of its own.
    pub fn version(mut self, version: &str) -> Self {
        version.clone_into(&mut self.descriptor.version);
        self
    }

    /// What stands around the payload, with a sample that says so.
    fn wrap(mut self, before: &str, after: &str) -> Self {
        let payload = r#"{"n":1}"#;
        let data = format!("{before}{payload}{after}");
        let sample = Sample::published("feed:ticks:ABC", payload, "ticks:ABC", &data);
        self.descriptor.samples = vec![sample];
        self.wrapping = Some(Wrapping {
            before: before.into(),
            middle: None,
            after: after.into(),
        });
        self
    }

    /// Adds a field to the schema that need not be there, or changes one.
    fn property(&mut self, name: &str, is: Value) {
        let text = &self.descriptor.data_schema;
        let mut schema: Value = serde_json::from_str(text).expect("written by `schema`");
        schema["properties"][name] = is;
        self.descriptor.data_schema = schema.to_string();
    }
}

/// A closed object of a tick and these, all of them required.
fn schema(more: Value) -> String {
    let Value::Object(more) = more else {
        panic!("an object, not {more}");
    };
    let tick = json!({"type": "object", "additionalProperties": false, "required": ["n"],
    "properties": {
        "n": {"type": "integer", "minimum": 0},
    }});
    let mut properties = Map::from_iter([("tick".to_owned(), tick)]);
    properties.extend(more);
    let required: Vec<_> = properties.keys().cloned().collect();
    json!({"type": "object", "additionalProperties": false, "properties": properties,
        "required": required})
    .to_string()
}
