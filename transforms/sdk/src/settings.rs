//! The operator's settings. Everything wrong with them is said at once, by name, when the
//! component is loaded and not when the first event comes.

use std::ops::RangeInclusive;

use crate::Payload;

/// The settings object, known to hold no key but the ones that the component knows.
pub struct Settings<'a>(Payload<'a>);

impl<'a> Settings<'a> {
    /// Reads a JSON object with no other keys than `known`.
    pub fn parse(text: &'a str, known: &[&str]) -> Result<Self, String> {
        let settings = Payload::parse(text.as_bytes())
            .map_err(|_| "settings must be a JSON object".to_owned())?;
        if let Some(name) = settings.names().find(|name| !known.contains(name)) {
            return Err(format!(
                "unknown setting `{}`; known: {}",
                name.escape_debug(),
                known.join(", ")
            ));
        }
        Ok(Self(settings))
    }

    /// A whole number within `allowed`, or `default` where it is not set.
    pub fn integer(
        &self,
        name: &str,
        allowed: RangeInclusive<u32>,
        default: u32,
    ) -> Result<u32, String> {
        if !self.0.names().any(|known| known == name) {
            return Ok(default);
        }
        self.0
            .field(name)
            .and_then(|json| json.parse().ok())
            .filter(|number| allowed.contains(number))
            .ok_or_else(|| {
                let (least, most) = (allowed.start(), allowed.end());
                format!("setting `{name}` must be a whole number from {least} to {most}")
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exchange(text: &str) -> Result<u32, String> {
        Settings::parse(text, &["exchange"])?.integer("exchange", 1..=u32::MAX, 1)
    }

    #[test]
    fn a_setting_left_out_has_its_default() {
        assert_eq!(exchange("{}"), Ok(1));
        assert_eq!(exchange(r#"{"exchange":7}"#), Ok(7));
        assert_eq!(exchange(r#"{"exchange":4294967295}"#), Ok(u32::MAX));
    }

    #[test]
    fn a_wrong_setting_is_named_with_what_it_may_be() {
        for wrong in ["0", "-1", "1.5", "\"1\"", "null", "4294967296", "[]", "1e2"] {
            let error = exchange(&format!("{{\"exchange\":{wrong}}}")).unwrap_err();
            assert_eq!(
                error, "setting `exchange` must be a whole number from 1 to 4294967295",
                "{wrong}"
            );
        }
        assert_eq!(
            exchange(r#"{"exchange":1,"exchnage":2}"#).unwrap_err(),
            "unknown setting `exchnage`; known: exchange"
        );
        for wrong in ["", "[]", "1", "null", "{"] {
            assert_eq!(
                exchange(wrong).unwrap_err(),
                "settings must be a JSON object"
            );
        }
    }
}
