//! Several hosts and what they exchange by, in whatever order things happen: how many are inside
//! is held against the limit after each step.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::super::ledger::{Asked, Exchange, ExchangeAnswer, Ledger, LimitScope, WaitOutcome};
use super::super::{OwnerName, OwnerReport};

const HOSTS: usize = 3;
const LIMIT: u32 = 5;
const SILENT: Duration = Duration::from_secs(15);

#[derive(Debug, Clone)]
enum Step {
    Come(usize),
    Leave(usize),
    /// An exchange is sent; it arrives; its answer arrives.
    Send(usize),
    Arrive(usize),
    Hear(usize),
    /// The host gives an exchange up, which may arrive all the same.
    Lose(usize),
    /// The process is gone and another begins.
    Die(usize),
    /// What is exchanged is forgotten there.
    Empty,
    Wait(u64),
}

/// What the script does, with hosts for instances.
#[derive(Debug, Default)]
struct Exchanged {
    hosts: BTreeMap<usize, (u64, u64, Instant)>,
    owners: BTreeMap<OwnerName, BTreeMap<u64, u32>>,
}

impl Exchanged {
    fn take(
        &mut self,
        host: usize,
        instance: u64,
        sent: &Exchange,
        now: Instant,
    ) -> ExchangeAnswer {
        let alive = |seen: Instant| now - seen < SILENT;
        let own = self.hosts.get(&host);
        let own = own.filter(|(known, _, seen)| *known == instance && alive(*seen));
        let previous = own.map(|(_, number, _)| *number);
        self.hosts.insert(host, (instance, sent.number, now));
        let others = self.hosts.iter().filter(|(name, _)| **name != host);
        let live: Vec<u64> = others
            .filter(|(_, (.., seen))| alive(*seen))
            .map(|(_, (instance, ..))| *instance)
            .collect();
        let others = sent.reports.iter().map(|OwnerReport { owner, announced }| {
            let counts = self.owners.entry(*owner).or_default();
            counts.retain(|of, _| live.contains(of));
            let others = counts.values().sum();
            counts.insert(instance, *announced);
            others
        });
        ExchangeAnswer {
            previous,
            others: others.collect(),
            hosts: 1 + live.len() as u32,
        }
    }
}

#[derive(Debug)]
struct ModelHost {
    ledger: Ledger,
    instance: u64,
    inside: u32,
    sent: Option<Exchange>,
    answer: Option<(Exchange, ExchangeAnswer)>,
}

impl ModelHost {
    fn new(instance: u64) -> Self {
        Self {
            ledger: Ledger::new(4),
            instance,
            inside: 0,
            sent: None,
            answer: None,
        }
    }

    fn decide(&mut self, owner: OwnerName, limit: u32) {
        if self.inside < limit {
            self.inside += 1;
            self.ledger.change(owner, 1);
        }
    }
}

#[derive(Debug)]
struct World {
    hosts: Vec<ModelHost>,
    exchanged: Exchanged,
    now: Instant,
    instances: u64,
    owner: OwnerName,
}

impl World {
    fn new() -> Self {
        Self {
            hosts: (0..HOSTS).map(|host| ModelHost::new(host as u64)).collect(),
            exchanged: Exchanged::default(),
            now: Instant::now(),
            instances: HOSTS as u64,
            owner: OwnerName::of_subject("somebody"),
        }
    }

    fn inside(&self) -> u32 {
        self.hosts.iter().map(|host| host.inside).sum()
    }

    fn step(&mut self, step: &Step) {
        let (owner, now) = (self.owner, self.now);
        match *step {
            Step::Come(host) => {
                let host = &mut self.hosts[host];
                if let Asked::Here(limit) = host.ledger.ask(owner, LIMIT) {
                    host.decide(owner, limit);
                }
            }
            Step::Leave(host) => {
                let host = &mut self.hosts[host];
                if host.inside > 0 {
                    host.inside -= 1;
                    host.ledger.change(owner, -1);
                }
            }
            Step::Send(host) => {
                let host = &mut self.hosts[host];
                if host.sent.is_none() && host.answer.is_none() {
                    host.sent = Some(host.ledger.next(now));
                }
            }
            Step::Arrive(at) => {
                let host = &mut self.hosts[at];
                if let Some(sent) = host.sent.take() {
                    let answer = self.exchanged.take(at, host.instance, &sent, now);
                    host.answer = Some((sent, answer));
                }
            }
            Step::Hear(at) => self.hear(at),
            Step::Lose(host) => {
                let host = &mut self.hosts[host];
                for (_, limit) in host.ledger.lose() {
                    host.decide(owner, limit);
                }
            }
            Step::Die(host) => {
                self.instances += 1;
                self.hosts[host] = ModelHost::new(self.instances);
            }
            Step::Empty => self.exchanged = Exchanged::default(),
            Step::Wait(millis) => self.now += Duration::from_millis(millis),
        }
    }

    fn hear(&mut self, at: usize) {
        let Some((sent, answer)) = self.hosts[at].answer.take() else {
            return;
        };
        for (_, became) in self.hosts[at].ledger.settle(&sent, &answer, self.now) {
            match became {
                WaitOutcome::Enters => self.hosts[at].inside += 1,
                WaitOutcome::Here(limit) => self.hosts[at].decide(self.owner, limit),
                WaitOutcome::Full => {}
            }
        }
    }

    /// All that is to be exchanged is, for so long.
    fn settle(&mut self, seconds: u64) {
        for _ in 0..seconds * 4 {
            for host in 0..HOSTS {
                for step in [Step::Arrive(host), Step::Hear(host), Step::Send(host)] {
                    self.step(&step);
                }
                self.step(&Step::Arrive(host));
                self.step(&Step::Hear(host));
            }
            self.step(&Step::Wait(250));
        }
    }
}

fn host() -> impl Strategy<Value = usize> {
    0..HOSTS
}

fn quiet() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => host().prop_map(Step::Come),
        2 => host().prop_map(Step::Leave),
        4 => host().prop_map(Step::Send),
        4 => host().prop_map(Step::Arrive),
        4 => host().prop_map(Step::Hear),
        1 => (0..200_u64).prop_map(Step::Wait),
    ]
}

fn anything() -> impl Strategy<Value = Step> {
    prop_oneof![
        20 => quiet(),
        1 => host().prop_map(Step::Lose),
        1 => host().prop_map(Step::Die),
        1 => Just(Step::Empty),
        1 => (0..20_000_u64).prop_map(Step::Wait),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// As long as all exchanges are answered and nothing is lost.
    #[test]
    fn nobody_is_let_in_beyond_the_limit_however_the_exchanges_interleave(
        steps in prop::collection::vec(quiet(), 0..300),
    ) {
        let mut world = World::new();
        let mut waited = 0;
        for step in &steps {
            if let Step::Wait(millis) = step {
                waited += millis;
            }
            // All hosts show that they live, as they do each two seconds.
            if waited > 2_000 {
                waited = 0;
                world.settle(1);
            }
            world.step(step);
            prop_assert!(world.inside() <= LIMIT, "{world:#?}");
        }
    }

    /// Whatever has happened.
    #[test]
    fn once_all_hear_each_other_again_exactly_the_limit_fits_and_nothing_was_left_behind(
        steps in prop::collection::vec(anything(), 0..200),
    ) {
        let mut world = World::new();
        for step in &steps {
            world.step(step);
            // A host never lets more in than it would by itself.
            prop_assert!(world.hosts.iter().all(|host| host.inside <= LIMIT));
        }
        world.settle(40);
        let inside = world.inside();
        prop_assert!(world.hosts.iter().all(|host| host.ledger.scope() == LimitScope::Fleet));
        for host in (0..HOSTS).cycle().take(4 * HOSTS) {
            world.step(&Step::Come(host));
            world.settle(1);
        }
        prop_assert_eq!(world.inside(), inside.max(LIMIT), "nobody is thrown out, nobody too many");
        for host in (0..HOSTS).cycle().take(60) {
            world.step(&Step::Leave(host));
        }
        world.settle(2);
        prop_assert_eq!(world.inside(), 0);
        for host in [2, 2, 0, 1, 2, 0, 1] {
            world.step(&Step::Come(host));
            world.settle(1);
        }
        prop_assert_eq!(world.inside(), LIMIT);
    }
}

#[test]
fn while_nobody_answers_each_host_lets_in_its_share_and_nobody_has_to_leave() {
    let mut world = World::new();
    world.settle(1);
    for _ in 0..4 {
        world.step(&Step::Come(0));
        world.settle(1);
    }
    assert_eq!(world.inside(), 4);
    for host in 0..HOSTS {
        world.step(&Step::Lose(host));
        for _ in 0..5 {
            world.step(&Step::Come(host));
        }
    }
    let inside: Vec<u32> = world.hosts.iter().map(|host| host.inside).collect();
    assert_eq!(inside, [4, 1, 1], "a third of five is one");
    world.settle(1);
    let settling = |host: &ModelHost| matches!(host.ledger.scope(), LimitScope::Settling(_));
    assert!(world.hosts.iter().all(settling));
    world.settle(4);
    world.step(&Step::Come(1));
    world.settle(1);
    assert_eq!(world.inside(), 6);
}

#[test]
fn a_share_does_not_grow_while_it_is_not_known_again_who_is_there() {
    let mut world = World::new();
    world.settle(1);
    world.step(&Step::Empty);
    for _ in 0..4 {
        world.step(&Step::Come(0));
        for step in [Step::Send(0), Step::Arrive(0), Step::Hear(0)] {
            world.step(&step);
        }
    }
    assert_eq!(
        world.inside(),
        1,
        "a third of five, though it hears of nobody"
    );
}

#[test]
fn who_waits_beyond_the_bound_is_told_to_come_again() {
    let mut ledger = Ledger::new(2);
    let owner = OwnerName::of_key(&[0; 32]);
    let waits = |ledger: &mut Ledger| matches!(ledger.ask(owner, LIMIT), Asked::Wait(_));
    assert!(waits(&mut ledger) && waits(&mut ledger));
    assert_eq!(ledger.ask(owner, LIMIT), Asked::TooMany);
    let exchange = ledger.next(Instant::now());
    assert_eq!(ledger.ask(owner, LIMIT), Asked::TooMany, "they still wait");
    let answer = ExchangeAnswer {
        previous: None,
        hosts: 1,
        others: vec![0],
    };
    ledger.settle(&exchange, &answer, Instant::now());
    assert!(waits(&mut ledger));
}
