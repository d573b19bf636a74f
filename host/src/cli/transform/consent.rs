//! What an operator agrees to: the flags that say it beforehand, and the question that a
//! terminal is asked where they do not.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::failure::CommandFailure;
use super::words::safe;
use super::{Context, plan};
use crate::rollout::report::{Plan, Reasons};
use crate::rollout::{self, Consent};
use crate::tasks;

#[derive(Debug, Default, Clone, clap::Args)]
pub(super) struct ConsentArgs {
    /// Clients may see more than before, or the new revision may read or let out more
    #[arg(long)]
    allow_wider: bool,
    /// What clients rely on may go
    #[arg(long)]
    allow_breaking: bool,
    /// Nothing may come any more of what came of the last events
    #[arg(long)]
    allow_silent: bool,
    /// The new revision may fail on events, as it did on the last ones or in the shadow
    #[arg(long)]
    allow_failing: bool,
    /// If it fails, what runs now may come back by itself, although it shows clients more
    #[arg(long)]
    return_wider: bool,
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
            allow_silent: self.allow_silent,
            allow_failing: self.allow_failing,
            return_wider: self.return_wider,
            probation: !self.no_probation,
            canary: self.canary,
        }
    }

    /// What is still to be agreed to, as the host would say it.
    pub(super) fn missing(&self, needs: &Reasons) -> Option<CommandFailure> {
        let missing = rollout::consent::missing(needs, &self.consent());
        missing.as_ref().map(CommandFailure::from)
    }

    /// Whether this plan can be applied with the flags as they are, or with an answer.
    ///
    /// # Errors
    /// What is missing, where nobody can be asked.
    pub(super) fn may_suffice(&self, context: &Context, plan: &Plan) -> Result<(), CommandFailure> {
        match self.missing(&plan.needs) {
            Some(missing) if !context.may_ask => {
                let next = plan::next_command(plan, &context.admin_flag());
                Err(missing.advise(&format!("the plan is kept: {next}")))
            }
            _ => Ok(()),
        }
    }

    /// The consent for this plan: of the flags, or of whoever sits there.
    ///
    /// # Errors
    /// What is missing where nobody can be asked, or the answer was no.
    pub(super) async fn for_plan(
        &self,
        context: &Context,
        plan: &Plan,
    ) -> Result<Consent, CommandFailure> {
        let consent = self.consent();
        self.may_suffice(context, plan)?;
        if self.missing(&plan.needs).is_none() {
            return Ok(consent);
        }
        if !asked(&self.question(&plan.needs)).await? {
            return Err(declined());
        }
        Ok(Consent {
            allow_wider: true,
            allow_breaking: true,
            allow_silent: true,
            allow_failing: true,
            ..consent
        })
    }

    /// What would happen that was not agreed to yet.
    pub(super) fn question(&self, needs: &Reasons) -> String {
        let mut text = String::new();
        for (reasons, given, begins) in [
            (&needs.breaking, self.allow_breaking, "Clients may break"),
            (
                &needs.wider,
                self.allow_wider,
                "Clients will see more, or it reads or lets out more",
            ),
            (&needs.silent, self.allow_silent, "Clients would get"),
            (&needs.failing, self.allow_failing, "This may fail"),
        ] {
            for reason in reasons.iter().filter(|_| !given) {
                text.push_str(&format!("{begins}: {}.\n", safe(reason)));
            }
        }
        text + "Go on? [y/N] "
    }
}

pub(super) fn json_of(consent: &Consent) -> Value {
    json!({
        "allow_wider": consent.allow_wider,
        "allow_breaking": consent.allow_breaking,
        "allow_silent": consent.allow_silent,
        "allow_failing": consent.allow_failing,
        "return_wider": consent.return_wider,
        "probation": consent.probation,
        "canary": consent.canary,
    })
}

pub(super) fn declined() -> CommandFailure {
    CommandFailure::new("declined", "you said no; nothing was applied")
}

/// Asks on standard error. Anything but yes is no.
pub(super) async fn asked(question: &str) -> Result<bool, CommandFailure> {
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
    use super::*;

    #[test]
    fn the_question_tells_only_what_was_not_agreed_to() {
        let needs = needs();
        let wider = "Clients will see more, or it reads or lets out more: field vwap: added.\n";
        let breaking = "Clients may break: field volume: removed.\n";
        let silent = "Clients would get: nothing of family ticks.\n";
        let failing = "This may fail: it failed\\u{1b} on 1.\n";
        let end = "Go on? [y/N] ";
        let mut given = ConsentArgs::default();
        let question = format!("{breaking}{wider}{silent}{failing}{end}");
        assert_eq!(given.question(&needs), question);
        given.allow_wider = true;
        let rest = format!("{breaking}{silent}{failing}{end}");
        assert_eq!(given.question(&needs), rest);
        given.allow_silent = true;
        given.allow_breaking = true;
        assert_eq!(given.question(&needs), format!("{failing}{end}"));
    }

    fn needs() -> Reasons {
        Reasons {
            wider: vec!["field vwap: added".into()],
            breaking: vec!["field volume: removed".into()],
            silent: vec!["nothing of family ticks".into()],
            failing: vec!["it failed\u{1b} on 1".into()],
        }
    }

    #[test]
    fn only_a_yes_is_a_yes() {
        assert!(["y\n", "Yes\n", " YES "].into_iter().all(is_yes));
        assert!(!["", "\n", "n\n", "yep\n", "no\n"].into_iter().any(is_yes));
    }

    #[test]
    fn flags_that_are_missing_are_named_one_after_the_other() {
        let mut flags = ConsentArgs::default();
        let code = |flags: &ConsentArgs| {
            let missing = flags.missing(&needs());
            missing.map_or_else(String::new, |missing| missing.code().to_owned())
        };
        assert_eq!(code(&flags), "needs-allow-breaking");
        flags.allow_breaking = true;
        assert_eq!(code(&flags), "needs-allow-wider");
        flags.allow_wider = true;
        assert_eq!(code(&flags), "needs-allow-silent");
        flags.allow_silent = true;
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
