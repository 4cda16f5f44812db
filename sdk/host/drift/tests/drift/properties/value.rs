//! The values of properties: what a node's metadata are made of, and what the filter logged.

use serde_json::{Map, Value, json};

/// Returns metadata with a value of the right kind for each path of the table below
/// `xds.node.metadata`.
pub(crate) fn node_metadata(table: &str) -> Value {
    let mut metadata = Value::Object(Map::new());
    for line in table.lines() {
        let mut cells = line.split('\t').skip(1);
        let (Some(path), _, Some(kind)) = (cells.next(), cells.next(), cells.next()) else { continue };
        let Some(path) = path.strip_prefix("xds.node.metadata.") else { continue };
        let place = path.split('.').fold(&mut metadata, |outer, segment| &mut outer[segment]);
        *place = match kind {
            "text" => json!("t"),
            "interception" => json!("TPROXY"),
            "bool" => json!(true),
            "f64" => json!(1.5),
            "map" => json!({ "k": "v" }),
            "list" => json!(["a", "b"]),
            other => unreachable!("no metadata are of the kind {other}"),
        };
    }
    metadata
}

/// Returns the result of reading a path in a callback: `value`, `empty`, `absent`, `refused`, or
/// the reason for which it is none of them.
pub(crate) fn result(lines: &[String], callback: &str, path: &str, kind: &str) -> String {
    let of_callback = lines.iter().skip_while(|line| !line.contains(&format!(" {callback} [")));
    let prefix = format!("  property {path} -> ");
    let Some(logged) = of_callback.skip(1).find_map(|line| line.strip_prefix(&prefix)) else { return "unread".into() };
    let (status, value) = logged.split_once(' ').unwrap_or((logged, ""));
    match status {
        "0" => match unescaped(value) {
            bytes if bytes.is_empty() => "empty".into(),
            bytes if is_of(kind, &bytes) => "value".into(),
            _ => format!("no {kind}: {value}"),
        },
        "1" => "absent".into(),
        "3" => "refused".into(),
        other => format!("status {other}"),
    }
}

/// Returns whether bytes are a value of a kind.
fn is_of(kind: &str, bytes: &[u8]) -> bool {
    let number = || bytes.try_into().map(i64::from_le_bytes);
    match kind {
        // A certificate has lines.
        "text" => bytes.iter().all(|byte| matches!(byte, b' '..=b'~' | b'\n')),
        "message" => bytes.first().is_some_and(|key| key & 7 == 2),
        "interception" => bytes == b"TPROXY",
        "bool" => bytes == [1],
        "f64" => bytes == 1.5_f64.to_le_bytes(),
        "u64" => number().is_ok_and(|number| (0..1 << 40).contains(&number)),
        "direction" => bytes == 1_i64.to_le_bytes(),
        // Nanoseconds: less than a minute, and since 1970.
        "duration" => number().is_ok_and(|number| (1..60_000_000_000).contains(&number)),
        "time" => number().is_ok_and(|number| number > 1_600_000_000_000_000_000),
        "map" => pairs(bytes).is_some(),
        "list" => pairs(bytes).is_some_and(|pairs| pairs.iter().all(|(_, value)| *value == 0)),
        _ => false,
    }
}

/// Returns the lengths of the names and values of a map, if the bytes are one.
fn pairs(bytes: &[u8]) -> Option<Vec<(usize, usize)>> {
    let number = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?) as usize);
    let count = number(0)?;
    let lengths: Vec<_> =
        (0..count).map(|pair| Some((number(4 + 8 * pair)?, number(8 + 8 * pair)?))).collect::<Option<_>>()?;
    let total: usize = lengths.iter().map(|(name, value)| 8 + name + 1 + value + 1).sum();
    (4 + total == bytes.len()).then_some(lengths)
}

/// Decodes what `escape_ascii` made.
fn unescaped(text: &str) -> Vec<u8> {
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    while let [first, after @ ..] = rest {
        let (byte, after) = match (first, after) {
            (b'\\', [b'x', high, low, after @ ..]) => {
                let digits = [*high, *low];
                let digits = str::from_utf8(&digits).expect("two digits");
                (u8::from_str_radix(digits, 16).expect("two digits"), after)
            }
            (b'\\', [b't', after @ ..]) => (b'\t', after),
            (b'\\', [b'n', after @ ..]) => (b'\n', after),
            (b'\\', [b'r', after @ ..]) => (b'\r', after),
            (b'\\', [quoted, after @ ..]) => (*quoted, after),
            _ => (*first, after),
        };
        bytes.push(byte);
        rest = after;
    }
    bytes
}
