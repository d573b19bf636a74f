//! Whether a component imports only what it may and exports what the contract says.
//!
//! What its exports answer is for `component` to find out.

use wasmtime::component::{Component, HasSelf, InstancePre, Linker, types::ComponentItem};

use super::contract::{Descriptor, Event, Publication, Rejection, Transform};
use super::engine::Engine;
use super::guest_log::printable;
use super::instance::{HostState, Opened};

/// What a component may import: the log, and the contract's types, which do nothing.
const ALLOWED_IMPORTS: [&str; 2] = [
    "tidegate:transform/log@1.0.0",
    "tidegate:transform/types@1.0.0",
];

const EXPORTS: [&str; 2] = ["configure", "transform"];

/// How much of a component's own words, or the engine's, an error repeats, in characters.
const MAX_CHARS: usize = 500;

/// What a component wants of its host, by name.
pub(super) fn imports(engine: &Engine, component: &Component) -> Vec<String> {
    component
        .component_type()
        .imports(&engine.inner)
        // A type by itself does nothing.
        .filter(|(_, item)| !matches!(item.ty, ComponentItem::Type(_)))
        .map(|(name, _)| name.to_owned())
        .collect()
}

pub(super) fn forbidden(imports: &[String]) -> impl Iterator<Item = String> {
    imports
        .iter()
        .filter(|name| !ALLOWED_IMPORTS.contains(&name.as_str()))
        .map(|name| {
            format!(
                "it imports {}, and a transform may import nothing but {}",
                printable(name, MAX_CHARS),
                ALLOWED_IMPORTS[0]
            )
        })
}

pub(super) fn missing_exports(
    engine: &Engine,
    component: &Component,
) -> impl Iterator<Item = String> {
    let kind = component.component_type();
    EXPORTS.into_iter().filter_map(move |name| {
        let export = kind.get_export(&engine.inner, name);
        let is_function =
            export.is_some_and(|export| matches!(export.ty, ComponentItem::ComponentFunc(_)));
        (!is_function).then(|| not_built(&format!("it exports no function \"{name}\"")))
    })
}

/// Ties its imports to the host's functions.
pub(super) fn link(
    engine: &Engine,
    component: &Component,
) -> Result<InstancePre<HostState>, String> {
    let mut linker = Linker::new(&engine.inner);
    Transform::add_to_linker::<_, HasSelf<HostState>>(&mut linker, |state| state)
        .and_then(|()| linker.instantiate_pre(component))
        .map_err(|error| not_built(&format!("{error:#}")))
}

/// The exports that are there and take or give something else than the contract says.
pub(super) fn ill_typed_exports(opened: &mut Opened) -> Vec<String> {
    let Opened { store, instance } = opened;
    let mut faults = Vec::new();
    let mut note = |name: &str, error: wasmtime::Error| {
        faults.push(not_built(&format!("its export \"{name}\": {error:#}")));
    };
    for name in EXPORTS {
        let Some(function) = instance.get_func(&mut *store, name) else {
            continue;
        };
        let typed = if name == EXPORTS[0] {
            function
                .typed::<(&str,), (Result<Descriptor, String>,)>(&mut *store)
                .map(|_| ())
        } else {
            function
                .typed::<(&Event,), (Result<Vec<Publication>, Rejection>,)>(&mut *store)
                .map(|_| ())
        };
        if let Err(error) = typed {
            note(name, error);
        }
    }
    faults
}

pub(super) fn not_built(detail: &str) -> String {
    format!(
        "it is not built for tidegate:transform@1.0.0: {}",
        printable(detail, MAX_CHARS)
    )
}
