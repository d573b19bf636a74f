//! Whether a component was made for the contract's world and a version of it that this host
//! serves. Which imports and exports these are, `interface` says.

use std::collections::BTreeSet;

use semver::Version;

use super::super::guest_log::printable;
use super::super::interface::{
    ALLOWED_IMPORTS, EXPORTS, PACKAGE, SERVED, of_contract, served, serves,
};
use super::super::wasi;
use super::outline::Outline;

/// How many names a sentence lists, and how much of each, in characters.
const MAX_NAMES: usize = 8;
const MAX_CHARS: usize = 100;

/// All that is wrong with what it imports and exports, a sentence each.
pub(super) fn faults(outline: &Outline<'_>) -> Vec<String> {
    let names = outline.imports.iter().chain(&outline.exports);
    let versions = names.filter_map(|name| of_contract(name).map(|(_, version)| version));
    let unserved: BTreeSet<Version> = versions.filter(|version| !serves(version)).collect();
    let (wasi, foreign): (Vec<&str>, Vec<&str>) = outline
        .imports
        .iter()
        .filter(|name| !is_of_contract(name, &ALLOWED_IMPORTS) && wasi::gets(name).is_none())
        .partition(|name| name.starts_with("wasi:"));
    let missing: Vec<&str> = EXPORTS
        .into_iter()
        .filter(|wanted| !exports(outline, wanted))
        .collect();
    let mut faults = Vec::new();
    if !unserved.is_empty() {
        faults.push(of_other_versions(&unserved));
    }
    if !wasi.is_empty() {
        faults.push(format!(
            "it imports {} of WASI, which this host does not have (it has the interfaces of WASI \
             {} for commands and proxies): build it for those, or without WASI: {}",
            listed(&wasi),
            wasi::VERSIONS,
            outline.maker.without_wasi()
        ));
    }
    if !foreign.is_empty() {
        faults.push(format!(
            "it imports {}, and a transform may import nothing but {PACKAGE}/{}@{SERVED}: build it for \
             the world `transform` alone",
            listed(&foreign),
            ALLOWED_IMPORTS[0]
        ));
    }
    if !missing.is_empty() {
        faults.push(without(&missing, &outline.exports));
    }
    if outline.asynchronous {
        faults.push(format!(
            "it is built for asynchronous calls or threads, which this host does not serve: {}",
            outline.maker.synchronous()
        ));
    }
    faults
}

fn of_other_versions(versions: &BTreeSet<Version>) -> String {
    let versions: Vec<String> = versions.iter().map(ToString::to_string).collect();
    let versions: Vec<&str> = versions.iter().map(String::as_str).collect();
    format!(
        "it is made for {PACKAGE} {}, and this host serves {}: build it with the contract of \
         this host, or move the host to a version that serves it",
        listed(&versions),
        served()
    )
}

fn without(missing: &[&str], exports: &[&str]) -> String {
    let instead = if exports.is_empty() {
        "it exports nothing".to_owned()
    } else {
        format!("it exports {}", listed(exports))
    };
    format!(
        "{instead}, and the world `transform` of {PACKAGE} has {} to export: build it for that \
         world, whose text the host's `wit` folder has",
        listed(missing)
    )
}

/// Names, as many as a person reads.
fn listed(names: &[&str]) -> String {
    let shown: Vec<String> = names
        .iter()
        .take(MAX_NAMES)
        .map(|name| printable(name, MAX_CHARS))
        .collect();
    let more = names.len() - shown.len();
    let shown = shown.join(", ");
    if more > 0 {
        format!("{shown} and {more} more")
    } else {
        shown
    }
}

/// Whether it is one of these interfaces of the contract, of whichever version.
fn is_of_contract(name: &str, interfaces: &[&str]) -> bool {
    of_contract(name).is_some_and(|(interface, _)| interfaces.contains(&interface))
}

/// Whether the component has this export, by its own name or as an interface of the contract.
fn exports(outline: &Outline<'_>, wanted: &str) -> bool {
    let exports = outline.exports.iter();
    exports
        .into_iter()
        .any(|name| *name == wanted || is_of_contract(name, &[wanted]))
}
