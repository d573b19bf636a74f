//! `transform check`, `push` and `settings`: how a revision comes to a host.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::address::escaped;
use super::apply::{self, FollowUpArgs};
use super::client::{open, shaped};
use super::failure::CommandFailure;
use super::words::safe;
use super::{Context, document, tables};
use crate::files;
use crate::files::read_within;
use crate::revision::certificate::{Certificate, MAX_CERTIFICATE};
use crate::rollout::report::{Checked, Import, Pushed, TransformReport};

#[derive(Debug, clap::Args)]
pub(super) struct FileArgs {
    /// The component
    pub(super) file: PathBuf,
    /// The transform to take settings and limits from [default: the one of its own name]
    #[arg(long, value_name = "NAME")]
    pub(super) transform: Option<String>,
    /// For the component's configure: JSON, or @FILE [default: as those of what runs]
    #[arg(long, value_name = "JSON", value_parser = document::parse)]
    pub(super) settings: Option<Value>,
    /// Limits that shall be others, such as '{"deadline": "20ms"}', or @FILE
    #[arg(long, value_name = "JSON", value_parser = document::parse)]
    pub(super) limits: Option<Value>,
}

#[derive(Debug, clap::Args)]
pub(super) struct PushArgs {
    #[command(flatten)]
    file: FileArgs,
    /// What `transform fuzz --certificate` wrote of this component: it is kept with the revision
    #[arg(long, value_name = "FILE")]
    certificate: Option<PathBuf>,
    #[command(flatten)]
    follow_up: FollowUpArgs,
}

#[derive(Debug, clap::Args)]
pub(super) struct SettingsArgs {
    /// The transform's name
    name: String,
    /// All settings of the component: JSON, or @FILE [default: show those of what runs]
    #[arg(value_name = "JSON", value_parser = document::parse)]
    settings: Option<Value>,
    /// Limits that shall be others, such as '{"deadline": "20ms"}', or @FILE
    #[arg(long, value_name = "JSON", value_parser = document::parse)]
    limits: Option<Value>,
    #[command(flatten)]
    follow_up: FollowUpArgs,
}

pub(super) async fn check(context: &Context, args: &FileArgs) -> Result<Value, CommandFailure> {
    let answer = send(context, "/v1/check", args, None).await?;
    let checked: Checked = shaped(&answer)?;
    context.tell(&format!(
        "{} is good for {}; nothing was kept\n{}\n\n{}{}",
        args.file.display(),
        safe(&checked.revision.transform),
        tables::revision(&checked.revision),
        tables::imports(&checked.imports),
        tables::log(&checked.log)
    ))?;
    Ok(answer)
}

/// As JSON with `--apply`, each step's answer has its name.
pub(super) async fn push(context: &Context, args: &PushArgs) -> Result<Value, CommandFailure> {
    let certificate = args.certificate.as_deref().map(certificate).transpose()?;
    let answer = send(context, "/v1/revisions", &args.file, certificate).await?;
    go_on(context, answer, &args.follow_up).await
}

/// Without anything to change it shows what there is.
pub(super) async fn settings(
    context: &Context,
    args: &SettingsArgs,
) -> Result<Value, CommandFailure> {
    if args.settings.is_none() && args.limits.is_none() {
        return current(context, args).await;
    }
    let mut content = json!({});
    for (name, value) in [("settings", &args.settings), ("limits", &args.limits)] {
        if let Some(value) = value {
            content[name] = value.clone();
        }
    }
    let path = format!("/v1/transforms/{}/settings", escaped(&args.name));
    let doing = "checking the component with these settings";
    let answer = context.client.post(&path, &content, doing).await?;
    go_on(context, answer, &args.follow_up).await
}

async fn current(context: &Context, args: &SettingsArgs) -> Result<Value, CommandFailure> {
    if args.follow_up.applies() {
        let what = "there is nothing to apply: give the settings, --limits or both";
        return Err(CommandFailure::new("bad-settings", what));
    }
    let path = format!("/v1/transforms/{}", escaped(&args.name));
    let mut answer = context.client.get(&path).await?;
    let report: TransformReport = shaped(&answer)?;
    let (name, admin) = (safe(&report.name), context.admin_flag());
    let secret = report
        .revision
        .settings_schema
        .to_string()
        .contains("\"secret\":true");
    let anew = if secret {
        "; one that is secret is given anew each time"
    } else {
        ""
    };
    context.tell(&format!(
        "{name}: settings of revision {}\n{}\nchange them with all that shall hold{anew}:\n  \
         tidegate transform settings {name} '{{…}}'{admin}",
        report.revision.id,
        tables::settings_of(&report.revision)
    ))?;
    Ok(answer["revision"].take())
}

/// The most bytes of a file with a certificate, spaces and all.
const MAX_FILE: u64 = 4 * MAX_CERTIFICATE as u64;

/// A certificate as text; the host says what is wrong with it.
fn certificate(file: &Path) -> Result<String, CommandFailure> {
    let unusable = |what: String| CommandFailure::new("bad-certificate", what);
    let bytes = read_within(file, MAX_FILE).map_err(|cause| {
        let advice = files::advice(&cause);
        unusable(format!("cannot read {}: {cause}; {advice}", file.display()))
    })?;
    let certificate: Result<Certificate, _> = serde_json::from_slice(&bytes);
    let text = certificate.map(|certificate| json!(certificate).to_string());
    let text = match text {
        Ok(text) if text.len() > MAX_CERTIFICATE => {
            Err(format!("it has more than {MAX_CERTIFICATE} bytes"))
        }
        text => text.map_err(|error| error.to_string()),
    };
    text.map_err(|what| {
        unusable(format!(
            "{} is no certificate ({what}): `tidegate transform fuzz --certificate FILE` writes one",
            file.display()
        ))
    })
}

async fn send(
    context: &Context,
    path: &str,
    args: &FileArgs,
    certificate: Option<String>,
) -> Result<Value, CommandFailure> {
    let mut path = path.to_owned();
    let transform = args.transform.clone();
    let text = |value: &Option<Value>| value.as_ref().map(Value::to_string);
    let asks = [
        ("transform", transform),
        ("settings", text(&args.settings)),
        ("limits", text(&args.limits)),
        ("certificate", certificate),
    ];
    for (name, value) in asks {
        if let Some(value) = value {
            let first = if path.contains('?') { '&' } else { '?' };
            path.push_str(&format!("{first}{name}={}", escaped(&value)));
        }
    }
    let doing = format!("sending and checking {}", args.file.display());
    context
        .client
        .upload(&path, open(&args.file)?, &doing)
        .await
}

async fn go_on(
    context: &Context,
    answer: Value,
    follow_up: &FollowUpArgs,
) -> Result<Value, CommandFailure> {
    let Pushed {
        revision,
        new,
        imports,
    } = shaped(&answer)?;
    let what = if new {
        "a new revision"
    } else {
        "known already"
    };
    context.tell(&format!(
        "{}: {what}\n{}{}",
        safe(&revision.transform),
        tables::revision(&revision),
        imports_of_wasi(imports)
    ))?;
    let steps = apply::go(context, &revision.id, follow_up).await?;
    let mut answer = answer;
    if let (Some(answer), Value::Object(steps)) = (answer.as_object_mut(), steps) {
        answer.extend(steps);
    }
    Ok(answer)
}

/// What a component imports of WASI, after what was told of it; nothing where it imports nothing
/// of that.
fn imports_of_wasi(imports: Vec<Import>) -> String {
    let of_wasi: Vec<Import> = imports.into_iter().filter(Import::is_of_wasi).collect();
    match of_wasi.is_empty() {
        true => String::new(),
        false => format!("\n\n{}", tables::imports(&of_wasi)),
    }
}
