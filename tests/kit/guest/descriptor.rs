//! What a component says of itself and answers its settings with, as bytes of its memory,
//! laid out by the canonical ABI: all fields are four bytes aligned but for a sample's time,
//! a string or a list is a pointer and a length.

/// What a subscription may say for a parameter.
#[derive(Debug, Clone)]
pub enum Allowed {
    OneOf(Vec<String>),
    Pattern(String),
}

/// What a sample shall come to: publications (channel, data), or a reason by its number.
#[derive(Debug, Clone)]
pub enum Expected {
    Publications(Vec<(String, String)>),
    Rejection(u8),
}

#[derive(Debug, Clone)]
pub struct Sample {
    /// Those that `configure` was given, where it is none.
    pub settings: Option<String>,
    pub channel: String,
    pub payload: String,
    pub received_at: u64,
    pub expected: Expected,
}

impl Sample {
    /// An event of which one publication comes.
    pub fn published(upstream: &str, payload: &str, channel: &str, data: &str) -> Self {
        Self {
            settings: None,
            channel: upstream.into(),
            payload: payload.into(),
            received_at: 1_708_264_800_000,
            expected: Expected::Publications(vec![(channel.into(), data.into())]),
        }
    }
}

/// A family with one message type, beside the component's first.
#[derive(Debug, Clone)]
pub struct Family {
    pub name: String,
    pub parameters: Vec<(String, Allowed)>,
    pub message_type: String,
    pub data_schema: String,
}

/// What the component says of itself, and what it listens to.
#[derive(Debug, Clone)]
pub struct Descriptor {
    pub name: String,
    pub version: String,
    pub summary: String,
    pub settings_schema: String,
    pub upstream_patterns: Vec<String>,
    /// The first family, which the publications are of.
    pub family: String,
    pub parameters: Vec<(String, Allowed)>,
    pub message_type: String,
    pub data_schema: String,
    /// Further message types of the first family: a name and a schema.
    pub more_messages: Vec<(String, String)>,
    pub more_families: Vec<Family>,
    /// Of the first family: whether only the latest message counts, and whether there is a
    /// snapshot.
    pub latest: bool,
    pub snapshot: bool,
    pub samples: Vec<Sample>,
}

impl Descriptor {
    pub(super) fn ticks() -> Self {
        let data = r#"{"price":"1.5"}"#.to_owned();
        Self {
            name: "ticks".into(),
            version: "1.0.0".into(),
            summary: "Every change of a price.".into(),
            settings_schema: r#"{"type":"object"}"#.into(),
            upstream_patterns: vec!["feed:ticks:{symbol}".into()],
            family: "ticks".into(),
            parameters: vec![("symbol".into(), Allowed::Pattern("^[A-Z]{1,8}$".into()))],
            message_type: "tick".into(),
            data_schema: r#"{"type":"object","additionalProperties":false,"required":["price"],
                "properties":{"price":{"type":"string","maxLength":20,"description":"A price."}}}"#
                .into(),
            more_messages: Vec::new(),
            more_families: Vec::new(),
            latest: false,
            snapshot: false,
            samples: vec![Sample::published(
                "feed:ticks:ABC",
                &data,
                "ticks:ABC",
                &data,
            )],
        }
    }

    /// Lays out `descriptor` and `result<configuration, string>`: the memory's bytes from
    /// `base` on, and where in them the two begin.
    pub(super) fn layout(&self, base: u32) -> (Vec<u8>, u32, u32) {
        let mut image = Image {
            base,
            bytes: vec![],
        };
        let families = self.families(&mut image);
        let record = [
            image.text(&self.name),
            image.text(&self.version),
            image.text(&self.summary),
            image.text(&self.settings_schema),
            families,
        ]
        .concat();
        let descriptor = image.words(&record);
        let patterns: Vec<_> = self
            .upstream_patterns
            .iter()
            .map(|p| image.text(p))
            .collect();
        let patterns = image.list(&patterns);
        let samples: Vec<_> = self
            .samples
            .iter()
            .map(|s| sample(&mut image, s, &self.message_type))
            .collect();
        let samples = image.list(&samples);
        // The result's discriminant first: ok.
        let configuration = image.words(&[vec![0], patterns, samples].concat());
        (image.bytes, descriptor, configuration)
    }

    fn families(&self, image: &mut Image) -> Vec<u32> {
        let first = (self.message_type.clone(), self.data_schema.clone());
        let messages = [vec![first], self.more_messages.clone()].concat();
        let flags = u32::from(self.latest) | u32::from(self.snapshot) << 8;
        let mut families = vec![family(
            image,
            &self.family,
            &self.parameters,
            &messages,
            flags,
        )];
        for more in &self.more_families {
            let messages = [(more.message_type.clone(), more.data_schema.clone())];
            families.push(family(image, &more.name, &more.parameters, &messages, 0));
        }
        image.list(&families)
    }
}

/// `flags` has the delivery in its first byte, and the snapshot in its second.
fn family(
    image: &mut Image,
    name: &str,
    parameters: &[(String, Allowed)],
    messages: &[(String, String)],
    flags: u32,
) -> Vec<u32> {
    let parameters: Vec<_> = parameters.iter().map(|p| parameter(image, p)).collect();
    let parameters = image.list(&parameters);
    let messages: Vec<_> = messages
        .iter()
        .map(|(name, schema)| [image.text(name), image.text(schema)].concat())
        .collect();
    let messages = image.list(&messages);
    [image.text(name), parameters, messages, vec![flags]].concat()
}

fn parameter(image: &mut Image, (name, allowed): &(String, Allowed)) -> Vec<u32> {
    let mut words = image.text(name);
    match allowed {
        Allowed::OneOf(values) => {
            let values: Vec<_> = values.iter().map(|value| image.text(value)).collect();
            words.push(0);
            words.extend(image.list(&values));
        }
        Allowed::Pattern(pattern) => {
            words.push(1);
            words.extend(image.text(pattern));
        }
    }
    words
}

fn sample(image: &mut Image, sample: &Sample, message_type: &str) -> Vec<u32> {
    let mut words = match &sample.settings {
        None => vec![0, 0, 0],
        Some(settings) => [vec![1], image.text(settings)].concat(),
    };
    words.extend(image.text(&sample.channel));
    words.extend(image.text(&sample.payload));
    let [low, high] = [sample.received_at, sample.received_at >> 32]
        .map(|half| u32::try_from(half & u64::from(u32::MAX)).expect("32 bits"));
    // The time has eight bytes and stands at a multiple of eight.
    words.extend([0, low, high]);
    match &sample.expected {
        Expected::Publications(publications) => {
            let items: Vec<_> = publications
                .iter()
                .map(|(channel, data)| {
                    [
                        image.text(channel),
                        image.text(message_type),
                        image.text(data),
                    ]
                    .concat()
                })
                .collect();
            words.push(0);
            words.extend(image.list(&items));
        }
        // The reason is one byte at the payload's place, and a second word fills up.
        Expected::Rejection(reason) => words.extend([1, u32::from(*reason), 0]),
    }
    // So that the next sample begins at a multiple of eight.
    words.push(0);
    words
}

/// Memory under construction. A discriminant of one byte is written as a whole word, which
/// is the same in little endian.
struct Image {
    base: u32,
    bytes: Vec<u8>,
}

impl Image {
    fn here(&self) -> u32 {
        self.base + u32::try_from(self.bytes.len()).expect("a small image")
    }

    /// Writes a text and gives pointer and length.
    fn text(&mut self, text: &str) -> Vec<u32> {
        let start = self.here();
        self.bytes.extend(text.as_bytes());
        let length = u32::try_from(text.len()).expect("a small image");
        while !self.bytes.len().is_multiple_of(4) {
            self.bytes.push(0);
        }
        vec![start, length]
    }

    /// Writes the items one after the other and gives pointer and count.
    fn list(&mut self, items: &[Vec<u32>]) -> Vec<u32> {
        while !self.here().is_multiple_of(8) {
            self.bytes.push(0);
        }
        let start = self.words(&items.concat());
        vec![start, u32::try_from(items.len()).expect("a small image")]
    }

    fn words(&mut self, words: &[u32]) -> u32 {
        let start = self.here();
        self.bytes
            .extend(words.iter().flat_map(|word| word.to_le_bytes()));
        start
    }
}
