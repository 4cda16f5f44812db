//! The token of a plugin, which its requests share.

use std::cell::{Cell, RefCell};
use std::ops::Range;
use std::rc::Rc;
use std::time::Duration;

use sluicegate::Result;
use sluicegate::task::Notify;

#[derive(Default)]
pub(crate) struct Cache {
    /// The value of the header, and from when until when it is good, since the Unix epoch: a clock
    /// that was wrong makes nobody keep a token for ever.
    kept: RefCell<Option<(Rc<str>, Range<Duration>)>>,
    /// Whether a request fetches another one.
    fetching: Cell<bool>,
    /// How many fetches are over, and what the last one brought.
    fetched: RefCell<(u64, Option<Rc<str>>)>,
    /// Tells the requests that wait for the fetch.
    over: Notify,
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

    /// Waits until the fetch of another request is over, and gives what that brought; none if that
    /// request went away, and this one is to fetch.
    pub(crate) async fn fetched(&self) -> Result<Option<Option<Rc<str>>>> {
        let before = self.fetched.borrow().0;
        self.over.notified().await?;
        let fetched = self.fetched.borrow();
        Ok((fetched.0 != before).then(|| fetched.1.clone()))
    }
}

/// The right to fetch. It ends when it is dropped: with the fetch, or with the request.
pub(crate) struct Fetching<'a>(&'a Cache);

impl Fetching<'_> {
    /// Gives all requests that wait what was fetched: the token, or none if there is none to be
    /// had.
    pub(crate) fn finish(self, bearer: Option<Rc<str>>) {
        let over = self.0.fetched.borrow().0 + 1;
        self.0.fetched.replace((over, bearer));
        self.0.over.notify_all();
    }
}

impl Drop for Fetching<'_> {
    fn drop(&mut self) {
        self.0.fetching.set(false);
        // After `finish` nobody waits any more. The request went away without it: the one that has
        // waited longest fetches.
        self.0.over.notify_one();
    }
}
