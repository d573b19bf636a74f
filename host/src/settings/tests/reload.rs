//! The settings of changing transforms while the host runs, and the rules between them.

use super::*;

#[test]
fn without_anything_nothing_is_kept_watched_or_shared() {
    let settings = Settings::default();
    assert_eq!((&settings.state_dir, &settings.watch), (&None, &None));
    assert_eq!(settings.admin_tokens_file, None);
    assert_eq!((settings.fleet, settings.host_name), (Fleet::Off, None));
    assert_eq!(settings.fleet_name, "tidegate");
    assert_eq!(settings.watch_allow, Allow::None);
    assert_eq!(settings.keep_revisions, 20);
    let compile = (settings.compile_memory, settings.compile_time);
    assert_eq!(compile, (2 << 30, Duration::from_secs(60)));
    let recent = (settings.recent_events, settings.recent_size);
    assert_eq!(recent, (1000, 4 << 20));
    assert_eq!(settings.probation_time, Duration::from_secs(60));
    let marks = [
        settings.probation_max_failures,
        settings.probation_max_slowdown,
        settings.probation_max_slow,
        settings.probation_max_loss,
    ];
    assert_eq!(marks, [10, 10, 100, 500]);
    let waits = (settings.probation_min_events, settings.probation_max_time);
    assert_eq!(waits, (20, Duration::from_secs(3600)));
}

#[test]
fn each_is_read_in_the_form_that_people_write() {
    let file = "
        state-dir = \"state\"
        admin-tokens-file = \"tokens.json\"
        keep-revisions = 0
        compile-memory = \"512MiB\"
        compile-time = \"5s\"
        recent-events = 0
        recent-size = 0
        probation-time = \"0s\"
        probation-max-failures = 1000
        probation-max-slowdown = 1
        probation-max-slow = 1000
        probation-max-loss = 0
        probation-min-events = 0
        probation-max-time = \"720h\"
        watch = \"incoming\"
        watch-allow = \"breaking\"
        fleet = \"redis\"
        fleet-name = \"eu-west.1\"
        host-name = \"edge_7\"
    ";
    let folder = folder(file);
    let settings = load_in(&folder, &[], &[]).unwrap();
    let inside = |name: &str| Some(folder.path().join(name));
    assert_eq!(settings.state_dir, inside("state"));
    assert_eq!(settings.admin_tokens_file, inside("tokens.json"));
    assert_eq!(settings.watch, inside("incoming"));
    assert_eq!(settings.compile_memory, 512 << 20);
    assert_eq!((settings.recent_events, settings.recent_size), (0, 0));
    assert_eq!(settings.watch_allow, Allow::Breaking);
    assert_eq!(settings.fleet, Fleet::Redis);
    assert_eq!(settings.fleet_name, "eu-west.1");
    assert_eq!(settings.host_name.as_deref(), Some("edge_7"));
    let wider = load_with(&["--watch-allow", "wider"], &[], "").unwrap();
    assert_eq!(wider.watch_allow, Allow::Wider);
}

#[test]
fn values_beyond_their_bounds_are_refused() {
    for line in [
        "keep-revisions = 1001",
        "compile-memory = \"127MiB\"",
        "compile-memory = \"65GiB\"",
        "compile-time = \"99ms\"",
        "compile-time = \"11m\"",
        "recent-events = 100001",
        "recent-size = \"1025MiB\"",
        "probation-time = \"25h\"",
        "probation-max-failures = 1001",
        "probation-max-slowdown = 0",
        "probation-max-slow = 1001",
        "probation-max-loss = 1001",
        "probation-min-events = 1000001",
        "probation-max-time = \"721h\"",
        "watch-allow = \"all\"",
        "fleet = true",
        "fleet-name = \"\"",
        "fleet-name = \"a*\"",
        "host-name = \"a b\"",
        "state-dir = 7",
    ] {
        let error = load_with(&[], &[], line).unwrap_err();
        assert!(
            matches!(&error, SettingsError::Wrong(problems) if problems.len() == 1),
            "{line}: {error}"
        );
    }
}

#[test]
fn what_has_to_be_kept_needs_a_folder_to_be_kept_in() {
    for (words, words_of_refusal) in [
        (["--watch", "incoming"], "watch needs state-dir"),
        (["--fleet", "redis"], "fleet needs state-dir"),
    ] {
        assert!(refusal(&words, &[], "").contains(words_of_refusal));
        let folder = [("TIDEGATE_STATE_DIR", "state")];
        assert!(load_with(&words, &folder, "").is_ok(), "{words:?}");
    }
}
