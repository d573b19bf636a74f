//! One to three hosts, operators, a Redis that forgets, fails over and has two masters for a while,
//! disks that are full: whatever happens in whatever order, what was withdrawn stays so. And each fault that was made once is planted
//! again, to show that this test finds it.

mod checks;
mod requests;
mod scene;
mod steps;
mod world;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestError, TestRunner};

use self::steps::{Step, step};
use self::world::World;
use super::faults::{PlantedFault, plant};

/// Histories that are tried of the core as it is: about two seconds.
const HISTORIES: u32 = 4_000;

/// The most that are tried until a planted fault is found.
const HISTORIES_OF_A_FAULT: u32 = 40_000;

/// A history that went wrong, as short as it could be made.
struct Wrong {
    why: String,
    hosts: usize,
    steps: Vec<Step>,
}

fn try_histories(cases: u32, max_shrink_iters: u32) -> Result<(), Wrong> {
    let config = Config {
        cases,
        failure_persistence: None,
        max_shrink_iters,
        ..Config::default()
    };
    let histories = (1_usize..=3, prop::collection::vec(step(), 1..60));
    let tried = TestRunner::new(config).run(&histories, |(hosts, steps)| {
        let mut world = World::new(hosts);
        for step in &steps {
            world.take(step).map_err(TestCaseError::fail)?;
        }
        world.heal().map_err(TestCaseError::fail)
    });
    match tried {
        Ok(()) => Ok(()),
        Err(TestError::Fail(why, (hosts, steps))) => Err(Wrong {
            why: why.to_string(),
            hosts,
            steps,
        }),
        Err(TestError::Abort(why)) => panic!("{why}"),
    }
}

#[test]
fn whatever_happens_what_was_withdrawn_stays_so() {
    if let Err(Wrong { why, hosts, steps }) = try_histories(HISTORIES, 20_000) {
        panic!("{why}, with {hosts} hosts: {steps:#?}");
    }
}

#[test]
fn each_fault_that_was_made_once_is_found() {
    let is_missed = |fault: &PlantedFault| {
        plant(Some(*fault));
        // That it is found is enough: nobody reads how.
        let tried = try_histories(HISTORIES_OF_A_FAULT, 0);
        plant(None);
        tried.is_ok()
    };
    let missed: Vec<PlantedFault> = PlantedFault::ALL.into_iter().filter(is_missed).collect();
    assert!(missed.is_empty(), "not found: {missed:?}");
}
