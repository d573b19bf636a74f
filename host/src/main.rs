//! The `tidegate` program. Its life is told in `tidegate::host`, its commands in `tidegate::cli`.

use std::process::ExitCode;

fn main() -> ExitCode {
    tidegate::cli::main()
}
