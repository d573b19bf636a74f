//! What is decided, of views as nodes would give them.

use std::ops::RangeInclusive;

use proptest::prelude::*;

use super::super::view::tests::at;
use super::*;

fn node(port: u16) -> ClusterNode {
    ClusterNode {
        id: port.to_string(),
        at: at(port),
        is_replica: port > 3,
        slots: slots(port <= 3),
        failed: false,
        reached: true,
        epoch: 1,
    }
}

/// Those of a node that has some. Which does not matter here.
fn slots(has_some: bool) -> Vec<RangeInclusive<u16>> {
    has_some.then_some(0..=1).into_iter().collect()
}

/// Three masters, 1 to 3, and their replicas, 4 to 6, as the node of this port sees them.
fn view(own: u16, change: impl Fn(&mut ClusterNode)) -> ClusterView {
    let seen = |port: u16| {
        let mut node = node(port);
        change(&mut node);
        node
    };
    ClusterView {
        own: node(own),
        others: (1..=6).filter(|port| *port != own).map(seen).collect(),
    }
}

fn decide(current: &str, views: &[&ClusterView]) -> Course {
    in_cluster(&ClusterKnowledge {
        current: Some(current),
        views: views.to_vec(),
        ..ClusterKnowledge::default()
    })
}

fn why(course: &Course) -> Option<Departure> {
    match course {
        Course::Move(_, why) => Some(*why),
        Course::Stay | Course::Wait => None,
    }
}

#[test]
fn a_node_that_is_well_is_kept_and_one_that_is_suspected_by_some_too() {
    let (own, witness) = (view(1, |_| {}), view(2, |_| {}));
    assert_eq!(decide("1", &[&own, &witness]), Course::Stay);
    let suspecting = view(2, |node| node.reached &= node.id != "1");
    assert_eq!(decide("1", &[&own, &suspecting]), Course::Stay);
}

#[test]
fn a_node_that_failed_is_left_for_a_master_and_one_that_was_demoted_too() {
    let failed = view(2, |node| node.failed = node.id == "1");
    for lot in 0..9 {
        let known = ClusterKnowledge {
            current: Some("1"),
            views: vec![&failed],
            lot,
            ..ClusterKnowledge::default()
        };
        let Course::Move(to, Departure::Failed) = in_cluster(&known) else {
            panic!("{:?}", in_cluster(&known));
        };
        assert!([2, 3].contains(&to.port), "{to}");
    }
    let demoted = view(2, |node| {
        if node.id == "1" {
            (node.is_replica, node.slots) = (true, slots(false));
        }
        if node.id == "4" {
            (node.is_replica, node.slots) = (false, slots(true));
        }
    });
    assert_eq!(why(&decide("1", &[&demoted])), Some(Departure::Demoted));
}

#[test]
fn a_node_that_is_cut_off_is_left_and_its_word_on_the_others_does_not_count() {
    let alone = view(1, |node| (node.reached, node.failed) = (false, true));
    let whole = view(2, |node| node.reached = node.id != "1");
    assert_eq!(
        why(&decide("1", &[&alone, &whole])),
        Some(Departure::CutOff)
    );
    // The host itself is with the larger part.
    assert_eq!(decide("2", &[&alone, &whole]), Course::Stay);
    // Nobody has a majority: there is nowhere better.
    assert_eq!(decide("1", &[&alone]), Course::Stay);
}

#[test]
fn silence_is_left_after_three_questions_where_others_answer() {
    let witness = view(2, |_| {});
    for (unanswered, left) in [(0, None), (2, None), (3, Some(Departure::Silent))] {
        let known = ClusterKnowledge {
            current: Some("1"),
            unanswered,
            views: vec![&witness],
            ..ClusterKnowledge::default()
        };
        assert_eq!(why(&in_cluster(&known)), left);
    }
}

#[test]
fn one_sentinel_is_not_believed_and_most_of_them_are() {
    let (a, b) = (Some(at(1)), Some(at(2)));
    let course = |answers: &[Option<RedisNode>]| by_sentinels(Some(&at(1)), answers);
    assert_eq!(course(&[a.clone(), a.clone(), b.clone()]), Course::Stay);
    assert_eq!(course(&[None, None, b.clone()]), Course::Stay);
    assert_eq!(course(&[a, b.clone()]), Course::Stay);
    let moved = Course::Move(at(2), Departure::Superseded);
    assert_eq!(course(&[None, b.clone(), b.clone()]), moved);
    assert_eq!(by_sentinels(None, &[None, None, b.clone()]), Course::Wait);
    let arrival = Course::Move(at(2), Departure::Arrival);
    assert_eq!(by_sentinels(None, &[b]), arrival);
}

prop_compose! {
    fn any_view()(
        own in 1_u16..7,
        states in prop::collection::vec((any::<bool>(), any::<bool>(), any::<bool>(), 0_u64..4), 6),
    ) -> ClusterView {
        let seen = |port: u16| {
            let (is_replica, failed, reached, epoch) = states[usize::from(port) - 1];
            let id = port.to_string();
            ClusterNode { id, at: at(port), is_replica, slots: slots(!is_replica), failed, reached, epoch }
        };
        let mut own_node = seen(own);
        (own_node.failed, own_node.reached) = (false, true);
        ClusterView {
            own: own_node,
            others: (1..=6).filter(|port| *port != own).map(seen).collect(),
        }
    }
}

proptest! {
    #[test]
    fn whatever_is_seen_a_move_leads_to_a_node_that_is_well_and_not_to_the_same(
        views in prop::collection::vec(any_view(), 0..4),
        current in prop::option::of(1_u16..8),
        unanswered in 0_u32..5,
        shunned in prop::collection::btree_set(1_u16..7, 0..3),
        lot in any::<u64>(),
    ) {
        let current = current.map(|port| port.to_string());
        let shunned: Vec<RedisNode> = shunned.into_iter().map(at).collect();
        let known = ClusterKnowledge {
            current: current.as_deref(),
            unanswered,
            views: views.iter().collect(),
            shunned: &shunned,
            lot,
        };
        let majority = views.iter().any(ClusterView::sees_majority);
        match in_cluster(&known) {
            Course::Move(to, why) => {
                prop_assert_ne!(Some(to.port.to_string()), current.clone());
                prop_assert_eq!(why == Departure::Arrival, current.is_none());
                if majority {
                    prop_assert!(!shunned.contains(&to));
                    let trusted = views.iter().filter(|view| view.sees_majority());
                    prop_assert!(trusted.flat_map(ClusterView::nodes).any(|node| node.at == to && node.is_well()));
                }
            }
            Course::Stay => prop_assert!(current.is_some()),
            Course::Wait => prop_assert!(current.is_none()),
        }
        // The same knowledge gives the same course, in whatever order it came.
        let mut turned = views.clone();
        turned.reverse();
        let again = ClusterKnowledge { views: turned.iter().collect(), ..known };
        if views.len() < 2 {
            let known = ClusterKnowledge { views: views.iter().collect(), ..again };
            prop_assert_eq!(in_cluster(&known), in_cluster(&again));
        }
    }

    #[test]
    fn no_minority_of_sentinels_moves_anything(
        answers in prop::collection::vec(prop::option::of(1_u16..4), 1..8)
    ) {
        let answers: Vec<Option<RedisNode>> = answers.into_iter().map(|port| port.map(at)).collect();
        if let Course::Move(to, _) = by_sentinels(Some(&at(1)), &answers) {
            let votes = answers.iter().flatten().filter(|node| **node == to).count();
            prop_assert!(2 * votes > answers.len());
            prop_assert_ne!(to, at(1));
        }
    }
}
