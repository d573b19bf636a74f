//! `transform check`: all for which a host would refuse a component; or what it would run as,
//! all that it would make public, and what to think about first.

use serde_json::json;

use super::super::progress::shown;
use super::super::tables;
use super::super::words::{Paint, safe, table};
use super::{Found, TargetArgs};
use crate::kit::{CheckVerdict, Unusable, Workshop};
use crate::revision::diff::schema::fields_in_words;
use crate::revision::{Allowed, PublicFamily, Surface};
use crate::tasks::blocking;

pub(super) async fn check(args: &TargetArgs) -> Result<Found, Unusable> {
    let target = args.target()?;
    let workshop = Workshop::open()?;
    let doing = format!("compiling and trying {}", target.file.display());
    let candidate = shown(&doing, workshop.load(&target)).await?;
    let verdict = blocking(move || crate::kit::check(&candidate, &target)).await?;
    Ok(Found {
        text: told(&verdict, Paint::of_stdout()),
        answer: json!(verdict),
        sound: true,
    })
}

fn told(verdict: &CheckVerdict, paint: Paint) -> String {
    let checked = &verdict.checked;
    let revision = &checked.revision;
    let mut text = format!(
        "{} is good for {}\n{}\n\n{}\n{}{}\n",
        safe(&revision.origin),
        safe(&revision.transform),
        tables::revision(revision),
        surface(&revision.surface),
        tables::imports(&checked.imports),
        tables::log(&checked.log)
    );
    for warning in &verdict.warnings {
        let line = format!("warning: {}", safe(&warning.text));
        text.push_str(&format!("\n{}", paint.yellow(&line)));
    }
    text
}

/// All that clients could see, a line for each part of a channel and for each field.
fn surface(surface: &Surface) -> String {
    let rows = surface.families.iter().flat_map(family);
    table(["CHANNEL", "MESSAGE", "PUBLIC", "WHAT"], rows)
}

fn family(family: &PublicFamily) -> Vec<[String; 4]> {
    let channel = tables::channel(family);
    let row = |message: &str, public: &str, what: &str| {
        [channel.clone(), safe(message), safe(public), safe(what)]
    };
    let mut rows = Vec::new();
    for parameter in &family.parameters {
        let what = match &parameter.allowed {
            Allowed::OneOf(values) => format!("one of {}", values.join(", ")),
            Allowed::Pattern(pattern) => format!("like {pattern}"),
        };
        rows.push(row("-", &format!("{{{}}}", parameter.name), &what));
    }
    for message in &family.messages {
        for (path, shape, _) in fields_in_words(&message.data_schema) {
            rows.push(row(&message.message_type, &path, &shape));
        }
    }
    rows
}
