//! Time that passes, with the ticks and timeouts that come due.

use std::time::Duration;

use crate::drive::plugin::Plugin;
use crate::drive::running::RunningHost;

/// An event that comes due.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Due {
    Tick(u32),
    Timeout(u32),
}

impl RunningHost {
    /// Lets time pass: the clock advances, and every tick and every timeout of a call happens when
    /// it comes due.
    ///
    /// Events that came due while time passed in another VM of the proxy happen at once, a tick
    /// only once.
    pub fn advance(&self, time: Duration) {
        let end = self.state().proxy.borrow().passed + u64::try_from(time.as_nanos()).expect("less than 584 years");
        while let Some((at, due)) = self.next_due().filter(|(at, _)| *at <= end) {
            self.pass_to(at);
            match due {
                Due::Tick(plugin) => Plugin::of(self, plugin).tick_now(),
                Due::Timeout(token) => self.expire(token),
            }
        }
        self.pass_to(end);
    }

    fn pass_to(&self, at: u64) {
        let state = self.state();
        let mut proxy = state.proxy.borrow_mut();
        let time = at.saturating_sub(proxy.passed);
        proxy.pass(time);
    }

    /// Returns the next event that comes due, and its time.
    fn next_due(&self) -> Option<(u64, Due)> {
        let state = self.state();
        let ticks = state.plugins.iter().filter(|(_, plugin)| plugin.tick_period != 0);
        let ticks = ticks.map(|(id, plugin)| (plugin.next_tick, Due::Tick(*id)));
        let timeouts = state.deadlines.iter().map(|(at, token)| (*at, Due::Timeout(*token)));
        ticks.chain(timeouts).min()
    }

    /// Times out a call that still waits.
    fn expire(&self, token: u32) {
        self.state().deadlines.retain(|(_, of)| *of != token);
        if self.state().pending.iter().any(|call| call.token == token) {
            self.time_out_call(token);
        } else if self.state().grpc.iter().any(|grpc| grpc.token == token) {
            self.time_out_grpc(token);
        }
    }

    /// Sets the proxy's clock, as the time since the Unix epoch. The clock may go backwards. Ticks
    /// and timeouts do not depend on the clock.
    ///
    /// # Panics
    ///
    /// Panics if the time is more than 584 years after the epoch.
    pub fn set_time(&self, time: Duration) {
        let now = u64::try_from(time.as_nanos()).expect("a time in the next 500 years");
        self.state().proxy.borrow_mut().now = now;
    }
}
