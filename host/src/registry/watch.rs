//! A watched folder: a component that is put or replaced there is pushed, planned and applied
//! like any other.
//!
//! It looks twice a second instead of waiting for notifications, which a mounted volume does
//! not give. A file is taken when two looks found it unchanged; what was cut short all the
//! same is refused by its check, and taken again when the rest arrives.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::loader::read_within;
use super::{Ask, Caller, Consent, Refused, Registry};
use crate::settings::WatchAllow;
use crate::tasks::blocking;

/// Who acts.
const BY: Caller<'_> = Caller::named("watch");

const EVERY: Duration = Duration::from_millis(500);

/// After how many looks something is tried again that was refused for a reason that passes.
const LOOKS_UNTIL_RETRY: u32 = 10;

/// How many files are looked at; there are not more transforms than that in sight.
const MAX_FILES: usize = 256;

/// What tells one state of a file from another without reading it.
type Stamp = (u64, u64, i64, i64);

/// A file that was seen.
#[derive(Debug)]
struct Seen {
    stamp: Stamp,
    /// Looks until it is dealt with; none where it has been.
    due: Option<u32>,
    /// It was there when the host started.
    from_before: bool,
}

impl Registry {
    /// Follows the folder for as long as the host lives. Files of more than `max_size` bytes
    /// are refused.
    pub async fn watch_folder(self: Arc<Self>, folder: PathBuf, allow: WatchAllow, max_size: u64) {
        let mut seen: BTreeMap<PathBuf, Seen> = BTreeMap::new();
        let (mut readable, mut first) = (true, true);
        loop {
            let at = folder.clone();
            match blocking(move || list(&at)).await {
                Ok(found) => {
                    if !std::mem::replace(&mut readable, true) {
                        tracing::info!(folder = %folder.display(), "the watched folder is back");
                    }
                    seen.retain(|path, _| found.contains_key(path));
                    for (path, stamp) in found {
                        let Some(from_before) = ripe(&mut seen, &path, stamp, first) else {
                            continue;
                        };
                        let dealt_with = self.take(&path, allow, max_size, from_before).await;
                        if let Some(seen) = seen.get_mut(&path)
                            && !dealt_with
                        {
                            seen.due = Some(LOOKS_UNTIL_RETRY);
                        }
                    }
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

    /// Returns false where it may go better later.
    async fn take(
        self: &Arc<Self>,
        path: &Path,
        allow: WatchAllow,
        max_size: u64,
        from_before: bool,
    ) -> bool {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let file = crate::transform::printable(&name, 200);
        let read = path.to_owned();
        let bytes = match blocking(move || read_within(&read, max_size)).await {
            Ok(bytes) => bytes,
            Err(error) => {
                tracing::error!(file, %error, "a watched component cannot be read");
                return false;
            }
        };
        match self.take_bytes(&file, bytes, allow, from_before).await {
            Ok(true) => {
                tracing::info!(file, "a watched component was applied");
                true
            }
            Ok(false) | Err(Refused::AlreadyActive(_)) => true,
            Err(refused) => {
                let passes = refused.may_pass();
                tracing::error!(
                    file,
                    code = refused.code(),
                    reason = %refused,
                    faults = refused.faults().join("; "),
                    tried_again = passes,
                    "a watched component was not applied; watch-allow says what the folder may change"
                );
                !passes
            }
        }
    }

    /// Returns whether it was applied.
    async fn take_bytes(
        self: &Arc<Self>,
        file: &str,
        bytes: Vec<u8>,
        allow: WatchAllow,
        from_before: bool,
    ) -> Result<bool, Refused> {
        let origin = format!("watch: {file}");
        let pushed = self.push(BY, &origin, bytes, Ask::default()).await?;
        let id = &pushed.revision.id;
        let was_left = self.with_slot(&pushed.revision.transform, |slot| {
            slot.active.past.contains(id)
        });
        // Before the restart an operator went on from it, or back.
        if from_before && was_left.unwrap_or(false) {
            return Ok(false);
        }
        let plan = self.plan(BY, id.as_str()).await?;
        let consent = Consent {
            allow_wider: allow != WatchAllow::None,
            allow_breaking: allow == WatchAllow::Breaking,
            ..Consent::default()
        };
        self.apply(BY, &plan.id, consent).await.map(|_| true)
    }
}

/// Whether a file is to be dealt with now, and if so, whether it was there at the start.
fn ripe(
    seen: &mut BTreeMap<PathBuf, Seen>,
    path: &Path,
    stamp: Stamp,
    first: bool,
) -> Option<bool> {
    match seen.get_mut(path) {
        Some(known) if known.stamp == stamp => {
            known.due = known.due?.checked_sub(1);
            known.due.is_none().then_some(known.from_before)
        }
        known => {
            let from_before = known.is_none() && first;
            let fresh = Seen {
                stamp,
                due: Some(0),
                from_before,
            };
            seen.insert(path.to_owned(), fresh);
            None
        }
    }
}

fn list(folder: &Path) -> std::io::Result<BTreeMap<PathBuf, Stamp>> {
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
            let stamp = (about.ino(), about.size(), about.mtime(), about.mtime_nsec());
            found.insert(path, stamp);
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
        let stamp = |size| (1, size, 0, 0);
        assert_eq!(ripe(&mut seen, path, stamp(1), true), None);
        assert_eq!(ripe(&mut seen, path, stamp(2), false), None, "it grows");
        assert_eq!(ripe(&mut seen, path, stamp(2), false), Some(false));
        assert_eq!(ripe(&mut seen, path, stamp(2), false), None, "once");
        assert_eq!(ripe(&mut seen, path, stamp(3), false), None);
        assert_eq!(ripe(&mut seen, path, stamp(3), false), Some(false));
    }

    #[test]
    fn what_may_go_better_later_is_tried_again_after_a_while() {
        let (mut seen, path) = (BTreeMap::new(), Path::new("a.wasm"));
        let stamp = (1, 1, 0, 0);
        ripe(&mut seen, path, stamp, false);
        assert!(ripe(&mut seen, path, stamp, false).is_some());
        seen.get_mut(path).unwrap().due = Some(2);
        let looks = [(); 4].map(|()| ripe(&mut seen, path, stamp, false).is_some());
        assert_eq!(looks, [false, false, true, false]);
    }

    #[test]
    fn a_file_from_before_the_start_is_known_as_such() {
        let (mut seen, path) = (BTreeMap::new(), Path::new("a.wasm"));
        let stamp = (1, 1, 0, 0);
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
