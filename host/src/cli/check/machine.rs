//! What settings lead to on this machine: its files, its folders, its addresses.

use std::io;
use std::net::SocketAddr;
use std::path::Path;

use jiff::Timestamp;
use rustix::process::{Resource, getrlimit};
use socket2::{Domain, Protocol, Socket, Type};

use super::Finding::{self, Bad, Good, Note};
use super::bad;
use crate::admin::tokens::TokenRecord;
use crate::certificates;
use crate::cli::credentials::advise;
use crate::count::{count, count_of};
use crate::credentials::{self, Credential, FileError};
use crate::gate::jwt;
use crate::gate::keys::KeyRecord;
use crate::settings::Settings;
use crate::state::{self, FolderCondition};

pub(super) fn of_keys(settings: &Settings) -> Finding {
    let path = match settings.required_keys_file() {
        Ok(Some(path)) => path,
        Ok(None) if settings.has_keys_in_redis() => {
            let text = "none: keys are in Redis, which was not asked, as a check uses no network";
            return Note(text.into());
        }
        Ok(None) => return Note("none: whoever comes needs a signed token".into()),
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

pub(super) fn of_tokens(path: &Path) -> Finding {
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

/// The keys that tokens are signed by.
pub(super) fn of_signing_keys(path: &Path) -> Finding {
    match jwt::check_file(path) {
        Ok(keys) => Good(format!("{}, to verify by", count_of(keys, "key"))),
        Err(error) => Bad(error),
    }
}

pub(super) fn of_certificates(path: &Path) -> Finding {
    match certificates::read(path) {
        Ok(authorities) => Good(count_of(authorities.roots.len(), "certificate")),
        Err(error) => bad(error),
    }
}

/// Bound without listening: nobody can connect meanwhile.
pub(super) fn of_address(address: SocketAddr) -> Finding {
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
pub(super) fn of_files(max_connections: usize) -> Finding {
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

pub(super) fn of_state(folder: &Path) -> Finding {
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

pub(super) fn of_watch(folder: &Path) -> Finding {
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
