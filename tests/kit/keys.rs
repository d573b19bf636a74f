//! Keys as a user makes them: by the real `tidegate key`.

use std::path::Path;

use serde_json::Value;

use crate::binary::{run, said};

/// Makes a key and gives its text: the last line of standard output.
pub fn create(file: &Path, name: &str, more: &[&str]) -> String {
    let path = file.to_string_lossy();
    let mut arguments = vec!["key", "create", "--keys-file", &path, "--name", name];
    arguments.extend(more);
    let output = run(folder(file), &arguments);
    assert!(output.status.success(), "key create: {}", said(&output));
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines()
        .last()
        .expect("the key is the last line")
        .trim()
        .to_owned()
}

/// Revokes a key by name or id.
pub fn revoke(file: &Path, which: &str) {
    let path = file.to_string_lossy();
    let output = run(
        folder(file),
        &["key", "revoke", "--keys-file", &path, which],
    );
    assert!(output.status.success(), "key revoke: {}", said(&output));
}

/// Makes a key in a Redis and gives its text.
pub fn create_in_redis(url: &str, name: &str, more: &[&str]) -> String {
    let output = in_redis(url, &[&["create", "--name", name], more].concat());
    assert!(output.status.success(), "key create: {}", said(&output));
    let text = String::from_utf8_lossy(&output.stdout);
    let key = text.lines().last().expect("the key is the last line");
    key.trim().to_owned()
}

/// What is said to a second key of a name.
pub fn refused_in_redis(url: &str, name: &str) -> String {
    let output = in_redis(url, &["create", "--name", name]);
    assert!(!output.status.success(), "{}", said(&output));
    said(&output)
}

/// Revokes a key in a Redis by name or id.
pub fn revoke_in_redis(url: &str, which: &str) {
    let output = in_redis(url, &["revoke", which]);
    assert!(output.status.success(), "key revoke: {}", said(&output));
}

/// All keys in a Redis, for programs.
pub fn listed_in_redis(url: &str) -> Value {
    let output = in_redis(url, &["list", "--json"]);
    assert!(output.status.success(), "key list: {}", said(&output));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// Takes the keys of a file over into a Redis: whether all were, and what was said.
pub fn import(file: &Path, url: &str) -> (bool, String) {
    let file = file.to_str().expect("a path of letters");
    let output = in_redis(url, &["import", "--keys-file", file]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    (output.status.success(), text + &said(&output))
}

fn in_redis(url: &str, words: &[&str]) -> std::process::Output {
    let typed = [&["key", words[0], "--redis-url", url], &words[1..]].concat();
    run(&std::env::temp_dir(), &typed)
}

/// Changes the file by hand, as a tool other than ours would: a new file moved over it.
pub fn edit(file: &Path, change: impl FnOnce(&mut Value)) {
    let text = std::fs::read_to_string(file).expect("the key file is there");
    let mut value: Value = serde_json::from_str(&text).expect("the key file is JSON");
    change(&mut value);
    replace(file, &value.to_string());
}

/// Puts this text in the file's place.
pub fn replace(file: &Path, text: &str) {
    let fresh = file.with_extension("fresh");
    std::fs::write(&fresh, text).expect("a file in one's own folder");
    std::fs::rename(&fresh, file).expect("the same folder");
}

/// The record of this name.
pub fn record<'a>(keys: &'a mut Value, name: &str) -> &'a mut Value {
    keys["keys"]
        .as_array_mut()
        .and_then(|keys| keys.iter_mut().find(|key| key["name"] == name))
        .unwrap_or_else(|| panic!("no key of the name {name}"))
}

fn folder(file: &Path) -> &Path {
    file.parent().expect("a file is in a folder")
}
