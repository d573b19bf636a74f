//! Old revisions go, never those that are needed, and the disk stays bounded.

use super::*;

fn ids(store: &Store) -> Vec<RevisionId> {
    store
        .revisions()
        .iter()
        .map(|revision| revision.id.clone())
        .collect()
}

#[test]
fn the_oldest_go_and_what_is_needed_stays() {
    let folder = folder();
    let (store, _) = open_whole(folder.path());
    let added: Vec<_> = (0..10).map(|number| add(&store, number)).collect();
    store.save(&wanted(&added[1], Some(&added[0]))).unwrap();
    let gone = store.prune(3, &[added[3].clone()].into()).unwrap();
    let expected: Vec<_> = [6, 5, 4, 2]
        .map(|number: usize| added[number].clone())
        .into();
    assert_eq!(gone, expected);
    let left = [9, 8, 7, 3, 1, 0].map(|number: usize| added[number].clone());
    assert_eq!(ids(&store), left);
    assert_eq!(names(folder.path(), "components").len(), 6);
    drop(store);
    assert_eq!(ids(&open_whole(folder.path()).0), left);
}

#[test]
fn with_nothing_to_keep_what_is_wanted_and_the_way_back_stay_after_a_restart_too() {
    let folder = folder();
    let (store, _) = open_whole(folder.path());
    let added: Vec<_> = (0..3).map(|number| add(&store, number)).collect();
    store.save(&wanted(&added[0], Some(&added[1]))).unwrap();
    drop(store);
    let (store, _) = open_whole(folder.path());
    assert_eq!(
        store.prune(0, &BTreeSet::new()).unwrap(),
        [added[2].clone()]
    );
    assert_eq!(store.prune(0, &BTreeSet::new()).unwrap(), []);
    assert_eq!(ids(&store), [added[1].clone(), added[0].clone()]);
}

#[test]
fn five_hundred_revisions_in_a_row_leave_a_bounded_folder() {
    let folder = folder();
    let (store, _) = open_whole(folder.path());
    let first = add(&store, 0);
    store.save(&wanted(&first, None)).unwrap();
    let mut largest = 0;
    for number in 1..=500 {
        let bytes = [number.to_string().into_bytes(), vec![7; 10_000]].concat();
        let revision = of_component(&bytes, number, number);
        store.add(&revision, &bytes).unwrap();
        store.keep_compiled(&revision.component, &bytes).unwrap();
        store.prune(5, &BTreeSet::new()).unwrap();
        largest = largest.max(store.bytes());
    }
    assert_eq!(store.revisions().len(), 6);
    assert_eq!(store.revisions().last().unwrap().id, first);
    assert!(largest < 6 * 25_000, "{largest} bytes");
    // Two of the compiled ones are folders: of what was refused, and of functions.
    for (below, count) in [("components", 6), ("revisions", 6), ("compiled/e1", 7)] {
        assert_eq!(names(folder.path(), below).len(), count, "{below}");
    }
}

#[test]
fn pushes_prunes_and_reads_at_once_leave_whole_revisions() {
    let folder = folder();
    let (store, _) = open_whole(folder.path());
    std::thread::scope(|scope| {
        for pusher in 0..4 {
            let store = &store;
            scope.spawn(move || {
                for number in 0..15 {
                    // Two of them share each component.
                    let bytes = format!("component {} {number}", pusher / 2);
                    let at = pusher * 100 + number;
                    let revision = of_component(bytes.as_bytes(), at, at);
                    store.add(&revision, bytes.as_bytes()).unwrap();
                    store.prune(4, &BTreeSet::new()).unwrap();
                    for known in store.revisions() {
                        match store.component(&known.component) {
                            Ok(_) | Err(StoreError::NoSuchComponent(_)) => {}
                            Err(error) => panic!("{error}"),
                        }
                    }
                }
            });
        }
    });
    for known in store.revisions() {
        store.component(&known.component).unwrap();
    }
    drop(store);
    assert_eq!(open_whole(folder.path()).0.revisions().len(), 4);
}

#[test]
fn what_was_used_last_stays_whatever_the_clock_says_of_it() {
    let folder = folder();
    let (store, _) = open_whole(folder.path());
    // Each is older by the clock than the one before it, as if that were set back.
    let added: Vec<_> = (0..6).rev().map(|number| add(&store, number)).collect();
    store.note_use(&added[1]);
    store.save(&wanted(&added[0], Some(&added[2]))).unwrap();
    store.save(&wanted(&added[5], Some(&added[4]))).unwrap();
    drop(store);
    let (store, _) = open_whole(folder.path());
    // In use are 5 and 4; 0 and 2 were until just now.
    let gone = store.prune(3, &BTreeSet::new()).unwrap();
    assert_eq!(gone, [added[3].clone()]);
    let gone = store.prune(2, &BTreeSet::new()).unwrap();
    assert_eq!(gone, [added[1].clone()]);
}

#[test]
fn an_order_of_use_that_was_lost_leaves_the_oldest_to_go() {
    let folder = folder();
    let (store, _) = open_whole(folder.path());
    let added: Vec<_> = (0..3).map(|number| add(&store, number)).collect();
    store.note_use(&added[0]);
    drop(store);
    fs::write(folder.path().join("used.json"), "{").unwrap();
    let (store, _) = open_whole(folder.path());
    assert_eq!(
        store.prune(2, &BTreeSet::new()).unwrap(),
        [added[0].clone()]
    );
}
