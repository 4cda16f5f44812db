//! The steps of a script as calls of the SDK's handles.

use sluicegate::prelude::*;
use sluicegate::queue::Queue;

use crate::script;

const HEADERS: [(&str, &str); 3] = [(":method", "GET"), (":path", "/"), (":authority", "s")];

/// A handle that a script acts on.
pub(super) trait Acts {
    /// Calls a cluster.
    fn call(&self, cluster: &str) -> Result<()>;

    /// Opens a gRPC stream to a cluster, and sends a message.
    fn open(&self, cluster: &str) -> Result<()>;

    /// Does a step that only some handles have a method for; `None` if this one has none.
    fn own(&self, word: &str, number: u32) -> Option<Result<()>>;
}

macro_rules! acts {
    ($($generic:ident)?, $handle:ty, $own:expr) => {
        impl$(<$generic: PluginContext>)? Acts for $handle {
            fn call(&self, cluster: &str) -> Result<()> {
                self.call(&HttpCall::new(cluster).headers(&HEADERS)).map(drop)
            }

            fn open(&self, cluster: &str) -> Result<()> {
                self.grpc_stream(cluster, "Service", "Method", &[]).and_then(|grpc| grpc.send("hello", true))
            }

            fn own(&self, word: &str, number: u32) -> Option<Result<()>> {
                let own: fn(&Self, &str, u32) -> Option<Result<()>> = $own;
                own(self, word, number)
            }
        }
    };
}

acts!(P, HttpHandle<'_, P>, |stream, word, number| {
    Some(match word {
        "resume" if number == 0 => stream.resume_request(),
        "resume" => stream.resume_response(),
        "close" if number == 0 => stream.reset(),
        "close" => stream.reset_response(),
        "reply" => {
            let status = u16::try_from(number).expect("a status");
            stream.reply(&LocalResponse::new(status).body("denied"))
        }
        "remove" if number == 2 => stream.edit_response_headers().remove("content-length"),
        "remove" => stream.edit_request_trailers().remove("x-trailer"),
        "add" => stream.edit_request_trailers().add("x-cell", "yes"),
        "replace" => stream.edit_request_trailers().replace("x-cell", "yes"),
        _ => return None,
    })
});

acts!(P, TcpHandle<'_, P>, |connection, word, number| {
    Some(match word {
        "resume" if number == 2 => connection.resume_downstream(),
        "resume" => connection.resume_upstream(),
        "close" if number == 2 => connection.close_downstream(),
        "close" => connection.close_upstream(),
        _ => return None,
    })
});

acts!(, PluginHandle<'_>, |_, _, _| None);

/// Does the steps from a number on; the number that the callback returns.
pub(super) fn perform(handle: &impl Acts, steps: &script::Steps, from: usize) -> u32 {
    let mut status = 0;
    for (at, step) in steps.steps.iter().enumerate().skip(from) {
        let words: Vec<_> = step.split(' ').collect();
        let number = words.get(1).and_then(|word| word.parse().ok()).unwrap_or(0);
        let done = match words[0] {
            "return" => {
                status = number;
                continue;
            }
            "tick" => {
                script::tick(number != 0);
                continue;
            }
            // The stream is the effective one already; the item and the message went with what is
            // before them.
            "effective" | "enqueue" | "send" => continue,
            "call" => handle.call(&words[1].to_lowercase()),
            "stream" => handle.open(&words[1].to_lowercase()),
            "register" => Queue::register("cells").and_then(|queue| queue.enqueue("item")),
            // A handle has no method for these: the callback for the trailers has.
            word => match handle.own(word, number) {
                Some(done) => done,
                None => continue,
            },
        };
        if steps.cell.contains(&at) {
            script::note(done.map_err(|error| error.to_string()));
        }
    }
    status
}
