//! JSON pointers (RFC 6901): `/order/items/0`, where `~1` is a slash and `~0` a tilde.

use sluicegate::json::{Kind, Value};

/// What a pointer leads to.
pub(crate) fn find<'a>(json: Value<'a>, pointer: &str) -> Option<Value<'a>> {
    pointer.split('/').skip(1).try_fold(json, |value, step| match value.kind() {
        Kind::Array => value.at(step.parse().ok()?),
        _ => value.members().find(|(name, _)| name.chars().eq(unescaped(step))).map(|(_, value)| value),
    })
}

/// The characters of a step, nothing allocated.
fn unescaped(step: &str) -> impl Iterator<Item = char> {
    let mut rest = step.chars();
    std::iter::from_fn(move || match rest.next()? {
        '~' if rest.next()? == '1' => Some('/'),
        '~' => Some('~'),
        other => Some(other),
    })
}
