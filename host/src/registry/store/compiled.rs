//! The cache of compiled code: native code that this host made from components it keeps, and
//! within a bound from those that it refused, so that the next try compiles nothing.
//!
//! What is loaded runs with the host's rights, so nothing is handed out that anyone else
//! could have written, that is not whole, or that another engine made. Whether the engine
//! takes it is for `transform` to say.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::files;
use crate::transform::is_digest;

/// Bytes of the digest at a file's head.
const HEAD: usize = 32;

#[derive(Debug)]
pub(super) struct Compiled {
    /// The state folder, the cache, the engine's folder in it, and the folder in that for what
    /// no revision names.
    folders: [PathBuf; 4],
    engine: String,
    /// Bytes of files that no revision names.
    max_refused: u64,
}

impl Compiled {
    /// Throws away what other engines made, and what is more than `max_refused` bytes of
    /// components that no revision names.
    pub(super) fn open(state: &Path, engine: &str, max_refused: u64) -> io::Result<Self> {
        let cache = state.join("compiled");
        let own = cache.join(engine);
        files::make_folder(&cache)?;
        for entry in fs::read_dir(&cache)? {
            let path = entry?.path();
            if path != own && path.is_dir() {
                fs::remove_dir_all(path)?;
            }
        }
        let refused = own.join("refused");
        for folder in [&own, &refused] {
            files::make_folder(folder)?;
            files::remove_unfinished(folder)?;
        }
        let opened = Self {
            folders: [state.to_owned(), cache, own, refused],
            engine: engine.to_owned(),
            max_refused,
        };
        opened.trim()?;
        Ok(opened)
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

    pub(super) fn get(&self, component: &str) -> Option<Vec<u8>> {
        if self.distrust().is_some() {
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
        if !metadata.is_file() || !belongs_to_us(&metadata) || metadata.len() < HEAD as u64 {
            return Ok(None);
        }
        let mut head = [0; HEAD];
        file.read_exact(&mut head)?;
        let mut code = Vec::new();
        file.read_to_end(&mut code)?;
        Ok((self.digest(component, &code) == head).then_some(code))
    }

    /// Whether it is kept: not where others could change it.
    pub(super) fn keep(&self, component: &str, code: &[u8]) -> io::Result<bool> {
        let Some(path) = path_in(self.own(), component) else {
            return Ok(false);
        };
        if self.distrust().is_some() {
            return Ok(false);
        }
        let refused = self.refused().join(component);
        if !path.exists() && fs::rename(&refused, &path).is_err() {
            self.write(&path, component, code)?;
        }
        files::remove_if_there(&refused)?;
        Ok(true)
    }

    /// The same for a component that no revision names: it stays until others need its room.
    pub(super) fn keep_refused(&self, component: &str, code: &[u8]) -> io::Result<()> {
        let Some(path) = path_in(self.refused(), component) else {
            return Ok(());
        };
        let fits = (HEAD + code.len()) as u64 <= self.max_refused;
        if !fits || self.distrust().is_some() {
            return Ok(());
        }
        self.write(&path, component, code)?;
        self.trim()
    }

    fn write(&self, path: &Path, component: &str, code: &[u8]) -> io::Result<()> {
        let bytes = [&self.digest(component, code), code].concat();
        files::replace(path, &bytes)
    }

    /// Bytes of what no revision names.
    pub(super) fn refused_bytes(&self) -> u64 {
        let files = files_of(self.refused()).unwrap_or_default();
        files.iter().map(|(_, metadata)| metadata.len()).sum()
    }

    /// The oldest of what no revision names go, until the rest is within its bound.
    fn trim(&self) -> io::Result<()> {
        let mut files = files_of(self.refused())?;
        files.sort_by_key(|(_, metadata)| Reverse(metadata.modified().ok()));
        let mut bytes = 0_u64;
        for (path, metadata) in files {
            bytes = bytes.saturating_add(metadata.len());
            if bytes > self.max_refused {
                files::remove_if_there(&path)?;
            }
        }
        Ok(())
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

    /// It binds the code to its component and to the engine, so that a file under another
    /// name is not taken.
    fn digest(&self, component: &str, code: &[u8]) -> [u8; HEAD] {
        let mut digest = Sha256::new();
        for part in [self.engine.as_bytes(), component.as_bytes(), code] {
            digest.update((part.len() as u64).to_be_bytes());
            digest.update(part);
        }
        digest.finalize().into()
    }

    fn own(&self) -> &Path {
        &self.folders[2]
    }

    fn refused(&self) -> &Path {
        &self.folders[3]
    }
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
fn belongs_to_us(metadata: &Metadata) -> bool {
    let owner = metadata.uid();
    let ours = owner == rustix::process::geteuid().as_raw() || owner == 0;
    ours && metadata.permissions().mode() & 0o022 == 0
}
