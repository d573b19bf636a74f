//! `transform build`: the component of a project, by the tools of its language.

use std::path::PathBuf;
use std::time::Instant;

use serde_json::json;

use super::super::progress::shown;
use super::super::words::{bytes, micros, safe};
use super::Found;
use crate::cli::print::complain;
use crate::count::count_of;
use crate::kit::{Built, Language, Target, Unusable};

#[derive(Debug, clap::Args)]
pub(in super::super) struct BuildArgs {
    /// A folder of a project [default: the project that this folder is in]
    path: Option<PathBuf>,
}

pub(super) async fn build(args: &BuildArgs) -> Result<Found, Unusable> {
    let project = Target::find(args.path.as_deref())?.project.ok_or_else(|| {
        let what = "a component is built already: name the folder of its project instead";
        Unusable::Given(what.to_owned())
    })?;
    let tools = match project.language {
        Language::Rust => "cargo",
        Language::JavaScript => "npm run build",
        Language::Python => "componentize-py",
    };
    let doing = format!("building {} by {tools}", project.component.display());
    let started = Instant::now();
    let built = shown(&doing, crate::kit::build(&project)).await?;
    if !built.said.trim().is_empty() {
        complain(built.said.trim_end());
    }
    let took = micros(started.elapsed().as_micros() as f64);
    Ok(Found {
        text: told(&built, &took),
        answer: json!(built),
        sound: true,
    })
}

fn told(built: &Built, took: &str) -> String {
    let is_of_wasi = |name: &&String| name.starts_with("wasi:");
    let of_wasi = built.imports.iter().filter(is_of_wasi).count();
    let others = built.imports.iter().filter(|name| !is_of_wasi(name));
    let mut imports: Vec<String> = others.map(|name| safe(name)).collect();
    if of_wasi > 0 {
        imports.push(format!(
            "{} of WASI, which grants nothing",
            count_of(of_wasi, "interface")
        ));
    }
    if imports.is_empty() {
        imports.push("nothing".to_owned());
    }
    format!(
        "built    {} in {took}\nsize     {}\nimports  {}\ndigest   {}\n",
        built.component.display(),
        bytes(built.size_bytes),
        imports.join(", "),
        built.digest
    )
}
