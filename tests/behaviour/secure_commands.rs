//! `tail` and `transform` through a TLS terminator: with an authority that is named or that
//! the system trusts they work, and otherwise they say what to do.

use std::process::Output;

use tidegate_tests::binary::{run_with, said};
use tidegate_tests::terminator::Terminator;
use tidegate_tests::{Demo, Guest, secs};

/// A demo behind two terminators, and somebody who types commands.
struct RemoteOperator {
    demo: Demo,
    public: Terminator,
    admin: Terminator,
}

impl RemoteOperator {
    async fn new() -> Self {
        let demo = Demo::start().await;
        Self {
            public: Terminator::before(demo.public()).await,
            admin: Terminator::before(demo.admin()).await,
            demo,
        }
    }

    async fn types(&self, words: &[&str], environment: &[(&str, &str)]) -> Output {
        let words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
        let mut variables = vec![("TIDEGATE_ADMIN_TOKEN".to_owned(), "demo".to_owned())];
        let more = environment.iter();
        variables.extend(more.map(|&(name, value)| (name.to_owned(), value.to_owned())));
        let typing = tokio::task::spawn_blocking(move || {
            let words: Vec<_> = words.iter().map(String::as_str).collect();
            run_with(&std::env::temp_dir(), &words, &variables)
        });
        tokio::time::timeout(secs(40), typing)
            .await
            .expect("the command ends")
            .expect("it does not panic")
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_the_authoritys_file_commands_speak_tls() {
    let operator = RemoteOperator::new().await;
    let admin = format!("https://localhost:{}", operator.admin.port());
    let authority = operator.admin.authority().display().to_string();
    let list = [
        "transform",
        "list",
        "--admin",
        &admin,
        "--ca-file",
        &authority,
    ];
    let output = operator.types(&list, &[]).await;
    assert!(output.status.success(), "{}", said(&output));
    assert!(said(&output).contains("live"), "{}", said(&output));
    // A file is sent through it as well.
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = Guest::ticks().write(folder.path());
    let check = [
        "transform",
        "check",
        "--on-host",
        &file.to_string_lossy(),
        "--admin",
        &admin,
    ];
    let output = operator
        .types(&check, &[("TIDEGATE_CA_FILE", &authority)])
        .await;
    assert!(output.status.success(), "{}", said(&output));
    let url = format!(
        "wss://127.0.0.1:{}/public/v1/stream",
        operator.public.port()
    );
    let authority = operator.public.authority().display().to_string();
    let tail = [
        "tail",
        "--url",
        &url,
        "--ca-file",
        &authority,
        "--count",
        "2",
        "candles:*:*",
    ];
    let output = operator.types(&tail, &[]).await;
    assert!(output.status.success(), "{}", said(&output));
    let lines = String::from_utf8_lossy(&output.stdout).lines().count();
    assert_eq!(lines, 2, "{}", said(&output));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whom_the_system_trusts_needs_no_file() {
    let operator = RemoteOperator::new().await;
    let url = format!(
        "wss://localhost:{}/public/v1/stream",
        operator.public.port()
    );
    let authority = operator.public.authority().display().to_string();
    let tail = ["tail", "--url", &url, "--count", "1", "candles:*:*"];
    let output = operator
        .types(&tail, &[("SSL_CERT_FILE", &authority)])
        .await;
    assert!(output.status.success(), "{}", said(&output));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_that_nobody_vouches_for_is_said_with_what_to_do() {
    let operator = RemoteOperator::new().await;
    let admin = format!("https://localhost:{}", operator.admin.port());
    let url = format!(
        "wss://localhost:{}/public/v1/stream",
        operator.public.port()
    );
    let strange = operator.public.authority().display().to_string();
    let list = ["transform", "list", "--admin", &admin];
    let tail = ["tail", "--url", &url, "candles:*:*"];
    for (words, environment) in [
        (&list[..], &[("SSL_CERT_FILE", strange.as_str())][..]),
        (&list, &[("TIDEGATE_CA_FILE", &strange)]),
        (
            &tail,
            &[(
                "TIDEGATE_CA_FILE",
                &operator.admin.authority().to_string_lossy(),
            )],
        ),
    ] {
        let output = operator.types(words, environment).await;
        let text = said(&output);
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(text.contains("--ca-file"), "{text}");
        assert!(text.contains("cannot reach"), "{text}");
        assert!(
            !text.contains("demo\n") && !text.contains("panicked"),
            "{text}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_ways_of_not_speaking_tls_are_told_apart() {
    let operator = RemoteOperator::new().await;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let empty = folder.path().join("empty.pem").display().to_string();
    std::fs::write(&empty, "").expect("a file in one's own folder");
    let authority = operator.admin.authority().display().to_string();
    let by_name = format!("https://127.0.0.2:{}", operator.admin.port());
    let plain = format!("https://{}", operator.demo.admin());
    let tls = format!("https://localhost:{}", operator.admin.port());
    for (admin, file, part) in [
        (&plain, authority.as_str(), "does not speak TLS"),
        (&tls, "/nowhere/ca.pem", "/nowhere/ca.pem"),
        (&tls, &empty, "no certificate"),
        (&by_name, &authority, "cannot reach"),
    ] {
        let list = ["transform", "list", "--admin", admin, "--ca-file", file];
        let output = operator.types(&list, &[]).await;
        let text = said(&output);
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(text.contains(part), "{part}: {text}");
    }
}
