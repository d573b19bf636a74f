//! One event after the other, for whoever writes the component: what it answered, what the guard
//! would stop of that, and what it wrote to its log meanwhile.

use super::blocked::Blocked;
use super::component::Component;
use super::contract::{self, Publication};
use super::instance::guarded;
use super::rejection::Rejection;
use super::samples::{Ran, Setup, Setups, answer};
use crate::event::Event;

/// How much of a component's words on a rejection is kept, in characters.
const MAX_DETAIL: usize = 500;

/// A component that is asked about events by its author.
pub struct Tryout<'a> {
    component: &'a Component,
    setups: Setups,
    /// Whether an event has had its second try because the first took too long.
    has_overrun: bool,
}

/// What a component did with one event.
#[derive(Debug, Clone, PartialEq)]
pub struct Answered {
    pub answer: ComponentAnswer,
    /// For each publication, why the guard would stop it; none where it would not.
    pub blocked: Vec<Option<Blocked>>,
    /// The first lines that it wrote, with their levels.
    pub log: Vec<String>,
}

/// What a component made of an event.
#[derive(Debug, Clone, PartialEq)]
pub enum ComponentAnswer {
    /// As the component said it: the guard has not seen it.
    Published(Vec<Publication>),
    /// With the component's words for it.
    Rejected(Rejection, String),
    /// It faulted, takes no such channel, or cannot have these settings; in words.
    Failed(String),
}

impl<'a> Tryout<'a> {
    /// On a fresh instance, which is made when it is needed.
    pub fn of(component: &'a Component) -> Self {
        let own = Setup {
            text: component.settings_text.clone(),
            patterns: component.patterns.clone(),
            instance: None,
        };
        Self {
            component,
            setups: Setups {
                own,
                configured: None,
            },
            has_overrun: false,
        }
    }

    /// Asks it about an event, with its own settings or with others, which are JSON. Instances
    /// are kept and replaced as in a lane. The first event that takes too long is tried once more,
    /// as the code may have been cold. It blocks for as long as that takes.
    pub fn ask(&mut self, settings: Option<&str>, event: &Event) -> Answered {
        let mut asked = self.try_once(settings, event);
        if matches!(asked, Err(Ran::Overran(_))) && !self.has_overrun {
            self.has_overrun = true;
            asked = self.try_once(settings, event);
        }
        let template = &self.component.template;
        let secrets = template.log_allowance.secrets();
        let answer = match asked {
            Ok(Ok(publications)) => ComponentAnswer::Published(publications),
            Ok(Err(rejection)) => ComponentAnswer::Rejected(
                Rejection::of(&rejection, secrets),
                secrets.shown(&rejection.detail, MAX_DETAIL),
            ),
            Err(Ran::Otherwise(why) | Ran::Failed(why) | Ran::Overran(why)) => {
                ComponentAnswer::Failed(why)
            }
        };
        let publications = match &answer {
            ComponentAnswer::Published(publications) => &publications[..],
            ComponentAnswer::Rejected(..) | ComponentAnswer::Failed(_) => &[],
        };
        let descriptor = &self.component.descriptor;
        let blocked = publications
            .iter()
            .map(|publication| guarded(descriptor, publication).err());
        Answered {
            blocked: blocked.collect(),
            answer,
            log: template.log_allowance.heard(),
        }
    }

    /// What the component itself answers. What it writes meanwhile is kept.
    fn try_once(
        &mut self,
        settings: Option<&str>,
        event: &Event,
    ) -> Result<Result<Vec<Publication>, contract::Rejection>, Ran> {
        let template = &self.component.template;
        template.log_allowance.listen();
        let schema = Some(&*self.component.descriptor.settings);
        let setup = self.setups.with(template, schema, settings);
        setup.and_then(|setup| {
            let answer = answer(template, setup, event)?;
            if setup
                .instance
                .as_ref()
                .is_some_and(|instance| instance.is_worn(self.component))
            {
                setup.instance = None;
            }
            Ok(answer)
        })
    }
}

impl std::fmt::Debug for Tryout<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tryout")
            .field("component", self.component)
            .finish_non_exhaustive()
    }
}
