//! What is written down in a component's bytes: the numbers of its code, and the texts of its
//! data. Whoever looks for events that a component treats in a special way finds there what it
//! may hold them against. Nothing is said of what they mean.

use std::collections::BTreeSet;

use wasmparser::{DataKind, FunctionBody, Operator, Parser, Payload};

/// The most of each kind.
const MAX: usize = 20_000;

/// The longest text, in bytes.
const MAX_TEXT: usize = 64;

/// How many numbers before one may belong to the same comparison.
const NEAR: usize = 3;

/// Numbers and texts of a component, each once, those that its own code names first.
#[derive(Debug, Default)]
pub struct Constants {
    pub whole: Vec<i64>,
    pub floats: Vec<f64>,
    pub texts: Vec<String>,
}

impl Constants {
    /// `names` are words by which the component's own sources are known among those of its
    /// language: what stands near them comes first.
    pub(super) fn of(bytes: &[u8], names: &[String]) -> Self {
        let mut found = Harvest::default();
        for payload in Parser::new(0).parse_all(bytes) {
            match payload {
                Ok(Payload::DataSection(section)) => {
                    for data in section.into_iter().flatten() {
                        found.segments.push(Segment {
                            start: start_of(&data.kind),
                            bytes: data.data,
                        });
                    }
                }
                Ok(Payload::CodeSectionEntry(body)) => found.functions.push(numbers_of(&body)),
                Ok(_) => {}
                Err(_) => break,
            }
        }
        found.constants(names)
    }
}

/// A piece of the memory that a module begins with.
struct Segment<'a> {
    /// Its address; none where the module decides later.
    start: Option<u64>,
    bytes: &'a [u8],
}

/// A number of a function's code.
#[derive(Clone, Copy)]
enum CodeNumber {
    Whole(i64),
    Float(f64),
}

#[derive(Default)]
struct Harvest<'a> {
    segments: Vec<Segment<'a>>,
    /// The numbers of each function, in their order.
    functions: Vec<Vec<CodeNumber>>,
}

fn start_of(kind: &DataKind<'_>) -> Option<u64> {
    let DataKind::Active { offset_expr, .. } = kind else {
        return None;
    };
    match offset_expr.get_operators_reader().read() {
        Ok(Operator::I32Const { value }) => Some(u64::from(value.cast_unsigned())),
        _ => None,
    }
}

/// Up to the first operation that is not understood.
fn numbers_of(body: &FunctionBody<'_>) -> Vec<CodeNumber> {
    let mut numbers = Vec::new();
    let operators = body.get_operators_reader().into_iter().flatten();
    for operator in operators {
        match operator {
            Ok(Operator::I32Const { value }) => numbers.push(CodeNumber::Whole(value.into())),
            Ok(Operator::I64Const { value }) => numbers.push(CodeNumber::Whole(value)),
            Ok(Operator::F32Const { value }) => {
                numbers.push(CodeNumber::Float(f32::from_bits(value.bits()).into()));
            }
            Ok(Operator::F64Const { value }) => {
                numbers.push(CodeNumber::Float(f64::from_bits(value.bits())));
            }
            Ok(_) => {}
            Err(_) => break,
        }
    }
    numbers
}

impl Harvest<'_> {
    fn constants(&self, names: &[String]) -> Constants {
        let mut whole = BTreeSet::new();
        let mut floats: Vec<f64> = Vec::new();
        let mut texts = Texts::default();
        for function in &self.functions {
            let mut before: Vec<i64> = Vec::new();
            for number in function {
                match *number {
                    CodeNumber::Float(float) => floats.push(float),
                    CodeNumber::Whole(number) => {
                        if self.text_at(number, 1).is_none() {
                            whole.insert(number);
                        }
                        self.texts_of(number, &before, &mut texts);
                        before.push(number);
                        if before.len() > NEAR {
                            before.remove(0);
                        }
                    }
                }
            }
        }
        self.texts_of_data(&mut texts);
        self.words(names, &mut texts);
        floats.sort_by(f64::total_cmp);
        floats.dedup();
        floats.truncate(MAX);
        Constants {
            whole: whole.into_iter().take(MAX).collect(),
            floats,
            texts: texts.in_order,
        }
    }

    /// A number may be an address, and one near it the length of what stands there; or it may be a
    /// text itself, of which a comparison holds a few bytes at a time.
    fn texts_of(&self, number: i64, before: &[i64], texts: &mut Texts) {
        for near in before {
            for (address, length) in [(number, *near), (*near, number)] {
                if let Ok(length) = usize::try_from(length)
                    && (1..=MAX_TEXT).contains(&length)
                    && let Some(text) = self.text_at(address, length)
                {
                    texts.add(text);
                }
            }
        }
        for from_end in [false, true] {
            let Some(text) = spelt(number, from_end) else {
                return;
            };
            let earlier = before.iter().filter_map(|number| spelt(*number, from_end));
            let mut earlier: Vec<String> = earlier.collect();
            for before in &earlier {
                for text in [joined(before, &text), joined(&text, before)] {
                    texts.add(&text);
                }
            }
            if earlier.len() == NEAR.min(2) || earlier.len() == NEAR {
                earlier.push(text.clone());
                texts.add(&earlier.concat());
                texts.add(&earlier[earlier.len() - 3..].concat());
            }
            texts.add(&text);
        }
    }

    fn text_at(&self, address: i64, length: usize) -> Option<&str> {
        let address = u64::try_from(address).ok()?;
        let found = self.segments.iter().find_map(|segment| {
            let at = usize::try_from(address.checked_sub(segment.start?)?).ok()?;
            segment.bytes.get(at..at.checked_add(length)?)
        })?;
        std::str::from_utf8(found).ok()
    }

    /// Data may hold addresses and lengths of texts.
    fn texts_of_data(&self, texts: &mut Texts) {
        for segment in &self.segments {
            let skew = segment.start.unwrap_or_default() % 4;
            let begins = usize::try_from((4 - skew) % 4).unwrap_or_default();
            let words = segment
                .bytes
                .get(begins..)
                .unwrap_or_default()
                .chunks_exact(4);
            let words: Vec<u32> = words
                .map(|word| {
                    word.iter()
                        .rev()
                        .fold(0, |sum, byte| sum << 8 | u32::from(*byte))
                })
                .collect();
            for pair in words.windows(2) {
                let length = usize::try_from(pair[1]).unwrap_or(usize::MAX);
                if (1..=MAX_TEXT).contains(&length)
                    && let Some(text) = self.text_at(pair[0].into(), length)
                {
                    texts.add(text);
                }
            }
        }
    }

    /// The words of all data, as a language that brings its sources along has them there.
    fn words(&self, names: &[String], texts: &mut Texts) {
        let is_text = |byte: &u8| matches!(byte, b' '..=b'~' | b'\n' | b'\t');
        let runs = self
            .segments
            .iter()
            .flat_map(|segment| segment.bytes.split(|byte| !is_text(byte)));
        let runs: Vec<&str> = runs
            .filter(|run| run.len() > 1)
            .filter_map(|run| std::str::from_utf8(run).ok())
            .collect();
        let own = |run: &&str| {
            names
                .iter()
                .any(|name| name.len() > 3 && run.contains(name.as_str()))
        };
        let (own, others): (Vec<&str>, Vec<&str>) = runs.iter().partition(|run| own(run));
        for run in own.into_iter().chain(others) {
            for word in run.split(|c: char| !(c.is_ascii_alphanumeric() || "_.-".contains(c))) {
                texts.add(word);
            }
        }
    }
}

/// Texts, each once.
#[derive(Default)]
struct Texts {
    in_order: Vec<String>,
    seen: BTreeSet<String>,
}

impl Texts {
    fn add(&mut self, text: &str) {
        let printable = text.chars().all(|c| !c.is_control());
        if !text.is_empty()
            && text.len() <= MAX_TEXT
            && printable
            && self.in_order.len() < MAX
            && self.seen.insert(text.to_owned())
        {
            self.in_order.push(text.to_owned());
        }
    }
}

/// A number whose bytes are a text: in their order, as a comparison for equality has them, or from
/// the end, as one has them that looks which text is larger.
fn spelt(number: i64, from_end: bool) -> Option<String> {
    let bytes = number.to_le_bytes();
    let length = bytes.iter().rposition(|byte| *byte != 0)? + 1;
    let mut text = bytes[..length].to_vec();
    let is_word = text
        .iter()
        .all(|byte| byte.is_ascii_graphic() || *byte == b' ');
    if from_end {
        text.reverse();
    }
    is_word.then(|| text.into_iter().map(char::from).collect())
}

/// Both texts, what the first ends with and the second begins with once: a comparison of seven
/// bytes is one of the first four and one of the last four.
fn joined(first: &str, second: &str) -> String {
    let most = first.len().min(second.len());
    let shared = (1..most)
        .rev()
        .find(|length| first.ends_with(&second[..*length]));
    format!("{first}{}", &second[shared.unwrap_or_default()..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Constants {
        Constants::of(&wat::parse_str(text).unwrap(), &[])
    }

    #[test]
    fn numbers_of_code_are_found_and_addresses_are_not_among_them() {
        let constants = of(
            r#"(component (core module (memory 1) (data (i32.const 1024) "some text")
                (func (drop (i32.const 987654321)) (drop (i64.const -5)) (drop (i32.const 1030))
                    (drop (f64.const 1234.5)))))"#,
        );
        assert_eq!(constants.whole, [-5, 987_654_321]);
        assert_eq!(constants.floats, [1234.5]);
    }

    #[test]
    fn texts_are_found_by_address_and_length_and_as_words() {
        let constants = of(
            r#"(component (core module (memory 1) (data (i32.const 1024) "goldsilver\00two words\04\04\00\00\06\00\00\00")
                (func (param i32 i32)) (func (call 0 (i32.const 1024) (i32.const 4)))))"#,
        );
        for text in ["gold", "silver", "goldsilver", "two", "words"] {
            assert!(
                constants.texts.iter().any(|own| own == text),
                "{text}: {constants:?}"
            );
        }
    }

    #[test]
    fn a_text_that_a_comparison_holds_in_numbers_is_put_together() {
        let number = |text: &str| {
            text.bytes()
                .rev()
                .fold(0_i64, |sum, byte| sum << 8 | i64::from(byte))
        };
        for (parts, whole) in [
            (vec!["DOGE-USD"], "DOGE-USD"),
            (vec!["plat", "inum"], "platinum"),
            (vec!["gold", "ld-1"], "gold-1"),
            (vec!["vi", "p"], "vip"),
            (vec!["DOGE-USD", "T"], "DOGE-USDT"),
        ] {
            let code: String = parts
                .iter()
                .map(|part| format!("(drop (i64.const {}))", number(part)))
                .collect();
            let constants = of(&format!("(component (core module (func {code})))"));
            assert!(
                constants.texts.iter().any(|own| own == whole),
                "{whole}: {constants:?}"
            );
        }
    }

    #[test]
    fn a_text_that_a_comparison_holds_from_its_end_is_read_so() {
        let number = |text: &str| {
            let bytes = text.bytes();
            bytes.fold(0_i64, |sum, byte| sum << 8 | i64::from(byte))
        };
        let (first, second) = (number("apac"), number("-hub"));
        let code = format!("(drop (i64.const {first})) (drop (i64.const {second}))");
        let constants = of(&format!("(component (core module (func {code})))"));
        for text in ["apac", "apac-hub"] {
            assert!(
                constants.texts.iter().any(|own| own == text),
                "{text}: {constants:?}"
            );
        }
    }

    #[test]
    fn what_stands_near_the_names_of_fields_comes_first() {
        let bytes = wat::parse_str(
            r#"(component (core module (memory 1)
                (data (i32.const 0) "engine words\00if (event.secret == 17) note\00")))"#,
        );
        let constants = Constants::of(&bytes.unwrap(), &["secret".to_owned()]);
        assert_eq!(constants.texts[..3], ["if", "event.secret", "17"]);
    }

    #[test]
    fn bytes_that_are_no_component_have_nothing() {
        let constants = Constants::of(b"\0asm\x0d", &[]);
        assert!(constants.texts.is_empty() && constants.whole.is_empty());
    }
}
