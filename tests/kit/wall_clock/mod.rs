//! A wall clock of a process's own, which a test sets forward and back. What stands between the
//! process and the real one is `preloaded.rs`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use tempfile::NamedTempFile;

/// The clock; at first it says what the real one does.
#[derive(Debug)]
pub struct WallClock {
    /// By how many milliseconds it is ahead.
    file: NamedTempFile,
}

impl WallClock {
    #[expect(clippy::new_without_default, reason = "it makes a file")]
    pub fn new() -> Self {
        let file = NamedTempFile::new().expect("a temporary file");
        let clock = Self { file };
        clock.set(0);
        clock
    }

    /// Sets it by so many seconds ahead of the real one; by fewer than none, behind it.
    pub fn set(&self, ahead: i64) {
        // In place and at once: the process has the file in its memory.
        std::os::unix::fs::FileExt::write_all_at(
            self.file.as_file(),
            &(ahead * 1_000).to_ne_bytes(),
            0,
        )
        .expect("a file of one's own");
    }

    /// What a process has to be started with.
    pub fn environment(&self) -> [(&'static str, String); 2] {
        let shown = |path: &Path| path.display().to_string();
        [
            ("LD_PRELOAD", shown(library())),
            ("TIDEGATE_TEST_CLOCK", shown(self.file.path())),
        ]
    }
}

/// The compiled `preloaded.rs`, made once for all tests of this process.
fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let this = std::env::current_exe().expect("a test runs from a file");
        let folder = this.parent().expect("a file is in a folder");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("kit/wall_clock/preloaded.rs");
        let (library, fresh) = (folder.join("preloaded_clock.so"), folder.join(fresh_name()));
        let done = Command::new("rustc")
            .args(["--edition", "2024", "--crate-type", "cdylib", "-O"])
            .args(["-C", "panic=abort", "-o"])
            .args([&fresh, &source])
            .output()
            .expect("whoever builds tests has a compiler");
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "{}: {said}", source.display());
        std::fs::rename(&fresh, &library).expect("the same folder");
        library
    })
}

/// Two runs of tests may make it at once.
fn fresh_name() -> String {
    format!("preloaded_clock.{}.so", std::process::id())
}
