//! The module exports the callbacks that the attributes see in an implementation, in whatever way
//! it is written.

use sluicegate::prelude::*;
use sluicegate_host::Host;

/// Written so that a comparison of names could miss its callbacks.
mod unusual {
    use super::*;

    #[derive(Default)]
    struct Filter;

    #[sluicegate::http_filter]
    #[allow(unused_variables, reason = "an attribute of the language is no macro")]
    #[rustfmt::skip]
    impl HttpFilter for Filter {
        fn r#on_request_headers(&mut self, request: &mut RequestHeaders<'_>) -> Result<Action> {
            request.reply(&LocalResponse::new(403))
        }

        #[cfg(test)]
        fn on_request_trailers(&mut self, trailers: &mut RequestTrailers<'_>) -> Result<FilterStatus> {
            Ok(FilterStatus::Pause)
        }

        // The export of a callback that is configured away lets everything pass.
        #[cfg(not(test))]
        fn on_response_headers(&mut self, response: &mut ResponseHeaders<'_>) -> Result<Action> {
            compile_error!("it is configured away")
        }
    }

    sluicegate::plugin!(http: Filter);
}

/// Calls of other things that have the names of the handles' methods.
mod of_the_users_own {
    use super::*;

    #[derive(Default)]
    struct Pool;

    impl Pool {
        fn call(&self, _: u32) -> Self {
            Self
        }

        fn spawn(&self, _: u32) -> Self {
            Self
        }
    }

    #[derive(Default)]
    struct Plugin {
        pool: Pool,
    }

    // It has no callbacks, so `plugin!` need not name it.
    #[sluicegate::plugin_context]
    impl PluginContext for Plugin {}

    #[derive(Default)]
    struct Filter {
        request: Pool,
    }

    #[sluicegate::http_filter]
    impl HttpFilter for Filter {
        type Plugin = Plugin;

        fn on_request_headers(&mut self, request: &mut RequestHeaders<'_, Plugin>) -> Result<Action> {
            self.request.call(1).spawn(2);
            request.plugin().pool.spawn(1).call(2);
            let call = |_: u32| request.id();
            call(1);
            Ok(Action::Continue)
        }
    }

    sluicegate::plugin!(http: Filter);
}

#[test]
fn callbacks_are_exported_however_they_are_written() {
    for export in ["proxy_on_request_headers", "proxy_on_request_trailers"] {
        assert!(unusual::PLUGIN.names().contains(&export), "{export}");
    }
    let host = Host::new(&unusual::PLUGIN).start();
    let stream = host.http_stream();
    stream.request_headers(&[(":path", "/")]);
    assert_eq!(stream.reply().map(|reply| reply.status), Some(403));
    let stream = host.http_stream();
    assert_eq!(stream.response_headers(&[(":status", "200")]), Action::Continue as u32);
}

#[test]
fn calls_of_the_users_own_things_are_left_alone() {
    let host = Host::new(&of_the_users_own::PLUGIN).start();
    assert_eq!(host.http_stream().request_headers(&[(":path", "/")]), Action::Continue as u32);
}
