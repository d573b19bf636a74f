//! What `TIDEGATE_LOG` may say. A word that is no level would be taken for the name of a
//! module, and silence everything else, so it is refused here.

use std::ffi::OsString;

use tracing_subscriber::filter::{Directive, LevelFilter};

/// What is logged where nothing else is said.
const DEFAULT: &str = "info";

pub(super) const ALLOWED: &str = "off, error, warn, info, debug or trace, and module=level, such as warn,tidegate::session=debug";

/// What is logged.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Filter {
    pub(super) directives: String,
    /// What of the filter cannot be used, in which case the default holds.
    pub(super) unusable: Option<String>,
}

impl Filter {
    pub(super) fn read(given: Option<OsString>) -> Self {
        let given = given.unwrap_or_default();
        let given = given.to_string_lossy();
        let parts = given.split(',').map(str::trim);
        let mut directives: Vec<_> = parts.filter(|part| !part.is_empty()).collect();
        if let Some(unusable) = directives.iter().find(|part| !is_usable(part)) {
            return Self {
                directives: DEFAULT.into(),
                unusable: Some((*unusable).into()),
            };
        }
        // Modules that are not named stay as they are by default.
        if directives.iter().all(|part| part.contains('=')) {
            directives.insert(0, DEFAULT);
        }
        Self {
            directives: directives.join(","),
            unusable: None,
        }
    }
}

/// A level, or a module (or span) with its level.
fn is_usable(part: &str) -> bool {
    let (of, level) = part.rsplit_once('=').unwrap_or(("any", part));
    // An empty level would be read as `error`.
    let stated = !of.is_empty() && !level.is_empty();
    stated && level.parse::<LevelFilter>().is_ok() && part.parse::<Directive>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(given: &str) -> Filter {
        Filter::read(Some(given.into()))
    }

    #[test]
    fn levels_and_modules_with_levels_are_used_and_white_space_is_nothing() {
        for (given, directives) in [
            ("", "info"),
            (" \n", "info"),
            ("debug", "debug"),
            ("info ", "info"),
            ("WARN", "WARN"),
            ("off", "off"),
            ("tidegate=debug", "info,tidegate=debug"),
            (
                " warn , tidegate::session=trace ",
                "warn,tidegate::session=trace",
            ),
            ("[session{id=5}]=trace", "info,[session{id=5}]=trace"),
        ] {
            let (directives, unusable) = (directives.into(), None);
            assert_eq!(
                read(given),
                Filter {
                    directives,
                    unusable
                },
                "{given:?}"
            );
        }
        assert_eq!(Filter::read(None).directives, "info");
    }

    #[test]
    fn what_is_no_level_is_named_and_the_default_stays() {
        for (given, unusable) in [
            ("warning", "warning"),
            ("verbose", "verbose"),
            ("debug,tidegate", "tidegate"),
            ("tidegate=loud", "tidegate=loud"),
            ("tidegate:debug", "tidegate:debug"),
            ("in fo", "in fo"),
            ("=", "="),
            ("tidegate=", "tidegate="),
        ] {
            let found = read(given);
            assert_eq!(found.unusable.as_deref(), Some(unusable), "{given:?}");
            assert_eq!(found.directives, "info", "{given:?}");
        }
    }

    #[test]
    fn a_level_takes_the_place_of_the_default_and_a_module_does_not() {
        let filter = tracing_subscriber::EnvFilter::new(read("warn").directives);
        assert_eq!(filter.max_level_hint(), Some(LevelFilter::WARN));
        let filter = tracing_subscriber::EnvFilter::new(read("off").directives);
        assert_eq!(filter.max_level_hint(), Some(LevelFilter::OFF));
        let filter = tracing_subscriber::EnvFilter::new(read("tidegate=error").directives);
        assert_eq!(filter.max_level_hint(), Some(LevelFilter::INFO));
    }
}
