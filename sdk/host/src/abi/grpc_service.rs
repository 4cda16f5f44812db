//! Reads the message `GrpcService`, with which a filter names the cluster of a gRPC call.

/// The greatest depth of nested groups in a message that a proxy parses.
const MAX_DEPTH: u32 = 100;

/// Takes a varint: seven bits a byte, the lowest first.
fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..70).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or_default();
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

/// Takes one field. A group is taken as a whole.
fn field(bytes: &mut &[u8], group: Option<u64>, depth: u32) -> Option<bool> {
    let key = varint(bytes).filter(|key| (1..=u64::from(u32::MAX)).contains(key))?;
    let number = Some(key >> 3).filter(|number| *number > 0)?;
    let size = match key & 7 {
        0 => return varint(bytes).map(|_| true),
        1 => 8,
        2 => usize::try_from(varint(bytes)?).ok()?,
        3 => {
            let depth = depth.checked_sub(1)?;
            while field(bytes, Some(number), depth)? {}
            return Some(true);
        }
        4 => return (group == Some(number)).then_some(false),
        5 => 4,
        _ => return None,
    };
    *bytes = bytes.get(size..)?;
    Some(true)
}

/// Returns whether bytes are a protobuf message. Empty bytes are one.
fn is_message(mut bytes: &[u8]) -> bool {
    while !bytes.is_empty() {
        if field(&mut bytes, None, MAX_DEPTH).is_none() {
            return false;
        }
    }
    true
}

/// Returns the cluster that a serialised `GrpcService` names, or `None` if the target names none.
pub(crate) fn cluster_of(target: &[u8]) -> Option<String> {
    // A message that comes twice is merged. Of a string that comes twice the last one counts.
    let envoy_grpc = contents(target, 1)?.concat();
    let names = contents(&envoy_grpc, 1)?;
    names.last().map(|name| String::from_utf8_lossy(name).into_owned())
}

/// Returns whether bytes are a `GrpcService` that names no target, at which Envoy ends.
pub(crate) fn names_nothing(target: &[u8]) -> bool {
    contents(target, 1).is_some_and(|envoy_grpc| is_message(&envoy_grpc.concat()))
}

/// Returns the contents of the length-delimited fields of this number, or `None` if the bytes are
/// no message.
fn contents(message: &[u8], number: u64) -> Option<Vec<&[u8]>> {
    if !is_message(message) {
        return None;
    }
    let (mut rest, mut found) = (message, Vec::new());
    while !rest.is_empty() {
        let before = rest;
        let mut content = rest;
        let key = varint(&mut content)?;
        field(&mut rest, None, MAX_DEPTH)?;
        if key == number << 3 | 2 {
            let size = usize::try_from(varint(&mut content)?).ok()?;
            let start = before.len() - content.len();
            found.push(before.get(start..start.checked_add(size)?)?);
        }
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::{cluster_of, is_message};

    #[test]
    fn some_names_are_messages() {
        let found = ["", "users", "empty", "upstream", "service", "nowhere", "grpc", "\n\u{2}ab", "\n\u{3}ab", "xy"]
            .map(|name| is_message(name.as_bytes()));
        assert_eq!(found, [true, true, true, false, false, false, false, true, false, true]);
    }

    #[test]
    fn a_message_names_its_cluster_among_other_fields() {
        let of = |target: &[u8]| cluster_of(target);
        let grpc = Some("grpc".to_owned());
        assert_eq!(of(b"\n\x06\n\x04grpc"), grpc);
        assert_eq!(of(b"\n\x06\n\x04grpc\x1a\x02\x08\x01"), grpc, "with a timeout");
        assert_eq!(of(b"\xf8\x7f\x01\n\x06\n\x04grpc"), grpc, "after a field that nobody knows");
        assert_eq!(of(b"\n\x09\n\x07unknown\n\x06\n\x04grpc"), grpc, "the last one");
        assert_eq!(of(b"\n\x0d\n\x04grpc\x12\x05other"), grpc, "with an authority");
        let none = [&b"users"[..], b"grpc", b"", b"\n\x06\n\x04grp", b"\n\x00", b"\n\x06\n\x05grpc"];
        assert_eq!(none.map(of), [const { None }; 6]);
    }
}
