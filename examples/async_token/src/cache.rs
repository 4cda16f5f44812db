//! The token of a plugin, which its requests share.

use std::cell::{Cell, RefCell};
use std::ops::Range;
use std::rc::Rc;
use std::time::Duration;

#[derive(Default)]
pub(crate) struct Cache {
    /// The value of the header, and from when until when it is good, since the Unix epoch: a clock that was wrong makes nobody keep a token for ever.
    kept: RefCell<Option<(Rc<str>, Range<Duration>)>>,
    /// Whether a request fetches another one.
    fetching: Cell<bool>,
}

impl Cache {
    /// The value that is still good.
    pub(crate) fn fresh(&self, now: Duration) -> Option<Rc<str>> {
        let kept = self.kept.borrow();
        kept.as_ref().filter(|(_, good)| good.contains(&now)).map(|(bearer, _)| bearer.clone())
    }

    pub(crate) fn keep(&self, bearer: &Rc<str>, now: Duration, lifetime: Duration) {
        self.kept.replace(Some((bearer.clone(), now..now.saturating_add(lifetime))));
    }

    /// Takes the right to fetch; none while another request has it.
    pub(crate) fn begin(&self) -> Option<Fetching<'_>> {
        (!self.fetching.replace(true)).then(|| Fetching(self))
    }
}

/// The right to fetch. It ends when it is dropped: with the fetch, or with the request.
pub(crate) struct Fetching<'a>(&'a Cache);

impl Drop for Fetching<'_> {
    fn drop(&mut self) {
        self.0.fetching.set(false);
    }
}
