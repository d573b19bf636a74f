//! `tidegate serve --check`: tries everything that can be tried without starting, and tells
//! all that is wrong at once. It changes nothing, uses no network, and disturbs no host that
//! runs on the same settings: what that holds is noted and no fault.

use std::io;
use std::net::SocketAddr;
use std::path::Path;

use anyhow::bail;
use comfy_table::{Table, presets};
use jiff::Timestamp;
use rustix::process::{Resource, getrlimit};
use socket2::{Domain, Protocol, Socket, Type};

use super::credentials::advise;
use super::print::print;
use super::redis_rights;
use crate::admin::tokens::TokenRecord;
use crate::causes::whole;
use crate::certificates;
use crate::channel::Pattern;
use crate::credentials::{self, Credential, FileError};
use crate::gate::keys::KeyRecord;
use crate::gate::keys::unmatched::{Dead, unmatched};
use crate::log;
use crate::registry::store::{self, Found};
use crate::registry::{Catalog, Configured, try_configured};
use crate::settings::{self, Settings, Unread};
use crate::tasks::Tasks;
use crate::transform::Engine;

/// What came of trying something.
enum Outcome {
    Good(String),
    /// Nothing that keeps a host from starting.
    Note(String),
    Bad(String),
}

use Outcome::{Bad, Good, Note};

struct Tried {
    what: String,
    outcome: Outcome,
}

fn tried(what: impl Into<String>, outcome: Outcome) -> Tried {
    let what = what.into();
    Tried { what, outcome }
}

/// Tells what was tried, a line each.
///
/// # Errors
/// A host would not start; with all that keeps it from it.
pub(super) fn run(settings: &Settings) -> anyhow::Result<()> {
    let engine = Engine::start(settings.wasm_stack, &Tasks::default())?;
    let mut all = of_settings(settings);
    let (transforms, together) =
        super::block_on(async { Ok(try_configured(settings, &engine).await) })?;
    let mut loaded = Vec::new();
    let mut whole = true;
    for transform in transforms {
        match transform {
            Ok(transform) => {
                all.push(of_transform(&transform));
                loaded.push(transform);
            }
            Err(error) => {
                whole = false;
                // It says itself which one.
                all.push(tried("transform", bad(error)));
            }
        }
    }
    all.extend(together.err().map(|error| tried("transforms", bad(error))));
    let mut rights = String::new();
    if whole {
        all.extend(dead_keys(settings, &loaded).iter().map(of_dead_key));
        rights = redis_rights::text(settings, &loaded);
    }
    print(&format!("{}\n{rights}", table(&all)))?;
    verdict(&all)
}

fn of_settings(settings: &Settings) -> Vec<Tried> {
    let mut all = vec![
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
    all.extend(files.filter_map(|(what, path, of)| Some(tried(what, of(path?)))));
    if settings.admin_token.is_some() {
        let on = "on: whoever holds it may do everything, by the name of admin";
        all.push(tried("admin-token", Note(on.into())));
    }
    all.extend(log::unusable().map(|what| tried("TIDEGATE_LOG", Note(what))));
    let unread = settings::unread(std::env::vars_os()).into_iter();
    all.extend(unread.map(|Unread { name, nearest }| {
        let text = format!("no part of Tidegate reads this variable; is {nearest} meant?");
        tried(name.escape_debug().to_string(), Note(text))
    }));
    all
}

fn bad(error: impl Into<anyhow::Error>) -> Outcome {
    Bad(whole(&error.into()))
}

fn of_keys(settings: &Settings) -> Outcome {
    let path = match settings.required_keys_file() {
        Ok(path) => path,
        Err(error) => return bad(error),
    };
    match in_force::<KeyRecord>(path) {
        Ok((known, 0)) => Note(format!("{known} keys, none in force: nobody can connect")),
        Ok((known, live)) => Good(format!("{known} keys, {live} in force")),
        Err(error) => bad(advise::<KeyRecord>(error.into())),
    }
}

/// Keys for channels that there would not be.
fn dead_keys(settings: &Settings, loaded: &[Configured]) -> Vec<Dead> {
    let file = settings.keys_file.as_deref();
    let keys = file.and_then(|file| credentials::read::<KeyRecord>(file).ok());
    let descriptors = loaded
        .iter()
        .map(|transform| transform.component.descriptor.clone());
    let catalog = Catalog::of(descriptors);
    let why = |pattern: &Pattern| catalog.unmatched(pattern);
    unmatched(&keys.unwrap_or_default(), Timestamp::now(), why)
}

fn of_dead_key(key: &Dead) -> Tried {
    let what = format!("key {} ({:?})", key.key_id, key.key_name);
    tried(what, Note(key.reasons.join("; ")))
}

fn of_tokens(path: &Path) -> Outcome {
    match in_force::<TokenRecord>(path) {
        Ok((known, live)) => Good(format!("{known} admin tokens, {live} in force")),
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

fn of_redis(settings: &Settings) -> Outcome {
    Good(format!(
        "{} is an address; it was not tried, as a check uses no network",
        settings.redis_url
    ))
}

fn of_certificates(path: &Path) -> Outcome {
    match certificates::read(path) {
        Ok(authorities) => Good(format!("{} certificates", authorities.roots.len())),
        Err(error) => bad(error),
    }
}

/// Bound without listening: nobody can connect meanwhile.
fn of_address(address: SocketAddr) -> Outcome {
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
fn of_files(max_connections: usize) -> Outcome {
    match getrlimit(Resource::Nofile).maximum {
        Some(files) if files <= max_connections as u64 => Note(format!(
            "{max_connections} connections need more than the {files} files that may be open; \
             raise the hard limit, or lower this"
        )),
        Some(files) => Good(format!(
            "{max_connections} connections; {files} files may be open"
        )),
        None => Good(format!(
            "{max_connections} connections; any number of files may be open"
        )),
    }
}

fn of_state(folder: &Path) -> Outcome {
    let shown = folder.display();
    match store::try_folder(folder) {
        Ok(Found::Free) => Good(format!("{shown} can be written")),
        Ok(Found::Absent) => Good(format!("{shown} is not there and can be made")),
        Ok(Found::InUse) => Note(format!(
            "{shown} can be written; a running host has it, which must end before another starts"
        )),
        Err(error) => bad(error),
    }
}

fn of_watch(folder: &Path) -> Outcome {
    let shown = folder.display();
    match std::fs::read_dir(folder) {
        Ok(entries) => {
            let components = entries.flatten().filter(|entry| {
                let path = entry.path();
                path.extension()
                    .is_some_and(|extension| extension == "wasm")
            });
            Good(format!("{shown} has {} components", components.count()))
        }
        Err(error) => Bad(format!(
            "cannot read {shown}: {error}; make the folder, or let this user read it"
        )),
    }
}

fn of_transform(transform: &Configured) -> Tried {
    let descriptor = &transform.component.descriptor;
    let forms = descriptor.families.iter();
    let forms: Vec<String> = forms.map(|family| family.channel_form()).collect();
    let found = format!(
        "version {}, {}, {}, {}",
        descriptor.version,
        forms.join(", "),
        transform.origin,
        &transform.component.digest[..12],
    );
    tried(format!("transform {}", descriptor.name), Good(found))
}

fn table(all: &[Tried]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    table.set_header(["CHECK", "RESULT", "FOUND"]);
    for Tried { what, outcome } in all {
        let (result, found) = match outcome {
            Good(found) => ("good", found.as_str()),
            Note(found) => ("note", found.as_str()),
            Bad(_) => ("BAD", "see below"),
        };
        table.add_row([what.as_str(), result, found]);
    }
    table
}

fn verdict(all: &[Tried]) -> anyhow::Result<()> {
    let faults: Vec<String> = all
        .iter()
        .filter_map(|Tried { what, outcome }| match outcome {
            Bad(why) => Some(format!("\n  {what}: {why}")),
            Good(_) | Note(_) => None,
        })
        .collect();
    match faults.len() {
        0 => Ok(()),
        count => bail!("{count} of {} checks failed{}", all.len(), faults.concat()),
    }
}
