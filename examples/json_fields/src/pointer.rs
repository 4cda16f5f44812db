//! JSON pointers (RFC 6901), such as `/order/items/0`. In a pointer `~1` is a slash and `~0` a
//! tilde.

use sluicegate::json::{Kind, Value};

/// Returns the value that a pointer leads to, or `None` if there is none.
pub(crate) fn find<'a>(json: Value<'a>, pointer: &str) -> Option<Value<'a>> {
    pointer.split('/').skip(1).try_fold(json, |value, step| match value.kind() {
        Kind::Array => value.at(step.parse().ok()?),
        // If a name comes twice, the last one counts, as for most readers.
        _ => value.members().filter(|(name, _)| name.chars().eq(unescaped(step))).last().map(|(_, value)| value),
    })
}

/// Returns the characters of a step, without allocating.
fn unescaped(step: &str) -> impl Iterator<Item = char> {
    let mut rest = step.chars();
    std::iter::from_fn(move || match rest.next()? {
        '~' if rest.next()? == '1' => Some('/'),
        '~' => Some('~'),
        other => Some(other),
    })
}
