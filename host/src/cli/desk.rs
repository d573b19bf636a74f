//! What every command that speaks to a running host works with: the host's admin API, the way
//! it is told, and how the command ends.
//!
//! Standard output has the answer, as text or (`--json`) as JSON alone; questions and progress
//! are on standard error. Exit codes: 0 done, 1 refused or failed, 2 typed wrongly.

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use serde_json::Value;

use super::address::Address;
use super::client::{self, Client};
use super::failure::Failure;
use super::words::Paint;
use crate::settings::Secret;

/// Which host, and who reads the answer.
#[derive(Debug, clap::Args)]
pub(super) struct HostArgs {
    /// The host's admin address; the token is read from TIDEGATE_ADMIN_TOKEN
    #[arg(long, global = true, env = "TIDEGATE_ADMIN", value_name = "URL",
          default_value = Address::DEFAULT)]
    pub(super) admin: Address,
    /// The answer as JSON, for programs; never asks
    #[arg(long, global = true)]
    pub(super) json: bool,
}

/// What every such command works with.
#[derive(Debug)]
pub(super) struct Desk {
    pub(super) client: Client,
    pub(super) json: bool,
    /// Whether somebody is there to answer a question.
    pub(super) may_ask: bool,
    pub(super) paint: Paint,
}

impl Desk {
    fn new(args: HostArgs) -> Self {
        let HostArgs { admin, json } = args;
        let token = std::env::var(client::TOKEN).ok();
        let token = token.filter(|token| !token.is_empty()).map(Secret::from);
        Self {
            client: Client::new(admin, token),
            json,
            may_ask: !json && io::stdin().is_terminal() && io::stderr().is_terminal(),
            paint: Paint::of_stdout(),
        }
    }

    /// Words for a person.
    pub(super) fn tell(&self, text: &str) -> Result<(), Failure> {
        if self.json {
            return Ok(());
        }
        print(text)
    }

    /// ` --admin URL`, where a further command would need it.
    pub(super) fn admin_flag(&self) -> String {
        let address = self.client.address.to_string();
        let by_itself = std::env::var("TIDEGATE_ADMIN").ok();
        if by_itself.as_deref().unwrap_or(Address::DEFAULT) == address {
            String::new()
        } else {
            format!(" --admin {address}")
        }
    }
}

fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout();
    match writeln!(out, "{}", text.trim_end()).and_then(|()| out.flush()) {
        // A reader such as `head` may have had enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => Ok(other?),
    }
}

/// Does what was asked and tells it. `command` gives the answer for programs; what people
/// read was told on the way.
pub(super) fn run(
    args: HostArgs,
    command: impl AsyncFnOnce(&Desk) -> Result<Value, Failure>,
) -> ExitCode {
    let desk = Desk::new(args);
    let done = super::block_on(async { Ok(command(&desk).await) });
    let done = done.unwrap_or_else(|error| Err(Failure::new("no-runtime", format!("{error:#}"))));
    let told = match done {
        Ok(answer) if desk.json => print(&format!("{answer:#}")),
        Ok(_) => Ok(()),
        Err(failure) => Err(failure),
    };
    let Err(failure) = told else {
        return ExitCode::SUCCESS;
    };
    if desk.json {
        // Where standard output is gone, the exit code is all that is left.
        let _ = print(&format!("{:#}", failure.json()));
    } else {
        super::say(&format!("error: {failure}\n"));
    }
    ExitCode::FAILURE
}
