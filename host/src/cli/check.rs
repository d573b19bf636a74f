//! `tidegate serve --check`: tries everything that can be tried without starting, and tells
//! all that is wrong at once. It changes nothing, uses no network, and disturbs no host that
//! runs on the same settings: what that holds is noted and no fault.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use anyhow::bail;
use comfy_table::{Table, presets};
use jiff::Timestamp;
use rustix::process::{Resource, getrlimit};
use socket2::{Domain, Protocol, Socket, Type};

use super::credentials::advise;
use super::print::print;
use super::redis_rights;
use super::words::safe;
use crate::admin::tokens::TokenRecord;
use crate::catalog::Catalog;
use crate::causes::whole;
use crate::certificates;
use crate::channel::Pattern;
use crate::count::{count, count_of};
use crate::credentials::{self, Credential, FileError};
use crate::gate::keys::KeyRecord;
use crate::gate::keys::unmatched::{Dead, unmatched};
use crate::log;
use crate::rollout::report::Import;
use crate::rollout::{Taken, imports_of, refuse_conflicts, try_applied, try_configured};
use crate::settings::{self, Settings, Unread};
use crate::state::{self, FolderCondition};
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

fn of_keys(settings: &Settings) -> Finding {
    let path = match settings.required_keys_file() {
        Ok(path) => path,
        Err(error) => return bad(error),
    };
    match in_force::<KeyRecord>(path) {
        Ok((known, 0)) => Note(format!(
            "{}, none in force: nobody can connect",
            count_of(known, "key")
        )),
        Ok((known, live)) => Good(format!("{}, {live} in force", count_of(known, "key"))),
        Err(error) => bad(advise::<KeyRecord>(error.into())),
    }
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

fn of_tokens(path: &Path) -> Finding {
    match in_force::<TokenRecord>(path) {
        Ok((known, live)) => Good(format!(
            "{}, {live} in force",
            count_of(known, "admin token")
        )),
        Err(error) => bad(advise::<TokenRecord>(error.into())),
    }
}

/// How many records a file has, and how many of them are in force.
fn in_force<T: Credential>(path: &Path) -> Result<(usize, usize), FileError> {
    let records = credentials::read::<T>(path)?;
    let now = Timestamp::now();
    let live = records.iter().filter(|record| record.in_force(now)).count();
    Ok((records.len(), live))
}

fn of_redis(settings: &Settings) -> Finding {
    Good(format!(
        "{} is an address; it was not tried, as a check uses no network",
        settings.redis_url
    ))
}

fn of_certificates(path: &Path) -> Finding {
    match certificates::read(path) {
        Ok(authorities) => Good(count_of(authorities.roots.len(), "certificate")),
        Err(error) => bad(error),
    }
}

/// Bound without listening: nobody can connect meanwhile.
fn of_address(address: SocketAddr) -> Finding {
    let bind = || {
        let socket = Socket::new(
            Domain::for_address(address),
            Type::STREAM,
            Some(Protocol::TCP),
        )?;
        socket.set_reuse_address(true)?;
        socket.bind(&address.into())
    };
    match bind() {
        Ok(()) => Good(format!("{address} can be listened on")),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => Note(format!(
            "{address} is in use, by a host that runs or by somebody else"
        )),
        Err(error) => Bad(format!(
            "cannot listen on {address}: {error}; it must be an address of this machine, and a \
             port that this user may have"
        )),
    }
}

/// Each connection is a file.
fn of_files(max_connections: usize) -> Finding {
    match getrlimit(Resource::Nofile).maximum {
        Some(files) if files <= max_connections as u64 => Note(format!(
            "max-connections is {max_connections}, which takes more than the {} that may be open; \
             raise the hard limit, or lower this",
            count(files, "file")
        )),
        Some(files) => Good(format!(
            "{}; {} may be open",
            count_of(max_connections, "connection"),
            count(files, "file")
        )),
        None => Good(format!(
            "{}; any number of files may be open",
            count_of(max_connections, "connection")
        )),
    }
}

fn of_state(folder: &Path) -> Finding {
    let shown = folder.display();
    match state::try_folder(folder) {
        Ok(FolderCondition::Free) => Good(format!("{shown} can be written")),
        Ok(FolderCondition::Absent) => Good(format!("{shown} is not there and can be made")),
        Ok(FolderCondition::InUse) => Note(format!(
            "{shown} can be written; a running host has it, which must end before another starts"
        )),
        Err(error) => bad(error),
    }
}

fn of_watch(folder: &Path) -> Finding {
    let shown = folder.display();
    match std::fs::read_dir(folder) {
        Ok(entries) => {
            let components = entries.flatten().filter(|entry| {
                let path = entry.path();
                path.extension()
                    .is_some_and(|extension| extension == "wasm")
            });
            Good(format!(
                "{shown} has {}",
                count_of(components.count(), "component")
            ))
        }
        Err(error) => Bad(format!(
            "cannot read {shown}: {error}; make the folder, or let this user read it"
        )),
    }
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
