//! `tidegate serve --check`: tries everything that can be tried without starting, and tells
//! all that is wrong at once. It changes nothing, uses no network, and disturbs no host that
//! runs on the same settings: what that holds is noted and no fault.

mod machine;

use std::path::Path;
use std::sync::Arc;

use anyhow::bail;
use comfy_table::{Table, presets};
use jiff::Timestamp;

use self::machine::{
    of_address, of_certificates, of_files, of_keys, of_signing_keys, of_state, of_tokens, of_watch,
};
use super::print::print;
use super::redis_rights;
use super::words::safe;
use crate::catalog::Catalog;
use crate::causes::whole;
use crate::channel::Pattern;
use crate::credentials;
use crate::gate::keys::KeyRecord;
use crate::gate::keys::unmatched::{Dead, unmatched};
use crate::log;
use crate::rollout::report::Import;
use crate::rollout::{Taken, imports_of, refuse_conflicts, try_applied, try_configured};
use crate::settings::{self, Settings, Unread};
use crate::tasks::Tasks;
use crate::transform::{Component, Engine};

/// What came of trying something.
enum Finding {
    Good(String),
    /// Nothing that keeps a host from starting.
    Note(String),
    Bad(String),
}

use Finding::{Bad, Good, Note};

struct CheckLine {
    what: String,
    finding: Finding,
}

fn tried(what: impl Into<String>, finding: Finding) -> CheckLine {
    let what = what.into();
    CheckLine { what, finding }
}

/// Tells what was tried, a line each.
///
/// # Errors
/// A host would not start; with all that keeps it from it.
pub(super) fn run(settings: &Settings) -> anyhow::Result<()> {
    let engine = Engine::start(settings.wasm_stack, &Tasks::default())?;
    let mut lines = of_settings(settings);
    let transforms = super::block_on(async { Ok(try_configured(settings, &engine).await) })?;
    let mut running = Vec::new();
    let mut whole = true;
    for transform in transforms {
        match transform {
            Ok(transform) => {
                lines.push(of_transform(&transform.component, &transform.origin));
                running.push((transform.component, transform.origin));
            }
            Err(error) => {
                whole = false;
                // The error says itself which transform it is about.
                lines.push(tried("transform", bad(error)));
            }
        }
    }
    match super::block_on(async { Ok(try_applied(settings, &engine).await) })? {
        Ok(applied) => {
            for taken in applied {
                lines.push(of_taken(&taken, &running));
                take(taken, &mut running);
            }
        }
        Err(error) => lines.push(tried("state-dir", bad(error))),
    }
    let together = refuse_conflicts(running.iter().map(|(of, origin)| (&**of, &**origin)));
    lines.extend(together.err().map(|error| tried("transforms", bad(error))));
    let components: Vec<_> = running
        .into_iter()
        .map(|(component, _)| component)
        .collect();
    let imports = imports(&components);
    let mut rights = String::new();
    if whole {
        lines.extend(dead_keys(settings, &components).iter().map(of_dead_key));
        rights = redis_rights::text(settings, &components);
    }
    print(&format!("{}\n{imports}{rights}", table(&lines)))?;
    verdict(&lines)
}

fn of_settings(settings: &Settings) -> Vec<CheckLine> {
    let mut lines = vec![
        tried("settings", Good("all have allowed values".into())),
        tried("keys-file", of_keys(settings)),
        tried("redis-url", of_redis(settings)),
        tried("listen", of_address(settings.listen)),
        tried("admin-listen", of_address(settings.admin_listen)),
        tried("max-connections", of_files(settings.max_connections)),
    ];
    let files = [
        (
            "redis-ca-file",
            settings.redis_ca_file.as_deref(),
            of_certificates as fn(&Path) -> _,
        ),
        (
            "admin-tokens-file",
            settings.admin_tokens_file.as_deref(),
            of_tokens,
        ),
        (
            "jwt-keys-file",
            settings.jwt_keys_file.as_deref(),
            of_signing_keys,
        ),
        (
            "jwt-ca-file",
            settings.jwt_ca_file.as_deref(),
            of_certificates,
        ),
        ("state-dir", settings.state_dir.as_deref(), of_state),
        ("watch", settings.watch.as_deref(), of_watch),
    ];
    let files = files.into_iter();
    lines.extend(files.filter_map(|(what, path, of)| Some(tried(what, of(path?)))));
    if settings.admin_token.is_some() {
        let on = "on: whoever holds it may do everything, by the name of admin";
        lines.push(tried("admin-token", Note(on.into())));
    }
    lines.extend(log::unusable().map(|what| tried("TIDEGATE_LOG", Note(what))));
    let unread = settings::unread(std::env::vars_os()).into_iter();
    lines.extend(unread.map(|Unread { name, nearest }| {
        let text = format!("no part of Tidegate reads this variable; is {nearest} meant?");
        tried(name.escape_debug().to_string(), Note(text))
    }));
    lines
}

fn bad(error: impl Into<anyhow::Error>) -> Finding {
    Bad(whole(&error.into()))
}

/// Keys for channels that there would not be.
fn dead_keys(settings: &Settings, loaded: &[Arc<Component>]) -> Vec<Dead> {
    let file = settings.keys_file.as_deref();
    let keys = file.and_then(|file| credentials::read::<KeyRecord>(file).ok());
    let descriptors = loaded.iter().map(|component| component.descriptor.clone());
    let catalog = Catalog::of(descriptors);
    let why = |pattern: &Pattern| catalog.unmatched(pattern);
    unmatched(&keys.unwrap_or_default(), Timestamp::now(), why)
}

fn of_dead_key(key: &Dead) -> CheckLine {
    let what = format!("key {} ({:?})", key.key_id, key.key_name);
    tried(what, Note(key.reasons.join("; ")))
}

fn of_redis(settings: &Settings) -> Finding {
    Good(format!(
        "{} is an address; it was not tried, as a check uses no network",
        settings.redis_url
    ))
}

fn of_transform(component: &Component, origin: &str) -> CheckLine {
    let what = format!("transform {}", component.descriptor.name);
    tried(what, Good(about(component, origin)))
}

fn about(component: &Component, origin: &str) -> String {
    let descriptor = &component.descriptor;
    let forms = descriptor.families.iter();
    let forms: Vec<String> = forms.map(|family| family.channel_form()).collect();
    format!(
        "version {}, {}, {origin}, {}",
        descriptor.version,
        forms.join(", "),
        &component.digest[..12],
    )
}

/// What the state folder has a host run: in place of what the settings name, or beside it.
fn of_taken(taken: &Taken, configured: &[(Arc<Component>, String)]) -> CheckLine {
    let what = format!("applied {}", taken.transform);
    let Taken {
        transform,
        origin,
        component,
    } = taken;
    let named = configured
        .iter()
        .any(|(component, _)| component.descriptor.name == *transform);
    let outcome = match component {
        Ok(component) if named => Note(format!(
            "it runs in place of what the settings name: {}",
            about(component, origin)
        )),
        Ok(component) => Note(format!(
            "the settings do not name it, and it runs all the same, until `tidegate transform \
             remove {transform}`: {}",
            about(component, origin)
        )),
        Err(faults) => Note(format!(
            "it cannot be used, and a host goes back to the one before: {origin}: {}",
            faults.join("; ")
        )),
    };
    tried(what, outcome)
}

/// Puts it where a host would have it run.
fn take(taken: Taken, running: &mut Vec<(Arc<Component>, String)>) {
    let Ok(component) = taken.component else {
        return;
    };
    running.retain(|(of, _)| of.descriptor.name != component.descriptor.name);
    running.push((component, taken.origin));
}

fn table(lines: &[CheckLine]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    table.set_header(["CHECK", "RESULT", "FOUND"]);
    for CheckLine {
        what,
        finding: outcome,
    } in lines
    {
        let (result, found) = match outcome {
            Good(found) => ("good", found.as_str()),
            Note(found) => ("note", found.as_str()),
            Bad(_) => ("BAD", "see below"),
        };
        table.add_row([what.as_str(), result, found]);
    }
    table
}

/// What the tools of a component's language have it import, and what it gets; nothing where there
/// is no such component.
fn imports(components: &[Arc<Component>]) -> String {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    table.set_header(["TRANSFORM", "IMPORT", "IT GETS"]);
    for component in components {
        let of_wasi = imports_of(component).into_iter().filter(Import::is_of_wasi);
        for Import { name, gets } in of_wasi {
            table.add_row([component.descriptor.name.clone(), safe(&name), gets]);
        }
    }
    match table.row_count() {
        0 => String::new(),
        _ => format!("\n{table}\n"),
    }
}

fn verdict(lines: &[CheckLine]) -> anyhow::Result<()> {
    let faults: Vec<String> = lines
        .iter()
        .filter_map(
            |CheckLine {
                 what,
                 finding: outcome,
             }| match outcome {
                Bad(why) => Some(format!("\n  {what}: {why}")),
                Good(_) | Note(_) => None,
            },
        )
        .collect();
    match faults.len() {
        0 => Ok(()),
        count => bail!(
            "{count} of {} checks failed{}",
            lines.len(),
            faults.concat()
        ),
    }
}
