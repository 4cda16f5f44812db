use sluicegate::abi::Import;
use sluicegate::{LogLevel, Status};
use sluicegate_host::{Host, RunningHost, sweep, traffic};

#[global_allocator]
static COUNTING: sluicegate_host::Counting = sluicegate_host::Counting;

/// Starts a receiver. Returns its proxy, and the number of its queue.
fn start(host: Host) -> (RunningHost, u32) {
    let host = host.plugin_configuration("tcp_data_hashes").start();
    let queue = host.resolve_queue("", "tcp_data_hashes").expect("it registered the queue");
    (host, queue)
}

fn critical(host: &RunningHost, start: &str) -> bool {
    host.log().iter().any(|line| line.level == LogLevel::Critical && line.text.starts_with(start))
}

#[sluicegate_host::test]
fn registers_the_queue_that_its_configuration_names(host: Host) {
    let (host, queue) = start(host);
    assert!(host.started());
    let line = format!("queue \"tcp_data_hashes\" registered as queueID={queue} by contextID=1");
    assert!(host.logged(LogLevel::Info, &line), "{:?}", host.log());
}

#[sluicegate_host::test]
fn logs_what_comes_out_of_it(host: Host) {
    let (host, queue) = start(host);
    for item in [&b"one"[..], b"", b"\xff"] {
        assert!(host.enqueue(queue, item));
    }
    assert_eq!(host.deliver_queues(), 3);
    for data in ["one", "", "\u{fffd}"] {
        let line = format!("(contextID=1) dequeued data from tcp_data_hashes(queueID={queue}): {data}");
        assert!(host.logged(LogLevel::Info, &line), "{:?}", host.log());
    }
    assert_eq!(host.dequeue(queue), None);
    assert!(!critical(&host, ""), "an empty queue is no error: {:?}", host.log());
}

#[sluicegate_host::test]
fn says_what_it_could_not_take(host: Host) {
    let (host, queue) = start(host);
    host.enqueue(queue, "one");
    host.fail(Import::proxy_dequeue_shared_queue, Status::InternalFailure);
    host.deliver_queues();
    assert!(critical(&host, &format!("error retrieving data from queue {queue}: ")), "{:?}", host.log());
}

#[sluicegate_host::test]
fn refuses_to_start_without_a_queue(host: Host) {
    for (import, text) in [
        (Import::proxy_get_buffer_bytes, "failed to get plugin config: "),
        (Import::proxy_register_shared_queue, "failed register queue: "),
    ] {
        let (host, _) = start(host.clone());
        host.fail(import, Status::InternalFailure);
        assert!(!host.start_plugin());
        assert!(critical(&host, text), "{:?}", host.log());
    }
}

#[sluicegate_host::test]
fn survives_whatever_a_host_does(host: Host) {
    let swept = sweep(&host.plugin_configuration("tcp_data_hashes"), |host| {
        // There is no queue if it could not be registered.
        let queue = host.resolve_queue("", "tcp_data_hashes");
        let items = queue.map(|queue| ["one", "two"].map(|item| host.enqueue(queue, item)));
        let told = host.deliver_queues();
        (items, told, traffic(host))
    });
    swept.assert_reaches_all();
}
