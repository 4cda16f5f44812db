//! The plugin's token, which its requests share.

use std::cell::{Cell, RefCell};
use std::ops::Range;
use std::rc::Rc;
use std::time::Duration;

use sluicegate::Result;
use sluicegate::task::Notify;

#[derive(Default)]
pub(crate) struct Cache {
    /// The value of the header, and the span of time in which it is valid, since the Unix epoch.
    /// The span has a beginning, too, so that a clock that was wrong does not keep a token forever.
    kept: RefCell<Option<(Rc<str>, Range<Duration>)>>,
    /// True while a request fetches a token.
    fetching: Cell<bool>,
    /// The number of fetches that have ended, and the result of the last one.
    fetched: RefCell<(u64, Option<Rc<str>>)>,
    /// Wakes the requests that wait for the fetch.
    over: Notify,
}

impl Cache {
    /// Returns the value that is still valid, or `None` if there is none.
    pub(crate) fn fresh(&self, now: Duration) -> Option<Rc<str>> {
        let kept = self.kept.borrow();
        kept.as_ref().filter(|(_, good)| good.contains(&now)).map(|(bearer, _)| bearer.clone())
    }

    /// Keeps a value for its lifetime.
    pub(crate) fn keep(&self, bearer: &Rc<str>, now: Duration, lifetime: Duration) {
        self.kept.replace(Some((bearer.clone(), now..now.saturating_add(lifetime))));
    }

    /// Takes the right to fetch. Returns `None` while another request has it.
    pub(crate) fn begin(&self) -> Option<Fetching<'_>> {
        (!self.fetching.replace(true)).then(|| Fetching(self))
    }

    /// Waits until another request's fetch ends, and returns its result.
    ///
    /// Returns `None` if that request went away. Then this request has to fetch.
    pub(crate) async fn fetched(&self) -> Result<Option<Option<Rc<str>>>> {
        let before = self.fetched.borrow().0;
        self.over.notified().await?;
        let fetched = self.fetched.borrow();
        Ok((fetched.0 != before).then(|| fetched.1.clone()))
    }
}

/// The right to fetch. It ends when this value is dropped: with the fetch, or with the request.
pub(crate) struct Fetching<'a>(&'a Cache);

impl Fetching<'_> {
    /// Gives the result of the fetch to all requests that wait: a token, or `None` if there is none
    /// to be had.
    pub(crate) fn finish(self, bearer: Option<Rc<str>>) {
        let over = self.0.fetched.borrow().0 + 1;
        self.0.fetched.replace((over, bearer));
        self.0.over.notify_all();
    }
}

impl Drop for Fetching<'_> {
    fn drop(&mut self) {
        self.0.fetching.set(false);
        // After `finish` no request waits any more. If the request went away without it, the
        // request that has waited longest fetches.
        self.0.over.notify_one();
    }
}
