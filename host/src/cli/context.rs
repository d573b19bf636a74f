//! What every command that speaks to a running host works with: the host's admin API, the way
//! it is told, and how the command ends.
//!
//! Standard output has the answer, as text or (`--json`) as JSON alone; questions and progress
//! are on standard error. Exit codes: 0 done, 1 refused or failed, 2 typed wrongly.

use std::io::{self, IsTerminal};
use std::process::ExitCode;

use serde_json::Value;

use super::address::AdminAddress;
use super::client::{self, AdminClient};
use super::failure::CommandFailure;
use super::print::{self, complain};
use super::reach::TrustArgs;
use super::words::Paint;
use crate::causes::whole;
use crate::settings::Secret;

/// Which host, and who reads the answer.
#[derive(Debug, clap::Args)]
pub(super) struct HostArgs {
    /// The host's admin address; the token is read from TIDEGATE_ADMIN_TOKEN
    #[arg(long, global = true, env = "TIDEGATE_ADMIN", value_name = "URL",
          default_value = AdminAddress::DEFAULT)]
    pub(super) admin: AdminAddress,
    #[command(flatten)]
    pub(super) trust: TrustArgs,
    /// The answer as JSON, for programs; never asks
    #[arg(long, global = true)]
    pub(super) json: bool,
}

/// What every such command works with.
#[derive(Debug)]
pub(super) struct Context {
    pub(super) client: AdminClient,
    pub(super) json: bool,
    /// Whether somebody is there to answer a question.
    pub(super) may_ask: bool,
    pub(super) paint: Paint,
}

impl Context {
    fn new(args: HostArgs) -> Result<Self, CommandFailure> {
        let HostArgs { admin, trust, json } = args;
        let token = std::env::var_os(client::TOKEN).unwrap_or_default();
        let token = Secret::given(&token.to_string_lossy());
        let token = (!token.expose().is_empty()).then_some(token);
        Ok(Self {
            client: AdminClient::new(admin, token, &trust)?,
            json,
            may_ask: !json && io::stdin().is_terminal() && io::stderr().is_terminal(),
            paint: Paint::of_stdout(),
        })
    }

    /// Prints words for a person.
    pub(super) fn tell(&self, text: &str) -> Result<(), CommandFailure> {
        if self.json {
            return Ok(());
        }
        print(text)
    }

    /// ` --admin URL`, where a further command would need it.
    pub(super) fn admin_flag(&self) -> String {
        let address = self.client.address.to_string();
        let by_itself = std::env::var("TIDEGATE_ADMIN").ok();
        if by_itself.as_deref().unwrap_or(AdminAddress::DEFAULT) == address {
            String::new()
        } else {
            format!(" --admin {address}")
        }
    }
}

fn print(text: &str) -> Result<(), CommandFailure> {
    Ok(print::print(&format!("{}\n", text.trim_end()))?)
}

/// Does what was asked and tells it. `command` gives the answer for programs; what people
/// read was told on the way.
pub(super) fn run(
    args: HostArgs,
    command: impl AsyncFnOnce(&Context) -> Result<Value, CommandFailure>,
) -> ExitCode {
    let json = args.json;
    let done = super::block_on(async {
        Ok(match Context::new(args) {
            Ok(context) => command(&context).await,
            Err(failure) => Err(failure),
        })
    });
    let done = done.unwrap_or_else(|error| Err(CommandFailure::new("no-runtime", whole(&error))));
    let printed = match done {
        Ok(answer) if json => print(&format!("{answer:#}")),
        Ok(_) => Ok(()),
        Err(failure) => Err(failure),
    };
    let Err(failure) = printed else {
        return ExitCode::SUCCESS;
    };
    if !json || print(&format!("{:#}", failure.json())).is_err() {
        complain(&format!("error: {failure}"));
    }
    ExitCode::FAILURE
}
