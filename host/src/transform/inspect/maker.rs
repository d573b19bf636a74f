//! Which tools made a component, as its `producers` sections say, and what to tell their
//! users: the same fault has another remedy in each language.

use wasmparser::{CustomSectionReader, ProducersSectionReader};

/// What makes cargo's output a component.
pub(super) const LINKER: &str = "`linker = \"wasm-component-ld\"` under \
                                 `[target.wasm32-unknown-unknown]` in .cargo/config.toml";

/// From what says least to what says most: components of JavaScript and Python are made
/// by tools in Rust and hold parts in Rust and C.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Maker {
    #[default]
    Unknown,
    C,
    Go,
    Rust,
    ComponentizePy,
    ComponentizeJs,
    ComponentizeQjs,
}

impl Maker {
    /// What a custom section tells; a section that is broken tells nothing.
    pub(super) fn of_section(section: &CustomSectionReader<'_>) -> Self {
        if section.name() != "producers" {
            return Self::Unknown;
        }
        let Ok(fields) = ProducersSectionReader::new(section.data_reader()) else {
            return Self::Unknown;
        };
        fields
            .into_iter()
            .map_while(Result::ok)
            .flat_map(|field| field.values.into_iter().map_while(Result::ok))
            .map(|value| Self::of(value.name))
            .max()
            .unwrap_or_default()
    }

    /// What the name of a part tells: some tools do not sign their components, but
    /// call the libraries in them by name.
    pub(super) fn of_part(name: &str) -> Self {
        if name.starts_with("componentize_qjs_runtime") {
            Self::ComponentizeQjs
        } else if name.starts_with("libcomponentize_py_runtime") {
            Self::ComponentizePy
        } else {
            Self::Unknown
        }
    }

    /// What the name of a language or a tool tells.
    fn of(name: &str) -> Self {
        match name {
            "componentize-qjs" => Self::ComponentizeQjs,
            "ComponentizeJS" | "componentize-js" | "JavaScript" => Self::ComponentizeJs,
            "componentize-py" | "component-init-transform" | "Python" => Self::ComponentizePy,
            "Rust" | "rustc" | "cargo-component" => Self::Rust,
            "Go" | "TinyGo" => Self::Go,
            "C" | "C11" | "C_plus_plus_14" | "clang" => Self::C,
            _ => Self::Unknown,
        }
    }

    /// How to build without WASI.
    pub(super) fn without_wasi(self) -> String {
        match self {
            Self::ComponentizeJs => {
                "build it with `componentize-js … -d stdio random clocks http fetch-event`".into()
            }
            Self::ComponentizeQjs => "build it with `componentize-qjs … --stub-wasi --sync`".into(),
            Self::ComponentizePy => {
                "build it with `componentize-py … componentize --stub-wasi …`".into()
            }
            Self::Rust => format!("build it for wasm32-unknown-unknown, with {LINKER}"),
            Self::Go | Self::C | Self::Unknown => {
                "build it for a target without WASI, or give it stubs of what it imports".into()
            }
        }
    }

    /// How to build without the asynchronous calling convention.
    pub(super) fn synchronous(self) -> &'static str {
        match self {
            Self::ComponentizeQjs => "build it with `componentize-qjs … --sync`",
            _ => "build it with synchronous exports and imports",
        }
    }

    /// What to do with a source instead of sending it.
    pub(super) fn instead_of_source(self) -> &'static str {
        match self {
            Self::ComponentizeJs | Self::ComponentizeQjs => {
                "it is source code of JavaScript: build the component of it, with \
                 `componentize-js FILE.js --wit wit -n transform -o FILE.wasm`"
            }
            Self::ComponentizePy => {
                "it is source code of Python: build the component of it, with `componentize-py \
                 -d wit -w transform componentize MODULE -o FILE.wasm`"
            }
            Self::Rust => {
                "it is source code of Rust: build the component of it, with `cargo build \
                 --release --target wasm32-unknown-unknown` and the linker wasm-component-ld"
            }
            Self::Go | Self::C | Self::Unknown => "it is source code: build the component of it",
        }
    }
}
