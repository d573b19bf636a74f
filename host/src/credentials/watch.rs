//! Notices that a file of credentials changed, and hands over the whole new list.
//!
//! It asks three times a second instead of waiting for notifications: a path can become
//! another file by a rename, through any link on the way, or by coming back after it was
//! gone, and asking covers all of them. (notify's poller compares times by the second, so
//! one made and revoked within one would stay.) A file that cannot be used changes nothing:
//! those in force stay, and the log says so once. Expiry is the caller's.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use jiff::Timestamp;
use prometheus::IntGauge;

use super::change::ListChange;
use super::file::{parse, read_bytes};
use super::{Credential, FileError, digest_of};
use crate::files::FileStamp;
use crate::tasks::{TaskEnd, TaskName, Tasks, Unasked};

/// How often the file is looked at. A revoked key has a second to lose its sessions.
const EVERY: Duration = Duration::from_millis(300);

/// How many looks after a change read the contents even if nothing seems to have changed:
/// two writes within one tick of the file system's clock look like one.
const SECOND_LOOKS: u8 = 2;

/// The watch on one file. It ends when this is dropped.
#[derive(Debug)]
pub struct FileWatch {
    looks: mpsc::Sender<Reply>,
}

/// Where the outcome of a look goes that was asked for.
type Reply = mpsc::Sender<Result<usize, String>>;

impl FileWatch {
    /// Has the file read now, whether it seems changed or not, and says how many records it
    /// has. Waits for the disk.
    ///
    /// # Errors
    /// Why it cannot be used, in words; what is in force stays.
    pub fn look(&self) -> Result<usize, String> {
        let (reply, outcome) = mpsc::channel();
        let gone = |_| "nobody follows the file any more".to_owned();
        self.looks.send(reply).map_err(|_| gone(mpsc::RecvError))?;
        outcome.recv().map_err(gone)?
    }
}

/// Reads the file, calls `on_change` with what it says, and again after each change. The
/// first call is made before this returns; an unusable file is an error only here. `ok` is 1
/// while the file can be used, and 0 while it cannot.
///
/// # Errors
/// When the file cannot be used, or there is no thread to be had.
pub fn watch<T: Credential>(
    path: PathBuf,
    tasks: &Tasks,
    ok: IntGauge,
    on_change: impl Fn(Vec<T>) + Send + 'static,
) -> Result<FileWatch, FileError> {
    let stamp = FileStamp::of_path(&path);
    let bytes = read_bytes::<T>(&path)?;
    let mut before: Vec<T> = parse(&path, &bytes)?;
    on_change(before.clone());
    ok.set(1);
    let mut seen = LastLook {
        stamp,
        looks: SECOND_LOOKS,
        last: Ok(digest_of(&bytes)),
        usable: true,
    };
    let (looks, asked) = mpsc::channel::<Reply>();
    let mut restarted = false;
    let look_on = move || {
        // What was seen before a panic may not have been handed over.
        if std::mem::replace(&mut restarted, true) {
            seen.forget();
        }
        loop {
            match asked.recv_timeout(EVERY) {
                // Who asked says what came of it, in the log too.
                Ok(reply) => {
                    let read = seen.read(&path).map(|records: Vec<T>| {
                        before.clone_from(&records);
                        on_change(records);
                        before.len()
                    });
                    // Who asked may have been in a hurry.
                    let _ = reply.send(read.map_err(|error| error.to_string()));
                }
                Err(RecvTimeoutError::Timeout) => {
                    if let Some(records) = seen.look(&path) {
                        say_change(&path, &before, &records);
                        before.clone_from(&records);
                        on_change(records);
                    }
                }
                Err(RecvTimeoutError::Disconnected) => return TaskEnd::Asked,
            }
            ok.set(seen.usable.into());
        }
    };
    // Without it, what was revoked would still work.
    tasks
        .thread(
            TaskName::of("credentials_watch", T::NOUN),
            Unasked::Restart,
            look_on,
        )
        .map_err(|cause| FileError::Watch {
            noun: T::NOUN,
            cause,
        })?;
    Ok(FileWatch { looks })
}

fn say_change<T: Credential>(path: &Path, before: &[T], after: &[T]) {
    let ListChange {
        in_force,
        added,
        removed,
        altered,
    } = ListChange::between(before, after, Timestamp::now());
    tracing::info!(file = %path.display(), in_force, added, removed, altered, "the {} file is in force as it is now", T::NOUN);
}

/// What the last look found.
#[derive(Debug)]
struct LastLook {
    stamp: Option<FileStamp>,
    /// Looks that still have to read the contents.
    looks: u8,
    /// The digest of the contents, or why there were none.
    last: Result<[u8; 32], String>,
    /// Whether the last contents could be used.
    usable: bool,
}

impl LastLook {
    /// Lets the next look read and hand over everything.
    fn forget(&mut self) {
        self.stamp = None;
        self.looks = SECOND_LOOKS + 1;
        self.last = Err(String::new());
    }

    /// The list as the file has it now. Who asked tells what is wrong with it.
    fn read<T: Credential>(&mut self, path: &Path) -> Result<Vec<T>, FileError> {
        self.stamp = FileStamp::of_path(path);
        self.looks = SECOND_LOOKS;
        let bytes = read_bytes::<T>(path);
        self.last = match &bytes {
            Ok(bytes) => Ok(digest_of(bytes)),
            Err(error) => Err(error.to_string()),
        };
        let list = bytes.and_then(|bytes| parse(path, &bytes));
        self.usable = list.is_ok();
        list
    }

    /// The new list, if there is one.
    fn look<T: Credential>(&mut self, path: &Path) -> Option<Vec<T>> {
        let stamp = FileStamp::of_path(path);
        if stamp != self.stamp {
            self.stamp = stamp;
            self.looks = SECOND_LOOKS + 1;
        }
        self.looks = self.looks.checked_sub(1)?;
        let read = read_bytes::<T>(path);
        let found = match &read {
            Ok(bytes) => Ok(digest_of(bytes)),
            Err(error) => Err(error.to_string()),
        };
        if found == self.last {
            return None;
        }
        self.last = found;
        match read.and_then(|bytes| parse(path, &bytes)) {
            Ok(list) => {
                if !self.usable {
                    tracing::info!(file = %path.display(), "the {} file can be used again", T::NOUN);
                }
                self.usable = true;
                Some(list)
            }
            Err(error) => {
                self.usable = false;
                let next = error.next::<T>();
                tracing::error!(%error, next, "the {0} file cannot be used, the {0}s in force stay", T::NOUN);
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::sync::mpsc::{Receiver, channel};

    use tempfile::TempDir;

    use super::*;
    use crate::gate::keys::{self, KeyRecord};

    /// Longer than any look takes, so that a failure is a failure.
    const LONG: Duration = Duration::from_secs(10);

    fn file_of(names: &[&str]) -> String {
        let keys = names.iter().map(|name| {
            let sha256 = data_encoding::HEXLOWER.encode(&keys::digest(name));
            serde_json::json!({
                "id": name, "name": name, "sha256": sha256,
                "max_connections": 1, "created": "2026-01-01T00:00:00Z",
            })
        });
        serde_json::json!({"version": 1, "keys": keys.collect::<Vec<_>>()}).to_string()
    }

    fn put(path: &Path, text: &str) {
        let copy = path.with_extension("new");
        fs::write(&copy, text).unwrap();
        fs::rename(copy, path).unwrap();
    }

    fn gauge() -> IntGauge {
        IntGauge::new("ok", "Whether the file can be used.").unwrap()
    }

    /// A watched file: its folder, its path, the lists that come, and the watch.
    fn watched() -> (TempDir, PathBuf, Receiver<Vec<String>>, FileWatch) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.json");
        put(&path, &file_of(&["a"]));
        let (lists, watch) = watching(&path);
        assert_eq!(
            lists.try_recv().unwrap(),
            ["a"],
            "the first list comes at once"
        );
        (folder, path, lists, watch)
    }

    fn watching(path: &Path) -> (Receiver<Vec<String>>, FileWatch) {
        let (send, lists) = channel();
        let watch = watch(
            path.to_owned(),
            &Tasks::default(),
            gauge(),
            move |keys: Vec<KeyRecord>| {
                let _ = send.send(keys.into_iter().map(|key| key.name).collect());
            },
        );
        (lists, watch.unwrap())
    }

    fn next(lists: &Receiver<Vec<String>>) -> Vec<String> {
        lists.recv_timeout(LONG).unwrap()
    }

    #[test]
    fn a_change_by_rename_or_in_place_arrives() {
        let (_folder, path, lists, _watch) = watched();
        put(&path, &file_of(&["a", "b"]));
        assert_eq!(next(&lists), ["a", "b"]);
        fs::write(&path, file_of(&["c", "d"])).unwrap();
        // A look may fall between truncation and writing: what it then finds is not usable.
        assert_eq!(next(&lists), ["c", "d"]);
    }

    #[test]
    fn an_unusable_or_missing_file_changes_nothing_until_it_is_mended() {
        let (_folder, path, lists, _watch) = watched();
        put(&path, "{\"version\":1,");
        assert!(lists.recv_timeout(4 * EVERY).is_err());
        put(&path, &file_of(&["b"]));
        assert_eq!(next(&lists), ["b"]);
        fs::remove_file(&path).unwrap();
        assert!(lists.recv_timeout(4 * EVERY).is_err());
        put(&path, &file_of(&["c"]));
        assert_eq!(next(&lists), ["c"]);
    }

    #[test]
    fn a_look_that_is_asked_for_reads_at_once_and_says_what_it_found() {
        let (_folder, path, lists, watch) = watched();
        assert_eq!(watch.look(), Ok(1));
        assert_eq!(next(&lists), ["a"], "what is in force is said again");
        put(&path, &file_of(&["a", "b"]));
        assert_eq!(watch.look(), Ok(2));
        assert_eq!(lists.try_recv().unwrap(), ["a", "b"]);
        put(&path, "broken");
        let why = watch.look().unwrap_err();
        assert!(why.contains("not JSON"), "{why}");
        assert!(lists.try_recv().is_err(), "nothing changes");
    }

    #[test]
    fn a_swapped_folder_behind_links_arrives() {
        let folder = tempfile::tempdir().unwrap();
        for (version, name) in [("v1", "a"), ("v2", "b")] {
            fs::create_dir(folder.path().join(version)).unwrap();
            fs::write(
                folder.path().join(version).join("keys.json"),
                file_of(&[name]),
            )
            .unwrap();
        }
        symlink("v1", folder.path().join("..data")).unwrap();
        symlink("..data/keys.json", folder.path().join("keys.json")).unwrap();
        let (lists, _watch) = watching(&folder.path().join("keys.json"));
        assert_eq!(next(&lists), ["a"]);
        symlink("v2", folder.path().join("..new")).unwrap();
        fs::rename(folder.path().join("..new"), folder.path().join("..data")).unwrap();
        assert_eq!(next(&lists), ["b"]);
    }

    #[test]
    fn contents_that_changed_unseen_within_a_tick_are_found_by_the_second_look() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.json");
        put(&path, &file_of(&["b"]));
        let mut seen = LastLook {
            stamp: FileStamp::of_path(&path),
            looks: SECOND_LOOKS,
            last: Ok(digest_of(file_of(&["a"]).as_bytes())),
            usable: true,
        };
        assert_eq!(seen.look::<KeyRecord>(&path).unwrap()[0].name, "b");
        assert!(seen.look::<KeyRecord>(&path).is_none());
        assert_eq!(seen.looks, 0, "then the file is left alone");
    }

    #[test]
    fn an_unusable_state_is_told_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.json");
        put(&path, "broken");
        let mut seen = LastLook {
            stamp: None,
            looks: 0,
            last: Ok([0; 32]),
            usable: true,
        };
        assert!(seen.look::<KeyRecord>(&path).is_none());
        let last = seen.last.clone();
        put(&path, "broken");
        assert!(seen.look::<KeyRecord>(&path).is_none());
        assert_eq!(
            seen.last, last,
            "the same contents in another file are nothing new"
        );
        assert!(!seen.usable);
        put(&path, &file_of(&["a"]));
        assert!(seen.look::<KeyRecord>(&path).is_some());
        assert!(seen.usable);
    }

    #[test]
    fn an_unusable_file_is_an_error_at_the_start_and_dropping_the_watch_ends_it() {
        let (folder, path, lists, watch) = watched();
        let missing = folder.path().join("none.json");
        assert!(matches!(
            super::watch(missing, &Tasks::default(), gauge(), |_: Vec<KeyRecord>| ()),
            Err(FileError::Read { .. })
        ));
        drop(watch);
        put(&path, &file_of(&["b"]));
        assert_eq!(
            lists.recv_timeout(LONG),
            Err(RecvTimeoutError::Disconnected)
        );
    }
}
