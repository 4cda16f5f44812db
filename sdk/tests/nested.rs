//! A host that answers the call of one stream within a host call of another: what each stream edits
//! and calls is its own.
#![allow(unsafe_code, reason = "the host reads what the guest passes")]

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use sluicegate::abi::Import;
use sluicegate::abi::native::{self, Arg, Host};
use sluicegate::prelude::*;
use sluicegate::{property, shared_data};

/// Waits for the answer to a call.
const WAITS: u32 = 2;
/// Makes every kind of host call.
const BUSY: u32 = 3;

const HEADERS: [(&str, &str); 3] = [(":method", "GET"), (":path", "/"), (":authority", "a")];

#[derive(Default)]
struct Filter;

#[sluicegate::http_filter]
impl HttpFilter for Filter {
    fn on_request_headers(&mut self, request: &mut RequestHeaders<'_>) -> Result<Action> {
        if request.id() == WAITS {
            request.call(&HttpCall::new("service").headers(&HEADERS))?;
            return Ok(Action::Pause);
        }
        request.add("of-busy", "1")?;
        let first = request.stream().grpc_stream("cluster", "service", "method", &[])?;
        request.add("of-busy", "2")?;
        first.send(b"hello", false)?;
        request.replace("of-busy", "3")?;
        first.close()?;
        let second = request.stream().grpc_stream("cluster", "service", "method", &[])?;
        second.cancel()?;
        request.add("of-busy", "4")?;
        request.call(&HttpCall::new("service").headers(&HEADERS))?;
        let _ = request.get("host")?;
        let _ = property::get(&["mine"])?;
        property::set(&["mine"], "1")?;
        let _ = shared_data::get("key")?;
        info!("busy");
        request.add("of-busy", "5")?;
        request.remove("of-busy")?;
        Ok(Action::Continue)
    }

    fn on_http_call_response(&mut self, stream: &mut HttpHandle<'_>, _: &CallResponse) -> Result<()> {
        stream.edit_request_headers().add("of-waits", "1")?;
        stream.resume_request()
    }

    fn on_grpc_event(&mut self, _: &mut HttpHandle<'_>, _: &GrpcEvent) -> Result<()> {
        Ok(())
    }
}

sluicegate::plugin!(http: Filter);

/// Which context host calls act on, and what they did.
#[derive(Default)]
struct Front {
    effective: Cell<u32>,
    token: Cell<u32>,
    /// The call of the stream that waits.
    waits_for: Cell<u32>,
    /// Which host call of the busy stream it is answered within.
    within: Cell<Option<usize>>,
    calls: Cell<usize>,
    acts: RefCell<Vec<(u32, String)>>,
}

impl Front {
    /// Answers the call of the stream that waits, and puts back what host calls act on, as proxies
    /// do.
    fn answer(&self) {
        let before = self.effective.replace(1);
        let _ = PLUGIN.call("proxy_on_http_call_response", &[1, self.waits_for.get(), 1, 0, 0]);
        self.effective.set(before);
    }
}

impl Host for Front {
    unsafe fn call(&self, import: Import, args: &[Arg]) -> u32 {
        if let Some(within) = self.within.get() {
            self.calls.set(self.calls.get() + 1);
            if self.calls.get() == within {
                self.within.set(None);
                self.answer();
            }
        }
        let name = || match args {
            [_, Arg::In(start), Arg::Int(size), ..] => {
                let size = usize::try_from(*size).expect("a size");
                // SAFETY: the guest passes a slice.
                let name = unsafe { std::slice::from_raw_parts(*start, size) };
                String::from_utf8_lossy(name).into_owned()
            }
            _ => panic!("{args:?}"),
        };
        let act = |act: String| self.acts.borrow_mut().push((self.effective.get(), act));
        match import {
            Import::proxy_set_effective_context => {
                let [Arg::Int(context)] = args else { panic!("{args:?}") };
                self.effective.set(u32::try_from(*context).expect("a number"));
            }
            Import::proxy_add_header_map_value
            | Import::proxy_replace_header_map_value
            | Import::proxy_remove_header_map_value => act(name()),
            Import::proxy_continue_stream => act("resume".into()),
            Import::proxy_http_call | Import::proxy_grpc_stream => {
                act("call".into());
                self.token.set(self.token.get() + 4);
                let Some(Arg::OutU32(token)) = args.last() else { panic!("{args:?}") };
                // SAFETY: the guest passes a place.
                unsafe { token.write(self.token.get()) };
            }
            Import::proxy_get_header_map_value | Import::proxy_get_property | Import::proxy_get_shared_data => {
                return 1;
            }
            _ => {}
        }
        0
    }
}

/// Plays both streams; returns how many host calls the busy one made, and what was done for each.
fn play(within: Option<usize>) -> (usize, Vec<(u32, String)>) {
    let host = Rc::new(Front::default());
    let _installed = native::install(host.clone());
    (PLUGIN.reset)();
    let _ = PLUGIN.call("proxy_on_context_create", &[1, 0]);
    let request = |context: u32| {
        let _ = PLUGIN.call("proxy_on_context_create", &[context, 1]);
        host.effective.set(context);
        let _ = PLUGIN.call("proxy_on_request_headers", &[context, 3, 1]);
    };
    request(WAITS);
    host.waits_for.set(host.token.get());
    host.within.set(within.or(Some(usize::MAX)));
    request(BUSY);
    let acts = host.acts.take();
    (host.calls.get(), acts)
}

#[test]
fn what_a_stream_does_is_its_own_wherever_another_is_answered() {
    let (calls, alone) = play(None);
    let of = |acts: &[(u32, String)], context: u32| -> Vec<String> {
        acts.iter().filter(|(of, _)| *of == context).map(|(_, act)| act.clone()).collect()
    };
    assert_eq!(of(&alone, WAITS), ["call"]);
    assert_eq!(of(&alone, BUSY).iter().filter(|act| *act == "of-busy").count(), 6);
    assert!(calls >= 15, "{calls}");
    for within in 1..=calls {
        let (_, acts) = play(Some(within));
        assert_eq!(of(&acts, BUSY), of(&alone, BUSY), "within host call {within}: {acts:?}");
        assert_eq!(of(&acts, WAITS), ["call", "of-waits", "resume"], "within host call {within}: {acts:?}");
        assert_eq!(acts.len(), alone.len() + 2, "{acts:?}");
    }
}
