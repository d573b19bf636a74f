//! The commands, one file each, and what several of them share: `credentials` for those that
//! keep files of secrets, `desk` and all behind it for those that speak to a running host.

mod address;
mod admin_token;
mod asyncapi;
mod body;
mod client;
mod compile;
mod credentials;
mod demo;
mod desk;
mod failure;
mod key;
mod metrics;
mod openapi;
mod progress;
mod redis_rights;
mod serve;
mod sessions;
mod tail;
mod transform;
mod words;

use std::io::Write;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::registry::{Catalog, configured};
use crate::settings::Settings;
use crate::tasks::Tasks;
use crate::transform::Engine;

#[derive(Debug, Parser)]
#[command(
    name = "tidegate",
    version,
    about = "Redis in, sandboxed transforms in the middle, WebSocket clients out"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run on a built-in feed: no Redis, no key to make
    Demo(demo::DemoArgs),
    /// Run on a Redis
    Serve(Box<serve::ServeArgs>),
    /// Make, list and revoke API keys
    Key(key::KeyArgs),
    /// Make, list and revoke tokens of the admin API
    AdminToken(admin_token::AdminTokenArgs),
    /// Subscribe and print each message as a line of JSON
    Tail(tail::TailArgs),
    /// See and change the transforms of a running host
    Transform(Box<transform::TransformArgs>),
    /// See who is connected to a running host, and end a session
    Sessions(sessions::SessionsArgs),
    /// Print the AsyncAPI document of the public stream
    Asyncapi(asyncapi::AsyncapiArgs),
    #[command(hide = true)]
    Compile(compile::CompileArgs),
    /// Print the OpenAPI document of the admin API
    Openapi,
    /// Print the list of all metrics, as Markdown
    Metrics,
}

/// Runs the command line that the process was started with.
pub fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Demo(args) => return demo::run(&args),
        Command::Serve(args) => return serve::run(*args),
        Command::Key(args) => key::run(args),
        Command::AdminToken(args) => admin_token::run(args),
        Command::Tail(args) => block_on(tail::run(args)),
        Command::Transform(args) => return transform::run(*args),
        Command::Sessions(args) => return sessions::run(args),
        Command::Asyncapi(args) => asyncapi::run(args),
        Command::Compile(args) => return compile::run(&args),
        Command::Openapi => openapi::run(),
        Command::Metrics => metrics::run(),
    };
    ended(result)
}

/// How a command ended, in words where it failed.
fn ended(result: anyhow::Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("error: {error:#}\n"));
            ExitCode::FAILURE
        }
    }
}

/// Writes to standard error. One that is gone is no reason to fail in another way.
fn say(text: &str) {
    let _ = std::io::stderr().write_all(text.as_bytes());
}

/// The channels of the transforms that the settings name.
fn catalog(settings: &Settings) -> anyhow::Result<Catalog> {
    let engine = Engine::start(settings.wasm_stack, &Tasks::default())?;
    let configured = block_on(async { Ok(configured(settings, &engine).await?) })?;
    let descriptors = configured.iter().map(|one| &one.component.descriptor);
    Ok(Catalog::of(descriptors.cloned()))
}

/// Runs `task` on a runtime of its own. What still blocks when it ends, such as a look-up of
/// a name that nobody answers, is not waited for.
fn block_on<T>(task: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let ended = runtime.block_on(task);
    runtime.shutdown_background();
    ended
}
