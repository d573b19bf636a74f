//! The state folder: revisions with their components, what is wanted, compiled code and the
//! audit log, so that they survive a restart, and a crash at any moment.
//!
//! Everything here waits for the disk: call it where blocking is allowed. What a revision
//! means, which of them runs, and when to prune is the rollout's business.

pub mod audit;
mod code_key;
mod compiled;
mod damaged;
mod earlier;
mod error;
pub mod glimpse;
mod kept;
mod plans;
mod records;
mod sealed;
mod uses;

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use self::audit::Audit;
pub use self::compiled::CacheLimits;
use self::compiled::CodeCache;
use self::damaged::Damaged;
pub use self::error::StoreError;
use self::kept::KeptFile;
pub use self::kept::{FoundSet, KeptSet, KeptTransform};
use self::plans::PlanFiles;
use self::records::Records;
use self::uses::Uses;
use crate::files;
use crate::revision::Revision;
use crate::transform::{Piece, RevisionId};

/// An open state folder. No other process can open it as long as this lives.
///
/// ```text
///  lock                        held by the host
///  deployments.json            what is wanted of each transform; deployments.copy.json is the same
///  revisions/<id>.json         a record each; its component is always there
///  components/<sha256>.wasm    as they were sent
///  used.json                   revisions in the order of their last use
///  compiled.key                what compiled code of this folder is known by
///  compiled/<engine>/<sha256>  native code, only a cache; functions/ in it is what components
///                              have in common, refused/ is of components that
///                              no revision names
///  plans/<id>.json             what can be applied
///  audit.jsonl                 who did what
///  damaged/                    the last 20 files that were not whole
/// ```
#[derive(Debug)]
pub struct Store {
    folder: PathBuf,
    records: Records,
    compiled: CodeCache,
    damaged: Damaged,
    plans: PlanFiles,
    uses: Uses,
    audit: Audit,
    /// Held during every change, so that there is one at a time.
    changing: Mutex<Changing>,
    _lock: File,
}

#[derive(Debug)]
struct Changing {
    kept: KeptFile,
    /// What the set on disk needs.
    in_use: BTreeSet<RevisionId>,
}

/// A state folder as it was found.
#[derive(Debug)]
pub struct Opened {
    pub store: Store,
    /// What is wanted, and what was wrong and what was done about it, for the log.
    pub found: FoundSet,
}

impl Store {
    /// Opens the folder, or makes it, and clears up what a crash left. `engine` names the
    /// engine whose compiled code can be used, in letters and digits; that of others is
    /// thrown away. `room` is how much of it is kept that no revision names.
    ///
    /// # Errors
    /// Another process has it open, another version wrote it, or the disk refuses.
    pub fn open(folder: &Path, engine: &str, room: CacheLimits) -> Result<Opened, StoreError> {
        let failed = || StoreError::io("use the state folder", folder);
        files::make_folder(folder).map_err(failed())?;
        // Before anything is touched that another host may be writing.
        let lock = lock(folder)?;
        // A disk that takes nothing is no reason not to run what is on it.
        files::if_writable(files::remove_unfinished(folder)).map_err(failed())?;
        let damaged = Damaged::open(folder.join("damaged")).map_err(failed())?;
        let (compiled, foreign) = CodeCache::open(folder, engine, room).map_err(failed())?;
        let (records, damage) = Records::open(folder, &damaged)?;
        let mut kept = KeptFile::new(folder);
        // Whoever has done something here has left a word of it.
        let is_used = folder.join("audit.jsonl").exists();
        let mut found = kept.load(&damaged, is_used)?;
        found.damage.splice(0..0, damage);
        found.damage.extend(foreign);
        found.damage.extend(compiled.distrust());
        let store = Self {
            folder: folder.to_owned(),
            records,
            compiled,
            damaged,
            plans: PlanFiles::open(folder).map_err(failed())?,
            uses: Uses::open(folder),
            audit: Audit::new(folder),
            changing: Mutex::new(Changing {
                kept,
                in_use: found.set.in_use(),
            }),
            _lock: lock,
        };
        Ok(Opened { store, found })
    }

    /// All revisions, newest first. It does not wait for the disk.
    pub fn revisions(&self) -> Vec<Arc<Revision>> {
        self.records.all()
    }

    /// A revision by its id. It does not wait for the disk.
    pub fn revision(&self, id: &RevisionId) -> Option<Arc<Revision>> {
        self.records.get(id)
    }

    /// Keeps a revision and its component; false where it was here already.
    pub fn add(&self, revision: &Revision, component: &[u8]) -> Result<bool, StoreError> {
        let _changing = self.changing.lock();
        let is_new = self.records.add(revision, component)?;
        self.note_use(&revision.id);
        Ok(is_new)
    }

    /// Notes that a revision is used now, for `prune`.
    pub fn note_use(&self, id: &RevisionId) {
        self.note_uses(std::slice::from_ref(id));
    }

    fn note_uses(&self, ids: &[RevisionId]) {
        if let Err(error) = self.uses.note(ids) {
            tracing::warn!(%error, "which revisions were used last cannot be kept");
        }
    }

    /// The bytes of a component, by their SHA-256 in hex, which is checked on every read.
    ///
    /// # Errors
    /// It is not here, or it was damaged: then its revisions are gone too, and sending it
    /// again brings them back.
    pub fn component(&self, digest: &str) -> Result<Vec<u8>, StoreError> {
        if let Some(bytes) = self.records.component(digest)? {
            return Ok(bytes);
        }
        // Read again when nobody else changes it: it may have been brought back just now.
        let _changing = self.changing.lock();
        match self.records.component(digest)? {
            Some(bytes) => Ok(bytes),
            None => Err(StoreError::Damaged {
                digest: digest.to_owned(),
                moved: self.records.give_up(digest, &self.damaged)?,
            }),
        }
    }

    /// Removes the revisions beyond `keep` that were not used for longest, and says which. Never
    /// removed are those that the set on disk needs, which are not counted either, and those of
    /// `protected`.
    pub fn prune(
        &self,
        keep: usize,
        protected: &BTreeSet<RevisionId>,
    ) -> Result<Vec<RevisionId>, StoreError> {
        let changing = self.changing.lock();
        let revisions = self.revisions().into_iter();
        let mut ids: Vec<_> = revisions.map(|revision| revision.id.clone()).collect();
        self.uses.sort(&mut ids);
        let old: Vec<RevisionId> = ids
            .into_iter()
            .filter(|id| !changing.in_use.contains(id))
            .skip(keep)
            .filter(|id| !protected.contains(id))
            .collect();
        self.records.remove(&old)?;
        self.uses.forget(&old);
        self.sweep()?;
        Ok(old)
    }

    /// Removes components and compiled code that no revision names.
    fn sweep(&self) -> Result<(), StoreError> {
        let named = self.records.sweep()?;
        let swept = self.compiled.retain(&named);
        swept.map_err(StoreError::io("clear up", &self.folder.join("compiled")))
    }

    /// Makes this what is wanted, as one step.
    pub fn save(&self, set: &KeptSet) -> Result<(), StoreError> {
        let mut changing = self.changing.lock();
        // Both sets count until it is known which of them stands on the disk.
        let before = changing.in_use.clone();
        changing.in_use.extend(set.in_use());
        changing.kept.save(set)?;
        changing.in_use = set.in_use();
        // What comes into use is used now, and what goes out of use was used until now.
        let turned = before.symmetric_difference(&changing.in_use);
        self.note_uses(&turned.cloned().collect::<Vec<_>>());
        Ok(())
    }

    /// The compiled code of a component, if this engine made it and it is whole.
    pub fn compiled(&self, component: &str) -> Option<Vec<u8>> {
        self.compiled.get(component)
    }

    /// Keeps compiled code for the next start, until no revision names the component. False
    /// where it was not kept, because others could change it.
    pub fn keep_compiled(&self, component: &str, code: &[u8]) -> Result<bool, StoreError> {
        let _changing = self.changing.lock();
        let kept = self.compiled.keep(component, code);
        kept.map_err(StoreError::io("write to", &self.folder.join("compiled")))
    }

    /// Keeps compiled code of a component that no revision names, so that the next try needs no
    /// compiler. The oldest of such code goes where there is too much.
    pub fn keep_refused(&self, component: &str, code: &[u8]) -> Result<(), StoreError> {
        let _changing = self.changing.lock();
        let kept = self.compiled.keep_refused(component, code);
        kept.map_err(StoreError::io("write to", &self.folder.join("compiled")))
    }

    /// Bytes of what `pieces` has for a component of `size` bytes. None where none is kept.
    pub fn pieces_bytes(&self, size: u64) -> Option<Result<u64, StoreError>> {
        let bytes = self.compiled.pieces_bytes(size)?;
        Some(bytes.map_err(StoreError::io("read", &self.folder.join("compiled"))))
    }

    /// Code of functions that earlier compilations made, each piece with the component that it
    /// was made for, as far as one of `size` bytes may have use for it, and no more than `most`
    /// bytes.
    pub fn pieces(&self, size: u64, most: u64) -> Result<Vec<(String, Piece)>, StoreError> {
        let pieces = self.compiled.pieces(size, most);
        pieces.map_err(StoreError::io("read", &self.folder.join("compiled")))
    }

    /// Keeps what a compilation has made for later ones, and notes which pieces it used. Those
    /// that were not used for longest go where there is no room.
    pub fn keep_piece(
        &self,
        component: &str,
        functions: &[u8],
        used: &[String],
    ) -> Result<(), StoreError> {
        let _changing = self.changing.lock();
        let used = used.iter().map(String::as_str);
        let kept = self.compiled.keep_piece(component, functions, used);
        kept.map_err(StoreError::io("write to", &self.folder.join("compiled")))
    }

    /// Bytes of the functions that `keep_piece` has kept and that are still there.
    pub fn reusable_bytes(&self) -> u64 {
        self.compiled.reusable_bytes()
    }

    /// Bytes of the code that `keep_refused` has kept and that is still there.
    pub fn refused_bytes(&self) -> u64 {
        self.compiled.refused_bytes()
    }

    pub fn plans(&self) -> &PlanFiles {
        &self.plans
    }

    pub fn audit(&self) -> &Audit {
        &self.audit
    }

    /// Whether the folder takes what is to be kept.
    ///
    /// # Errors
    /// What the disk says.
    pub fn try_to_write(&self) -> Result<(), StoreError> {
        files::try_to_write(&self.folder).map_err(StoreError::io("write to", &self.folder))
    }

    /// Size of all files of the folder together. What cannot be read counts nothing.
    pub fn bytes(&self) -> u64 {
        size_of(&self.folder)
    }
}

/// What a state folder is like before it is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FolderCondition {
    /// It is there, it can be written, and nobody has it open.
    Free,
    /// It is there, it can be written, and a host has it open.
    InUse,
    /// It is not there, and can be made.
    Absent,
}

/// Looks whether a folder can be a state folder, and leaves everything as it was.
///
/// # Errors
/// A host could not use it.
pub fn try_folder(folder: &Path) -> Result<FolderCondition, StoreError> {
    let failed = |what| StoreError::io(what, folder);
    if !folder.exists() {
        let parent = folder.parent().filter(|parent| *parent != Path::new(""));
        files::try_folder(parent.unwrap_or(Path::new("."))).map_err(failed("make"))?;
        return Ok(FolderCondition::Absent);
    }
    files::try_folder(folder).map_err(failed("write to"))?;
    if !folder.join("lock").exists() {
        return Ok(FolderCondition::Free);
    }
    match lock(folder) {
        Ok(_) => Ok(FolderCondition::Free),
        Err(StoreError::InUse { .. }) => Ok(FolderCondition::InUse),
        Err(error) => Err(error),
    }
}

/// Locks the folder: its holder is the only one until the file is closed, by whatever end.
fn lock(folder: &Path) -> Result<File, StoreError> {
    let path = folder.join("lock");
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(&path);
    let file = match file {
        // A lock needs no writing; where it cannot even be made, the folder itself has to do.
        Err(error) if files::takes_nothing(&error) => {
            File::open(&path).or_else(|_| File::open(folder))
        }
        opened => opened,
    };
    let file = file.map_err(StoreError::io("open", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::InUse {
            folder: folder.to_owned(),
        }),
        Err(TryLockError::Error(error)) => Err(StoreError::io("lock", &path)(error)),
    }
}

fn size_of(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => size_of(&entry.path()),
            Ok(metadata) => metadata.len(),
            Err(_) => 0,
        })
        .sum()
}

#[cfg(test)]
mod tests;
