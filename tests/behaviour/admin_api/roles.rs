//! Who may do what: without a token nothing, with `view` looking, with `operate` everything.

use serde_json::Value;
use tidegate_tests::binary::{run, said};
use tidegate_tests::{Redis, Tidegate, http};

use super::{TOKEN, ask, problem, with_token};

/// Method, path and role of every guarded operation, from the host's own document.
async fn guarded(tidegate: &Tidegate) -> Vec<(String, String, String)> {
    let document = http::get(tidegate.admin(), "/openapi.json", &[]).await;
    let document: Value = serde_json::from_str(&document.body).expect("JSON");
    let paths = document["paths"].as_object().expect("paths");
    let mut endpoints = Vec::new();
    for (path, methods) in paths {
        for (method, operation) in methods.as_object().expect("methods") {
            if let Some(role) = operation["security"][0]["token"][0].as_str() {
                let path = path.replace("{name}", "abcdef").replace("{id}", "abcdef");
                endpoints.push((method.to_uppercase(), path, role.to_owned()));
            }
        }
    }
    assert!(endpoints.len() > 15, "{endpoints:?}");
    endpoints
}

#[tokio::test]
async fn nothing_under_v1_answers_without_a_valid_token() {
    let (_redis, tidegate) = with_token().await;
    for (method, path, _) in guarded(&tidegate).await {
        for token in [
            "",
            "wrong",
            "tda_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
            tidegate.key(),
        ] {
            let answer = ask(tidegate.admin(), token, &method, &path, "{}").await;
            problem(&answer, 401, "unauthorized");
            let challenge = answer.header("www-authenticate").unwrap_or_default();
            assert!(challenge.starts_with("Bearer"), "{answer:?}");
        }
    }
}

#[tokio::test]
async fn the_token_of_the_settings_may_do_everything() {
    let (_redis, tidegate) = with_token().await;
    for (method, path, _) in guarded(&tidegate).await {
        let answer = ask(tidegate.admin(), TOKEN, &method, &path, "").await;
        assert!(
            ![401, 403, 405].contains(&answer.status),
            "{method} {path}: {answer:?}"
        );
    }
}

#[tokio::test]
async fn a_token_that_may_look_is_told_which_role_a_change_needs() {
    let redis = Redis::start().await;
    let setup = Tidegate::on(&redis);
    let file = setup.path("tokens.json");
    let file = file.to_str().expect("a path of text").to_owned();
    let create = |name: &str, role: &str| {
        let arguments = [
            "admin-token",
            "create",
            "--admin-tokens-file",
            &file,
            "--name",
            name,
        ];
        let output = run(
            &std::env::temp_dir(),
            &[&arguments[..], &["--role", role]].concat(),
        );
        assert!(output.status.success(), "{}", said(&output));
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.lines().last().expect("the token").trim().to_owned()
    };
    let (view, operate) = (create("guest", "view"), create("ann", "operate"));
    let tidegate = setup.setting("admin-tokens-file", &file).start().await;
    for (method, path, role) in guarded(&tidegate).await {
        let looked = ask(tidegate.admin(), &view, &method, &path, "").await;
        if role == "operate" {
            let detail = problem(&looked, 403, "forbidden");
            assert!(
                detail.contains("operate") && detail.contains("guest"),
                "{detail}"
            );
        } else {
            assert!(
                ![401, 403].contains(&looked.status),
                "{method} {path}: {looked:?}"
            );
        }
        let operated = ask(tidegate.admin(), &operate, &method, &path, "").await;
        assert!(
            ![401, 403].contains(&operated.status),
            "{method} {path}: {operated:?}"
        );
    }
}
