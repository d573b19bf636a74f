//! The cache of compiled code: native code that this host made from components it keeps, and
//! within bounds from those that it refused, so that the next try compiles nothing, and of
//! single functions, for components that are alike.
//!
//! What is loaded runs with the host's rights, so nothing is handed out that anyone else
//! could have written, that was not made in this very folder (see `code_key`), that is not whole,
//! or that another engine made. Whether the engine takes it is for `transform` to say.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use parking_lot::RwLock;

use super::code_key::{CodeKey, TAG};
use crate::files;
use crate::transform::{MAX_PIECES, Piece, is_digest};

/// A piece that is far larger than a component is of another engine: a small component is
/// compiled in less time than such a piece is read in. The engines have up to 4 bytes of code
/// for each of their own.
const PIECE_FOR_EACH_BYTE: u64 = 8;
const PIECE_IN_ANY_CASE: u64 = 1 << 20;

#[derive(Debug)]
pub(super) struct CodeCache {
    /// The state folder, the cache, the engine's folder in it, and the folders in that for what
    /// no revision names and for functions.
    folders: [PathBuf; 5],
    /// The last of them: who reads several files of it holds this for reading, and who changes a
    /// file holds it for writing.
    functions: RwLock<PathBuf>,
    engine: String,
    /// None where there can be none: then nothing is kept and nothing taken.
    key: Option<CodeKey>,
    room: CacheLimits,
}

/// How much is kept of what no revision names, in bytes.
#[derive(Debug, Clone, Copy)]
pub struct CacheLimits {
    /// Code of components that were refused or only checked.
    pub refused: u64,
    /// Code of functions that later components may have too.
    pub reusable: u64,
}

impl CodeCache {
    /// Throws away what other engines made, what was not made in this very folder, and what there
    /// is no room for. Also a sentence for the log, where there is something to say.
    pub(super) fn open(
        state: &Path,
        engine: &str,
        room: CacheLimits,
    ) -> io::Result<(Self, Option<String>)> {
        let cache = state.join("compiled");
        let own = cache.join(engine);
        files::make_folder(&cache)?;
        let (key, foreign) = match CodeKey::open(state) {
            Ok((key, is_new)) => (Some(key), is_new && own.exists()),
            Err(error) => {
                tracing::warn!(%error, "compiled code is not kept, as its key cannot be");
                (None, false)
            }
        };
        if foreign {
            fs::remove_dir_all(&own)?;
        }
        for entry in fs::read_dir(&cache)? {
            let path = entry?.path();
            if path != own && path.is_dir() {
                files::if_writable(fs::remove_dir_all(path))?;
            }
        }
        let (refused, functions) = (own.join("refused"), own.join("functions"));
        for folder in [&own, &refused, &functions] {
            files::make_folder(folder)?;
            files::if_writable(files::remove_unfinished(folder))?;
        }
        trim(&refused, room.refused, usize::MAX)?;
        trim(&functions, room.reusable, MAX_PIECES)?;
        let opened = Self {
            folders: [state.to_owned(), cache, own, refused, functions.clone()],
            functions: RwLock::new(functions),
            engine: engine.to_owned(),
            key,
            room,
        };
        let said = foreign.then(|| {
            "the state folder was copied, restored, or used by an earlier version: compiled code \
             that was not made here is thrown away, and is made anew"
                .to_owned()
        });
        Ok((opened, said))
    }

    /// Why the cache is not used, if it is not.
    pub(super) fn distrust(&self) -> Option<String> {
        let wrong = self.folders.iter().find(|path| !is_only_ours(path))?;
        Some(format!(
            "compiled code is not kept, because {} can be written by others; give it to the user \
             of Tidegate and make its mode 0700",
            wrong.display()
        ))
    }

    fn is_used(&self) -> bool {
        self.key.is_some() && self.distrust().is_none()
    }

    pub(super) fn get(&self, component: &str) -> Option<Vec<u8>> {
        if !self.is_used() {
            return None;
        }
        let places = [self.own(), self.refused()];
        places.into_iter().find_map(|folder| {
            let path = path_in(folder, component)?;
            let code = self.read(&path, component).ok()?;
            if code.is_none() {
                // It will be made anew; if it cannot be removed now, it is refused next time too.
                let _ = fs::remove_file(path);
            }
            code
        })
    }

    /// The code, if it is what was kept.
    fn read(&self, path: &Path, component: &str) -> io::Result<Option<Vec<u8>>> {
        let mut file = File::open(path)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() || !belongs_to_us(&metadata) || metadata.len() < TAG as u64 {
            return Ok(None);
        }
        let mut tag = [0; TAG];
        file.read_exact(&mut tag)?;
        let mut code = Vec::new();
        file.read_to_end(&mut code)?;
        let key = self.key.as_ref();
        let is_ours = key.is_some_and(|key| key.is_tag(&self.parts(component, &code), &tag));
        Ok(is_ours.then_some(code))
    }

    /// Keeps the code, and says whether it did: it does not where others could change it.
    pub(super) fn keep(&self, component: &str, code: &[u8]) -> io::Result<bool> {
        let Some(path) = path_in(self.own(), component) else {
            return Ok(false);
        };
        if !self.is_used() {
            return Ok(false);
        }
        let refused = self.refused().join(component);
        if !path.exists() && fs::rename(&refused, &path).is_err() {
            self.write(&path, component, code)?;
        }
        files::remove_if_there(&refused)?;
        Ok(true)
    }

    /// Keeps the code of a component that no revision names: it stays until others need its room.
    pub(super) fn keep_refused(&self, component: &str, code: &[u8]) -> io::Result<()> {
        let Some(path) = path_in(self.refused(), component) else {
            return Ok(());
        };
        let fits = (TAG + code.len()) as u64 <= self.room.refused;
        if !fits || !self.is_used() {
            return Ok(());
        }
        self.write(&path, component, code)?;
        trim(self.refused(), self.room.refused, usize::MAX)
    }

    /// Bytes of the functions that `pieces` has for a component of `size` bytes; none where none
    /// are kept.
    pub(super) fn pieces_bytes(&self, size: u64) -> Option<io::Result<u64>> {
        let kept = self.room.reusable > 0 && self.is_used();
        kept.then(|| {
            let files = of_use(&self.functions.read(), size)?;
            Ok(files.iter().map(|(_, metadata)| metadata.len()).sum())
        })
    }

    /// Functions that earlier compilations made, each piece with the component that it was made
    /// for, as far as one of `size` bytes may have use for it, and no more than `most` bytes.
    pub(super) fn pieces(&self, size: u64, most: u64) -> io::Result<Vec<(String, Piece)>> {
        let (mut pieces, mut damaged) = (Vec::new(), Vec::new());
        let functions = self.functions.read();
        let mut left = most;
        for (path, metadata) in of_use(&functions, size)? {
            let Some(less) = left.checked_sub(metadata.len()) else {
                break;
            };
            left = less;
            let component = path.file_name().and_then(|name| name.to_str());
            let component = component.unwrap_or_default().to_owned();
            match self.read(&path, &component) {
                Ok(Some(piece)) => pieces.push((component, piece)),
                Ok(None) => damaged.push((path, component)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        drop(functions);
        let _changing = self.functions.write();
        for (path, component) in damaged {
            // Somebody may have made it anew in between.
            if !self
                .read(&path, &component)
                .is_ok_and(|piece| piece.is_some())
            {
                files::remove_if_there(&path)?;
            }
        }
        Ok(pieces)
    }

    /// Keeps the functions that the compilation of a component has made, and notes the use of
    /// pieces. Those that nobody has used for longest go where there is no room.
    pub(super) fn keep_piece<'a>(
        &self,
        component: &str,
        functions_made: &[u8],
        used: impl IntoIterator<Item = &'a str>,
    ) -> io::Result<()> {
        let now = SystemTime::now();
        let functions = self.functions.write();
        for path in used
            .into_iter()
            .filter_map(|name| path_in(&functions, name))
        {
            if let Ok(file) = File::options().append(true).open(path) {
                file.set_modified(now)?;
            }
        }
        let fits = (TAG + functions_made.len()) as u64 <= self.room.reusable;
        if functions_made.is_empty() || !fits || !self.is_used() {
            return Ok(());
        }
        // What was made before for the same component was not whole, or it would not be made now.
        if let Some(path) = path_in(&functions, component) {
            self.write(&path, component, functions_made)?;
        }
        trim(&functions, self.room.reusable, MAX_PIECES)
    }

    /// Bytes of functions that are kept.
    pub(super) fn reusable_bytes(&self) -> u64 {
        bytes_of(&self.folders[4])
    }

    fn write(&self, path: &Path, component: &str, code: &[u8]) -> io::Result<()> {
        let Some(key) = &self.key else { return Ok(()) };
        let bytes = [&key.tag(&self.parts(component, code)), code].concat();
        files::replace(path, &bytes)
    }

    /// Bytes of what no revision names.
    pub(super) fn refused_bytes(&self) -> u64 {
        bytes_of(self.refused())
    }

    /// Removes what was made of components that no revision names any more.
    pub(super) fn retain(&self, components: &BTreeSet<String>) -> io::Result<()> {
        for (path, _) in files_of(self.own())? {
            let name = path.file_name().and_then(|name| name.to_str());
            if !name.is_some_and(|name| components.contains(name)) {
                files::remove_if_there(&path)?;
            }
        }
        Ok(())
    }

    /// What a tag is of: it binds the code to its component and to the engine, so that a file
    /// under another name is not taken.
    fn parts<'a>(&'a self, component: &'a str, code: &'a [u8]) -> [&'a [u8]; 3] {
        [self.engine.as_bytes(), component.as_bytes(), code]
    }

    fn own(&self) -> &Path {
        &self.folders[2]
    }

    fn refused(&self) -> &Path {
        &self.folders[3]
    }
}

/// The pieces that a component of `size` bytes may have use for.
fn of_use(functions: &Path, size: u64) -> io::Result<Vec<(PathBuf, Metadata)>> {
    let most = size
        .saturating_mul(PIECE_FOR_EACH_BYTE)
        .saturating_add(PIECE_IN_ANY_CASE);
    let mut files = files_of(functions)?;
    files.retain(|(_, metadata)| metadata.len() <= most);
    Ok(files)
}

/// The oldest files of a folder go, until the others are within these bounds.
fn trim(folder: &Path, max_bytes: u64, max_files: usize) -> io::Result<()> {
    let mut files = files_of(folder)?;
    files.sort_by_key(|(_, metadata)| Reverse(metadata.modified().ok()));
    let mut bytes = 0_u64;
    for (number, (path, metadata)) in files.iter().enumerate() {
        bytes = bytes.saturating_add(metadata.len());
        if bytes > max_bytes || number >= max_files {
            files::remove_if_there(path)?;
        }
    }
    Ok(())
}

fn bytes_of(folder: &Path) -> u64 {
    let files = files_of(folder).unwrap_or_default();
    files.iter().map(|(_, metadata)| metadata.len()).sum()
}

fn path_in(folder: &Path, component: &str) -> Option<PathBuf> {
    is_digest(component).then(|| folder.join(component))
}

/// The files of a folder, without its folders.
fn files_of(folder: &Path) -> io::Result<Vec<(PathBuf, Metadata)>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        if metadata.is_file() {
            files.push((entry.path(), metadata));
        }
    }
    Ok(files)
}

fn is_only_ours(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| belongs_to_us(&metadata))
}

/// Whether only this user, and root, can change it.
pub(super) fn belongs_to_us(metadata: &Metadata) -> bool {
    let owner = metadata.uid();
    let ours = owner == rustix::process::geteuid().as_raw() || owner == 0;
    ours && metadata.permissions().mode() & 0o022 == 0
}
