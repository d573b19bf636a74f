//! A watched folder: a component that is put or replaced there is pushed, planned and applied
//! like any other.
//!
//! It looks twice a second instead of waiting for notifications, which a mounted volume does
//! not give. A file is taken when two looks found it unchanged; what was cut short all the
//! same is refused by its check, and taken again when the rest arrives.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::apply::{InNameOf, apply_in_name_of};
use super::plans::plan;
use super::push::push;
use super::{Caller, Consent, PushRequest, Refused, Registry};
use crate::files::{FileStamp, read_within};
use crate::settings::Allow;
use crate::tasks::blocking;
use crate::transform::{Fingerprint, RevisionId};
use crate::wanted::desired::Chooser;

/// Who acts.
const BY: Caller<'_> = Caller::named("watch");

const EVERY: Duration = Duration::from_millis(500);

/// After how many looks something is tried again that was refused for a reason that passes.
const LOOKS_UNTIL_RETRY: u32 = 10;

/// How many files are looked at; there are not more transforms than that in sight.
const MAX_FILES: usize = 256;

/// What became of a file.
#[derive(Debug)]
enum FileOutcome {
    /// It was applied, or refused for good; by the digest of what was in it.
    DealtWith(String),
    /// It may go better later.
    Later,
}

/// A file that was seen.
#[derive(Debug)]
struct WatchedFile {
    stamp: FileStamp,
    /// Looks until it is dealt with; none where it has been.
    due: Option<u32>,
    /// It was there when the host started.
    from_before: bool,
    /// SHA-256 of what was dealt with last: the same bytes are the same wish, however often
    /// they are put there.
    digest: Option<String>,
}

/// A file whose component was taken as a revision, and may be applied.
#[derive(Debug)]
struct WatchedCandidate {
    path: PathBuf,
    /// Its name, for people.
    file: String,
    digest: String,
    from_before: bool,
    /// When it was written, which says which of several for one transform is meant.
    written: (i64, i64),
    revision: RevisionId,
    /// SHA-256 of its component.
    component: String,
    transform: String,
}

/// What the folder may do.
#[derive(Debug, Clone, Copy)]
pub struct Rights {
    pub allow: Allow,
    /// Bytes of a file.
    pub max_size: u64,
}

/// Follows the folder for as long as the host lives.
pub async fn watch_folder(registry: Arc<Registry>, folder: PathBuf, rights: Rights) {
    let mut seen: BTreeMap<PathBuf, WatchedFile> = BTreeMap::new();
    let (mut readable, mut first) = (true, true);
    loop {
        let at = folder.clone();
        match blocking(move || list(&at)).await {
            Ok(found) => {
                if !std::mem::replace(&mut readable, true) {
                    tracing::info!(folder = %folder.display(), "the watched folder is back");
                }
                // A file that comes back with the same bytes is the same wish.
                if seen.len() > MAX_FILES {
                    seen.retain(|path, _| found.contains_key(path));
                }
                take_all(&registry, &mut seen, found, rights, first).await;
                first = false;
            }
            Err(error) => {
                if std::mem::replace(&mut readable, false) {
                    tracing::error!(folder = %folder.display(), %error, "the watched folder cannot be read");
                }
            }
        }
        tokio::time::sleep(EVERY).await;
    }
}

/// Deals with what has stopped growing. Of several files for one transform, the one that was
/// written last is meant.
async fn take_all(
    registry: &Arc<Registry>,
    seen: &mut BTreeMap<PathBuf, WatchedFile>,
    found: BTreeMap<PathBuf, FileStamp>,
    rights: Rights,
    first: bool,
) {
    let mut taken: Vec<(PathBuf, FileOutcome)> = Vec::new();
    let mut candidates: Vec<WatchedCandidate> = Vec::new();
    for (path, stamp) in found {
        let Some(from_before) = ripe(seen, &path, stamp, first) else {
            continue;
        };
        let known = seen.get(&path).and_then(|seen| seen.digest.clone());
        match candidate(registry, &path, stamp, rights, from_before, known).await {
            Ok(candidate) => candidates.push(candidate),
            Err(dealt_with) => taken.push((path, dealt_with)),
        }
    }
    candidates.sort_by(|a, b| (a.written, &a.path).cmp(&(b.written, &b.path)));
    while let Some(candidate) = candidates.pop() {
        let (others, rest): (Vec<_>, Vec<_>) = candidates
            .into_iter()
            .partition(|earlier| earlier.transform == candidate.transform);
        candidates = rest;
        for passed_over in others {
            tracing::warn!(
                file = passed_over.file,
                transform = passed_over.transform,
                newer = candidate.file,
                "a watched component is passed over: another file for its transform was \
                 written later"
            );
            taken.push((passed_over.path, FileOutcome::DealtWith(passed_over.digest)));
        }
        let dealt_with = take(registry, &candidate, rights.allow).await;
        taken.push((candidate.path, dealt_with));
    }
    for (path, dealt_with) in taken {
        let Some(seen) = seen.get_mut(&path) else {
            continue;
        };
        match dealt_with {
            FileOutcome::DealtWith(digest) => seen.digest = Some(digest),
            FileOutcome::Later => seen.due = Some(LOOKS_UNTIL_RETRY),
        }
    }
}

/// A file's component as a revision, where it is another than was dealt with before.
async fn candidate(
    registry: &Arc<Registry>,
    path: &Path,
    stamp: FileStamp,
    rights: Rights,
    from_before: bool,
    known: Option<String>,
) -> Result<WatchedCandidate, FileOutcome> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let file = crate::transform::printable(&name, 200);
    let read = path.to_owned();
    let bytes = match blocking(move || read_within(&read, rights.max_size)).await {
        Ok(bytes) => bytes,
        Err(error) => {
            tracing::error!(file, %error, "a watched component cannot be read");
            return Err(FileOutcome::Later);
        }
    };
    let (print, bytes) = blocking(move || (Fingerprint::of(&bytes), bytes)).await;
    let digest = print.digest;
    if known.as_ref() == Some(&digest) {
        return Err(FileOutcome::DealtWith(digest));
    }
    let origin = format!("watch: {file}");
    match push(registry, BY, &origin, bytes, PushRequest::default()).await {
        Ok(pushed) => Ok(WatchedCandidate {
            path: path.to_owned(),
            file,
            digest,
            from_before,
            written: stamp.modified,
            revision: pushed.revision.id,
            component: pushed.revision.component,
            transform: pushed.revision.transform,
        }),
        Err(refused) => Err(told_refusal(&file, digest, &refused)),
    }
}

async fn take(registry: &Arc<Registry>, candidate: &WatchedCandidate, allow: Allow) -> FileOutcome {
    let WatchedCandidate { file, digest, .. } = candidate;
    match apply_candidate(registry, candidate, allow).await {
        Ok(()) => tracing::info!(file, "a watched component was applied"),
        Err(Refused::AlreadyActive(_) | Refused::AlreadyChosen(_)) => {}
        Err(Refused::Standing(transform)) => tracing::info!(
            file,
            transform,
            "a watched component that was there before is not applied: what somebody chose \
             stays"
        ),
        Err(refused) => return told_refusal(file, digest.clone(), &refused),
    }
    FileOutcome::DealtWith(digest.clone())
}

async fn apply_candidate(
    registry: &Arc<Registry>,
    candidate: &WatchedCandidate,
    allow: Allow,
) -> Result<(), Refused> {
    let (id, name) = (&candidate.revision, &candidate.transform);
    if let Ok(wanted) = registry.with(name, |deployment| deployment.intent.wanted()) {
        let chosen = &wanted.choice.revision;
        // A host that comes to a fleet has nothing to say of what that wants.
        let is_late = registry.fleet.is_some() && candidate.from_before && chosen.is_some();
        if is_late && chosen.as_ref() != Some(id) {
            return Err(Refused::Standing(name.clone()));
        }
        // Also with other settings than it was left with.
        let was_left = |id: &RevisionId| {
            let record = registry.recorded(name, id);
            wanted.is_withdrawn(id)
                && record.is_some_and(|record| record.component == candidate.component)
        };
        if wanted.is_withdrawn(id) || wanted.withdrawn.keys().any(was_left) {
            return Err(Refused::Withdrawn(name.clone()));
        }
    }
    if registry
        .deployments
        .lock()
        .values()
        .any(|deployment| deployment.lost)
    {
        return Err(Refused::Standing(name.clone()));
    }
    let plan = plan(registry, BY, id.as_str()).await?;
    let consent = Consent {
        allow_wider: allow != Allow::None,
        allow_breaking: allow == Allow::Breaking,
        ..Consent::default()
    };
    let name_of = InNameOf {
        chooser: Chooser::Folder,
        was_there: candidate.from_before,
    };
    let applied = apply_in_name_of(registry, BY, &plan.id, consent, name_of);
    applied.await.map(drop)
}

/// Says why a file was not applied.
fn told_refusal(file: &str, digest: String, refused: &Refused) -> FileOutcome {
    let passes = refused.may_pass();
    tracing::error!(
        file,
        code = refused.code(),
        reason = %refused,
        faults = refused.faults().join("; "),
        tried_again = passes,
        "a watched component was not applied; watch-allow says what the folder may change"
    );
    match passes {
        true => FileOutcome::Later,
        false => FileOutcome::DealtWith(digest),
    }
}

/// Whether a file is to be dealt with now, and if so, whether it was there at the start.
fn ripe(
    seen: &mut BTreeMap<PathBuf, WatchedFile>,
    path: &Path,
    stamp: FileStamp,
    first: bool,
) -> Option<bool> {
    match seen.get_mut(path) {
        Some(known) if known.stamp == stamp => {
            known.due = known.due?.checked_sub(1);
            known.due.is_none().then_some(known.from_before)
        }
        known => {
            let waits = known
                .as_ref()
                .is_some_and(|known| known.from_before && known.due.is_some());
            let from_before = known.is_none() && first || waits;
            let fresh = WatchedFile {
                stamp,
                due: Some(0),
                from_before,
                digest: known.and_then(|known| known.digest.take()),
            };
            seen.insert(path.to_owned(), fresh);
            None
        }
    }
}

fn list(folder: &Path) -> std::io::Result<BTreeMap<PathBuf, FileStamp>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "wasm") {
            continue;
        }
        // Through links, which is how some volumes are mounted; one that leads nowhere, or a
        // file that is gone again, is no file.
        if let Ok(about) = fs::metadata(&path)
            && about.is_file()
        {
            found.insert(path, FileStamp::of(&about));
        }
        if found.len() >= MAX_FILES {
            break;
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_taken_once_it_has_stopped_growing_and_again_when_it_changes() {
        let (mut seen, path) = (BTreeMap::new(), Path::new("a.wasm"));
        let stamp = |size| FileStamp {
            size,
            ..FileStamp::default()
        };
        assert_eq!(ripe(&mut seen, path, stamp(1), true), None);
        assert_eq!(ripe(&mut seen, path, stamp(2), false), None, "it grows");
        assert_eq!(ripe(&mut seen, path, stamp(2), false), Some(true));
        assert_eq!(ripe(&mut seen, path, stamp(2), false), None, "once");
        assert_eq!(ripe(&mut seen, path, stamp(3), false), None);
        assert_eq!(ripe(&mut seen, path, stamp(3), false), Some(false));
    }

    #[test]
    fn what_may_go_better_later_is_tried_again_after_a_while() {
        let (mut seen, path) = (BTreeMap::new(), Path::new("a.wasm"));
        let stamp = FileStamp::default();
        ripe(&mut seen, path, stamp, false);
        assert!(ripe(&mut seen, path, stamp, false).is_some());
        seen.get_mut(path).unwrap().due = Some(2);
        let looks = [(); 4].map(|()| ripe(&mut seen, path, stamp, false).is_some());
        assert_eq!(looks, [false, false, true, false]);
    }

    #[test]
    fn a_file_from_before_the_start_is_known_as_such() {
        let (mut seen, path) = (BTreeMap::new(), Path::new("a.wasm"));
        let stamp = FileStamp::default();
        assert_eq!(ripe(&mut seen, path, stamp, true), None);
        assert_eq!(ripe(&mut seen, path, stamp, false), Some(true));
    }

    #[test]
    fn only_components_are_seen_through_links_too() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("a.wasm"), "").unwrap();
        fs::write(at("a.wasm.part"), "").unwrap();
        fs::create_dir(at("b.wasm")).unwrap();
        std::os::unix::fs::symlink("a.wasm", at("c.wasm")).unwrap();
        std::os::unix::fs::symlink("nowhere", at("d.wasm")).unwrap();
        let found: Vec<_> = list(folder.path()).unwrap().into_keys().collect();
        assert_eq!(found, [at("a.wasm"), at("c.wasm")]);
    }
}
