//! Components on their way through Redis: in chunks, by digest, and gone after an hour unless
//! something names them.

use std::sync::Arc;

use super::super::Refused;
use super::Fleet;
use crate::count::count;
use crate::fleet::FleetNames;
use crate::revision::Revision;
use crate::state::Store;
use crate::tasks::blocking;
use crate::transform::Fingerprint;

/// Bytes of one value in Redis.
const CHUNK: u64 = 512 * 1024;

/// The most bytes of a component, whatever Redis says: as much as any setting allows.
const MAX_SIZE: u64 = 256 << 20;

/// How long a component lasts that nothing names.
pub(super) const UNNAMED_SECONDS: u64 = 3600;

/// All keys of a component, by the names of now or of before.
pub(super) fn keys_of(names: &FleetNames, revision: &Revision) -> Vec<String> {
    let digest = &revision.component;
    let chunks = 0..revision.size.min(MAX_SIZE).div_ceil(CHUNK);
    let chunks = chunks.map(|number| names.chunk(digest, number));
    chunks.chain([names.component(digest)]).collect()
}

/// Sees to it that a component is in Redis.
///
/// # Errors
/// It is neither there nor here, or Redis does not answer.
pub(super) async fn offer_component(
    fleet: &Fleet,
    store: &Arc<Store>,
    revision: &Revision,
) -> Result<(), Refused> {
    let keys = keys_of(fleet.member.names(), revision);
    let mut look = redis::pipe();
    look.cmd("EXISTS").arg(&keys);
    let (there,): (usize,) = fleet.link().ask(&look).await?;
    if there == keys.len() {
        return Ok(());
    }
    let (store, digest) = (store.clone(), revision.component.clone());
    let bytes = blocking(move || store.component(&digest)).await;
    let bytes = bytes.map_err(|error| Refused::State(error.into()))?;
    let (size, digest) = (bytes.len(), &revision.component);
    for (number, chunk) in (0..).zip(bytes.chunks(usize::try_from(CHUNK).unwrap_or(size))) {
        let mut send = redis::pipe();
        send.cmd("SET")
            .arg(fleet.member.names().chunk(digest, number))
            .arg(chunk)
            .arg("EX")
            .arg(UNNAMED_SECONDS);
        let () = fleet.link().ask(&send).await?;
    }
    let about = fleet.member.names().component(digest);
    let mut send = redis::pipe();
    send.cmd("HSET")
        .arg(&about)
        .arg(&[
            ("size", revision.size),
            ("chunks", revision.size.div_ceil(CHUNK)),
        ])
        .ignore();
    send.cmd("EXPIRE").arg(&about).arg(UNNAMED_SECONDS).ignore();
    let () = fleet.link().ask(&send).await?;
    Ok(())
}

/// The bytes of a component, which are what its digest says.
///
/// # Errors
/// It is too big, or not whole in Redis, or Redis does not answer.
pub(super) async fn fetch(fleet: &Fleet, revision: &Revision) -> Result<Vec<u8>, Refused> {
    let most = revision.limits.max_component_size.min(MAX_SIZE);
    if revision.size > most {
        let fault = format!(
            "it has {}, more than the {most} of max-component-size",
            count(revision.size, "byte")
        );
        return Err(Refused::check(&revision.transform, vec![fault]));
    }
    let mut bytes = Vec::new();
    for number in 0..revision.size.div_ceil(CHUNK) {
        let mut get = redis::pipe();
        get.cmd("GET")
            .arg(fleet.member.names().chunk(&revision.component, number));
        let (chunk,): (Option<Vec<u8>>,) = fleet.link().ask(&get).await?;
        // One that is longer than it may be ends the reading: the digest will not be right.
        match chunk {
            Some(chunk) if chunk.len() as u64 <= CHUNK => bytes.extend(chunk),
            _ => break,
        }
    }
    let (print, bytes) = blocking(move || (Fingerprint::of(&bytes), bytes)).await;
    if print.digest == revision.component {
        Ok(bytes)
    } else {
        Err(Refused::FleetUnreachable(format!(
            "the component of {} is not whole there",
            revision.id
        )))
    }
}
