//! The build script of the benchmark: lets it link two guests into one program.
//!
//! Each guest exports the contract's functions under the same names. As plain Rust nobody calls
//! those, so it does not matter which of them the linker keeps.

fn main() {
    println!("cargo::rerun-if-changed=src/bench/link.rs");
    println!("cargo::rustc-link-arg-bin=bench=-Wl,--allow-multiple-definition");
}
