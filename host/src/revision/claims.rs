//! What a revision claims for its transform: its families, and the types of its messages. Each of
//! these belongs to one transform.

use std::collections::BTreeSet;
use std::fmt;

use super::Surface;
use crate::transform::Descriptor;

/// A name that belongs to one transform.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Claim {
    /// Of what it is the name.
    pub kind: &'static str,
    pub name: String,
}

/// In words, as the fleet's script writes it as well.
impl fmt::Display for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.name)
    }
}

/// All claims of a revision, or of several of one transform.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Claims(BTreeSet<Claim>);

impl Claims {
    fn new<'a>(
        families: impl Iterator<Item = &'a str>,
        message_types: impl Iterator<Item = &'a str>,
    ) -> Self {
        let claim = |kind| {
            move |name: &str| Claim {
                kind,
                name: name.to_owned(),
            }
        };
        let families = families.map(claim("family"));
        Self(
            families
                .chain(message_types.map(claim("message-type")))
                .collect(),
        )
    }

    /// Families first.
    pub fn iter(&self) -> impl Iterator<Item = &Claim> {
        self.0.iter()
    }

    /// The first that both have.
    pub fn shared_with(&self, claims: &Self) -> Option<&Claim> {
        self.0.iter().find(|claim| claims.0.contains(*claim))
    }

    /// These without those.
    #[must_use]
    pub fn without(&self, claims: &Self) -> Self {
        Self(self.0.difference(&claims.0).cloned().collect())
    }

    /// Adds those of another revision.
    pub fn add(&mut self, claims: Self) {
        self.0.extend(claims.0);
    }
}

impl From<&Descriptor> for Claims {
    fn from(descriptor: &Descriptor) -> Self {
        Self::new(descriptor.family_names(), descriptor.message_types())
    }
}

impl From<&Surface> for Claims {
    fn from(surface: &Surface) -> Self {
        let families = surface.families.iter().map(|family| family.name.as_str());
        let messages = surface.messages();
        let message_types = messages.map(|message| message.message_type.as_str());
        Self::new(families, message_types)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims(families: &[&str], message_types: &[&str]) -> Claims {
        Claims::new(families.iter().copied(), message_types.iter().copied())
    }

    #[test]
    fn a_name_is_shared_by_its_kind_and_what_is_taken_away_is_shared_no_more() {
        let own = claims(&["ticks"], &["tick", "trade"]);
        assert_eq!(own.shared_with(&claims(&["tick"], &["ticks"])), None);
        let theirs = claims(&["bars"], &["trade"]);
        let shared = own.shared_with(&theirs).map(ToString::to_string);
        assert_eq!(shared.as_deref(), Some("message-type trade"));
        assert_eq!(own.without(&theirs), claims(&["ticks"], &["tick"]));
        assert_eq!(own.without(&theirs).shared_with(&theirs), None);
        let mut both = own.clone();
        both.add(theirs);
        assert_eq!(both, claims(&["ticks", "bars"], &["tick", "trade"]));
    }
}
