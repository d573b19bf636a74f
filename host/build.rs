//! Embeds the components that a host serves by default: every `.wasm` in `transforms/dist` itself, by
//! the name of its file.

use std::path::Path;
use std::{env, fs};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dist = Path::new(&env::var("CARGO_MANIFEST_DIR")?)
        .join("../transforms/dist")
        .canonicalize()?;
    println!("cargo::rerun-if-changed={}", dist.display());
    let mut list = String::from("&[\n");
    let mut files: Vec<_> = fs::read_dir(&dist)?.collect::<Result<_, _>>()?;
    files.sort_by_key(fs::DirEntry::file_name);
    for file in files
        .iter()
        .map(fs::DirEntry::path)
        .filter(|file| file.extension().is_some_and(|e| e == "wasm"))
    {
        let name = file.file_stem().ok_or("a component has a name")?;
        list.push_str(&format!("    ({name:?}, include_bytes!({file:?})),\n"));
    }
    list.push(']');
    fs::write(Path::new(&env::var("OUT_DIR")?).join("builtin.rs"), list)?;
    Ok(())
}
