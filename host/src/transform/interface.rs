//! What a component may import and has to export, and whether what it exports has the types
//! that the contract says.
//!
//! The names are held against these by `inspect`, before anything is compiled. What the
//! exports answer is for `component` to find out.

use semver::Version;
use wasmtime::component::{
    Component, ComponentExportIndex, ComponentType, HasSelf, Instance, InstancePre, Linker, Lower,
    TypedFunc, types::ComponentItem,
};
use wasmtime::{AsContextMut, Store};

use super::contract::{self, Configuration, Descriptor, Transform};
use super::engine::Engine;
use super::guest_log::printable;
use super::host_state::HostState;
use super::instance::StartedInstance;
use super::wasi;

/// The contract that this host serves: this version, its patches, and those before it.
pub(super) const PACKAGE: &str = "tidegate:transform";
pub(super) const SERVED: Version = Version::new(1, 0, 0);

/// The interfaces of the contract that a component may import: the log, and the types, which
/// do nothing. (What is there of WASI, `wasi` says.)
pub(super) const ALLOWED_IMPORTS: [&str; 2] = ["log", "types"];

/// What a component has to export.
pub(super) const EXPORTS: [&str; 1] = ["guest"];

/// The functions of that interface.
const FUNCTIONS: [&str; 3] = ["describe", "configure", "transform"];

/// How much of a component's own words, or the engine's, an error repeats, in characters.
const MAX_CHARS: usize = 500;

/// An event as a guest gets it: copied once, into the guest's memory.
#[derive(ComponentType, Lower)]
#[component(record)]
pub(super) struct GuestEvent<'a> {
    pub(super) channel: &'a str,
    pub(super) captures: &'a [(&'a str, &'a str)],
    pub(super) payload: &'a [u8],
    #[component(name = "received-at")]
    pub(super) received_at: u64,
}

/// What the contract says of `transform`, but for whose the event's text is.
pub(super) type TransformCall =
    TypedFunc<(GuestEvent<'static>,), (Result<Vec<contract::Publication>, contract::Rejection>,)>;

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

/// An interface of the contract, by the name of an import or export: its own name, and the
/// version of the contract.
pub(super) fn of_contract(name: &str) -> Option<(&str, Version)> {
    let (interface, version) = name
        .strip_prefix(PACKAGE)?
        .strip_prefix('/')?
        .split_once('@')?;
    Some((interface, version.parse().ok()?))
}

/// What a component gets by an import, for people; none where it is not let in.
pub(crate) fn gets(import: &str) -> Option<&'static str> {
    match of_contract(import) {
        Some(("log", _)) => Some("lines in the transform's log"),
        Some(("types", _)) => Some("types only"),
        _ => wasi::gets(import),
    }
}

/// Whether a component that was made for this version of the contract can run.
pub(super) fn serves(version: &Version) -> bool {
    let first = Version::new(SERVED.major, 0, 0);
    let last = Version::new(SERVED.major, SERVED.minor, u64::MAX);
    version.pre.is_empty() && (first..=last).contains(version)
}

/// The versions of the contract that this host serves, for people.
pub(super) fn served() -> String {
    match SERVED.minor {
        0 => format!("{}.0", SERVED.major),
        minor => format!("{0}.0 to {0}.{minor}", SERVED.major),
    }
}

/// Ties its imports to the host's functions.
pub(super) fn link(
    engine: &Engine,
    component: &Component,
) -> Result<InstancePre<HostState>, String> {
    let mut linker = Linker::new(&engine.inner);
    Transform::add_to_linker::<_, HasSelf<HostState>>(&mut linker, |state| state)
        .and_then(|()| wasi::link(&mut linker, engine, component))
        .and_then(|()| linker.instantiate_pre(component))
        .map_err(|error| not_built(&format!("{error:#}")))
}

/// A function of the contract's interface, of whichever served version that is.
fn function(
    mut store: impl AsContextMut,
    instance: &Instance,
    name: &str,
) -> Option<ComponentExportIndex> {
    let guest = format!("{PACKAGE}/{}@{SERVED}", EXPORTS[0]);
    let guest = instance.get_export_index(&mut store, None, &guest)?;
    instance.get_export_index(&mut store, Some(&guest), name)
}

/// The call for each event.
pub(super) fn transform(
    store: &mut Store<HostState>,
    instance: &Instance,
) -> wasmtime::Result<TransformCall> {
    let index = function(&mut *store, instance, FUNCTIONS[2])
        .ok_or_else(|| wasmtime::Error::msg("there is no such function"))?;
    instance.get_typed_func(store, index)
}

/// The functions that are not there, or take or give something else than the contract says.
pub(super) fn ill_typed_exports(opened: &mut StartedInstance) -> Vec<String> {
    let StartedInstance { store, instance } = opened;
    let mut faults = Vec::new();
    for name in FUNCTIONS {
        let Some(index) = function(&mut *store, instance, name) else {
            let missing = format!("its export \"{}\" has no function \"{name}\"", EXPORTS[0]);
            faults.push(not_built(&missing));
            continue;
        };
        let typed = match name {
            "describe" => instance
                .get_typed_func::<(), (Descriptor,)>(&mut *store, index)
                .map(drop),
            "configure" => instance
                .get_typed_func::<(&str,), (Result<Configuration, String>,)>(&mut *store, index)
                .map(drop),
            _ => transform(store, instance).map(drop),
        };
        if let Err(error) = typed {
            faults.push(not_built(&format!("its export \"{name}\": {error:#}")));
        }
    }
    faults
}

pub(super) fn not_built(detail: &str) -> String {
    format!(
        "it is not built for {PACKAGE}@{SERVED}: {}",
        printable(detail, MAX_CHARS)
    )
}
