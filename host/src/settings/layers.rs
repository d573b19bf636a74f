//! The places that a setting can come from, and which of them wins.
//!
//! Everything arrives here as text with its origin; `take` finds the strongest, reads it as
//! its kind and notes what is wrong with it. The file's own form is `file`'s business.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use clap::{Arg, ArgAction, ArgMatches, Command};

use super::error::{SettingsError, SettingsProblem, ValueOrigin};
use super::kind::{Kind, Traits};
use super::retired::RETIRED;
use super::secret::without_line_breaks;
use super::transforms::TransformSettings;
use super::variables::variable;
use super::{Declaration, each, file, variables};

/// The file that is read when none is named.
const USUAL_FILE: &str = "tidegate.toml";

/// Characters of a value that are shown.
const MAX_SHOWN: usize = 80;

/// What the command line said. Flatten it into a command's arguments.
#[derive(Clone, Default)]
pub struct Flags {
    config: Option<PathBuf>,
    values: BTreeMap<&'static str, String>,
}

impl Flags {
    /// Nothing but which file of settings to read.
    pub fn of_config(config: Option<PathBuf>) -> Self {
        Self {
            config,
            values: BTreeMap::new(),
        }
    }
}

impl Flags {
    /// Nothing but where the Redis is, and of which fleet, as far as it is said here.
    pub fn of_redis(url: Option<String>, ca_file: Option<String>, fleet: Option<String>) -> Self {
        let given = [
            ("redis-url", url),
            ("redis-ca-file", ca_file),
            ("fleet-name", fleet),
        ]
        .into_iter();
        Self {
            config: None,
            values: given
                .filter_map(|(key, value)| Some((key, value?)))
                .collect(),
        }
    }
}

/// A flag may hold the password of a Redis, so only names are shown.
impl fmt::Debug for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let given: Vec<_> = self.values.keys().collect();
        f.debug_struct("Flags")
            .field("config", &self.config)
            .field("given", &given)
            .finish()
    }
}

// By hand, because the flags come from the table, and because `env` of clap would hide
// whether a value was a flag or a variable.
impl clap::Args for Flags {
    fn augment_args(command: Command) -> Command {
        let mut command = command.arg(
            Arg::new("config")
                .long("config")
                .value_name("FILE")
                .value_parser(clap::value_parser!(PathBuf))
                .help(format!(
                    "The file of settings [env: {}] [default: ./{USUAL_FILE} if it is there]",
                    variables::CONFIG
                )),
        );
        each(|entry, traits| {
            if !traits.flag {
                return;
            }
            let default = match entry.default {
                "" => String::new(),
                text => format!(" [default: {text}]"),
            };
            let action = if traits.list {
                ArgAction::Append
            } else {
                ArgAction::Set
            };
            let arg = Arg::new(entry.key)
                .long(entry.key)
                .value_name(traits.placeholder)
                .action(action)
                .help(format!(
                    "{} [env: {}]{default}",
                    entry.help,
                    variable(entry.key, traits)
                ));
            command = std::mem::take(&mut command).arg(arg);
        });
        for (key, _) in RETIRED {
            command = command.arg(Arg::new(key).long(key).hide(true));
        }
        command
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl clap::FromArgMatches for Flags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut flags = Self::default();
        flags.update_from_arg_matches(matches)?;
        Ok(flags)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        self.config = matches.get_one("config").cloned();
        each(|entry, traits| {
            if traits.flag
                && let Some(texts) = matches.get_many::<String>(entry.key)
            {
                let texts: Vec<_> = texts.map(String::as_str).collect();
                self.values.insert(entry.key, texts.join(","));
            }
        });
        for (key, _) in RETIRED {
            if let Some(text) = matches.get_one::<String>(key) {
                self.values.insert(key, text.clone());
            }
        }
        Ok(())
    }
}

/// A value before it is read.
pub(super) struct RawValue {
    pub(super) text: String,
    /// Written without quotes, which only the file can tell.
    pub(super) bare: bool,
    pub(super) origin: ValueOrigin,
}

/// All that was given, and what was found wrong so far.
pub(super) struct Layers<'a> {
    flags: Flags,
    environment: &'a dyn Fn(&str) -> Option<OsString>,
    file: BTreeMap<String, RawValue>,
    pub(super) problems: Vec<SettingsProblem>,
    /// What is not as by default, with where it was set.
    pub(super) given: Vec<String>,
}

impl<'a> Layers<'a> {
    pub(super) fn new(flags: Flags, environment: &'a dyn Fn(&str) -> Option<OsString>) -> Self {
        Self {
            flags,
            environment,
            file: BTreeMap::new(),
            problems: Vec::new(),
            given: Vec::new(),
        }
    }

    /// The file to read: the one that is named, or the usual one if it is there.
    pub(super) fn config_file(&self, folder: &Path) -> Option<PathBuf> {
        let named = self.flags.config.clone();
        let named = named.or_else(|| Some(self.variable(variables::CONFIG)?.into()));
        let usual = folder.join(USUAL_FILE);
        named.or_else(|| usual.exists().then_some(usual))
    }

    /// Reads the file into this layer and gives back its transforms.
    pub(super) fn read_file(
        &mut self,
        path: &Path,
    ) -> Result<Vec<TransformSettings>, SettingsError> {
        let mut read = file::read(path)?;
        self.file = read.values;
        self.problems.append(&mut read.problems);
        Ok(read.transforms)
    }

    /// Notes each setting that was given and that there is no more.
    pub(super) fn refuse_retired(&mut self) {
        for (key, successor) in RETIRED {
            let of_flag = self
                .flags
                .values
                .remove(key)
                .map(|_| ValueOrigin::Flag(key));
            let name = variables::retired(key);
            let of_environment = self.variable(&name).map(|_| ValueOrigin::Environment(name));
            let of_file = self.file.remove(key).map(|given| given.origin);
            for origin in of_flag.into_iter().chain(of_environment).chain(of_file) {
                self.problems.push(SettingsProblem::Retired {
                    key,
                    origin,
                    successor,
                });
            }
        }
    }

    /// An empty variable counts as none: that is how container tools write "not set".
    fn variable(&self, name: &str) -> Option<OsString> {
        (self.environment)(name).filter(|text| !text.is_empty())
    }

    fn of_environment<K: Kind>(&self, key: &str) -> Option<(String, OsString)> {
        let name = variable(key, Traits::of::<K>());
        let text = self.variable(&name)?;
        Some((name, text))
    }

    /// The value of a setting from the strongest layer that has it; none if it is wrong.
    pub(super) fn take<K: Kind>(&mut self, entry: &Declaration) -> Option<K::Value> {
        let of_file = self.file.remove(entry.key);
        let given = if let Some(text) = self.flags.values.remove(entry.key) {
            RawValue {
                text,
                bare: false,
                origin: ValueOrigin::Flag(entry.key),
            }
        } else if let Some((name, text)) = self.of_environment::<K>(entry.key) {
            let origin = ValueOrigin::Environment(name);
            // What is not UTF-8 becomes a text that no kind but a path accepts. A line break
            // at the end comes with a value that was read from a file.
            RawValue {
                text: without_line_breaks(&text.to_string_lossy()).to_owned(),
                bare: false,
                origin,
            }
        } else if let Some(given) = of_file {
            given
        } else {
            let text = entry.default.to_owned();
            RawValue {
                text,
                bare: false,
                origin: ValueOrigin::Default,
            }
        };
        let (text, origin) = (given.text.clone(), given.origin.clone());
        let value = read::<K>(entry.key, entry.range, given, &mut self.problems)?;
        if origin != ValueOrigin::Default && text != entry.default {
            let shown = match K::harmless(&value) {
                Some(shown) => shown,
                None if K::SECRET => "(not shown)".to_owned(),
                None => text,
            };
            let shown = crate::transform::printable(&shown, MAX_SHOWN);
            self.given.push(format!("{}={shown} ({origin})", entry.key));
        }
        Some(value)
    }
}

/// Reads one value as its kind, within its range.
pub(super) fn read<K: Kind>(
    key: &str,
    range: Option<(&str, &str)>,
    mut given: RawValue,
    problems: &mut Vec<SettingsProblem>,
) -> Option<K::Value> {
    if K::PATH
        && !given.text.is_empty()
        && let ValueOrigin::File { path, .. } = &given.origin
    {
        let folder = path.parent().unwrap_or(Path::new(""));
        given.text = folder.join(&given.text).to_string_lossy().into_owned();
    }
    let within = |value: &K::Value| {
        range.is_none_or(|(from, to)| {
            let bound = |text| K::parse(text).map(|bound| K::measure(&bound));
            bound(from) <= Some(K::measure(value)) && Some(K::measure(value)) <= bound(to)
        })
    };
    let value = K::parse(&given.text)
        .filter(within)
        .filter(|_| K::BARE || !given.bare);
    if value.is_none() {
        problems.push(SettingsProblem::Value {
            key: key.to_owned(),
            origin: given.origin,
            value: shown(&given.text, K::SECRET, K::fault(&given.text)),
            allowed: Traits::of::<K>().allowed(range),
        });
    }
    value
}

/// A value as an error may show it.
fn shown(text: &str, secret: bool, fault: Option<&str>) -> String {
    match (text.char_indices().nth(MAX_SHOWN), fault) {
        (_, Some(fault)) => format!("not usable (not shown, since it may hold a secret): {fault}"),
        _ if secret => "not usable (not shown, since it may hold a secret)".to_owned(),
        (Some((end, _)), _) => format!("{:?} and more", &text[..end]),
        (None, _) => format!("{text:?}"),
    }
}
