//! What is wrong with the settings, told so that an operator can mend it: which setting,
//! where it was set, what it says and what it may say.
//!
//! Values that may hold a secret are left out here, by whoever makes a `SettingsProblem`.

use std::fmt;
use std::path::PathBuf;

/// Why there are no settings.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    #[error("cannot read the settings in {}: {cause}; {}", .path.display(), crate::files::advice(.cause))]
    Read {
        path: PathBuf,
        cause: std::io::Error,
    },
    #[error("{}:{line} is not TOML: {reason}", .path.display())]
    Syntax {
        path: PathBuf,
        line: usize,
        reason: String,
    },
    /// Everything that was found wrong, not only the first.
    #[error("{}", list(.0))]
    Wrong(Vec<SettingsProblem>),
    #[error(
        "keys-file is not set: give --keys-file, TIDEGATE_KEYS_FILE or keys-file in the file, \
         and make a first key with `tidegate key create`; only a host that takes signed tokens \
         (jwt-keys-file or jwt-keys-url) or has its keys in Redis (keys) goes without"
    )]
    NoKeysFile,
}

/// Where a value was set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ValueOrigin {
    Default,
    Flag(&'static str),
    Environment(String),
    File {
        path: PathBuf,
        line: usize,
    },
    /// Asked for by an operator while the host runs.
    Limits,
}

impl fmt::Display for ValueOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ValueOrigin::Default => f.write_str("default"),
            ValueOrigin::Flag(key) => write!(f, "flag --{key}"),
            ValueOrigin::Environment(name) => write!(f, "environment variable {name}"),
            ValueOrigin::File { path, line } => write!(f, "{}:{line}", path.display()),
            ValueOrigin::Limits => f.write_str("in the limits given"),
        }
    }
}

/// One thing that is wrong with the settings.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsProblem {
    #[error("{key} ({origin}) is {value}; it must be {allowed}")]
    Value {
        key: String,
        origin: ValueOrigin,
        /// As written, in quotes; words where it is secret.
        value: String,
        allowed: String,
    },
    #[error("{origin}: there is no setting {key:?}; known are {known}")]
    Unknown {
        key: String,
        origin: ValueOrigin,
        known: String,
    },
    /// The key named a setting once, and names none any more.
    #[error("{key} ({origin}) is no setting any more: {successor}")]
    Retired {
        key: &'static str,
        origin: ValueOrigin,
        successor: &'static str,
    },
    #[error("{origin}: {rule}")]
    Table { origin: ValueOrigin, rule: String },
    /// A rule between settings.
    #[error("{0}")]
    Rule(&'static str),
}

fn list(problems: &[SettingsProblem]) -> String {
    match problems {
        [problem] => problem.to_string(),
        many => many.iter().fold(
            format!("{} settings are wrong", many.len()),
            |text, problem| format!("{text}\n  {problem}"),
        ),
    }
}
