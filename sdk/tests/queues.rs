//! Queues between VMs, and the callback of the plugin that registered one.

use std::cell::RefCell;

use sluicegate::LogLevel;
use sluicegate::abi::Import;
use sluicegate::prelude::*;
use sluicegate::queue::Queue;
use sluicegate_host::{Host, RunningHost};

#[derive(Default)]
struct Plugin {
    queue: Option<Queue>,
    seen: RefCell<Vec<Vec<u8>>>,
}

#[sluicegate::plugin_context]
impl PluginContext for Plugin {
    fn on_configure(&mut self, _: &mut PluginHandle<'_>) -> Result<StartStatus> {
        self.queue = Some(Queue::register("paths")?);
        Ok(StartStatus::Ok)
    }

    fn on_queue_ready(&mut self, plugin: &mut PluginHandle<'_>, queue: Queue) -> Result<()> {
        assert_eq!((plugin.id(), Some(queue)), (1, self.queue));
        match queue.dequeue()? {
            None => info!("another VM was first"),
            Some(item) if *item == *b"fail" => return Err(Error::new("told to fail")),
            Some(item) => {
                info!("item {}", ByteStr::new(&item).display());
                if item.starts_with(b"again ") {
                    queue.enqueue(&item[6..])?;
                }
                self.seen.borrow_mut().push(item.to_vec());
            }
        }
        Ok(())
    }
}

#[derive(Default)]
struct Filter;

#[sluicegate::http_filter]
impl HttpFilter for Filter {
    type Plugin = Plugin;

    fn on_request_headers(&mut self, request: &mut RequestHeaders<'_, Plugin>) -> Result<Action> {
        let queue = Queue::resolve("", "paths")?.ok_or(Error::new("no queue"))?;
        queue.enqueue(request.get(":path")?.unwrap_or_default())?;
        assert!(request.plugin().seen.borrow().is_empty(), "nothing runs within this callback");
        Ok(Action::Continue)
    }
}

sluicegate::plugin!(plugin: Plugin, http: Filter);

fn start() -> (RunningHost, Queue) {
    let host = Host::new(&PLUGIN).start();
    assert!(host.started(), "{:?}", host.log());
    (host, Queue::resolve("", "paths").unwrap().unwrap())
}

fn lines(host: &RunningHost) -> Vec<String> {
    host.log().into_iter().map(|line| line.text).collect()
}

#[test]
fn the_plugin_is_told_of_each_item_after_the_callback() {
    let (host, _) = start();
    for path in ["/a", "/b"] {
        let stream = host.http_stream();
        assert_eq!(stream.request_headers(&[(":path", path)]), 0, "{:?}", host.log());
        stream.complete();
    }
    assert!(lines(&host).is_empty());
    assert_eq!((host.deliver_queues(), host.deliver_queues()), (2, 0));
    assert_eq!(lines(&host), ["item /a", "item /b"]);
}

#[test]
fn an_item_that_the_callback_enqueues_is_told_the_next_time() {
    let (host, queue) = start();
    queue.enqueue("again and again").unwrap();
    assert_eq!(host.deliver_queues(), 1);
    assert_eq!(host.deliver_queues(), 1);
    assert_eq!(host.deliver_queues(), 0);
    assert_eq!(lines(&host), ["item again and again", "item and again"]);
}

#[test]
fn an_empty_item_is_an_item_and_an_empty_queue_is_none() {
    let (host, queue) = start();
    assert!(queue.dequeue().unwrap().is_none());
    queue.enqueue("").unwrap();
    queue.enqueue(b"\0\xff").unwrap();
    assert!(queue.dequeue().unwrap().unwrap().is_empty());
    assert_eq!(&*queue.dequeue().unwrap().unwrap(), b"\0\xff");
    assert!(queue.dequeue().unwrap().is_none());
    assert_eq!(host.deliver_queues(), 2);
    assert_eq!(lines(&host), ["another VM was first", "another VM was first"]);
}

#[test]
fn another_vms_queue_is_found_by_its_vm_and_name() {
    let (host, ours) = start();
    assert_eq!(Queue::resolve("other", "paths").unwrap(), None);
    let number = host.register_queue("other", "paths");
    let theirs = Queue::resolve("other", "paths").unwrap().unwrap();
    assert_eq!(theirs.id(), number);
    assert_ne!(theirs, ours);
    theirs.enqueue("for them").unwrap();
    assert_eq!(host.deliver_queues(), 0, "not this VM's to know");
    assert_eq!(host.dequeue(number).unwrap(), b"for them");
    assert!(host.enqueue(ours.id(), "for us") && !host.enqueue(99, ""));
    assert_eq!(host.deliver_queues(), 1);
    assert_eq!(lines(&host), ["item for us"]);
    assert_eq!(Queue::register("paths").unwrap(), ours, "a name is one queue");
}

#[test]
fn failures_are_errors_and_lines() {
    let (host, queue) = start();
    queue.enqueue("fail").unwrap();
    assert_eq!(host.deliver_queues(), 1);
    assert!(host.logged(LogLevel::Error, "on_queue_ready (context 1): told to fail"));

    queue.enqueue("x").unwrap();
    host.fail(Import::proxy_dequeue_shared_queue, Status::NotFound);
    host.deliver_queues();
    let text = "proxy_dequeue_shared_queue (queue): error status returned by host: not found";
    assert!(host.logged(LogLevel::Error, &format!("on_queue_ready (context 1): {text}")), "{:?}", host.log());
    host.fail(Import::proxy_enqueue_shared_queue, Status::NotFound);
    assert_eq!(queue.enqueue("y").unwrap_err().call(), Some("proxy_enqueue_shared_queue"));
    host.fail(Import::proxy_resolve_shared_queue, Status::BadArgument);
    assert_eq!(Queue::resolve("", "q").unwrap_err().status(), Some(Status::BadArgument));
    host.fail(Import::proxy_register_shared_queue, Status::InternalFailure);
    assert!(!host.start_plugin());

    // A number of no plugin.
    let ready = PLUGIN.proxy_on_queue_ready.unwrap();
    ready(77, queue.id());
    assert!(host.logged(LogLevel::Warn, "sluicegate: no such context: 77"));
}

#[test]
fn the_callback_is_exported_where_it_is_implemented() {
    // The two behind the headers keep what waits for a queue.
    let of_request = ["request_headers", "request_body", "request_trailers"];
    let names = [&["context_create", "vm_start", "configure", "delete"][..], &of_request, &["queue_ready"]].concat();
    assert_eq!(PLUGIN.names(), names.iter().map(|name| format!("proxy_on_{name}")).collect::<Vec<_>>());
}
