//! Files that change in one step: a reader, or the next start after a crash, finds the old
//! one or the new one, never a half. What stands in them is for others to say.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

/// How the names of copies begin that did not get to their places.
const UNFINISHED: &str = ".tmp-";

/// What tells one state of a file from another without reading it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct FileStamp {
    /// Its device, and its number there.
    pub(crate) file: (u64, u64),
    pub(crate) size: u64,
    /// When anything of it changed, in seconds and nanoseconds since 1970.
    pub(crate) changed: (i64, i64),
    /// When it was written.
    pub(crate) modified: (i64, i64),
}

impl FileStamp {
    pub(crate) fn of(found: &fs::Metadata) -> Self {
        Self {
            file: (found.dev(), found.ino()),
            size: found.size(),
            changed: (found.ctime(), found.ctime_nsec()),
            modified: (found.mtime(), found.mtime_nsec()),
        }
    }

    /// None where there is no file that can be looked at.
    pub(crate) fn of_path(path: &Path) -> Option<Self> {
        fs::metadata(path).ok().as_ref().map(Self::of)
    }
}

/// What to do about a file that the system refuses, in words.
pub(crate) fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::NotFound => "correct the path, or make what it names",
        io::ErrorKind::PermissionDenied => "let the user that runs tidegate at it",
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "make room on its disk",
        io::ErrorKind::ReadOnlyFilesystem => "name a place that can be written",
        _ => "see to the file and its disk",
    }
}

/// Puts `bytes` in the place of the file, and returns when they are on the disk. A file that
/// was there leaves its owner and its mode to the new one; otherwise only its owner may read it.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = folder_of(path);
    // Made with mode 0600, which a new file keeps, and removed again unless it gets to its place.
    let mut copy = tempfile::Builder::new()
        .prefix(UNFINISHED)
        .tempfile_in(folder)?;
    copy.write_all(bytes)?;
    if let Ok(old) = fs::metadata(path) {
        // Root may write for a host that runs as somebody else, who must still read it.
        std::os::unix::fs::fchown(copy.as_file(), Some(old.uid()), Some(old.gid()))?;
        copy.as_file().set_permissions(old.permissions())?;
    }
    copy.as_file().sync_all()?;
    copy.persist(path)?;
    sync_folder(folder)
}

/// Whether something can be written into the folder now; it does not stay there. An error is the
/// system's own: it does not name the file, whose name is another each time, so that the same
/// trouble has the same words.
pub(crate) fn try_to_write(folder: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    let mut file = tempfile::Builder::new()
        .prefix(UNFINISHED)
        .make_in(folder, |path| options.open(path))?;
    // A whole block, so that a full disk is noticed.
    file.as_file_mut().write_all(&[0; 4096])?;
    fs::remove_file(file.path())
}

/// Makes the folder, for its owner only, unless it is there.
pub(crate) fn make_folder(path: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => sync_folder(folder_of(path)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        Err(error) => Err(error),
    }
}

/// Whether the disk takes no writes at present, or none of this process.
pub(crate) fn takes_nothing(error: &io::Error) -> bool {
    use io::ErrorKind::{
        FileTooLarge, PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull,
    };
    matches!(
        error.kind(),
        FileTooLarge | PermissionDenied | QuotaExceeded | ReadOnlyFilesystem | StorageFull
    )
}

/// What could not be done because the disk takes nothing is left for another time.
pub(crate) fn if_writable(done: io::Result<()>) -> io::Result<()> {
    match done {
        Err(error) if takes_nothing(&error) => Ok(()),
        done => done,
    }
}

/// Whether files can be made in the folder: one is, with some bytes, and removed again.
pub(crate) fn try_folder(folder: &Path) -> io::Result<()> {
    let mut probe = tempfile::Builder::new()
        .prefix(UNFINISHED)
        .tempfile_in(folder)?;
    probe.write_all(&[0; 4096])?;
    probe.as_file().sync_all()
}

/// Removes what interrupted writers left behind. Only where nobody writes at this time.
pub(crate) fn remove_unfinished(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let unfinished = entry
            .file_name()
            .as_encoded_bytes()
            .starts_with(UNFINISHED.as_bytes());
        if unfinished && entry.file_type()?.is_file() {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Puts the folder's list of names on the disk: new, renamed and removed ones.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Reads one byte more than allowed at most: what is too big is refused without being read.
pub(crate) fn read_within(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?
        .take(limit.saturating_add(1))
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The same of a regular file, and of nothing else. It is asked for before it is opened, since
/// opening a pipe waits for a writer.
pub(crate) fn read_regular_within(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    match fs::metadata(path)?.is_file() {
        true => read_within(path, limit),
        false => Err(io::Error::other("it is not a regular file")),
    }
}

/// The bytes of a file, if there is one.
pub(crate) fn read_if_there(path: &Path) -> io::Result<Option<Vec<u8>>> {
    if_there(fs::read(path))
}

/// Removes a file, if there is one.
pub(crate) fn remove_if_there(path: &Path) -> io::Result<()> {
    if_there(fs::remove_file(path)).map(drop)
}

fn if_there<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_new_file_is_for_its_owner_and_a_replaced_one_keeps_its_mode() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        replace(&path, b"one").unwrap();
        assert_eq!(mode(&path), 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        replace(&path, b"two").unwrap();
        assert_eq!(mode(&path), 0o640);
        assert_eq!(read_if_there(&path).unwrap().unwrap(), b"two");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_failed_write_leaves_the_old_file_and_nothing_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("taken");
        fs::create_dir(&path).unwrap();
        assert!(replace(&path, b"one").is_err());
        assert!(path.is_dir());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_try_leaves_nothing_and_the_same_trouble_has_the_same_words() {
        let folder = tempfile::tempdir().unwrap();
        try_to_write(folder.path()).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        let trouble = || try_to_write(&folder.path().join("gone")).unwrap_err();
        assert_eq!(trouble().kind(), io::ErrorKind::NotFound);
        assert_eq!(trouble().to_string(), trouble().to_string());
    }

    #[test]
    fn folders_are_made_once_and_for_their_owner() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        make_folder(&path).unwrap();
        make_folder(&path).unwrap();
        assert_eq!(mode(&path), 0o700);
        let file = path.join("file");
        replace(&file, b"").unwrap();
        assert!(make_folder(&file).is_err());
        assert!(make_folder(&path.join("a/b")).is_err());
    }

    #[test]
    fn only_what_was_left_unfinished_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        for name in [".tmp-x1y2", "kept", "kept.tmp-"] {
            fs::write(folder.path().join(name), "half").unwrap();
        }
        fs::create_dir(folder.path().join(".tmp-folder")).unwrap();
        remove_unfinished(folder.path()).unwrap();
        let mut left: Vec<_> = fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        assert_eq!(left, [".tmp-folder", "kept", "kept.tmp-"]);
    }
}
