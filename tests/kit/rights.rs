//! A Redis user that may do what rules say and nothing else, and what was refused to somebody.

use crate::resp::Reply;

/// That user's password.
pub const PASSWORD: &str = "secret-word";

/// The lines of a text that are rules for `ACL SETUSER`; a plan's lines have a space in front.
pub fn rules_in(text: &str) -> Vec<String> {
    let lines = text.lines().map(str::trim);
    lines
        .filter(|line| {
            let rule = line.strip_prefix(['+', '&', '~', '%']);
            rule.is_some_and(|rule| rule.len() > 20 && !rule.starts_with(' '))
        })
        .map(str::to_owned)
        .collect()
}

/// The command by which the user of this name comes to exist.
pub fn set_user(name: &str, rules: &[String]) -> Vec<String> {
    let password = format!(">{PASSWORD}");
    let head = ["ACL", "SETUSER", name, "reset", "on", &password];
    let head = head.into_iter().chain(["resetchannels", "-@all"]);
    let words = rules.iter().flat_map(|line| line.split_whitespace());
    head.chain(words).map(str::to_owned).collect()
}

/// An address with that user in it.
pub fn as_user(name: &str, url: &str) -> String {
    url.replace("redis://", &format!("redis://{name}:{PASSWORD}@"))
}

/// What `ACL LOG` has, but for names of a library and of a connection, which nobody needs.
pub fn refusals_in(log: &Reply) -> Vec<String> {
    let Reply::Array(entries) = log else {
        panic!("a list of entries");
    };
    let names = ["client|setinfo", "client|setname"];
    let names = names.map(|name| format!("{:?}", name.as_bytes().to_vec()));
    let entries = entries.iter().map(|entry| format!("{entry:?}"));
    let counts = |entry: &String| !names.iter().any(|name| entry.contains(name));
    entries.filter(counts).collect()
}
