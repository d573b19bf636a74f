//! Two hundred clients of all paces, with subscriptions that overlap and change, at both ends
//! of every bound: for each client and channel what it got and what it was told that it did
//! not get is what was published, in order, once and whole. `TIDEGATE_TEST_SEED` replays a
//! failure; `TIDEGATE_TEST_MESSAGES` makes the runs longer.

use std::sync::Arc;

use tidegate_tests::dice::Dice;
use tidegate_tests::swarm::{Outcome, Plan};
use tidegate_tests::{Setup, Swarm, Tape, Tidegate, millis};

/// So many messages a second.
const RATE: u64 = 8000;

/// How many messages a run has: so many, unless the environment wants another number.
fn messages(count: u64) -> u64 {
    const NAME: &str = "TIDEGATE_TEST_MESSAGES";
    std::env::var(NAME).map_or(count, |text| {
        text.parse()
            .unwrap_or_else(|_| panic!("{NAME}={text} is no number"))
    })
}

/// Publishes to a swarm, and gives what became of it, with the host.
async fn run(plan: Plan, count: u64, bounds: impl FnOnce(Setup) -> Setup) -> (Outcome, Tidegate) {
    let redis = Tape::redis().await;
    let tidegate = Tape::host(&redis, bounds).await;
    let tape = Arc::new(Tape::of(10));
    let swarm = Swarm::gather(&tidegate.connect(), &tape, plan).await;
    let mut dice = Dice::new(plan.seed);
    tape.play(&redis, &mut dice, messages(count), RATE).await;
    let outcome = swarm.settle().await;
    assert!(outcome.sum.received > count, "{}", outcome.sum);
    assert!(outcome.pongs > 0);
    (outcome, tidegate)
}

/// Bounds that nobody reaches.
fn wide(setup: Setup) -> Setup {
    setup
        .setting("log-size", "1GiB")
        .setting("lag-limit", "1h")
        .setting("stall-limit", "1h")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_the_bounds_are_wide_all_of_two_hundred_clients_get_everything() {
    let (outcome, tidegate) = run(Plan::of(20_260_803), 100_000, wide).await;
    assert_eq!((outcome.sum.gaps, outcome.cuts), (0, 0), "{}", outcome.sum);
    let metrics = tidegate.metrics().await;
    assert_eq!(metrics.sum("tidegate_missed_total", &[]), 0.0);
    assert_eq!(metrics.sum("tidegate_cuts_total", &[]), 0.0);
    tidegate
        .metric_becomes("tidegate_log_bytes", &[], 0.0)
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_the_log_is_small_each_client_is_told_exactly_what_it_missed() {
    let small = |setup| {
        wide(setup)
            .setting("log-size", "1MiB")
            .setting("loops", "4")
    };
    let (outcome, tidegate) = run(Plan::of(7), 40_000, small).await;
    assert_missed(&outcome, &tidegate).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_the_lag_limit_is_short_each_client_is_told_exactly_what_it_missed() {
    let short = |setup| {
        wide(setup)
            .setting("lag-limit", "500ms")
            .setting("loops", "1")
    };
    let (outcome, tidegate) = run(Plan::of(11), 40_000, short).await;
    assert_missed(&outcome, &tidegate).await;
}

/// The bound was reached, nobody was cut for it, and the host counts what clients were told.
async fn assert_missed(outcome: &Outcome, tidegate: &Tidegate) {
    let sum = outcome.sum;
    assert!(sum.in_gaps > 0, "the bound was not reached: {sum}");
    assert_eq!(outcome.cuts, 0);
    let metrics = tidegate.metrics().await;
    assert!(metrics.sum("tidegate_missed_total", &[]) >= sum.in_gaps as f64);
    let slow = [("reason", "slow")];
    assert!(metrics.sum("tidegate_gaps_total", &slow) >= sum.gaps as f64);
    assert_eq!(metrics.sum("tidegate_cuts_total", &[]), 0.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn those_that_stall_too_long_are_cut_after_whole_messages_and_come_back() {
    let impatient = |setup| {
        wide(setup)
            .setting("log-size", "4MiB")
            .setting("stall-limit", "400ms")
    };
    let plan = Plan {
        may_be_cut: true,
        longest_stall: millis(3000),
        ..Plan::of(13)
    };
    let (outcome, tidegate) = run(plan, 40_000, impatient).await;
    assert!(outcome.cuts > 0, "nobody was cut");
    let counted = tidegate.metric("tidegate_cuts_total", &[]).await;
    assert_eq!(counted, outcome.cuts as f64);
}
