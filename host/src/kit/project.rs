//! The project of a transform: where it is, and what its file `tidegate-transform.toml` says.
//! What is wrong with the file is told with its line and with what is allowed.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use toml::Spanned;
use toml::de::DeTable;

use super::Unusable;
use crate::settings::{json_object, limits_from_json};
use crate::transform::limits::Limits;

/// The name of a project's file.
pub const PROJECT_FILE: &str = "tidegate-transform.toml";

/// The most that a transform can tell in one event by a declared exception, in bits.
const MAX_BITS: f64 = 64.0;

/// The languages that projects are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    Rust,
    JavaScript,
    Python,
}

impl fmt::Display for Language {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(match self {
            Self::Rust => "Rust",
            Self::JavaScript => "JavaScript",
            Self::Python => "Python",
        })
    }
}

/// A dependence of what is public on what is not that its author declares.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MayDepend {
    /// A field of the public data, or `channel`, `count`, `rejection`, `log`.
    pub output: String,
    /// A field of the event's payload.
    pub on: String,
    /// How much of it an event may tell at most, in bits: from 0 to 64.
    pub bits: f64,
    pub because: String,
}

/// What a project's file says; paths are as they can be opened.
#[derive(Debug, Clone)]
pub struct Project {
    pub folder: PathBuf,
    pub language: Language,
    /// Where `transform build` puts the component.
    pub component: PathBuf,
    /// For the component's `configure`. Always an object.
    pub settings: Value,
    pub limits: Limits,
    pub may_depend: Vec<MayDepend>,
}

/// The file as it is written.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Stated {
    language: Language,
    component: Spanned<PathBuf>,
    #[serde(default)]
    settings: Option<Spanned<toml::Table>>,
    #[serde(default)]
    limits: BTreeMap<Spanned<String>, toml::Value>,
    #[serde(default)]
    may_depend: Vec<Spanned<MayDepend>>,
}

/// The component that a command is about, with the settings and limits that it shall have.
#[derive(Debug, Clone)]
pub struct Target {
    pub file: PathBuf,
    pub settings: Value,
    pub limits: Limits,
    /// None where a file was named and no project.
    pub project: Option<Project>,
}

impl Target {
    /// What `path` names: a component, a project's folder, a folder in it, or its file. Without
    /// one, the project that the working folder is in.
    ///
    /// # Errors
    /// There is nothing of the kind, or the project's file is not as it has to be.
    pub fn find(path: Option<&Path>) -> Result<Self, Unusable> {
        let path = path.unwrap_or(Path::new("."));
        let found = path.metadata();
        let found = found.map_err(|cause| Unusable::path("read", path, &cause))?;
        let is_project_file = path.file_name().is_some_and(|name| name == PROJECT_FILE);
        if found.is_dir() {
            return Ok(Self::of(Project::read(&Project::file_above(path)?)?));
        }
        if is_project_file {
            return Ok(Self::of(Project::read(path)?));
        }
        Ok(Self {
            file: path.to_owned(),
            settings: Value::Object(Map::new()),
            limits: Limits::default(),
            project: None,
        })
    }

    fn of(project: Project) -> Self {
        Self {
            file: project.component.clone(),
            settings: project.settings.clone(),
            limits: project.limits.clone(),
            project: Some(project),
        }
    }

    /// The same with other settings, and with those limits changed that are named.
    ///
    /// # Errors
    /// The limits are none.
    pub fn with(
        mut self,
        settings: Option<Value>,
        limits: Option<&Value>,
    ) -> Result<Self, Unusable> {
        if let Some(settings) = settings {
            self.settings = settings;
        }
        if let Some(limits) = limits {
            self.limits = limits_from_json(&self.limits, limits)
                .map_err(|faults| Unusable::Given(faults.join("; ")))?;
        }
        Ok(self)
    }
}

impl Project {
    /// The nearest project's file, in this folder or above it.
    fn file_above(folder: &Path) -> Result<PathBuf, Unusable> {
        let whole = folder.canonicalize();
        let whole = whole.unwrap_or_else(|_| folder.to_owned());
        let above = whole.ancestors().map(|folder| folder.join(PROJECT_FILE));
        // As it was named, where it is right there: errors are shorter so.
        let mut files = std::iter::once(folder.join(PROJECT_FILE)).chain(above);
        files.find(|file| file.is_file()).ok_or_else(|| {
            Unusable::Given(format!(
                "there is no {PROJECT_FILE} in {} or above it; name a component or the folder of a \
                 project, or begin one with `tidegate transform new`",
                whole.display()
            ))
        })
    }

    /// Reads a project's file.
    ///
    /// # Errors
    /// What is wrong with it, in which line, and what is allowed.
    pub fn read(file: &Path) -> Result<Self, Unusable> {
        let text = std::fs::read_to_string(file);
        let text = text.map_err(|cause| Unusable::path("read", file, &cause))?;
        Self::parse(file, &text).map_err(|(at, wrong)| {
            let line = text
                .as_bytes()
                .iter()
                .take(at)
                .filter(|byte| **byte == b'\n');
            let line = line.count() + 1;
            Unusable::Given(format!("{}:{line}: {wrong}", file.display()))
        })
    }

    /// What is wrong comes with its place in the text, in bytes.
    fn parse(file: &Path, text: &str) -> Result<Self, (usize, String)> {
        let stated: Stated = toml::from_str(text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            (at, error.message().to_owned())
        })?;
        let folder = file.parent().unwrap_or(Path::new("")).to_owned();
        let component = stated.component.get_ref();
        if component.as_os_str().is_empty() {
            let rule = "component is the path of the file that the build writes";
            return Err((stated.component.span().start, rule.to_owned()));
        }
        let settings = settings_of(text, stated.settings.as_ref().map(Spanned::span))?;
        Ok(Self {
            component: folder.join(component),
            folder,
            language: stated.language,
            settings,
            limits: limits_of(&stated.limits)?,
            may_depend: exceptions_of(stated.may_depend)?,
        })
    }

    /// Where samples stand beside those that the component brings.
    pub fn samples_folder(&self) -> PathBuf {
        self.folder.join("samples")
    }
}

/// The settings as a host would read them out of its own file.
fn settings_of(text: &str, span: Option<Range<usize>>) -> Result<Value, (usize, String)> {
    let wrong = |at: usize| {
        let rule = "settings is a table of values that JSON has: no infinity, no \"not a number\"";
        (at, rule.to_owned())
    };
    let Some(span) = span else {
        return Ok(Value::Object(Map::new()));
    };
    let whole = DeTable::parse(text).map_err(|_| wrong(span.start))?;
    let table = whole.get_ref().get("settings");
    let table = table.and_then(|table| table.get_ref().as_table());
    let object = table.and_then(json_object);
    object.map(Value::Object).ok_or_else(|| wrong(span.start))
}

fn limits_of(stated: &BTreeMap<Spanned<String>, toml::Value>) -> Result<Limits, (usize, String)> {
    let limit = |(key, value): (&Spanned<String>, &toml::Value)| {
        let value = serde_json::to_value(value).unwrap_or_default();
        (key.get_ref().clone(), value)
    };
    let read =
        |limits: Map<String, Value>| limits_from_json(&Limits::default(), &Value::Object(limits));
    let faults = match read(stated.iter().map(limit).collect()) {
        Ok(limits) => return Ok(limits),
        Err(faults) => faults,
    };
    // The line is that of the first which is wrong by itself, or else of the first.
    let mut places = stated.iter().map(|pair| {
        (
            pair.0.span().start,
            read([limit(pair)].into_iter().collect()),
        )
    });
    let alone = places.find_map(|(at, limits)| Some((at, limits.err()?.join("; "))));
    let first = stated.keys().map(|key| key.span().start).min();
    Err(alone.unwrap_or_else(|| (first.unwrap_or_default(), faults.join("; "))))
}

fn exceptions_of(stated: Vec<Spanned<MayDepend>>) -> Result<Vec<MayDepend>, (usize, String)> {
    let mut exceptions = Vec::with_capacity(stated.len());
    for exception in stated {
        let (at, exception) = (exception.span().start, exception.into_inner());
        if !(0.0..=MAX_BITS).contains(&exception.bits) {
            let rule = format!("bits is a number from 0 to {MAX_BITS}");
            return Err((at, rule));
        }
        let named = [&exception.output, &exception.on, &exception.because];
        if named.iter().any(|text| text.trim().is_empty()) {
            let rule = "output and on name fields, and because says why; none of them is empty";
            return Err((at, rule.to_owned()));
        }
        exceptions.push(exception);
    }
    Ok(exceptions)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const MINIMAL: &str = "language = \"rust\"\ncomponent = \"build/a.wasm\"\n";

    fn parse(more: &str) -> Result<Project, (usize, String)> {
        Project::parse(
            Path::new("p/tidegate-transform.toml"),
            &format!("{MINIMAL}{more}"),
        )
    }

    /// The line and what is said of it.
    fn wrong(text: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(PROJECT_FILE);
        std::fs::write(&file, text).unwrap();
        let said = Project::read(&file).unwrap_err().to_string();
        said.replace(&format!("{}:", file.display()), "")
    }

    #[test]
    fn what_is_not_said_is_as_a_host_has_it() {
        let project = parse("").unwrap();
        assert_eq!(project.component, Path::new("p/build/a.wasm"));
        assert_eq!(
            (project.settings, project.limits),
            (json!({}), Limits::default())
        );
    }

    #[test]
    fn settings_limits_and_exceptions_are_read() {
        let project = parse(
            "settings = { depth = 10, at = 2026-01-01T00:00:00Z }\n[limits]\nmemory = \"32MiB\"\n\
             max-calls = 5\n[[may-depend]]\noutput = \"direction\"\non = \"label\"\nbits = 1\n\
             because = \"it is public\"\n",
        )
        .unwrap();
        assert_eq!(
            project.settings,
            json!({"depth": 10, "at": "2026-01-01T00:00:00Z"})
        );
        assert_eq!(
            (project.limits.memory, project.limits.max_calls),
            (32 << 20, 5)
        );
        assert_eq!(project.may_depend[0].bits, 1.0);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line_and_what_is_allowed() {
        let minimal = |more: &str| format!("{MINIMAL}{more}");
        for (text, line, part) in [
            (minimal("languag = 1\n"), 3, "expected one of"),
            (
                "language = \"go\"\ncomponent = \"a\"\n".to_owned(),
                1,
                "`javascript`",
            ),
            (
                "language = \"rust\"\n".to_owned(),
                1,
                "missing field `component`",
            ),
            (minimal("a = \n"), 3, ""),
            (minimal("settings = 3\n"), 3, "invalid type"),
            (minimal("\nsettings = { a = inf }\n"), 4, "no infinity"),
            (
                minimal("[limits]\nmax-calls = 5\nmemory = \"1TB\"\n"),
                5,
                "64KiB",
            ),
            (minimal("[limits]\nmemry = \"1MiB\"\n"), 4, "known are"),
            (minimal("[limits]\nbackoff = \"2m\"\n"), 4, "max-backoff"),
            (
                minimal("[[may-depend]]\noutput = \"a\"\non = \"b\"\nbits = 65\nbecause = \"c\"\n"),
                3,
                "0 to 64",
            ),
            (
                minimal("[[may-depend]]\noutput = \"a\"\non = \"b\"\nbits = 1\nbecause = \" \"\n"),
                3,
                "why",
            ),
        ] {
            let said = wrong(&text);
            assert!(said.starts_with(&format!("{line}: ")), "{text}: {said}");
            assert!(said.contains(part), "{text}: {said}");
            assert_eq!(said.lines().count(), 1, "{said}");
        }
    }
}
