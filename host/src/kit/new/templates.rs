//! The templates, which are real projects below `transforms/templates`, and what goes with them:
//! the contract, and the SDK of Rust.

use super::Language;

/// The name that a template has itself. With `_`, it is that of its family.
pub(super) const NAME: &str = "example-stream";

/// How its upstream channel begins; a symbol or its capture follows.
const FEED: &str = "feed:example-stream:";

/// Where a lock file begins to tell of a package.
const PACKAGE: &str = "[[package]]\n";

/// A project in one language.
#[derive(Debug)]
pub(super) struct Template {
    /// Files with the template's name in them.
    own: &'static [(&'static str, &'static str)],
    /// Files that are the same in each project.
    shared: &'static [(&'static str, &'static str)],
    pub(super) install: &'static str,
}

/// Files of a folder below `transforms`, by their paths in it and in a project.
macro_rules! files {
    ($from:literal => $to:literal, $($path:literal),* $(,)?) => {
        &[$((concat!($to, $path), include_str!(concat!("../../../../transforms/", $from, $path)))),*]
    };
}

static RUST: Template = Template {
    own: files!("templates/rust/" => "",
        ".cargo/config.toml",
        ".gitignore",
        "Cargo.lock",
        "Cargo.toml",
        "README.md",
        "samples/no-side.json",
        "samples/sell.json",
        "src/descriptor.rs",
        "src/lib.rs",
        "tidegate-transform.toml",
    ),
    shared: files!("sdk/" => "sdk/",
        "Cargo.toml",
        "derive/Cargo.toml",
        "derive/src/attributes.rs",
        "derive/src/expand.rs",
        "derive/src/expand/tests.rs",
        "derive/src/form.rs",
        "derive/src/lib.rs",
        "src/contract.rs",
        "src/event.rs",
        "src/lib.rs",
        "src/market.rs",
        "src/number.rs",
        "src/number/tests.rs",
        "src/panics.rs",
        "src/payload.rs",
        "src/payload/tests.rs",
        "src/reject.rs",
        "src/sample.rs",
        "src/schema.rs",
        "src/schema/tests.rs",
        "src/settings.rs",
        "src/timestamp.rs",
        "src/timestamp/tests.rs",
        "src/vectors.rs",
        "vectors.json",
        "wit/transform.wit",
    ),
    install: "rustup target add wasm32-unknown-unknown",
};

static JAVASCRIPT: Template = Template {
    own: files!("templates/javascript/" => "",
        ".gitignore",
        "README.md",
        "package-lock.json",
        "package.json",
        "samples/no-side.json",
        "samples/sell.json",
        "stream.js",
        "stream.test.js",
        "tidegate-transform.toml",
        "tidegate.js",
    ),
    shared: files!("sdk/" => "", "wit/transform.wit"),
    install: "npm ci",
};

static PYTHON: Template = Template {
    own: files!("templates/python/" => "",
        ".gitignore",
        "README.md",
        "app.py",
        "requirements.txt",
        "samples/no-side.json",
        "samples/sell.json",
        "stream.py",
        "test_stream.py",
        "tidegate-transform.toml",
        "tidegate.py",
    ),
    shared: files!("sdk/" => "", "wit/transform.wit"),
    install: "python3 -m venv venv && venv/bin/pip install --require-hashes -r requirements.txt",
};

impl Template {
    pub(super) fn of(language: Language) -> &'static Self {
        match language {
            Language::Rust => &RUST,
            Language::JavaScript => &JAVASCRIPT,
            Language::Python => &PYTHON,
        }
    }

    /// The names of the packages that its lock file has, where it is one of cargo's.
    pub(super) fn packages(&self) -> impl Iterator<Item = &'static str> {
        let locks = self.own.iter().filter(|(path, _)| *path == "Cargo.lock");
        let lines = locks.flat_map(|(_, lock)| lock.lines());
        let names = lines.filter_map(|line| line.strip_prefix("name = "));
        names.map(|name| name.trim_matches('"'))
    }

    /// The files of a project of this name that listens to this upstream pattern.
    pub(super) fn files(
        &self,
        name: &str,
        upstream: Option<&str>,
    ) -> impl Iterator<Item = (&'static str, String)> {
        let family = name.replace('-', "_");
        let own = self.own.iter().map(move |(path, text)| {
            let text = match upstream {
                Some(pattern) => listening_to(pattern, text),
                None => (*text).to_owned(),
            };
            let text = text.replace(NAME, name);
            let text = text.replace(&NAME.replace('-', "_"), &family);
            match *path {
                "Cargo.lock" => (*path, in_order(&text)),
                path => (path, text),
            }
        });
        let shared = self.shared.iter();
        own.chain(shared.map(|(path, text)| (*path, (*text).to_owned())))
    }
}

/// A file of a template with another upstream channel. In a sample's, each capture but the symbol
/// has its own name as what it stands for.
fn listening_to(pattern: &str, text: &str) -> String {
    let captured = ["BTC-USD", "ETH-USD"].map(|symbol| {
        let channel = pattern.replace("{symbol}", symbol);
        (format!("{FEED}{symbol}"), channel.replace(['{', '}'], ""))
    });
    let stated = (format!("{FEED}{{symbol}}"), pattern.to_owned());
    let channels = captured.into_iter().chain([stated]);
    channels.fold(text.to_owned(), |text, (own, theirs)| {
        text.replace(&own, &theirs)
    })
}

/// The packages of a lock file, by name again.
fn in_order(lock: &str) -> String {
    let mut packages = lock.trim_end().split(PACKAGE).map(str::trim_end);
    let head = packages.next().unwrap_or_default();
    let mut packages: Vec<&str> = packages.collect();
    // By their first lines, which are their names; of one name, they stay as they are.
    packages.sort_by_key(|package| package.lines().next());
    let packages = packages
        .iter()
        .map(|package| format!("\n{PACKAGE}{package}\n"));
    format!("{head}\n{}", packages.collect::<String>())
}
