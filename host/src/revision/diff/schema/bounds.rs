//! Bounds on strings, numbers and arrays: which of two lets more through.
//!
//! All bounds hold together, so a value that passes the new ones and not the old ones passes
//! by one of them that is looser: it is enough to compare them one by one.

use std::cmp::Ordering;

use serde_json::Value;

use super::Walk;
use crate::revision::diff::short;

/// A bound with the words for it; none where there is no such bound.
type Bound<'a> = Option<&'a Value>;

impl Walk<'_> {
    pub(super) fn strings(&mut self, at: &str, from: &Value, to: &Value) {
        self.upper(at, "characters", count(from, to, "maxLength"));
        self.lower(at, "characters", count(from, to, "minLength"));
        for (keyword, word) in [("pattern", "like"), ("format", "of format")] {
            let text = |schema: &Value| Some(short(schema.get(keyword)?.as_str()?));
            match (from.get(keyword) == to.get(keyword), text(from), text(to)) {
                (true, _, _) => {}
                (_, None, Some(new)) => self.note(at, &format!("{word} {new} only, was free")),
                (_, Some(old), None) => self.wider(at, &format!("free, was {word} {old}")),
                (_, old, new) => {
                    let (old, new) = (old.unwrap_or_default(), new.unwrap_or_default());
                    self.wider(at, &format!("{word} {new}, was {old}"));
                }
            }
        }
    }

    pub(super) fn numbers(&mut self, at: &str, from: &Value, to: &Value) {
        for (inclusive, exclusive, outwards) in [
            ("minimum", "exclusiveMinimum", Ordering::Less),
            ("maximum", "exclusiveMaximum", Ordering::Greater),
        ] {
            let end = |schema| RangeEnd::of(schema, inclusive, exclusive, outwards);
            let (old, new) = (end(from), end(to));
            let what = format!(
                "{}, was {}",
                RangeEnd::words(new.as_ref(), outwards),
                RangeEnd::words(old.as_ref(), outwards)
            );
            match RangeEnd::compare(old.as_ref(), new.as_ref(), outwards) {
                Some(Ordering::Equal) => {}
                Some(Ordering::Less) => self.note(at, &what),
                Some(Ordering::Greater) | None => self.wider(at, &what),
            }
        }
        let (old, new) = (from.get("multipleOf"), to.get("multipleOf"));
        let whole = |step: Bound<'_>| step.and_then(Value::as_u64);
        let words = |step: Bound<'_>| {
            step.map_or("any step".to_owned(), |step| format!("multiples of {step}"))
        };
        let what = format!("{}, was {}", words(new), words(old));
        match (whole(old), whole(new)) {
            _ if old == new => {}
            _ if old.is_none() => self.note(at, &what),
            (Some(old), Some(new)) if old > 0 && new % old == 0 => self.note(at, &what),
            _ => self.wider(at, &what),
        }
    }

    pub(super) fn array_bounds(&mut self, at: &str, from: &Value, to: &Value) {
        let at = &format!("{at}[]");
        self.upper(at, "items", (from.get("maxItems"), to.get("maxItems")));
        // Clients may rely on the items that were always there.
        let fewest = (from.get("minItems"), to.get("minItems"));
        let what = lower_words("items", fewest);
        match fewest_compared(fewest) {
            Some(Ordering::Equal) => {}
            Some(Ordering::Greater) => self.note(at, &what),
            Some(Ordering::Less) | None => self.breaking(at, &what),
        }
        let unique = |schema: &Value| schema.get("uniqueItems") == Some(&Value::Bool(true));
        match (unique(from), unique(to)) {
            (true, false) => self.wider(at, "items can be equal, were all different"),
            (false, true) => self.note(at, "items are all different, could be equal"),
            _ => {}
        }
    }

    fn upper(&mut self, at: &str, of: &str, (old, new): (Bound<'_>, Bound<'_>)) {
        let words = |bound: Bound<'_>| {
            bound.map_or(format!("any number of {of}"), |most| {
                format!("up to {most} {of}")
            })
        };
        let what = format!("{}, was {}", words(new), words(old));
        match (old, new) {
            (None, None) => {}
            (None, Some(_)) => self.note(at, &what),
            (Some(_), None) => self.wider(at, &what),
            (Some(old), Some(new)) => match ordered(new, old) {
                Some(Ordering::Equal) => {}
                Some(Ordering::Less) => self.note(at, &what),
                Some(Ordering::Greater) | None => self.wider(at, &what),
            },
        }
    }

    fn lower(&mut self, at: &str, of: &str, bounds: (Bound<'_>, Bound<'_>)) {
        let what = lower_words(of, bounds);
        match fewest_compared(bounds) {
            Some(Ordering::Equal) => {}
            Some(Ordering::Greater) => self.note(at, &what),
            Some(Ordering::Less) | None => self.wider(at, &what),
        }
    }
}

fn count<'a>(from: &'a Value, to: &'a Value, keyword: &str) -> (Bound<'a>, Bound<'a>) {
    (from.get(keyword), to.get(keyword))
}

fn lower_words(of: &str, (old, new): (Bound<'_>, Bound<'_>)) -> String {
    let words = |bound: Bound<'_>| bound.map_or("0".to_owned(), ToString::to_string);
    format!("at least {} {of}, was {}", words(new), words(old))
}

/// How the new of two lower bounds on a count stands to the old one.
fn fewest_compared((old, new): (Bound<'_>, Bound<'_>)) -> Option<Ordering> {
    let zero = Value::from(0);
    ordered(new.unwrap_or(&zero), old.unwrap_or(&zero))
}

/// One end of a range of numbers.
struct RangeEnd<'a> {
    at: &'a Value,
    excluded: bool,
}

impl<'a> RangeEnd<'a> {
    /// The tighter of the two keywords. `None` where there is neither.
    fn of(schema: &'a Value, inclusive: &str, exclusive: &str, outwards: Ordering) -> Option<Self> {
        let included = schema.get(inclusive).map(|at| Self {
            at,
            excluded: false,
        });
        let excluded = schema.get(exclusive).map(|at| Self { at, excluded: true });
        match (included, excluded) {
            (Some(included), Some(excluded)) => match ordered(included.at, excluded.at) {
                Some(order) if order == outwards || order == Ordering::Equal => Some(excluded),
                _ => Some(included),
            },
            (included, excluded) => included.or(excluded),
        }
    }

    /// Greater where the new end lets more through, less where it lets less.
    fn compare(old: Option<&Self>, new: Option<&Self>, outwards: Ordering) -> Option<Ordering> {
        match (old, new) {
            (None, None) => Some(Ordering::Equal),
            (None, Some(_)) => Some(Ordering::Less),
            (Some(_), None) => Some(Ordering::Greater),
            (Some(old), Some(new)) => Some(match ordered(new.at, old.at)? {
                Ordering::Equal => old.excluded.cmp(&new.excluded),
                order if order == outwards => Ordering::Greater,
                _ => Ordering::Less,
            }),
        }
    }

    fn words(end: Option<&Self>, outwards: Ordering) -> String {
        let Some(Self { at, excluded }) = end else {
            return "without end".into();
        };
        match (outwards, excluded) {
            (Ordering::Less, false) => format!("at least {at}"),
            (Ordering::Less, true) => format!("more than {at}"),
            (_, false) => format!("at most {at}"),
            (_, true) => format!("less than {at}"),
        }
    }
}

/// None where the two cannot be told apart for sure: whole numbers are compared exactly, and
/// others as far as a double is exact.
fn ordered(left: &Value, right: &Value) -> Option<Ordering> {
    let whole = |value: &Value| {
        let signed = value.as_i64().map(i128::from);
        signed.or_else(|| value.as_u64().map(i128::from))
    };
    if let (Some(left), Some(right)) = (whole(left), whole(right)) {
        return Some(left.cmp(&right));
    }
    match left.as_f64()?.partial_cmp(&right.as_f64()?)? {
        Ordering::Equal if left != right => None,
        order => Some(order),
    }
}
