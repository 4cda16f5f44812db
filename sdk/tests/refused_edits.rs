//! A refused edit, in every kind of callback that can make one beside the headers' own: the error
//! is that of the edit, and the next stream hears nothing of it.

use std::cell::RefCell;
use std::time::Duration;

use sluicegate::abi::Import;
use sluicegate::prelude::*;
use sluicegate::queue::Queue;
use sluicegate::{LogLevel, Status};
use sluicegate_host::{Host, RunningHost};

#[derive(Default)]
struct Plugin {
    held: RefCell<Vec<u32>>,
}

impl Plugin {
    /// Edits a stream that is held, and tells what came of it.
    fn edit(&self, plugin: &mut PluginHandle<'_>) -> Result<()> {
        let stream = self.held.borrow_mut().pop().ok_or(Error::new("nothing is held"))?;
        let edited = plugin.with_http_stream(stream, |stream| {
            let edited = stream.edit_request_headers().add("x-late", 1);
            tell(&edited);
            edited
        });
        assert!(edited.is_err(), "it is the error of the closure too");
        Ok(())
    }
}

fn tell(edited: &Result<()>) {
    match edited {
        Ok(()) => info!("edited"),
        Err(error) => info!("refused: {error}"),
    }
}

#[sluicegate::plugin_context]
impl PluginContext for Plugin {
    fn on_configure(&mut self, plugin: &mut PluginHandle<'_>) -> Result<StartStatus> {
        Queue::register("work")?;
        plugin.set_tick_period(Duration::from_secs(1))?;
        Ok(StartStatus::Ok)
    }

    fn on_tick(&mut self, plugin: &mut PluginHandle<'_>) -> Result<()> {
        self.edit(plugin)
    }

    fn on_queue_ready(&mut self, plugin: &mut PluginHandle<'_>, _: Queue) -> Result<()> {
        self.edit(plugin)
    }
}

#[derive(Default)]
struct Filter;

#[sluicegate::http_filter(calls)]
impl HttpFilter for Filter {
    type Plugin = Plugin;

    fn on_request_headers(&mut self, request: &mut RequestHeaders<'_, Plugin>) -> Result<Action> {
        let headers = [(":method", "GET"), (":path", "/"), (":authority", "a")];
        match request.fetch(":path")?.as_deref() {
            Some(b"/hold") => {
                request.plugin().held.borrow_mut().push(request.id());
                Ok(Action::Pause)
            }
            Some(b"/call") => {
                request.call(&HttpCall::new("cluster").headers(&headers))?;
                Ok(Action::Pause)
            }
            Some(b"/closure") => {
                request.call_then(&HttpCall::new("cluster").headers(&headers), |_: &mut Self, stream, _| {
                    tell(&stream.edit_request_headers().add("x-late", 1));
                    Ok(())
                })?;
                Ok(Action::Pause)
            }
            _ => Ok(Action::Continue),
        }
    }

    fn on_http_call_response(&mut self, stream: &mut HttpHandle<'_, Plugin>, _: &CallResponse) -> Result<()> {
        tell(&stream.edit_request_headers().add("x-late", 1));
        Ok(())
    }

    fn on_request_body(&mut self, body: &mut RequestBody<'_, Plugin>) -> Result<DataAction> {
        tell(&body.stream().edit_request_headers().add("x-late", 1));
        Ok(DataAction::Continue)
    }
}

sluicegate::plugin!(plugin: Plugin, http: Filter);

/// A stream that is asked for this path, a callback that edits it, and then an innocent stream in
/// the same VM.
fn refused(path: &str, then: impl FnOnce(&RunningHost, &sluicegate_host::HttpStream<'_>)) {
    let host = Host::new(&PLUGIN).start();
    let stream = host.http_stream();
    stream.request_headers_with_body(&[(":method", "GET"), (":path", path)]);
    host.fail(Import::proxy_add_header_map_value, Status::BadArgument);
    then(&host, &stream);
    let refused =
        "refused: proxy_add_header_map_value (request headers, x-late): error status returned by host: bad argument";
    assert!(host.log().iter().any(|line| line.text.starts_with(refused)), "{path}: {:?}", host.log());
    assert!(!host.log().iter().any(|line| line.level >= LogLevel::Error), "{path}: {:?}", host.log());
    assert!(stream.reply().is_none(), "{path}: the filter took the error for itself");
    let innocent = host.http_stream();
    assert_eq!(innocent.request_headers(&[(":method", "GET"), (":path", "/")]), 0, "{path}");
    assert!(innocent.reply().is_none() && innocent.reached_upstream(), "{path}: {:?}", host.log());
}

#[test]
fn a_refused_edit_is_the_error_of_its_call_and_no_other_streams() {
    let answer = |host: &RunningHost, _: &sluicegate_host::HttpStream<'_>| {
        host.answer_call(host.pending_calls()[0].token, &[(":status", "200")], "", &[]);
    };
    refused("/hold", |host, _| {
        host.tick();
    });
    refused("/hold", |host, _| {
        let queue = Queue::resolve("", "work").unwrap().unwrap();
        assert!(host.enqueue(queue.id(), "now"));
        assert_eq!(host.deliver_queues(), 1);
    });
    refused("/call", answer);
    refused("/closure", answer);
    refused("/body", |_, stream| {
        stream.request_body("body", true);
    });
}
