//! Many clients on few threads, each with its own pace, its own subscriptions that may
//! change, and an account (`ledger`) of every message. All that they do comes from a seed:
//! a failure names it.

mod member;
mod pace;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::client::Connect;
use crate::dice::Dice;
use crate::ledger::{Ledger, Sum};
use crate::tape::Tape;
use member::Member;
pub use pace::Pace;

/// Names the seed to replay.
const SEED: &str = "TIDEGATE_TEST_SEED";

/// How the clients of a swarm shall be.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    pub seed: u64,
    pub clients: usize,
    /// How long a client that stalls may do so at most.
    pub longest_stall: Duration,
    /// Whether the host may cut those that stall. They come back then.
    pub may_be_cut: bool,
}

impl Plan {
    /// What this seed gives, or the one of the environment.
    pub fn of(seed: u64) -> Self {
        let named = std::env::var(SEED).ok().map(|text| {
            text.parse()
                .unwrap_or_else(|_| panic!("{SEED}={text} is no number"))
        });
        Self {
            seed: named.unwrap_or(seed),
            clients: 200,
            longest_stall: Duration::from_millis(1500),
            may_be_cut: false,
        }
    }
}

/// What became of all of them.
#[derive(Debug, Clone, Copy, Default)]
pub struct Outcome {
    pub sum: Sum,
    /// How often one was cut, and came back.
    pub cuts: u64,
    /// Pings that were answered, of both kinds.
    pub pongs: u64,
}

/// The clients at work; they leave on drop.
#[derive(Debug)]
pub struct Swarm {
    plan: Plan,
    ending: watch::Sender<bool>,
    members: Vec<JoinHandle<Result<Outcome, String>>>,
}

impl Swarm {
    /// Connects all, and waits until each has its first subscriptions.
    pub async fn gather(connect: &Connect, tape: &Arc<Tape>, plan: Plan) -> Self {
        let mut dice = Dice::new(plan.seed);
        let (ending, ends) = watch::channel(false);
        let epoch = Arc::<OnceLock<String>>::default();
        let mut members = Vec::with_capacity(plan.clients);
        for number in 0..plan.clients {
            let own = Dice::new(dice.below(u64::MAX));
            let ledger = Ledger::sharing(tape, &epoch);
            let member = Member::join(number, connect, own, ledger, tape.clone(), plan).await;
            let member = member.unwrap_or_else(|wrong| panic!("{}", named(plan, &wrong)));
            members.push(tokio::spawn(member.live(ends.clone())));
        }
        Self {
            plan,
            ending,
            members,
        }
    }

    /// Lets all of them read to the end, and fails unless each has got or been told of all
    /// that was published while it was subscribed.
    pub async fn settle(mut self) -> Outcome {
        self.ending.send_replace(true);
        let mut whole = Outcome::default();
        let mut wrong = Vec::new();
        for member in std::mem::take(&mut self.members) {
            match member.await.expect("no member panics") {
                Ok(outcome) => {
                    whole.sum += outcome.sum;
                    whole.cuts += outcome.cuts;
                    whole.pongs += outcome.pongs;
                }
                Err(error) => wrong.push(error),
            }
        }
        if let [first, ..] = &wrong[..] {
            let count = wrong.len();
            let shown = wrong.iter().take(5).map(|error| format!("\n{error}"));
            let text = format!("{count} went wrong, such as {}", shown.collect::<String>());
            assert!(first.is_empty(), "{}", named(self.plan, &text));
        }
        whole
    }
}

impl Drop for Swarm {
    fn drop(&mut self) {
        for member in &self.members {
            member.abort();
        }
    }
}

/// A failure and how to see it again.
fn named(plan: Plan, wrong: &str) -> String {
    let seed = plan.seed;
    format!("{SEED}={seed} shows this again: {wrong}")
}
