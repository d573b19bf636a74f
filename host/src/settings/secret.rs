//! Values that must not show, such as a token. They print as something harmless. `expose` is the
//! one way to the text, so that a search for it finds every use.

use std::fmt;

/// A text that neither `Debug` nor an error shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// A secret as files and variables hold it: line breaks at its end, which editors and
    /// `echo` leave there, are no part of it.
    pub fn given(text: &str) -> Self {
        Self(without_line_breaks(text).to_owned())
    }

    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Why it cannot travel in a header, to complete "the token …".
    pub fn fault(&self) -> Option<&'static str> {
        let text = &self.0;
        if text.contains(char::is_whitespace) {
            Some("has white space in it; was something else pasted with it?")
        } else if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            Some("is not visible ASCII")
        } else {
            None
        }
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// A text without the line breaks at its end.
pub(super) fn without_line_breaks(text: &str) -> &str {
    text.trim_end_matches(['\r', '\n'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_breaks_at_the_end_do_not_count_and_white_space_within_is_a_fault() {
        for text in ["hunter2", "hunter2\n", "hunter2\r\n", "hunter2\n\n"] {
            let secret = Secret::given(text);
            assert_eq!((secret.expose(), secret.fault()), ("hunter2", None));
        }
        for text in ["hunter 2", " hunter2", "hunter2 ", "hun\nter2", "hun\tter2"] {
            let fault = Secret::given(text).fault().unwrap();
            assert!(fault.contains("white space"), "{text:?}: {fault}");
        }
        assert!(
            Secret::given("h\u{fc}nter2")
                .fault()
                .unwrap()
                .contains("ASCII")
        );
    }

    #[test]
    fn a_secret_does_not_print() {
        let secret = Secret::from("hunter2".to_owned());
        assert_eq!(format!("{secret:?}"), "Secret(…)");
        assert_eq!(secret.expose(), "hunter2");
    }
}
