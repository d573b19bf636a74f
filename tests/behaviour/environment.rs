//! What comes from the environment: a variable that is for one command only, secrets with a
//! line break at their ends, and variables that nobody reads.

use tidegate_tests::binary::{run_with, said};
use tidegate_tests::{Demo, Redis, Setup, Tidegate, http};

const TOKEN: &str = "sixteen-letters-or-more";

/// The status of a request with this token.
async fn status(tidegate: &Tidegate, token: &str) -> u16 {
    let bearer = format!("Bearer {token}");
    let headers = [("Authorization", bearer.as_str())];
    let answer = http::get(tidegate.admin(), "/v1/transforms", &headers).await;
    answer.status
}

#[tokio::test]
async fn the_token_of_the_commands_is_not_the_servers() {
    let redis = Redis::start().await;
    let tidegate = Tidegate::on(&redis)
        .env("TIDEGATE_ADMIN_TOKEN", TOKEN)
        .start()
        .await;
    assert_eq!(status(&tidegate, TOKEN).await, 404, "there is no such API");
    let log = tidegate.stderr().text();
    assert!(!log.contains("admin-token is set"), "{log}");
    assert!(!log.contains("TIDEGATE_ADMIN_TOKEN"), "{log}");
    let tidegate = Tidegate::on(&redis)
        .env("TIDEGATE_ADMIN_TOKEN", "a-token-of-somebody-else")
        .env("TIDEGATE_SERVE_ADMIN_TOKEN", TOKEN)
        .start()
        .await;
    assert_eq!(status(&tidegate, TOKEN).await, 200);
    assert_eq!(status(&tidegate, "a-token-of-somebody-else").await, 401);
    let log = tidegate.stderr();
    assert_eq!(log.lines_with("admin-token is set"), 1, "{log:?}");
    assert!(!log.text().contains(TOKEN), "{log:?}");
}

#[tokio::test]
async fn a_token_for_everything_has_at_least_sixteen_characters_and_no_white_space() {
    let start = |token: &str| {
        Setup::new("redis://127.0.0.1:1")
            .not_ready()
            .env("TIDEGATE_SERVE_ADMIN_TOKEN", token)
    };
    for wrong in [
        "short",
        "fifteen-letters",
        "sixteen letters--",
        " leading-space-and-more",
    ] {
        let (accepted, said) = start(wrong).check();
        assert!(!accepted, "{wrong:?}: {said}");
        for part in ["TIDEGATE_SERVE_ADMIN_TOKEN", "16 to 512", "white space"] {
            assert!(said.contains(part), "{part}: {said}");
        }
        assert!(!said.contains(wrong), "{said}");
    }
    let (accepted, said) = start("sixteen-letters-").check();
    assert!(accepted, "{said}");
    assert!(
        said.contains("admin-token"),
        "that it is on is said: {said}"
    );
}

#[tokio::test]
async fn line_breaks_at_the_end_of_a_secret_do_not_count() {
    let redis = Redis::start().await;
    for end in ["\n", "\r\n"] {
        let given = format!("{TOKEN}{end}");
        let tidegate = Tidegate::on(&redis)
            .env("TIDEGATE_SERVE_ADMIN_TOKEN", &given)
            .start()
            .await;
        assert_eq!(status(&tidegate, TOKEN).await, 200);
        let environment = [
            ("TIDEGATE_ADMIN", format!("http://{}", tidegate.admin())),
            ("TIDEGATE_ADMIN_TOKEN", given),
        ];
        let environment = environment.map(|(name, value)| (name.to_owned(), value));
        let folder = tidegate.path("");
        let output = run_with(&folder, &["transform", "list"], &environment);
        assert!(output.status.success(), "{}", said(&output));
        let url = format!("ws://{}/public/v1/stream", tidegate.public());
        let key = ("TIDEGATE_KEY".to_owned(), format!("wrong-key{end}"));
        let output = run_with(&folder, &["tail", "--url", &url, "candles:*:*"], &[key]);
        assert!(said(&output).contains("(4001)"), "{}", said(&output));
    }
}

#[tokio::test]
async fn white_space_within_a_secret_is_named() {
    let demo = Demo::start().await;
    let folder = std::env::temp_dir();
    let admin = format!("http://{}", demo.admin());
    let url = demo.url();
    for (words, variable) in [
        (
            vec!["transform", "list", "--admin", &admin],
            "TIDEGATE_ADMIN_TOKEN",
        ),
        (vec!["tail", "--url", &url, "candles:*:*"], "TIDEGATE_KEY"),
    ] {
        let environment = [(variable.to_owned(), "de mo".to_owned())];
        let output = run_with(&folder, &words, &environment);
        assert_eq!(output.status.code(), Some(1), "{}", said(&output));
        for part in [variable, "white space"] {
            assert!(said(&output).contains(part), "{}", said(&output));
        }
        assert!(!said(&output).contains("de mo"), "{}", said(&output));
    }
}

#[tokio::test]
async fn a_variable_that_nobody_reads_is_named_with_the_one_that_may_be_meant() {
    let redis = Redis::start().await;
    let setup = || {
        Tidegate::on(&redis)
            .env("TIDEGATE_MAX_CONNECTION", "3")
            .env("TIDEGATE_PORT", "tcp://10.0.0.1:8080")
            .env("TIDEGATE_PORT_8080_TCP", "tcp://10.0.0.1:8080")
            .env("TIDEGATE_PORT_8080_TCP_ADDR", "10.0.0.1")
            .env("TIDEGATE_SERVICE_HOST", "10.0.0.1")
            .env("TIDEGATE_SERVICE_PORT", "8080")
            .env("TIDEGATE_SERVICE_PORT_HTTP", "8080")
    };
    let tidegate = setup().start().await;
    let log = tidegate.stderr();
    assert_eq!(log.lines_with("TIDEGATE_MAX_CONNECTION"), 1, "{log:?}");
    assert_eq!(log.lines_with("TIDEGATE_MAX_CONNECTIONS"), 1, "{log:?}");
    for link in ["TIDEGATE_PORT", "TIDEGATE_SERVICE"] {
        assert_eq!(log.lines_with(link), 0, "{log:?}");
    }
    let (accepted, said) = setup().check();
    assert!(accepted, "{said}");
    assert!(
        said.contains("is TIDEGATE_MAX_CONNECTIONS meant?"),
        "{said}"
    );
    assert!(!said.contains("TIDEGATE_SERVICE"), "{said}");
}
