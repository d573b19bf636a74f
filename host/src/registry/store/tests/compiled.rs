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
    let opened = Store::open(folder.path(), "e2").unwrap();
    assert_eq!(opened.store.compiled(&component()), None);
    assert_eq!(names(folder.path(), "compiled"), ["e2"]);
    // Nor is it taken when somebody carries it over.
    drop(opened);
    drop(keep(folder.path()));
    let bytes = fs::read(&path).unwrap();
    let store = Store::open(folder.path(), "e2").unwrap().store;
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
    let other = path.with_file_name(revision(2).0.component);
    for (at, bytes, component) in [
        (&path, &changed[..], component()),
        (&path, &whole[..whole.len() - 1], component()),
        (&path, &whole[..10], component()),
        (&path, &[], component()),
        (&other, &whole[..], revision(2).0.component),
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
    let [said] = opened.damage.try_into().unwrap();
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
