//! What is refused, in words that say what is allowed.

use super::expand;

fn refused(declaration: &str) -> String {
    let input = syn::parse_str(declaration).unwrap();
    expand(&input).unwrap_err().to_string()
}

fn field(declaration: &str) -> String {
    refused(&format!("struct Data<'a> {{ {declaration} }}"))
}

#[test]
fn what_has_no_bound_is_refused_with_the_bounds_that_there_are() {
    for kind in ["String", "&'a str", "Cow<'a, str>", "Option<String>"] {
        let told = field(&format!("a: {kind}"));
        for word in [
            "max_length",
            "pattern",
            "one_of",
            "constant",
            "decimal",
            "timestamp",
        ] {
            assert!(told.contains(word), "{kind}: {told}");
        }
    }
    for (declaration, told) in [
        ("#[public(decimal)] a: Vec<String>", "max_items = 10"),
        (
            "#[public(max_items = 3)] a: Vec<String>",
            "text needs a bound",
        ),
        ("a: u64", "travel as doubles"),
        ("#[public(minimum = 0)] a: usize", "maximum"),
        ("a: f64", "#[public(decimal)]"),
        ("a: Option<f32>", "#[public(decimal)]"),
        ("a: u128", "travel as doubles"),
        ("a: BTreeMap<String, String>", "a map is open"),
        ("a: serde_json::Value", "any JSON is open"),
        (
            "#[public(max_items = 2)] a: Vec<Data<'a>>",
            "without references",
        ),
    ] {
        let found = field(declaration);
        assert!(found.contains(told), "{declaration}: {found}");
    }
}

#[test]
fn a_word_that_is_wrong_is_named_with_those_that_are_allowed() {
    for (declaration, told) in [
        (
            "#[public(max_len = 3)] a: String",
            "unknown `max_len`; allowed: name, title",
        ),
        ("#[public(max_length)] a: String", "`max_length = …`"),
        ("#[public(decimal = 3)] a: String", "write it alone"),
        ("#[public(decimal, decimal)] a: String", "twice"),
        (
            "#[public(decimal, max_length = 3)] a: String",
            "do not go together",
        ),
        ("#[public(max_items = 3)] a: u8", "for a `Vec`"),
        (
            "#[public(minimum = 3)] a: bool",
            "`minimum` is not for a `bool`; allowed: name",
        ),
        (
            "#[public(decimal, minimum = 3)] a: String",
            "`minimum` is not for text",
        ),
        ("#[public(name = 3)] a: bool", "text between quotes"),
    ] {
        let found = field(declaration);
        assert!(found.contains(told), "{declaration}: {found}");
    }
}

#[test]
fn only_named_fields_and_units_are_published() {
    for declaration in [
        "struct Data(u8);",
        "struct Data;",
        "union Data { a: u8 }",
        "enum Data { A(u8) }",
        "enum Data {}",
    ] {
        let told = refused(declaration);
        assert!(
            told.contains("a struct with named fields, or an enum"),
            "{told}"
        );
    }
    assert!(refused("struct Data<T> { a: T }").contains("lifetimes are the only"));
    assert!(
        refused("#[public(decimal)] struct Data { a: u8 }").contains("`decimal` is not for a type")
    );
    assert!(refused("enum Data { #[public(title = \"x\")] A }").contains("is not for a variant"));
}
