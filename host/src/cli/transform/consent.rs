//! What an operator agrees to: the flags that say it beforehand, and the question that a
//! terminal is asked where they do not.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::failure::Failure;
use super::words::{count, safe};
use super::{Desk, plan};
use crate::registry::report::{Area, Change, Level, Plan};
use crate::registry::{self, Consent};
use crate::tasks;

#[derive(Debug, Default, Clone, clap::Args)]
pub(super) struct ConsentArgs {
    /// Clients may see more than before
    #[arg(long)]
    allow_wider: bool,
    /// What clients rely on may go
    #[arg(long)]
    allow_breaking: bool,
    /// The new revision may fail on events, as it did on the last ones or in the shadow
    #[arg(long)]
    pub(super) allow_failing: bool,
    /// Do not watch the new revision, and do not return from it by itself
    #[arg(long)]
    no_probation: bool,
    /// In a fleet: this share of the hosts first, such as 10%, the rest after its probation
    #[arg(long, value_name = "N%", value_parser = parse_share)]
    canary: Option<u8>,
}

/// A share of the hosts, in percent.
fn parse_share(text: &str) -> Result<u8, &'static str> {
    let number = text.strip_suffix('%').unwrap_or(text).parse().ok();
    number
        .filter(|share| (1..=100).contains(share))
        .ok_or("a share is from 1% to 100%")
}

impl ConsentArgs {
    fn consent(&self) -> Consent {
        Consent {
            allow_wider: self.allow_wider,
            allow_breaking: self.allow_breaking,
            allow_failing: self.allow_failing,
            probation: !self.no_probation,
            canary: self.canary,
        }
    }

    /// What is still to be agreed to, as the host would say it.
    fn missing(&self, plan: &Plan) -> Option<Failure> {
        let missing = registry::consent::missing(plan, &self.consent());
        missing.as_ref().map(Failure::from)
    }

    /// Whether this plan can be applied with the flags as they are, or with an answer.
    ///
    /// # Errors
    /// What is missing, where nobody can be asked.
    pub(super) fn may_suffice(&self, desk: &Desk, plan: &Plan) -> Result<(), Failure> {
        match self.missing(plan) {
            Some(missing) if !desk.may_ask => {
                let next = plan::next_command(plan, &desk.admin_flag());
                Err(missing.advise(&format!("the plan is kept: {next}")))
            }
            _ => Ok(()),
        }
    }

    /// The consent for this plan: of the flags, or of whoever sits there.
    ///
    /// # Errors
    /// What is missing where nobody can be asked, or the answer was no.
    pub(super) async fn for_plan(&self, desk: &Desk, plan: &Plan) -> Result<Consent, Failure> {
        let mut consent = self.consent();
        self.may_suffice(desk, plan)?;
        if self.missing(plan).is_none() {
            return Ok(consent);
        }
        if !asked(&question(plan, self)).await? {
            return Err(declined());
        }
        consent.allow_wider = true;
        consent.allow_breaking = true;
        consent.allow_failing = true;
        Ok(consent)
    }
}

pub(super) fn json_of(consent: &Consent) -> Value {
    json!({
        "allow_wider": consent.allow_wider,
        "allow_breaking": consent.allow_breaking,
        "allow_failing": consent.allow_failing,
        "probation": consent.probation,
        "canary": consent.canary,
    })
}

pub(super) fn declined() -> Failure {
    Failure::new("declined", "you said no; nothing was applied")
}

/// What would happen that was not agreed to yet.
fn question(plan: &Plan, given: &ConsentArgs) -> String {
    let mut text = String::new();
    let of = |level| {
        plan.changes
            .iter()
            .filter(move |change: &&Change| change.level == level)
    };
    if !given.allow_wider {
        let (fields, others): (Vec<_>, Vec<_>) =
            of(Level::Wider).partition(|change| change.area == Area::Field);
        if !fields.is_empty() {
            let names: Vec<_> = fields.iter().map(|change| safe(&change.subject)).collect();
            let number = count(names.len() as u64, "field");
            text.push_str(&format!(
                "This makes {number} public or looser: {}.\n",
                names.join(", ")
            ));
        }
        for change in others {
            text.push_str(&format!(
                "Clients will see more: {}.\n",
                safe(&change.to_string())
            ));
        }
    }
    if !given.allow_breaking {
        for change in of(Level::Breaking) {
            text.push_str(&format!(
                "Clients may break: {}.\n",
                safe(&change.to_string())
            ));
        }
    }
    if !given.allow_failing {
        for what in registry::consent::failing(plan, !given.no_probation) {
            text.push_str(&format!("This may fail: {}.\n", safe(&what)));
        }
    }
    text + "Go on? [y/N] "
}

/// Asks on standard error. Anything but yes is no.
pub(super) async fn asked(question: &str) -> Result<bool, Failure> {
    let mut err = io::stderr();
    write!(err, "{question}").and_then(|()| err.flush())?;
    let line = tasks::blocking(|| {
        let mut line = String::new();
        io::stdin().read_line(&mut line).map(|_| line)
    });
    tokio::select! {
        line = line => {
            Ok(is_yes(&line?))
        }
        Ok(()) = tokio::signal::ctrl_c() => {
            let _ = writeln!(err);
            Ok(false)
        }
    }
}

fn is_yes(line: &str) -> bool {
    matches!(line.trim().to_lowercase().as_str(), "y" | "yes")
}

#[cfg(test)]
mod tests {
    use super::super::examples;
    use super::*;

    #[test]
    fn the_question_tells_only_what_was_not_agreed_to() {
        let mut plan = examples::plan();
        let wider = "This makes 1 field public or looser: vwap.\n";
        let breaking = "Clients may break: field volume: removed.\n";
        let given = ConsentArgs::default();
        let end = "Go on? [y/N] ";
        assert_eq!(question(&plan, &given), format!("{wider}{breaking}{end}"));
        let mut given = ConsentArgs {
            allow_wider: true,
            ..given
        };
        assert_eq!(question(&plan, &given), format!("{breaking}{end}"));
        plan.recent = Some(examples::comparison());
        given.allow_breaking = true;
        let failing = "This may fail: it failed on 1 of the last 10 events (deadline).\n";
        assert_eq!(question(&plan, &given), format!("{failing}{end}"));
    }

    #[test]
    fn only_a_yes_is_a_yes() {
        assert!(["y\n", "Yes\n", " YES "].into_iter().all(is_yes));
        assert!(!["", "\n", "n\n", "yep\n", "no\n"].into_iter().any(is_yes));
    }

    #[test]
    fn flags_that_are_missing_are_named_one_after_the_other() {
        let mut plan = examples::plan();
        plan.recent = Some(examples::comparison());
        let mut flags = ConsentArgs::default();
        let code = |flags: &ConsentArgs| {
            let missing = flags.missing(&plan);
            missing.map_or_else(String::new, |missing| missing.code().to_owned())
        };
        assert_eq!(code(&flags), "needs-allow-breaking");
        flags.allow_breaking = true;
        assert_eq!(code(&flags), "needs-allow-wider");
        flags.allow_wider = true;
        assert_eq!(code(&flags), "needs-allow-failing");
        flags.allow_failing = true;
        assert_eq!(code(&flags), "");
    }

    #[test]
    fn a_share_of_hosts_is_in_percent() {
        assert_eq!((parse_share("20%"), parse_share("7")), (Ok(20), Ok(7)));
        for wrong in ["0%", "101%", "%", "-1", "1.5%"] {
            assert!(parse_share(wrong).is_err(), "{wrong}");
        }
    }
}
