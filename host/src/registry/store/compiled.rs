//! The cache of compiled code: native code that this host made from components it keeps.
//!
//! What is loaded runs with the host's rights, so nothing is handed out that anyone else
//! could have written, that is not whole, or that another engine made. Whether the engine
//! takes it is for `transform` to say.

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
    /// The state folder, the cache, and the engine's folder in it.
    folders: [PathBuf; 3],
    engine: String,
}

impl Compiled {
    /// Throws away what other engines made.
    pub(super) fn open(state: &Path, engine: &str) -> io::Result<Self> {
        let cache = state.join("compiled");
        let own = cache.join(engine);
        files::make_folder(&cache)?;
        for entry in fs::read_dir(&cache)? {
            let path = entry?.path();
            if path != own && path.is_dir() {
                fs::remove_dir_all(path)?;
            }
        }
        files::make_folder(&own)?;
        files::remove_unfinished(&own)?;
        Ok(Self {
            folders: [state.to_owned(), cache, own],
            engine: engine.to_owned(),
        })
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
        let path = self.path(component)?;
        let code = self.read(&path, component).ok()?;
        if code.is_none() {
            // It will be made anew; if it cannot be removed now, it is refused next time too.
            let _ = fs::remove_file(path);
        }
        code
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

    /// Whether it was kept: not where others could change it.
    pub(super) fn keep(&self, component: &str, code: &[u8]) -> io::Result<bool> {
        let Some(path) = self.path(component) else {
            return Ok(false);
        };
        if self.distrust().is_some() {
            return Ok(false);
        }
        let bytes = [&self.digest(component, code), code].concat();
        files::replace(&path, &bytes)?;
        Ok(true)
    }

    /// Removes what was made of other components.
    pub(super) fn retain(&self, components: &BTreeSet<String>) -> io::Result<()> {
        for entry in fs::read_dir(self.own())? {
            let entry = entry?;
            let name = entry.file_name();
            if !name.to_str().is_some_and(|name| components.contains(name)) {
                files::remove_if_there(&entry.path())?;
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

    fn path(&self, component: &str) -> Option<PathBuf> {
        is_digest(component).then(|| self.own().join(component))
    }
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
