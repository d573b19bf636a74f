//! Compiled code: handed out as it was kept, or not at all.

use super::*;

fn component() -> String {
    revision(1).0.component
}

fn keep(folder: &Path) -> (Store, PathBuf) {
    let (store, _) = open_whole(folder);
    assert!(store.keep_compiled(&component(), b"native code").unwrap());
    let path = folder.join("compiled").join(ENGINE).join(component());
    (store, path)
}

#[test]
fn it_is_there_after_a_restart() {
    let folder = folder();
    drop(keep(folder.path()));
    let (store, _) = open_whole(folder.path());
    assert_eq!(store.compiled(&component()).unwrap(), b"native code");
    assert_eq!(store.compiled(&revision(2).0.component), None);
    assert_eq!(store.compiled("../../lock"), None);
    assert!(!store.keep_compiled("../../lock", b"x").unwrap());
}

#[test]
fn code_of_another_engine_is_thrown_away() {
    let folder = folder();
    let (store, path) = keep(folder.path());
    drop(store);
    let opened = Store::open(folder.path(), "e2", ROOM).unwrap();
    assert_eq!(opened.store.compiled(&component()), None);
    assert_eq!(names(folder.path(), "compiled"), ["e2"]);
    // Nor is it taken when somebody carries it over.
    drop(opened);
    drop(keep(folder.path()));
    let bytes = fs::read(&path).unwrap();
    let store = Store::open(folder.path(), "e2", ROOM).unwrap().store;
    let carried = folder.path().join("compiled/e2").join(component());
    fs::write(&carried, bytes).unwrap();
    fs::set_permissions(&carried, fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(store.compiled(&component()), None);
    assert!(!carried.exists());
}

#[test]
fn changed_cut_and_swapped_code_is_refused_and_deleted() {
    let folder = folder();
    let (store, path) = keep(folder.path());
    let whole = fs::read(&path).unwrap();
    let mut changed = whole.clone();
    *changed.last_mut().unwrap() ^= 1;
    let second = path.with_file_name(revision(2).0.component);
    for (at, bytes, component) in [
        (&path, &changed[..], component()),
        (&path, &whole[..whole.len() - 1], component()),
        (&path, &whole[..10], component()),
        (&path, &[], component()),
        (&second, &whole[..], revision(2).0.component),
    ] {
        fs::write(at, bytes).unwrap();
        fs::set_permissions(at, fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(store.compiled(&component), None);
        assert!(!at.exists());
    }
}

#[test]
fn a_folder_that_others_can_write_gives_and_takes_no_code() {
    let folder = folder();
    let (store, path) = keep(folder.path());
    let mode = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    for (place, safe, unsafe_mode) in [
        (folder.path(), 0o700, 0o770),
        (folder.path(), 0o755, 0o702),
        (path.parent().unwrap(), 0o700, 0o777),
        (&folder.path().join("compiled"), 0o700, 0o720),
    ] {
        mode(place, unsafe_mode);
        assert_eq!(store.compiled(&component()), None, "{place:?}");
        assert!(!store.keep_compiled(&component(), b"x").unwrap());
        mode(place, safe);
        assert!(store.compiled(&component()).is_some());
    }
    mode(folder.path(), 0o775);
    drop(store);
    let opened = open(folder.path());
    let [said] = opened.found.damage.try_into().unwrap();
    assert!(said.contains("can be written by others"), "{said}");
    assert!(said.contains("0700"), "{said}");
}

#[test]
fn a_file_that_others_can_write_is_not_loaded() {
    let folder = folder();
    let (store, path) = keep(folder.path());
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
    assert_eq!(store.compiled(&component()), None);
}

fn refused(bytes: u64) -> CacheLimits {
    CacheLimits {
        refused: bytes,
        ..ROOM
    }
}

/// A digest that no revision has.
fn digest_of(number: u8) -> String {
    format!("{number:064x}")
}

#[test]
fn code_of_what_was_refused_is_there_until_others_need_its_room() {
    let folder = folder();
    let (store, _) = open_whole(folder.path());
    let code = [7; 60];
    for number in 1..=3 {
        store.keep_refused(&digest_of(number), &code).unwrap();
        assert!(store.refused_bytes() <= ROOM.refused);
        // Their order is by the clock of the file system.
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    assert_eq!(store.compiled(&digest_of(1)), None, "the oldest");
    for number in 2..=3 {
        assert_eq!(store.compiled(&digest_of(number)).unwrap(), code);
    }
    store.keep_refused(&digest_of(4), &[7; 300]).unwrap();
    assert_eq!(store.compiled(&digest_of(4)), None, "more than there is");
    assert!(store.compiled(&digest_of(3)).is_some());
    drop(store);
    let lower = Store::open(folder.path(), ENGINE, refused(100))
        .unwrap()
        .store;
    assert!(lower.compiled(&digest_of(3)).is_some());
    assert_eq!(lower.compiled(&digest_of(2)), None);
    drop(lower);
    let none = Store::open(folder.path(), ENGINE, refused(0))
        .unwrap()
        .store;
    assert_eq!(
        (none.compiled(&digest_of(3)), none.refused_bytes()),
        (None, 0)
    );
}

#[test]
fn code_that_a_revision_comes_to_name_takes_no_room_of_the_refused() {
    let folder = folder();
    let (store, _) = open_whole(folder.path());
    store.keep_refused(&component(), b"native code").unwrap();
    assert!(store.keep_compiled(&component(), b"native code").unwrap());
    assert_eq!(store.refused_bytes(), 0);
    assert_eq!(store.compiled(&component()).unwrap(), b"native code");
    // What no revision names goes with the next pruning, but for what was refused.
    store.keep_refused(&digest_of(1), b"refused").unwrap();
    store.prune(0, &BTreeSet::new()).unwrap();
    assert_eq!(store.compiled(&component()), None);
    assert_eq!(store.compiled(&digest_of(1)).unwrap(), b"refused");
}

#[test]
fn code_of_what_was_refused_is_checked_like_any() {
    let folder = folder();
    let (store, path) = keep(folder.path());
    store.keep_refused(&digest_of(1), b"native code").unwrap();
    let refused = path.with_file_name("refused");
    fs::copy(refused.join(digest_of(1)), refused.join(digest_of(2))).unwrap();
    assert_eq!(store.compiled(&digest_of(2)), None, "of another component");
    fs::set_permissions(&refused, fs::Permissions::from_mode(0o777)).unwrap();
    assert_eq!(
        store.compiled(&digest_of(1)),
        None,
        "anybody could write it"
    );
    store.keep_refused(&digest_of(3), b"native code").unwrap();
    assert!(!refused.join(digest_of(3)).exists());
}

/// The pieces that are there, by the numbers of their components.
fn pieces(store: &Store) -> Vec<(u8, Vec<u8>)> {
    let pieces = store.pieces(1, u64::MAX).unwrap();
    let numbered = pieces.into_iter().map(|(component, piece)| {
        let number = u8::from_str_radix(&component[62..], 16).unwrap();
        assert_eq!(component, digest_of(number));
        (number, piece)
    });
    let mut numbered: Vec<_> = numbered.collect();
    numbered.sort();
    numbered
}

#[test]
fn functions_are_there_until_those_that_are_used_need_their_room() {
    let folder = folder();
    let (store, _) = open_whole(folder.path());
    let none: [String; 0] = [];
    // Their order is by the clock of the file system.
    let pause = || std::thread::sleep(std::time::Duration::from_millis(20));
    for number in 1..=2 {
        store
            .keep_piece(&digest_of(number), &[number; 100], &none)
            .unwrap();
        pause();
    }
    assert_eq!(pieces(&store), [(1, vec![1; 100]), (2, vec![2; 100])]);
    store
        .keep_piece(&digest_of(3), b"", &[digest_of(1)])
        .unwrap();
    pause();
    store.keep_piece(&digest_of(4), &[4; 100], &none).unwrap();
    assert_eq!(
        pieces(&store),
        [(1, vec![1; 100]), (4, vec![4; 100])],
        "2 was not used"
    );
    assert_eq!(store.reusable_bytes(), 264);
    store.keep_piece(&digest_of(5), &[5; 300], &none).unwrap();
    assert_eq!(store.reusable_bytes(), 264, "more than there is");
    store
        .keep_piece("../../lock", b"x", &["../../lock".to_owned()])
        .unwrap();
    assert_eq!(pieces(&store).len(), 2);
    drop(store);
    let lower = CacheLimits {
        reusable: 150,
        ..ROOM
    };
    let lower = Store::open(folder.path(), ENGINE, lower).unwrap().store;
    assert_eq!(pieces(&lower), [(4, vec![4; 100])]);
    drop(lower);
    let nothing = CacheLimits {
        reusable: 0,
        ..ROOM
    };
    let nothing = Store::open(folder.path(), ENGINE, nothing).unwrap().store;
    assert!(nothing.pieces_bytes(1).is_none() && nothing.reusable_bytes() == 0);
}

#[test]
fn functions_of_a_large_engine_are_not_read_for_a_small_component() {
    let folder = folder();
    let room = CacheLimits {
        reusable: 8 << 20,
        ..ROOM
    };
    let store = Store::open(folder.path(), ENGINE, room).unwrap().store;
    store.keep_piece(&digest_of(1), &[1; 2 << 20], &[]).unwrap();
    let of_use = |size| store.pieces(size, u64::MAX).unwrap().len();
    // A file of 2 MiB and a digest, of which 1 MiB is free.
    assert_eq!([1, 128 << 10, 129 << 10].map(of_use), [0, 0, 1]);
}

#[test]
fn functions_that_are_not_as_they_were_kept_are_refused_and_deleted() {
    let folder = folder();
    let (store, _) = open_whole(folder.path());
    let kept = folder
        .path()
        .join("compiled")
        .join(ENGINE)
        .join("functions");
    let whole = |store: &Store| {
        store.keep_piece(&digest_of(1), b"functions", &[]).unwrap();
        fs::read(kept.join(digest_of(1))).unwrap()
    };
    let bytes = whole(&store);
    let mut changed = bytes.clone();
    *changed.last_mut().unwrap() ^= 1;
    for (number, bytes) in [(1, &changed[..]), (1, &bytes[..20]), (2, &bytes[..])] {
        let path = kept.join(digest_of(number));
        fs::write(&path, bytes).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert!(
            pieces(&store).iter().all(|(kept, _)| *kept != number),
            "{number}"
        );
        assert!(!path.exists());
        whole(&store);
    }
    let mode = |mode| fs::set_permissions(&kept, fs::Permissions::from_mode(mode)).unwrap();
    mode(0o770);
    assert!(store.pieces_bytes(1).is_none());
    mode(0o700);
    assert_eq!(pieces(&store).len(), 1);
}

/// Readers and writers of the functions do not get in each other's way.
#[test]
fn functions_that_come_and_go_while_others_read_them_fail_nobody() {
    let folder = folder();
    let room = CacheLimits {
        reusable: 10 * 1_100,
        ..ROOM
    };
    let store = Store::open(folder.path(), ENGINE, room).unwrap().store;
    let none: [String; 0] = [];
    std::thread::scope(|scope| {
        for writer in 0..2 {
            let (store, none) = (&store, &none);
            scope.spawn(move || {
                for round in 0..60 {
                    let number = writer * 60 + round;
                    let functions = vec![number; 1_000];
                    store
                        .keep_piece(&digest_of(number), &functions, none)
                        .unwrap();
                }
            });
            scope.spawn(move || {
                for _ in 0..60 {
                    for (number, piece) in pieces(store) {
                        assert_eq!(piece, vec![number; 1_000]);
                    }
                }
            });
        }
    });
    assert!(pieces(&store).len() >= 9);
    let bytes = |most| store.pieces(1, most).unwrap().len();
    assert_eq!(
        (bytes(3_100), bytes(0)),
        (3, 0),
        "no more than is asked for"
    );
}
