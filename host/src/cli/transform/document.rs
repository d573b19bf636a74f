//! JSON on the command line: as it stands, or `@FILE`.

use serde_json::Value;

/// The longest file that is read, in bytes; settings are small.
const MAX_SIZE: u64 = 1024 * 1024;

/// Reads an object, for clap.
///
/// # Errors
/// What is wrong with it and where, without quoting it.
pub(super) fn parse(given: &str) -> Result<Value, String> {
    let text = match given.strip_prefix('@') {
        Some(path) => &read(path).map_err(|error| format!("cannot read {path}: {error}"))?,
        None => given,
    };
    match serde_json::from_str(text) {
        Ok(value @ Value::Object(_)) => Ok(value),
        Ok(_) => Err("it must be an object, such as {\"key\": \"value\"}, or @FILE".into()),
        Err(error) => Err(format!("it is not JSON: {error}")),
    }
}

fn read(path: &str) -> std::io::Result<String> {
    use std::io::Read;
    let mut text = String::new();
    let file = std::fs::File::open(path)?;
    let read = file.take(MAX_SIZE + 1).read_to_string(&mut text)?;
    if read as u64 > MAX_SIZE {
        return Err(std::io::Error::other("it has more than 1 MiB"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_object_is_read_from_the_line_or_from_a_file() {
        assert_eq!(parse("{\"a\": 1}"), Ok(json!({"a": 1})));
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "{\"b\": 2}").unwrap();
        let at = format!("@{}", file.path().display());
        assert_eq!(parse(&at), Ok(json!({"b": 2})));
    }

    #[test]
    fn what_is_no_object_is_refused_with_the_reason() {
        for (given, reason) in [
            ("[1]", "must be an object"),
            ("{a", "not JSON"),
            ("@/nowhere/at/all", "cannot read /nowhere/at/all"),
        ] {
            let error = parse(given).unwrap_err();
            assert!(error.contains(reason), "{error}");
        }
    }
}
