//! The audit log: who did what, and what came of it. One JSON line for each, on the disk
//! before the caller goes on.
//!
//! The file may be moved away at any time; the next line begins a new one. Each line carries the
//! hash of the line before it, over files too: see `chain`.

pub mod chain;

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use parking_lot::Mutex;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::chain::{BEGINS, hash_of};
use crate::files;
use crate::transform::RevisionId;

/// How far back from its end the file is read.
const TAIL: u64 = 4 << 20;

/// One line of the log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Entry {
    pub at: Timestamp,
    /// The name of a token, or `tidegate` for what the host did by itself; empty for whoever had
    /// no good token.
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
    /// The SHA-256 of the line before it, in hex, or `begins` where there is none; none in lines
    /// of versions that did not chain them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
}

/// The log's file. It blocks while it works.
#[derive(Debug)]
pub struct Audit {
    folder: PathBuf,
    path: PathBuf,
    end: Mutex<ChainEnd>,
}

/// What the next line comes after.
#[derive(Debug, Default)]
struct ChainEnd {
    /// The hash of the last line that is certainly on the disk; none until it is looked for.
    head: Option<String>,
    /// A line that may have got there, though its writer was told that it did not.
    doubtful: Option<Vec<u8>>,
}

impl Audit {
    /// The log goes on where its file ends; the file can be moved away from then on.
    pub(super) fn new(folder: &Path) -> Self {
        let path = folder.join("audit.jsonl");
        // A line that cannot be read now is looked at again before the first is written.
        let last = last_line(&path).ok().flatten();
        let end = ChainEnd {
            head: last.map(|line| hash_of(&line)),
            doubtful: None,
        };
        Self {
            folder: folder.to_owned(),
            path,
            end: Mutex::new(end),
        }
    }

    /// Writes one line, chained to the one before, and returns its hash when it is on the disk.
    /// One that failed is given again until it is there, before any other.
    ///
    /// # Errors
    /// What the disk says.
    pub fn append(&self, entry: &Entry) -> io::Result<String> {
        let mut end = self.end.lock();
        if let Some(doubtful) = &end.doubtful {
            let there = last_line(&self.path)?.as_ref() == Some(doubtful);
            let doubtful = end.doubtful.take().filter(|_| there);
            if let Some(line) = doubtful {
                end.head = Some(hash_of(&line));
                if is_of(&line, entry) {
                    self.open()?.sync_all()?;
                    return Ok(hash_of(&line));
                }
            }
        }
        let before = match &end.head {
            Some(head) => head.clone(),
            None => last_line(&self.path)?.map_or_else(|| BEGINS.into(), |line| hash_of(&line)),
        };
        let chained = Entry {
            before: Some(before),
            ..entry.clone()
        };
        let line = serde_json::to_vec(&chained)?;
        if let Err(error) = self.write(&line) {
            end.doubtful = Some(line);
            return Err(error);
        }
        let head = hash_of(&line);
        end.head = Some(head.clone());
        Ok(head)
    }

    /// The hash of the last line.
    pub fn head(&self) -> Option<String> {
        self.end.lock().head.clone()
    }

    /// Whether a line could be written now; none is.
    ///
    /// # Errors
    /// What the disk says.
    pub fn try_to_write(&self) -> io::Result<()> {
        self.open()?;
        files::try_to_write(&self.folder)
    }

    // Opened each time, because the file may have been moved away.
    fn open(&self) -> io::Result<File> {
        OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .mode(0o600)
            .open(&self.path)
    }

    fn write(&self, line: &[u8]) -> io::Result<()> {
        let mut file = self.open()?;
        let length = file.metadata()?.len();
        // Half a line of a crash, or of a full disk, must not take this one with it.
        let torn = length > 0 && last_byte(&mut file)? != b'\n';
        let before: &[u8] = if torn { b"\n" } else { b"" };
        file.write_all(&[before, line, b"\n"].concat())?;
        file.sync_all()?;
        if length == 0 {
            files::sync_folder(&self.folder)?;
        }
        Ok(())
    }

    /// The last entries, of one transform or of all, newest last: at most `limit` of them,
    /// out of the file's last 4 MiB. Lines that are not whole are passed over.
    pub fn tail(&self, transform: Option<&str>, limit: usize) -> io::Result<Vec<Entry>> {
        let bytes = tail_of(&self.path)?;
        let lines = bytes.rsplit(|byte| *byte == b'\n');
        let mut entries: Vec<Entry> = lines
            .filter_map(|line| serde_json::from_slice(line).ok())
            .filter(|entry: &Entry| transform.is_none() || entry.transform.as_deref() == transform)
            .take(limit)
            .collect();
        entries.reverse();
        Ok(entries)
    }

    /// The entries after the line that has this hash, newest last, and the hash of the last one:
    /// at most `limit` of them, out of the file's last 4 MiB. All of these where that line is not
    /// among them, or none is named.
    ///
    /// # Errors
    /// What the disk says.
    pub fn since(
        &self,
        hash: Option<&str>,
        limit: usize,
    ) -> io::Result<(Vec<Entry>, Option<String>)> {
        let bytes = tail_of(&self.path)?;
        let lines = bytes.rsplit(|byte| *byte == b'\n');
        let whole = lines.filter_map(|line| {
            let entry: Entry = serde_json::from_slice(line).ok()?;
            Some((entry, hash_of(line)))
        });
        let new = whole.take_while(|(_, own)| Some(own.as_str()) != hash);
        let new: Vec<_> = new.take(limit).collect();
        let last = new.first().map(|(_, own)| own.clone());
        let last = last.or_else(|| hash.map(str::to_owned));
        let mut entries: Vec<Entry> = new.into_iter().map(|(entry, _)| entry).collect();
        entries.reverse();
        Ok((entries, last))
    }
}

/// Whether the line is of this entry, whatever line it comes after.
fn is_of(line: &[u8], entry: &Entry) -> bool {
    let written: Option<Entry> = serde_json::from_slice(line).ok();
    written.is_some_and(|written| {
        Entry {
            before: None,
            ..written
        } == *entry
    })
}

/// The end of a file; nothing where there is none. A line that is being written meanwhile does
/// not count.
fn tail_of(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        opened => opened?,
    };
    let start = file.metadata()?.len().saturating_sub(TAIL);
    file.seek(SeekFrom::Start(start))?;
    let mut bytes = Vec::new();
    file.take(TAIL).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The last line that is whole, though perhaps without its line break.
fn last_line(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let bytes = tail_of(path)?;
    let mut lines = bytes.rsplit(|byte| *byte == b'\n');
    let last = lines.find(|line| serde_json::from_slice::<Entry>(line).is_ok());
    Ok(last.map(<[u8]>::to_vec))
}

fn last_byte(file: &mut File) -> io::Result<u8> {
    let mut byte = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut byte)?;
    Ok(byte[0])
}
