//! The audit log: who did what, and what came of it. One JSON line for each, on the disk
//! before the caller goes on.
//!
//! The file may be moved away at any time; the next line begins a new one.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use parking_lot::Mutex;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::files;
use crate::transform::RevisionId;

/// How far back from its end the file is read.
const TAIL: u64 = 4 << 20;

/// One line of the log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Entry {
    pub at: Timestamp,
    /// The name of a token, or `tidegate` for what the host did by itself.
    pub by: String,
    /// Where the request came from; none for what the host did by itself.
    #[serde(default)]
    pub address: Option<IpAddr>,
    /// `push`, `plan`, `shadow`, `apply`, `rollback`, `return`, `pause`, `resume`, …
    pub action: String,
    pub transform: Option<String>,
    pub revision: Option<RevisionId>,
    pub plan: Option<String>,
    /// `done`, or the code of a refusal.
    pub result: String,
    /// In words; nothing of any event.
    pub detail: String,
}

/// The log's file. It blocks while it works.
#[derive(Debug)]
pub struct Audit {
    folder: PathBuf,
    path: PathBuf,
    writing: Mutex<()>,
}

impl Audit {
    pub(super) fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            path: folder.join("audit.jsonl"),
            writing: Mutex::new(()),
        }
    }

    /// Writes one line and returns when it is on the disk.
    pub fn append(&self, entry: &Entry) -> io::Result<()> {
        let mut line = Vec::new();
        let _writing = self.writing.lock();
        // Opened each time, because the file may have been moved away.
        let mut file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .mode(0o600)
            .open(&self.path)?;
        let length = file.metadata()?.len();
        // Half a line of a crash, or of a full disk, must not take this one with it.
        if length > 0 && last_byte(&mut file)? != b'\n' {
            line.push(b'\n');
        }
        serde_json::to_writer(&mut line, entry)?;
        line.push(b'\n');
        file.write_all(&line)?;
        file.sync_all()?;
        if length == 0 {
            files::sync_folder(&self.folder)?;
        }
        Ok(())
    }

    /// The last entries, of one transform or of all, newest last: at most `limit` of them,
    /// out of the file's last 4 MiB. Lines that are not whole are passed over.
    pub fn tail(&self, transform: Option<&str>, limit: usize) -> io::Result<Vec<Entry>> {
        let mut file = match File::open(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other?,
        };
        let start = file.metadata()?.len().saturating_sub(TAIL);
        file.seek(SeekFrom::Start(start))?;
        let mut bytes = Vec::new();
        // A line that is being written meanwhile does not count.
        file.take(TAIL).read_to_end(&mut bytes)?;
        let lines = bytes.rsplit(|byte| *byte == b'\n');
        let mut entries: Vec<Entry> = lines
            .filter_map(|line| serde_json::from_slice(line).ok())
            .filter(|entry: &Entry| transform.is_none() || entry.transform.as_deref() == transform)
            .take(limit)
            .collect();
        entries.reverse();
        Ok(entries)
    }
}

fn last_byte(file: &mut File) -> io::Result<u8> {
    let mut byte = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut byte)?;
    Ok(byte[0])
}
