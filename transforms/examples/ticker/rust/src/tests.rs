//! Samples, settings, and what text must look like, in plain Rust.

use tidegate_sdk::{Transform, sample};

use crate::{Ticker, form};

#[test]
fn its_samples_are_true_whatever_is_set() {
    sample::check::<Ticker>("{}").unwrap();
    sample::check::<Ticker>(r#"{"exchanges":{"7":"kraken"}}"#).unwrap();
}

#[test]
fn a_wrong_setting_is_named() {
    let Err(error) = Ticker::configure(r#"{"exchanges":{"1":"kraken","2":"kraken"}}"#) else {
        panic!("two of one name");
    };
    assert!(
        error.contains("`exchanges`") && error.contains("kraken"),
        "{error}"
    );
}

#[test]
fn text_is_what_its_pattern_describes() {
    for good in [
        "0",
        "0.0",
        "42350.50",
        "999999999999999999.000000000000000001",
    ] {
        assert!(form::is_decimal(good), "{good}");
    }
    for bad in [
        "",
        ".5",
        "5.",
        "-1",
        "+1",
        "1e3",
        "01",
        "1.2.3",
        "1000000000000000000",
        "１",
    ] {
        assert!(!form::is_decimal(bad), "{bad}");
    }
    for good in [
        "2026-02-19T12:00:00Z",
        "2026-02-19T12:00:00.1Z",
        "2026-02-19T12:00:00.123Z",
    ] {
        assert!(form::is_time(good), "{good}");
    }
    for bad in [
        "",
        "Z",
        "2026-02-19T12:00:00",
        "2026-02-19T12:00:00.Z",
        "2026-02-19T12:00:00.1234Z",
        "2026-02-19 12:00:00Z",
        "2026-02-19T12:00:00.1",
        "2026-02-19T12:00:0éZ",
        "2026-02-19T12:00:00Z\n",
    ] {
        assert!(!form::is_time(bad), "{bad}");
    }
    for bad in [
        "",
        "-",
        "BTC",
        "btc-usd",
        "BTC-USD-X",
        "BTC-USD\n",
        "ÜBC-USD",
        "AAAAAAAAAAAAAAAAA-B",
    ] {
        assert!(!form::is_symbol(bad), "{bad}");
    }
    assert!(form::is_symbol("1000SHIB-USDT"));
}
