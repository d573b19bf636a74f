//! The descriptor of a component as bytes of its memory, laid out by the canonical ABI:
//! all fields are four bytes aligned, a string or a list is a pointer and a length.

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
    pub channel: String,
    pub payload: String,
    pub expected: Expected,
}

/// What the component says of itself.
#[derive(Debug, Clone)]
pub struct Descriptor {
    pub name: String,
    pub version: String,
    pub summary: String,
    pub upstream_patterns: Vec<String>,
    pub family: String,
    pub parameters: Vec<(String, Allowed)>,
    pub message_type: String,
    pub data_schema: String,
    pub samples: Vec<Sample>,
}

impl Descriptor {
    pub(super) fn ticks() -> Self {
        let data = r#"{"price":"1.5"}"#.to_owned();
        Self {
            name: "ticks".into(),
            version: "1.0.0".into(),
            summary: "Every change of a price.".into(),
            upstream_patterns: vec!["feed:ticks:*".into()],
            family: "ticks".into(),
            parameters: vec![("symbol".into(), Allowed::Pattern("^[A-Z]{1,8}$".into()))],
            message_type: "tick".into(),
            data_schema: r#"{"type":"object","additionalProperties":false,"required":["price"],
                "properties":{"price":{"type":"string","maxLength":20,"description":"A price."}}}"#
                .into(),
            samples: vec![Sample {
                channel: "feed:ticks:ABC".into(),
                payload: data.clone(),
                expected: Expected::Publications(vec![("ticks:ABC".into(), data)]),
            }],
        }
    }

    /// Lays out `result<descriptor, string>`: the memory's bytes from `base` on, and where
    /// in them the result begins.
    pub(super) fn layout(&self, base: u32) -> (Vec<u8>, u32) {
        let mut image = Image {
            base,
            bytes: vec![],
        };
        let patterns: Vec<_> = self
            .upstream_patterns
            .iter()
            .map(|p| image.text(p))
            .collect();
        let patterns = image.list(&patterns);
        let parameters: Vec<_> = self
            .parameters
            .iter()
            .map(|p| parameter(&mut image, p))
            .collect();
        let parameters = image.list(&parameters);
        let samples: Vec<_> = self.samples.iter().map(|s| sample(&mut image, s)).collect();
        let samples = image.list(&samples);
        let record = [
            vec![0], // The result's discriminant: ok.
            image.text(&self.name),
            image.text(&self.version),
            image.text(&self.summary),
            patterns,
            image.text(&self.family),
            parameters,
            image.text(&self.message_type),
            image.text(&self.data_schema),
            samples,
        ]
        .concat();
        let start = image.words(&record);
        (image.bytes, start)
    }
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

fn sample(image: &mut Image, sample: &Sample) -> Vec<u32> {
    let mut words = image.text(&sample.channel);
    words.extend(image.text(&sample.payload));
    match &sample.expected {
        Expected::Publications(publications) => {
            let items: Vec<_> = publications
                .iter()
                .map(|(channel, data)| [image.text(channel), image.text(data)].concat())
                .collect();
            words.push(0);
            words.extend(image.list(&items));
        }
        // The reason is one byte at the payload's place, and a second word fills up.
        Expected::Rejection(reason) => words.extend([1, u32::from(*reason), 0]),
    }
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
