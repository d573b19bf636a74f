//! Messages of our own that must come back: whether they do decides if the subscription
//! stands. Which of them are ours, and how many may be missing, is decided here, without I/O.

/// How many probes in a row may be missing before the subscription counts as dead.
const DEAD_AFTER: u64 = 2;

/// Whether the subscription brings messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Liveness {
    Alive,
    Dead,
}

/// The probes of one subscription: what was sent, and what came back.
#[derive(Debug, Clone)]
pub(super) struct Probes {
    /// What the names of our own probes begin with, and nobody else's.
    name: String,
    /// The number of the last that was sent.
    sent: u64,
    /// The highest number that came back.
    seen: u64,
}

impl Probes {
    /// Under a random name, so that the probes of other hosts, or of this one's earlier
    /// connections, on the same channel are not taken for these.
    pub(super) fn new() -> Self {
        let mut token = [0; 16];
        if getrandom::fill(&mut token).is_err() {
            // Without randomness the process's number tells hosts of one machine apart.
            token[..4].copy_from_slice(&std::process::id().to_be_bytes());
        }
        Self::named(data_encoding::HEXLOWER.encode(&token))
    }

    fn named(name: String) -> Self {
        Self {
            name,
            sent: 0,
            seen: 0,
        }
    }

    /// The next one to publish.
    pub(super) fn next(&mut self) -> String {
        self.sent += 1;
        format!("{} {}", self.name, self.sent)
    }

    /// The last one was not taken, or says nothing, so it cannot be missing. One that has come
    /// all the same has.
    pub(super) fn refused(&mut self) {
        if self.seen < self.sent {
            self.sent -= 1;
        }
    }

    /// Something came on the probe's channel; only ours counts, whenever and however often it
    /// comes. Returns whether it is ours.
    pub(super) fn came(&mut self, payload: &[u8]) -> bool {
        let number = payload
            .strip_prefix(self.name.as_bytes())
            .and_then(|rest| rest.strip_prefix(b" "))
            .and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
        let ours = number.filter(|&number| (1..=self.sent).contains(&number));
        self.seen = self.seen.max(ours.unwrap_or_default());
        ours.is_some()
    }

    /// To be asked when the last one has had its time to come back.
    pub(super) fn verdict(&self) -> Liveness {
        if self.sent.saturating_sub(self.seen) >= DEAD_AFTER {
            Liveness::Dead
        } else {
            Liveness::Alive
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn probes() -> Probes {
        Probes::named("a1".into())
    }

    #[test]
    fn two_missing_in_a_row_are_death_and_one_is_not() {
        let mut probes = probes();
        assert_eq!(probes.verdict(), Liveness::Alive, "nothing was sent yet");
        let first = probes.next();
        assert_eq!(probes.verdict(), Liveness::Alive);
        probes.next();
        assert_eq!(probes.verdict(), Liveness::Dead);
        probes.came(first.as_bytes());
        assert_eq!(probes.verdict(), Liveness::Alive, "late is not missing");
        probes.next();
        assert_eq!(probes.verdict(), Liveness::Dead);
    }

    #[test]
    fn a_probe_that_the_server_refused_is_not_missing() {
        let mut probes = probes();
        for _ in 0..9 {
            probes.next();
            probes.refused();
        }
        assert_eq!(probes.verdict(), Liveness::Alive);
        probes.next();
        probes.next();
        assert_eq!(probes.verdict(), Liveness::Dead);
    }

    #[test]
    fn a_probe_that_came_before_it_was_taken_back_stays_and_its_number_is_not_used_again() {
        let mut probes = probes();
        let first = probes.next();
        assert!(probes.came(first.as_bytes()));
        probes.refused();
        assert_eq!(probes.next(), "a1 2");
        probes.next();
        assert_eq!(probes.verdict(), Liveness::Dead);
    }

    #[test]
    fn each_subscription_has_a_name_of_its_own() {
        let (mut first, mut second) = (Probes::new(), Probes::new());
        assert_ne!(first.name, second.name);
        let foreign = first.next();
        second.next();
        second.next();
        second.came(foreign.as_bytes());
        assert_eq!(second.verdict(), Liveness::Dead);
    }

    #[derive(Debug, Clone)]
    enum Step {
        Send,
        /// Our own, by number; one that was not sent yet is somebody's invention.
        Own(u64),
        Foreign(Vec<u8>),
    }

    fn step() -> impl Strategy<Value = Step> {
        let text = prop_oneof![
            "b2 [0-9]{1,3}",
            "a1[0-9 ]{0,4}x",
            "a1 ?-?",
            "a1  1",
            "a1 99999999999999999999999"
        ];
        prop_oneof![
            3 => Just(Step::Send),
            3 => (0_u64..20).prop_map(Step::Own),
            1 => text.prop_map(|text| Step::Foreign(text.into_bytes())),
            1 => prop::collection::vec(any::<u8>(), 0..40).prop_map(Step::Foreign),
        ]
    }

    proptest! {
        /// Held against the rule as docs/settings.md has it: dead when neither of the last two that
        /// were sent, nor a later one, has come back since it was sent.
        #[test]
        fn the_verdict_is_the_rule_whatever_comes_in_whatever_order(
            steps in prop::collection::vec(step(), 0..60)
        ) {
            let mut probes = probes();
            let (mut sent, mut back) = (0_u64, std::collections::BTreeSet::new());
            for step in steps {
                match step {
                    Step::Send => {
                        sent += 1;
                        prop_assert_eq!(probes.next(), format!("a1 {sent}"));
                    }
                    Step::Own(number) => {
                        probes.came(format!("a1 {number}").as_bytes());
                        if (1..=sent).contains(&number) {
                            back.insert(number);
                        }
                    }
                    Step::Foreign(payload) => {
                        probes.came(&payload);
                    }
                }
                let dead = sent >= 2 && !back.contains(&sent) && !back.contains(&(sent - 1));
                prop_assert_eq!(probes.verdict() == Liveness::Dead, dead);
            }
        }
    }
}
