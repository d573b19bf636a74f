//! Revisions and their components on disk.
//!
//! A component is written before the first record that names it and removed after the last,
//! so that a record always has its component, and a crash leaves at most a component without
//! a record, which the next sweep removes.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::RwLock;
use serde::Deserialize;
use serde_json::Value;

use super::StoreError;
use super::damaged::Damaged;
use super::sealed::{UnsealError, digest, seal, unseal};
use crate::files;
use crate::revision::Revision;
use crate::transform::{ClosedSchema, RevisionId, WholeMatch, is_digest};

type Known = BTreeMap<RevisionId, Arc<Revision>>;

#[derive(Debug)]
pub(super) struct Records {
    records: PathBuf,
    components: PathBuf,
    /// Never held while waiting for the disk.
    known: RwLock<Known>,
}

impl Records {
    /// The records of a folder, of which nothing is read yet.
    pub(super) fn at(folder: &Path) -> Self {
        Self {
            records: folder.join("revisions"),
            components: folder.join("components"),
            known: RwLock::default(),
        }
    }

    /// One revision with its component, or what is wrong with them; changes nothing.
    pub(super) fn look(
        &self,
        id: &RevisionId,
    ) -> Result<Result<(Revision, Vec<u8>), String>, StoreError> {
        let path = self.record_path(id);
        if !path.exists() {
            return Ok(Err("has no record".into()));
        }
        let revision = match self.read(&path)? {
            Ok(revision) => revision,
            Err(wrong) => return Ok(Err(wrong)),
        };
        let component = self.component(&revision.component)?;
        Ok(component.map_or_else(
            || Err("has a component that was damaged".into()),
            |bytes| Ok((revision, bytes)),
        ))
    }

    /// Reads all records, and a sentence for each that was moved aside.
    pub(super) fn open(
        folder: &Path,
        damaged: &Damaged,
    ) -> Result<(Self, Vec<String>), StoreError> {
        let records = Self::at(folder);
        for folder in [&records.records, &records.components] {
            files::make_folder(folder)
                .and_then(|()| files::if_writable(files::remove_unfinished(folder)))
                .map_err(StoreError::io("use", folder))?;
        }
        let mut said = Vec::new();
        let mut known = Known::new();
        for path in list(&records.records)? {
            match records.read(&path)? {
                Ok(revision) => {
                    known.insert(revision.id.clone(), Arc::new(revision));
                }
                Err(wrong) => {
                    let name = path.file_name().unwrap_or_default().to_string_lossy();
                    said.push(format!("revision {name} {wrong}: {}", damaged.take(&path)?));
                }
            }
        }
        *records.known.write() = known;
        Ok((records, said))
    }

    /// One record, or what is wrong with it.
    fn read(&self, path: &Path) -> Result<Result<Revision, String>, StoreError> {
        let bytes = fs::read(path).map_err(StoreError::io("read", path))?;
        let revision: Revision = match unseal(&bytes) {
            Ok(revision) => revision,
            Err(UnsealError::Damaged) => return Ok(Err("was damaged".into())),
            Err(UnsealError::OtherVersion) => match refused_surface(&bytes) {
                Some(wrong) => return Ok(Err(wrong)),
                None => {
                    return Err(StoreError::OtherVersion {
                        path: path.to_owned(),
                    });
                }
            },
        };
        if path != self.record_path(&revision.id) {
            return Ok(Err("has the name of another".into()));
        }
        if let Err(wrong) = revision.check() {
            return Ok(Err(format!("is not what can be asked for: {wrong}")));
        }
        // The component's bytes are checked when they are read; this is about copies that are not
        // whole.
        let component = self.component_path(&revision.component);
        let size = component.and_then(|path| fs::metadata(path).ok());
        Ok(match size {
            Some(metadata) if metadata.len() == revision.size => Ok(revision),
            Some(_) => Err("has a component of another size".into()),
            None => Err("has no component".into()),
        })
    }

    /// All revisions, newest first.
    pub(super) fn all(&self) -> Vec<Arc<Revision>> {
        let mut revisions: Vec<_> = self.known.read().values().cloned().collect();
        revisions.sort_by(|a, b| (Reverse(a.at), &a.id).cmp(&(Reverse(b.at), &b.id)));
        revisions
    }

    pub(super) fn get(&self, id: &RevisionId) -> Option<Arc<Revision>> {
        self.known.read().get(id).cloned()
    }

    pub(super) fn add(&self, revision: &Revision, component: &[u8]) -> Result<bool, StoreError> {
        let path = match self.component_path(&revision.component) {
            Some(path) if digest(component) == revision.component => path,
            _ => return Err(StoreError::NotItsComponent(revision.component.clone())),
        };
        let known = self.get(&revision.id);
        // The component is looked at for a known revision too: whoever sends it again may do so
        // because it was damaged.
        let on_disk = files::read_if_there(&path).map_err(StoreError::io("read", &path))?;
        if on_disk.is_none_or(|bytes| bytes != component) {
            files::replace(&path, component).map_err(StoreError::io("write", &path))?;
        }
        let Some(known) = known else {
            self.write(revision)?;
            return Ok(true);
        };
        // What is known stays as it came; that it was fuzzed can be shown later.
        if revision.certificate.is_some() && revision.certificate != known.certificate {
            self.write(&Revision {
                certificate: revision.certificate.clone(),
                ..Revision::clone(&known)
            })?;
        }
        Ok(false)
    }

    fn write(&self, revision: &Revision) -> Result<(), StoreError> {
        let path = self.record_path(&revision.id);
        seal(revision)
            .map_err(Into::into)
            .and_then(|bytes| files::replace(&path, &bytes))
            .map_err(StoreError::io("write", &path))?;
        let revision = Arc::new(revision.clone());
        self.known.write().insert(revision.id.clone(), revision);
        Ok(())
    }

    /// The bytes of a component, or none where they are no longer what they were.
    pub(super) fn component(&self, of: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let none = || StoreError::NoSuchComponent(of.to_owned());
        let path = self.component_path(of).ok_or_else(none)?;
        let bytes = files::read_if_there(&path).map_err(StoreError::io("read", &path))?;
        let bytes = bytes.ok_or_else(none)?;
        Ok((digest(&bytes) == of).then_some(bytes))
    }

    /// Moves a component aside, and the records that cannot do without it before.
    pub(super) fn give_up(&self, component: &str, damaged: &Damaged) -> Result<String, StoreError> {
        let named = |revision: &&Arc<Revision>| revision.component == component;
        let revisions: Vec<_> = self.known.read().values().filter(named).cloned().collect();
        for revision in revisions {
            self.known.write().remove(&revision.id);
            damaged.take(&self.record_path(&revision.id))?;
        }
        let path = self.component_path(component);
        let path = path.ok_or_else(|| StoreError::NoSuchComponent(component.to_owned()))?;
        damaged.take(&path)
    }

    pub(super) fn remove(&self, ids: &[RevisionId]) -> Result<(), StoreError> {
        for id in ids {
            let path = self.record_path(id);
            files::remove_if_there(&path).map_err(StoreError::io("remove", &path))?;
            self.known.write().remove(id);
        }
        Ok(())
    }

    /// Removes components that no revision names, and says which are named.
    pub(super) fn sweep(&self) -> Result<BTreeSet<String>, StoreError> {
        let known = self.known.read();
        let named: BTreeSet<String> = known
            .values()
            .map(|revision| revision.component.clone())
            .collect();
        drop(known);
        // A component goes when it is certain that no record comes back that needs it.
        files::sync_folder(&self.records).map_err(StoreError::io("write", &self.records))?;
        for path in list(&self.components)? {
            let name = path.file_stem().and_then(|name| name.to_str());
            if !name.is_some_and(|name| named.contains(name)) {
                files::remove_if_there(&path).map_err(StoreError::io("remove", &path))?;
            }
        }
        Ok(named)
    }

    fn record_path(&self, id: &RevisionId) -> PathBuf {
        self.records.join(format!("{}.json", id.as_str()))
    }

    fn component_path(&self, digest: &str) -> Option<PathBuf> {
        is_digest(digest).then(|| self.components.join(format!("{digest}.wasm")))
    }
}

/// What is wrong with the schema or a pattern of a record that is whole: an earlier version can
/// have taken what is refused today, and one such revision keeps no host from its start.
fn refused_surface(bytes: &[u8]) -> Option<String> {
    let content: Value = unseal(bytes).ok()?;
    let surface = content.get("surface")?;
    if surface.get("data_schema").is_some() {
        return Some("is of a component made before the contract was final".into());
    }
    let each = |of: &Value, name: &str| -> Vec<Value> {
        let list = of.get(name).and_then(Value::as_array);
        list.cloned().unwrap_or_default()
    };
    let families = each(surface, "families");
    let mut wrong = families.iter().flat_map(|family| {
        let messages = each(family, "messages").into_iter();
        let schemas = messages.filter_map(|message| {
            let schema = message.get("data_schema")?;
            ClosedSchema::deserialize(schema).err()
        });
        let parameters = each(family, "parameters").into_iter();
        let patterns = parameters.filter_map(|parameter| {
            let pattern = parameter.get("pattern")?;
            WholeMatch::deserialize(pattern).err()
        });
        schemas.chain(patterns).collect::<Vec<_>>()
    });
    let wrong = wrong.next()?;
    Some(format!("has a schema that is refused today ({wrong})"))
}

/// The files of a folder, by name.
fn list(folder: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let paths = || -> std::io::Result<Vec<PathBuf>> {
        let mut paths = Vec::new();
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            if entry.file_type()?.is_file() {
                paths.push(entry.path());
            }
        }
        paths.sort();
        Ok(paths)
    };
    paths().map_err(StoreError::io("list", folder))
}
