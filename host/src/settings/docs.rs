//! The settings as documentation: rows for whoever wants them, and the tables of docs/settings.md.

use super::transforms::LANES;
use super::variables::variable;
use super::{each, kind, limits};

/// One setting, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingRow {
    /// The name in the file; with `--` in front, the flag.
    pub key: String,
    /// The environment variable.
    pub env: String,
    /// As one would write it; empty if there is none.
    pub default: String,
    /// The range, where there is one, or else what a value must be.
    pub allowed: String,
    pub help: String,
    /// Whether there is a flag.
    pub flag: bool,
}

/// All settings of `serve`, in order.
pub fn table() -> Vec<SettingRow> {
    let mut rows = Vec::new();
    each(|entry, traits| {
        rows.push(SettingRow {
            key: entry.key.to_owned(),
            env: variable(entry.key, traits),
            default: entry.default.to_owned(),
            allowed: allowed(entry.range, traits),
            help: entry.help.to_owned(),
            flag: traits.flag,
        });
    });
    rows
}

/// The tables between the `settings` markers of docs/settings.md.
pub fn markdown() -> String {
    let mut text =
        String::from("| setting | default | what it does | allowed |\n|---|---|---|---|\n");
    for row in table() {
        let help = if row.flag {
            row.help
        } else {
            format!("{} (no flag; in the environment `{}`)", row.help, row.env)
        };
        text += &line(&row.key, &row.default, &help, &row.allowed);
    }
    text += "\nAnd for each `[[transform]]` of the file:\n\n";
    text += "| key | default | what it does | allowed |\n|---|---|---|---|\n";
    let path = "`builtin:` and a name, or a path relative to the file";
    text += &line("component", "", "Which component", path);
    text += &line(
        "settings",
        "",
        "What the component's `configure` gets, as JSON",
        "a table",
    );
    let lanes = allowed(Some(LANES), kind::Traits::of::<kind::Count<usize>>());
    text += &line(
        "lanes",
        "1",
        "Threads; events of one upstream channel stay in one lane",
        &lanes,
    );
    for limit in limits::table() {
        text += &line(limit.key, &limit.default, limit.help, &between(limit.range));
    }
    text
}

fn allowed(range: Option<(&str, &str)>, traits: kind::Traits) -> String {
    range.map_or_else(|| traits.form.to_owned(), between)
}

fn between((from, to): (&str, &str)) -> String {
    format!("{from} to {to}")
}

fn line(key: &str, default: &str, help: &str, allowed: &str) -> String {
    let default = if default.is_empty() {
        "none".to_owned()
    } else {
        format!("`{default}`")
    };
    format!("| `{key}` | {default} | {help} | {allowed} |\n")
}
