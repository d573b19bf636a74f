//! The commands, one file each, and what several of them share: `credentials` for those that
//! keep files of secrets, `context` and all behind it for those that speak to a running host.

mod address;
mod admin_token;
mod asyncapi;
mod audit;
mod body;
mod check;
mod client;
mod compile;
mod context;
mod credentials;
mod demo;
mod failure;
mod key;
mod metrics;
mod openapi;
mod print;
mod progress;
mod reach;
mod redis_rights;
mod serve;
mod sessions;
mod tail;
mod transform;
mod upstream;
mod usage;
mod words;

use std::io;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use self::print::complain;
use crate::catalog::Catalog;
use crate::rollout::configured;
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
    /// Show how many messages and bytes each key was sent, by day
    Usage(usage::UsageArgs),
    /// See where the events of a running host come from
    Upstream(upstream::UpstreamArgs),
    /// Print the AsyncAPI document of the public stream
    Asyncapi(asyncapi::AsyncapiArgs),
    /// Verify the audit log of a state folder
    Audit(audit::AuditArgs),
    #[command(hide = true)]
    Compile(compile::CompileArgs),
    /// Print the OpenAPI document of the admin API
    Openapi,
    /// Print the list of all metrics, as Markdown
    Metrics,
}

/// Runs the command line that the process was started with.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(refusal) => return explain(&refusal),
    };
    let result = match cli.command {
        Command::Demo(args) => return demo::run(&args),
        Command::Serve(args) => return serve::run(*args),
        Command::Key(args) => key::run(args),
        Command::AdminToken(args) => admin_token::run(args),
        Command::Tail(args) => block_on(tail::run(args)),
        Command::Transform(args) => return transform::run(*args),
        Command::Sessions(args) => return sessions::run(args),
        Command::Usage(args) => return usage::run(args),
        Command::Upstream(args) => return upstream::run(args),
        Command::Asyncapi(args) => asyncapi::run(args),
        Command::Audit(args) => audit::run(&args),
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
            complain(&format!("error: {}", crate::causes::advised(&error)));
            ExitCode::FAILURE
        }
    }
}

/// Help, the version, or what was typed wrongly. clap's own way out would be silent, and
/// successful, where these cannot be written.
fn explain(refusal: &clap::Error) -> ExitCode {
    let code = ExitCode::from(u8::try_from(refusal.exit_code()).unwrap_or(2));
    if refusal.use_stderr() {
        complain(&in_a_line(&refusal.render().to_string()));
        return code;
    }
    match refusal.print() {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            complain(&format!("error: cannot write the help: {error}"));
            ExitCode::FAILURE
        }
        _ => code,
    }
}

/// What clap says in paragraphs: what is wrong, how it is used, that there is help.
fn in_a_line(refusal: &str) -> String {
    let paragraphs = refusal.split("\n\n").map(|paragraph| {
        let lines = paragraph.lines().map(str::trim);
        lines
            .collect::<Vec<_>>()
            .join(" ")
            .trim_end_matches('.')
            .to_owned()
    });
    let paragraphs: Vec<String> = paragraphs
        .filter(|paragraph| !paragraph.is_empty())
        .collect();
    paragraphs.join("; ")
}

/// The channels of the transforms that the settings name.
fn catalog(settings: &Settings) -> anyhow::Result<Catalog> {
    let engine = Engine::start(settings.wasm_stack, &Tasks::default())?;
    let configured = block_on(async { Ok(configured(settings, &engine).await?) })?;
    let descriptors = configured
        .iter()
        .map(|transform| &transform.component.descriptor);
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use clap::CommandFactory as _;

    use super::*;
    use crate::settings;

    #[test]
    fn what_is_typed_wrongly_is_told_in_a_line_with_what_to_type() {
        for (words, parts) in [
            (
                "tidegate transform new a --language go",
                [
                    "'go' for '--language <LANGUAGE>'",
                    "[possible values: rust, ",
                ],
            ),
            (
                "tidegate transform record",
                ["--channel <CHANNEL>", "Usage: "],
            ),
            (
                "tidegate transform nwe",
                ["unrecognized subcommand 'nwe'", "Usage: "],
            ),
        ] {
            let refusal = Cli::try_parse_from(words.split(' ')).unwrap_err();
            let line = in_a_line(&refusal.render().to_string());
            assert_eq!(line.lines().count(), 1, "{line}");
            for part in parts.into_iter().chain(["error: ", "--help"]) {
                assert!(line.contains(part), "{part}: {line}");
            }
        }
    }

    /// The variables that commands read, but for the settings of `serve`.
    fn variables(command: &clap::Command) -> BTreeSet<String> {
        let own = command.get_arguments().filter_map(clap::Arg::get_env);
        let own = own.map(|name| name.to_string_lossy().into_owned());
        own.chain(command.get_subcommands().flat_map(variables))
            .chain([client::TOKEN.to_owned()])
            .collect()
    }

    /// One that is not would be called misspelt at each start.
    #[test]
    fn every_variable_of_a_command_is_known() {
        let known = settings::known();
        for name in variables(&Cli::command()) {
            assert!(known.contains(&name), "{name}");
        }
    }

    /// A shell has one environment for all commands: what is a secret or an address of one
    /// must not be that of another.
    #[test]
    fn what_serve_and_another_command_both_read_means_the_same_to_both() {
        let of_serve: BTreeSet<_> = settings::table().into_iter().map(|row| row.env).collect();
        let others = variables(&Cli::command());
        let both: Vec<_> = of_serve.intersection(&others).collect();
        let same = [
            "TIDEGATE_ADMIN_LISTEN",
            "TIDEGATE_ADMIN_TOKENS_FILE",
            "TIDEGATE_KEYS_FILE",
            "TIDEGATE_LISTEN",
        ];
        assert_eq!(both, same);
    }
}
