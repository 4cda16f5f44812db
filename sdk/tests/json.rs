//! JSON read in place, compared with a parser that makes a tree.

use proptest::prelude::*;
use sluicegate::json::{self, Kind, Value};

/// The value as a tree.
fn tree(value: Value<'_>) -> serde_json::Value {
    match value.kind() {
        Kind::Null => serde_json::Value::Null,
        Kind::Bool => value.to_bool().unwrap().into(),
        Kind::Number => match (value.to_u64(), value.to_i64()) {
            (Some(number), _) => number.into(),
            (_, Some(number)) => number.into(),
            _ => value.to_f64().unwrap().into(),
        },
        Kind::String => value.to_text().unwrap().to_str().unwrap().into_owned().into(),
        Kind::Array => value.elements().map(tree).collect(),
        Kind::Object => value.members().map(|(name, value)| (name.to_string(), tree(value))).collect(),
    }
}

fn is_json(text: &[u8]) -> bool {
    json::parse(text).is_ok()
}

#[test]
fn a_few_fields_of_a_configuration() {
    let text = br#" {"a": 2, "x,y:": "}", "n": -0.5e+3, "a": {"b": [1, {"c": "d\"e"}, []]}, "t": true, "z": null}
    "#;
    let json = json::parse(text).unwrap();
    let b = json.get("a").unwrap().get("b").unwrap();
    assert_eq!(b.elements().count(), 3);
    assert_eq!(b.at(0).unwrap().to_u64(), Some(1));
    let c = b.at(1).unwrap().get("c").unwrap();
    assert_eq!(c, "d\"e");
    assert_eq!(c.as_str(), None, "it has an escape");
    assert_eq!(c.raw(), r#""d\"e""#);
    assert_eq!(b.at(2).unwrap().elements().count(), 0);
    assert_eq!(b.at(3).map(|value| value.raw()), None);
    assert_eq!(json.get("x,y:").unwrap(), "}");
    assert_eq!(json.get("n").unwrap().to_f64(), Some(-500.0));
    assert_eq!(json.get("n").unwrap().to_i64(), None);
    assert_eq!(json.get("t").unwrap().to_bool(), Some(true));
    assert!(json.get("z").unwrap().is_null());
    assert!(json.get("b").is_none(), "names of inner objects are not the outer one's");
    assert!(json.at(0).is_none() && b.get("c").is_none(), "neither is the other");
}

#[test]
fn what_is_no_json_is_refused() {
    for text in [
        "",
        " ",
        "{",
        "[",
        "\"",
        "[1",
        "[1,",
        "[1,]",
        "{\"a\"",
        "{\"a\":",
        "{\"a\":1",
        "{\"a\":1,}",
        "{1:2}",
        "{\"a\" 1}",
        "[1 2]",
        "[}",
        "{]",
        "1 2",
        "01",
        "-",
        "1.",
        ".5",
        "1e",
        "+1",
        "0x1",
        "nul",
        "truefalse",
        "True",
        "'a'",
        "\"\\x\"",
        "\"\\u12\"",
        "\"\\ud800\"",
        "\"\\udc00\"",
        "\"\\ud800\\n\"",
        "\"\\ud800x\"",
        "\"\\ud800\\ud800\"",
        "\"a\nb\"",
        "\"\\",
        "[1]]",
        "\u{feff}{}",
        "\u{a0}1",
    ] {
        assert!(!is_json(text.as_bytes()), "{text:?}");
        assert!(serde_json::from_str::<serde_json::Value>(text).is_err(), "{text:?} is JSON after all");
    }
    assert!(!is_json(b"\"\xff\""));
    let error = json::parse(b"[1,]").unwrap_err();
    assert!(error.is_malformed());
    assert_eq!(error.to_string(), "malformed JSON: not a value");
}

#[test]
fn nesting_ends_at_128_and_takes_no_stack() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(is_json(nested(128).as_bytes()));
    assert!(!is_json(nested(129).as_bytes()));
    assert!(!is_json("[".repeat(1_000_000).as_bytes()));
    assert!(is_json(format!("{}1{}", r#"{"b": "#.repeat(128), "}".repeat(128)).as_bytes()));
}

#[test]
fn escapes_are_resolved() {
    let json = json::parse(br#""\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00\u0000""#).unwrap();
    assert_eq!(json.to_text().unwrap(), "\"\\/\u{8}\u{c}\n\r\t\u{e9}\u{1f600}\0");
    assert_eq!(json.to_text().unwrap().to_string(), json.to_text().unwrap().to_str().unwrap());
}

fn any_json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<u64>().prop_map(Into::into),
        (-1e15..1e15).prop_map(Into::into),
        ".*".prop_map(Into::into),
    ];
    leaf.prop_recursive(5, 64, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Into::into),
            prop::collection::btree_map(".{0,8}", inner, 0..8).prop_map(|map| map.into_iter().collect()),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read(written in any_json(), pretty: bool) {
        let text = if pretty { serde_json::to_vec_pretty(&written) } else { serde_json::to_vec(&written) }.unwrap();
        prop_assert_eq!(tree(json::parse(&text).unwrap()), written);
    }

    /// Texts that are nearly JSON: both parsers say the same of them.
    #[test]
    fn what_is_json_is_what_others_take_for_it(written in any_json(), at: prop::sample::Index, byte in prop::sample::select(b"\"\\{}[],:0-.eut \n\x01\x7f".to_vec()), cut: bool) {
        let mut text = serde_json::to_vec(&written).unwrap();
        let at = at.index(text.len());
        if cut { text.truncate(at) } else { text[at] = byte }
        let other = serde_json::from_slice::<serde_json::Value>(&text);
        // That parser also refuses numbers that no f64 is near.
        let is_json = is_json(&text) && !matches!(&other, Err(error) if error.to_string().starts_with("number out of range"));
        prop_assert_eq!(is_json, other.is_ok());
    }
}

/// A proxy hands over a `google.protobuf.Struct` as the message that it is.
#[test]
fn a_struct_of_protobuf_is_called_that() {
    const STRUCT: &str = "malformed JSON: the bytes of a google.protobuf.Struct: give a StringValue";
    let text = |bytes: &[u8]| json::parse(bytes).map_or_else(|error| error.to_string(), |_| "JSON".into());
    // {"key": "val"}; the same with another entry; and a value of 200 bytes.
    let entry = b"\x0a\x0c\x0a\x03key\x12\x05\x1a\x03val";
    assert_eq!(text(entry), STRUCT);
    assert_eq!(text(&[&entry[..], entry].concat()), STRUCT);
    let long = [b"\x0a\xd3\x01\x0a\x03key\x12\xcb\x01\x1a\xc8\x01", &[b'v'; 200][..]].concat();
    assert_eq!(text(&long), STRUCT);
    for other in [&b""[..], b"\n", b"\n\n", b"\n\n\n{", b"\n\x0c\n\x03key", b"{"] {
        assert!(!text(other).contains("protobuf"), "{}", other.escape_ascii());
    }
    assert_eq!(text(b"\n\n{}"), "JSON");
}

/// A filter that judges another value than the service behind it reads judges nothing.
#[test]
fn a_name_that_comes_twice_has_its_last_value_as_for_other_readers() {
    for text in [
        r#"{"role": "user", "role": "admin"}"#,
        r#"{"role": "admin", "x": {"role": "user"}, "r\u006fle": "guest"}"#,
        r#"{"role": "user", "role": null}"#,
        r#"{"role": {"a": 1}, "role": {"b": 2}}"#,
    ] {
        let tree: serde_json::Value = serde_json::from_str(text).unwrap();
        let read = json::parse(text.as_bytes()).unwrap().get("role").unwrap();
        assert_eq!(serde_json::from_str::<serde_json::Value>(read.raw()).unwrap(), tree["role"], "{text}");
    }
}
