//! Files that are not what was written: each is seen, said and moved aside, and what is
//! whole goes on.

use super::*;

fn change_a_byte(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(path, bytes).unwrap();
}

/// A folder with two revisions and two sets that were saved, one after the other.
fn state() -> (TempDir, [KeptSet; 2]) {
    let folder = folder();
    let (store, _) = open_whole(folder.path());
    let (first, second) = (add(&store, 1), add(&store, 2));
    let sets = [wanted(&first, None), wanted(&second, Some(&first))];
    store.save(&sets[0]).unwrap();
    store.save(&sets[1]).unwrap();
    (folder, sets)
}

fn record_of(number: i64) -> String {
    format!("revisions/{}.json", revision(number).0.id.as_str())
}

fn component_of(number: i64) -> String {
    format!("components/{}.wasm", revision(number).0.component)
}

#[test]
fn one_damaged_file_costs_nothing_as_the_other_says_the_same() {
    for name in ["deployments.json", "deployments.copy.json"] {
        let (folder, sets) = state();
        change_a_byte(&folder.path().join(name));
        let opened = open(folder.path());
        assert_eq!(opened.found.set, sets[1]);
        let [damaged] = opened.found.damage.try_into().unwrap();
        let says = format!("{name} was damaged: it was moved to damaged/");
        assert!(damaged.starts_with(&says), "{damaged}");
        assert_eq!(names(folder.path(), "damaged").len(), 1);
        drop(opened.store);
        // It is said once.
        assert_eq!(open_whole(folder.path()).1, sets[1]);
    }
}

#[test]
fn a_file_that_is_gone_costs_nothing_either() {
    for name in ["deployments.json", "deployments.copy.json"] {
        let (folder, sets) = state();
        fs::remove_file(folder.path().join(name)).unwrap();
        assert_eq!(open_whole(folder.path()).1, sets[1]);
    }
}

#[test]
fn with_both_damaged_nobody_knows_what_was_taken_back() {
    let (folder, _) = state();
    for name in ["deployments.json", "deployments.copy.json"] {
        fs::write(folder.path().join(name), "").unwrap();
    }
    let opened = open(folder.path());
    assert_eq!(opened.found.set, KeptSet::default());
    assert!(opened.found.lost);
    assert_eq!(opened.found.damage.len(), 3);
    assert!(opened.found.damage[2].contains("what the settings name is paused"));
    assert_eq!(names(folder.path(), "damaged").len(), 2);
    assert_eq!(opened.store.revisions().len(), 2, "all else is as it was");
}

/// The set of an earlier version, in its own file.
fn earlier(id: &RevisionId, failed: &RevisionId) -> serde_json::Value {
    json!({"transforms": {"ticks": {
        "revision": id, "previous": null, "past": [failed], "failed": [failed], "paused": true,
        "applied": true, "probation": false, "since": "2026-01-01T00:00:00Z", "by": "ann",
        "lanes": 3,
    }}})
}

#[test]
fn what_an_earlier_version_kept_is_taken_over_once_and_then_gone() {
    let folder = folder();
    let (store, _) = open_whole(folder.path());
    let (first, second) = (add(&store, 1), add(&store, 2));
    drop(store);
    let path = folder.path().join("active.json");
    fs::write(&path, sealed::seal(&earlier(&first, &second)).unwrap()).unwrap();
    let (store, set) = open_whole(folder.path());
    let kept = &set.transforms["ticks"];
    let wanted = kept.intent.wanted();
    assert_eq!(wanted.choice.revision.as_ref(), Some(&first));
    assert_eq!((wanted.choice.by.as_str(), kept.lanes), ("ann", 3));
    assert!(wanted.paused.yes && wanted.is_withdrawn(&second));
    assert_eq!(wanted.safe().collect::<Vec<_>>(), [&first]);
    store.save(&set).unwrap();
    assert!(!path.exists());
    drop(store);
    assert_eq!(open_whole(folder.path()).1, set);
}

#[test]
fn a_damaged_set_of_an_earlier_version_is_not_replaced_by_an_older_one() {
    let folder = folder();
    let (store, _) = open_whole(folder.path());
    let (first, second) = (add(&store, 1), add(&store, 2));
    drop(store);
    let whole = sealed::seal(&earlier(&first, &second)).unwrap();
    fs::write(folder.path().join("active.previous.json"), &whole).unwrap();
    let path = folder.path().join("active.json");
    fs::write(&path, &whole).unwrap();
    change_a_byte(&path);
    let opened = open(folder.path());
    assert!(opened.found.lost && opened.found.set == KeptSet::default());
}

#[test]
fn what_a_newer_version_wrote_is_refused_and_left_as_it_is() {
    for name in ["deployments.json".to_owned(), record_of(1)] {
        let (folder, _) = state();
        let path = folder.path().join(name);
        let newer = "{\"version\":2,\"content\":{}}";
        fs::write(&path, newer).unwrap();
        let error = Store::open(folder.path(), ENGINE, ROOM).unwrap_err();
        assert!(matches!(error, StoreError::OtherVersion { .. }), "{error}");
        assert!(error.to_string().contains("start that version"), "{error}");
        assert_eq!(fs::read_to_string(path).unwrap(), newer);
    }
}

#[test]
fn a_damaged_record_costs_its_revision_only() {
    let (folder, sets) = state();
    change_a_byte(&folder.path().join(record_of(1)));
    let opened = open(folder.path());
    assert_eq!(opened.found.set, sets[1]);
    assert_eq!(opened.store.revisions().len(), 1);
    let [said] = opened.found.damage.try_into().unwrap();
    assert!(
        said.contains("was damaged: it was moved to damaged/"),
        "{said}"
    );
    let (record, bytes) = revision(1);
    assert!(
        opened.store.add(&record, &bytes).unwrap(),
        "it can come back"
    );
}

#[test]
fn a_record_under_the_name_of_another_is_none() {
    let (folder, _) = state();
    let path = |number| folder.path().join(record_of(number));
    fs::copy(path(1), path(2)).unwrap();
    let opened = open(folder.path());
    assert!(opened.found.damage[0].contains("has the name of another"));
    assert!(opened.store.revision(&revision(1).0.id).is_some());
    assert!(opened.store.revision(&revision(2).0.id).is_none());
}

#[test]
fn a_record_whose_component_is_gone_or_cut_off_is_none() {
    let (folder, _) = state();
    fs::remove_file(folder.path().join(component_of(1))).unwrap();
    fs::write(folder.path().join(component_of(2)), "c").unwrap();
    let mut opened = open(folder.path());
    assert!(opened.store.revisions().is_empty());
    opened
        .found
        .damage
        .sort_by_key(|said| said.contains("no component"));
    assert!(opened.found.damage[0].contains("has a component of another size"));
    assert!(opened.found.damage[1].contains("has no component"));
    assert_eq!(opened.found.damage.len(), 2);
}

#[test]
fn a_component_that_was_damaged_is_not_handed_out_and_can_be_sent_again() {
    let (folder, _) = state();
    let (store, _) = open_whole(folder.path());
    let (record, bytes) = revision(1);
    change_a_byte(&folder.path().join(component_of(1)));
    let error = store.component(&record.component).unwrap_err();
    assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
    assert!(error.to_string().ends_with("push it again"), "{error}");
    assert!(store.revision(&record.id).is_none());
    assert_eq!(store.revisions().len(), 1);
    assert_eq!(names(folder.path(), "damaged").len(), 2);

    assert!(store.add(&record, &bytes).unwrap());
    assert_eq!(store.component(&record.component).unwrap(), bytes);
    drop(store);
    open_whole(folder.path());
}

#[test]
fn sending_a_component_again_repairs_it_before_anyone_reads_it() {
    let (folder, _) = state();
    let (store, _) = open_whole(folder.path());
    let (record, bytes) = revision(1);
    change_a_byte(&folder.path().join(component_of(1)));
    assert!(!store.add(&record, &bytes).unwrap());
    assert_eq!(store.component(&record.component).unwrap(), bytes);
}

/// An earlier version took it. It is no reason to let anything out by it, nor to stay down.
#[test]
fn a_record_whose_schema_is_refused_today_is_put_aside_with_the_reason() {
    for (place, value, says) in [
        (
            "/families/0/messages/0/data_schema/properties/x",
            json!({"$schema": "http://json-schema.org/draft-04/schema#", "const": "v2"}),
            "\"$schema\" stands only at the top",
        ),
        (
            "/families/0/parameters",
            json!([{"name": "symbol", "pattern": "A)|(?:B"}]),
            "is not a regular expression",
        ),
    ] {
        let (folder, _) = state();
        let mut record = serde_json::to_value(revision(1).0).unwrap();
        *record["surface"].pointer_mut(place).unwrap() = value;
        let path = folder.path().join(record_of(1));
        fs::write(&path, sealed::seal(&record).unwrap()).unwrap();
        let opened = open(folder.path());
        assert!(opened.store.revision(&revision(1).0.id).is_none());
        assert_eq!(opened.store.revisions().len(), 1);
        let said = &opened.found.damage[0];
        assert!(
            said.contains("is refused today") && said.contains(says),
            "{said}"
        );
        assert!(said.contains("moved to damaged/"), "{said}");
    }
}

/// It cannot be run, and it keeps no host from its start.
#[test]
fn a_record_from_before_the_contract_was_final_is_put_aside() {
    let (folder, _) = state();
    let mut record = serde_json::to_value(revision(1).0).unwrap();
    let schema = json!({"type": "object", "additionalProperties": false, "properties": {}});
    record["surface"] = json!({
        "summary": "", "family": "ticks", "parameters": [], "message_type": "tick",
        "data_schema": schema,
    });
    let path = folder.path().join(record_of(1));
    fs::write(&path, sealed::seal(&record).unwrap()).unwrap();
    let opened = open(folder.path());
    assert!(opened.store.revision(&revision(1).0.id).is_none());
    assert!(
        opened.found.damage[0].contains("before the contract was final"),
        "{}",
        opened.found.damage[0]
    );
}
