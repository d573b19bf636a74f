//! What `docs/authoring.md` says to product teams: its transforms are built from its own text
//! by `cargo xtask examples`, and here they are checked as it says.

use tidegate_tests::binary::repository;
use tidegate_tests::{Setup, Transform};

/// What the page shows of a check, without the name of the file and its digest.
fn shown() -> String {
    let page = std::fs::read_to_string(repository().join("docs/authoring.md"));
    let page = page.expect("the page is there");
    let (_, block) = page.split_once("```text\n").expect("what a check says");
    let line = block.lines().next().expect("a line");
    let (said, _) = line.split_once("ticker.wasm").expect("the component");
    said.trim().to_owned()
}

#[test]
fn what_the_page_on_authoring_builds_is_found_as_it_says() {
    let shown = shown();
    for language in ["rust", "javascript", "python"] {
        let file = repository().join(format!("target/examples/page-{language}.wasm"));
        assert!(
            file.is_file(),
            "run `cargo xtask examples`, which builds {}",
            file.display()
        );
        let setup = Setup::new("redis://127.0.0.1:1").not_ready();
        let (accepted, said) = setup.transform(Transform::file(&file)).check();
        assert!(accepted, "{language}: {said}");
        assert!(said.contains(&shown), "{language}: {shown:?} in {said}");
    }
}
