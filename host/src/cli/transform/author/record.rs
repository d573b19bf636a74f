//! `transform record`: real events of a Redis as samples of a project. Nothing of them is shown.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use serde_json::json;

use super::super::progress::shown;
use super::Found;
use crate::causes::advised;
use crate::count::count_of;
use crate::kit::{self, Target, Unusable};
use crate::settings::{self, Flags};
use crate::transform::UpstreamPattern;

/// How many can be recorded at once.
const MAX: usize = 10_000;

#[derive(Debug, clap::Args)]
pub(in super::super) struct RecordArgs {
    /// A folder of a project [default: the project that this folder is in]
    path: Option<PathBuf>,
    /// As of `serve`: also TIDEGATE_REDIS_URL, or redis-url of ./tidegate.toml
    #[arg(long, value_name = "URL")]
    redis_url: Option<String>,
    /// As of `serve`: whom a rediss:// address is trusted by
    #[arg(long, value_name = "FILE")]
    redis_ca_file: Option<String>,
    /// The upstream channel; * or {name} stands for any part of it
    #[arg(long, value_name = "CHANNEL", value_parser = kit::pattern)]
    channel: UpstreamPattern,
    /// How many events to take, as they come
    #[arg(long, value_name = "N", default_value = "10")]
    count: NonZeroUsize,
    /// Where to put them [default: the project's folder `samples`]
    #[arg(long, value_name = "FOLDER")]
    into: Option<PathBuf>,
}

pub(super) async fn record(args: &RecordArgs) -> Result<Found, Unusable> {
    let count = args.count.get();
    if count > MAX {
        return Err(Unusable::Given(format!("--count is at most {MAX}")));
    }
    let folder = match &args.into {
        Some(folder) => folder.clone(),
        None => samples_folder(args)?,
    };
    let flags = Flags::of_redis(args.redis_url.clone(), args.redis_ca_file.clone(), None);
    let settings = settings::load(flags);
    let settings = settings.map_err(|error| Unusable::Given(advised(&error.into())))?;
    let doing = format!("waiting for {}", count_of(count, "event"));
    let recording = kit::record(&settings, &args.channel, count, &folder);
    let recorded = shown(&doing, recording).await?;
    let mut text = format!(
        "{} in {}: internal data, for their owner alone; `tidegate transform test --update` writes \
         what comes of them\n",
        count_of(recorded.files.len(), "sample"),
        folder.display()
    );
    if recorded.too_large > 0 {
        let passed_over = count_of(recorded.too_large, "event");
        text.push_str(&format!(
            "{passed_over} had more than max-event-size and were passed over\n"
        ));
    }
    Ok(Found {
        answer: json!({"files": recorded.files, "too_large": recorded.too_large}),
        text,
        sound: true,
    })
}

fn samples_folder(args: &RecordArgs) -> Result<PathBuf, Unusable> {
    let project = Target::find(args.path.as_deref())?.project;
    let project = project.ok_or_else(|| {
        let what = "samples belong to a project: name its folder, or another folder with --into";
        Unusable::Given(what.to_owned())
    })?;
    Ok(project.samples_folder())
}
