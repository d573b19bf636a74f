//! Settings of earlier versions.

use super::refusal;

#[test]
fn a_setting_that_there_is_no_more_is_told_with_what_took_its_place() {
    let said = [
        refusal(&["--skip-above", "64KiB"], &[], ""),
        refusal(&[], &[("TIDEGATE_CUT_ABOVE", "64KiB")], ""),
        refusal(&[], &[], "cut-after = \"10s\""),
    ];
    for (said, parts) in said.iter().zip([
        ["skip-above (flag --skip-above)", "lag-limit and log-size"],
        [
            "cut-above (environment variable TIDEGATE_CUT_ABOVE)",
            "lag-limit and log-size",
        ],
        ["tidegate.toml:1", "stall-limit"],
    ]) {
        assert!(parts.iter().all(|part| said.contains(part)), "{said}");
        assert!(said.contains("no setting any more"), "{said}");
    }
    let unknown = refusal(&[], &[], "heartbeat = 1");
    assert!(!unknown.contains("skip-above"), "{unknown}");
}
