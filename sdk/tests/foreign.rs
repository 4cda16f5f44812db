//! Functions that the host offers by name.

use std::cell::RefCell;
use std::rc::Rc;

use sluicegate::abi::Import;
use sluicegate::foreign::{self, Declaration, Key, LifeSpan};
use sluicegate::prelude::*;
use sluicegate::property;
use sluicegate_host::{Host, RunningHost};

#[derive(Default)]
struct Plugin;

#[sluicegate::plugin_context]
impl PluginContext for Plugin {
    fn on_configure(&mut self, _: &mut PluginHandle<'_>) -> Result<StartStatus> {
        foreign::declare_property(&Declaration::new("tenant").text().read_only())?;
        let error = foreign::set_envoy_filter_state("envoy.x", "", LifeSpan::Request).unwrap_err();
        assert_eq!(error.status(), Some(Status::NotFound), "there is no stream");
        Ok(StartStatus::Ok)
    }
}

#[derive(Default)]
struct Filter;

#[sluicegate::http_filter]
impl HttpFilter for Filter {
    type Plugin = Plugin;

    fn on_request_headers(&mut self, request: &mut RequestHeaders<'_, Plugin>) -> Result<Action> {
        let host = request.get("host")?.unwrap_or_default();
        foreign::clear_route_cache()?;
        foreign::set_envoy_filter_state("envoy.network.upstream_server_name", host, LifeSpan::Connection)?;
        assert_eq!(&*property::filter_state("envoy.network.upstream_server_name")?.unwrap(), &*host);
        foreign::set_envoy_filter_state("envoy.network.empty", "", LifeSpan::default())?;
        property::set(&["tenant"], "a")?;
        let error = property::set(&["tenant"], "b").unwrap_err();
        assert_eq!(error.status(), Some(Status::BadArgument), "it is set once");
        foreign::set_envoy_filter_state("unknown.object", host, LifeSpan::Request)?;
        Ok(Action::Continue)
    }
}

sluicegate::plugin!(plugin: Plugin, http: Filter);

fn start() -> RunningHost {
    let host = Host::new(&PLUGIN).start();
    assert!(host.started(), "{:?}", host.log());
    host
}

#[test]
fn a_stream_steers_the_proxy() {
    let host = start();
    let stream = host.http_stream();
    assert_eq!(stream.request_headers(&[("host", "a.example")]), Action::Pause as u32);
    let line = "on_request_headers (context 2): proxy_call_foreign_function (foreign function set_envoy_filter_state): error status returned by host: not found";
    assert!(host.logged(sluicegate::LogLevel::Error, line), "{:?}", host.log());
    assert_eq!(stream.routes_cleared(), 1);
    let object = stream.envoy_filter_state("envoy.network.upstream_server_name");
    assert_eq!(object, Some((b"a.example".to_vec(), 2)));
    assert_eq!(stream.envoy_filter_state("envoy.network.empty"), Some((vec![], 0)));
    assert_eq!(stream.filter_state("tenant").unwrap(), b"a");
}

/// A connection picks the cluster that it is proxied to.
mod connection {
    use super::*;

    pub(super) const CLUSTER: &str = "envoy.tcp_proxy.cluster";

    #[derive(Default)]
    struct Connection;

    #[sluicegate::tcp_filter]
    impl TcpFilter for Connection {
        fn on_new_connection(&mut self, _: &mut TcpHandle<'_>) -> Result<FilterStatus> {
            foreign::set_envoy_filter_state(CLUSTER, "other", LifeSpan::Connection)?;
            Ok(FilterStatus::Continue)
        }
    }

    sluicegate::plugin!(tcp: Connection);
}

#[test]
fn a_connection_picks_its_cluster() {
    let host = Host::new(&connection::PLUGIN).start();
    let connection = host.tcp_connection();
    assert_eq!(connection.opened(), 0);
    assert_eq!(connection.envoy_filter_state(connection::CLUSTER), Some((b"other".to_vec(), 2)));
}

#[test]
fn what_was_compressed_comes_back() -> Result<()> {
    let _host = start();
    for len in [0, 1, 1000, 100_000] {
        let bytes = vec![7; len];
        assert_eq!(*foreign::uncompress(&*foreign::compress(&bytes)?, len)?, bytes);
    }
    let error = foreign::uncompress("not compressed", 100).unwrap_err();
    assert_eq!(error.status(), Some(Status::SerializationFailure));
    assert_eq!(
        error.to_string(),
        "proxy_call_foreign_function (foreign function uncompress): error status returned by host: serialization failure"
    );
    Ok(())
}

#[test]
fn without_room_for_the_answer_the_host_is_not_asked() {
    let host = start();
    let before = host.calls(Import::proxy_call_foreign_function);
    let error = foreign::uncompress("x", usize::MAX).unwrap_err();
    assert!(error.is_out_of_memory() && error.call().is_none(), "{error}");
    let error = foreign::call("any", "x", usize::MAX).unwrap_err();
    assert!(error.is_out_of_memory() && error.call().is_none(), "{error}");
    assert_eq!(host.calls(Import::proxy_call_foreign_function), before);
    let empty = foreign::compress("").unwrap();
    assert!(foreign::uncompress(&*empty, 0).unwrap().is_empty(), "the next call is as ever");
}

#[test]
fn any_function_takes_and_gives_bytes() -> Result<()> {
    let host = start();
    host.add_foreign_function("reverse", |bytes| Ok(bytes.iter().rev().copied().collect()));
    host.add_foreign_function("refuse", |_| Err(Status::ParseFailure));
    assert_eq!(&*foreign::call("reverse", b"\0ab", 3)?, b"ba\0");
    assert!(foreign::call("reverse", "", 0)?.is_empty());
    assert_eq!(foreign::call("refuse", "", 0).unwrap_err().status(), Some(Status::ParseFailure));
    let error = foreign::call("unknown", "", 0).unwrap_err();
    assert_eq!(
        error.to_string(),
        "proxy_call_foreign_function (foreign function): error status returned by host: not found"
    );
    assert_eq!(foreign::declare_property(&Declaration::new("tenant")).unwrap_err().status(), Some(Status::BadArgument));
    host.fail(Import::proxy_call_foreign_function, Status::Unimplemented);
    assert_eq!(foreign::clear_route_cache().unwrap_err().status(), Some(Status::Unimplemented));
    assert!(!host.start_plugin());
    Ok(())
}

#[test]
fn signatures_are_checked_and_made_by_the_host() -> Result<()> {
    let host = start();
    let asked = Rc::new(RefCell::new(Vec::new()));
    let arguments = asked.clone();
    host.add_foreign_function("verify_signature", move |bytes| {
        *arguments.borrow_mut() = bytes.to_vec();
        Ok(if bytes.ends_with(b"good") { b"\x08\x01".to_vec() } else { b"\x12\x05wrong".to_vec() })
    });
    let verified = foreign::verify_signature("sha256", Key::Der(b"k"), b"s", "good")?;
    assert!(verified.is_valid() && verified.reason().is_empty());
    assert_eq!(*asked.borrow(), b"\x0a\x06sha256\x12\x01k\x1a\x01s\x22\x04good");
    let verified = foreign::verify_signature("sha256", Key::Der(b"k"), b"s", "bad")?;
    assert_eq!((verified.is_valid(), verified.reason()), (false, ByteStr::from("wrong")));

    host.add_foreign_function("sign", |bytes| {
        assert_eq!(bytes, b"\x0a\x04sha1\x1a\x01t\x22\x03pem");
        Ok(b"\x08\x01\x12\x02\x00\xff".to_vec())
    });
    let signed = foreign::sign("sha1", Key::Pem("pem"), "t")?;
    assert_eq!(signed.bytes().unwrap(), b"\x00\xff"[..]);
    host.add_foreign_function("sign", |_| Ok(b"\x1a\x0bunknown key".to_vec()));
    let signed = foreign::sign("sha1", Key::Der(b"k"), "t")?;
    assert_eq!((signed.bytes(), signed.reason()), (None, ByteStr::from("unknown key")));

    host.add_foreign_function("sign", |_| Ok(b"\x12\x7fshort".to_vec()));
    let error = foreign::sign("sha1", Key::Der(b"k"), "t").unwrap_err();
    assert_eq!(error.to_string(), "malformed foreign function sign: ends within a field");
    Ok(())
}

/// A proxy that knows two expressions.
fn evaluates(host: &RunningHost) -> Rc<RefCell<Vec<u32>>> {
    let live = Rc::new(RefCell::new(Vec::new()));
    let (created, evaluated, deleted) = (live.clone(), live.clone(), live.clone());
    host.add_foreign_function("expr_create", move |text| {
        let token: u32 = match text {
            b"true" => 0x0100,
            b"request.path" => 7,
            b"broken" => return Ok(vec![1]),
            _ => return Err(Status::BadArgument),
        };
        created.borrow_mut().push(token);
        Ok(token.to_le_bytes().to_vec())
    });
    let token = |bytes: &[u8]| bytes.try_into().map(u32::from_le_bytes).map_err(|_| Status::BadArgument);
    host.add_foreign_function("expr_evaluate", move |bytes| match token(bytes)? {
        known if !evaluated.borrow().contains(&known) => Err(Status::NotFound),
        7 => Ok(b"/path".to_vec()),
        _ => Ok(vec![1]),
    });
    host.add_foreign_function("expr_delete", move |bytes| {
        let token = token(bytes)?;
        deleted.borrow_mut().retain(|live| *live != token);
        Ok(Vec::new())
    });
    live
}

#[test]
fn an_expression_is_compiled_once_evaluated_and_deleted_with_its_owner() -> Result<()> {
    let host = start();
    let live = evaluates(&host);
    let (truth, path) = (foreign::Expression::create("true")?, foreign::Expression::create("request.path")?);
    assert_eq!(*live.borrow(), [0x0100, 7]);
    assert!(truth.is_true()?);
    assert_eq!(&*path.evaluate(100)?.text(), b"/path");
    assert!(path.is_true().unwrap_err().is_malformed());
    assert!(path.evaluate(usize::MAX).unwrap_err().is_out_of_memory());
    drop(path);
    assert_eq!(*live.borrow(), [0x0100]);
    drop(truth);
    assert!(live.borrow().is_empty());

    let error = foreign::Expression::create("(").unwrap_err();
    assert_eq!(error.status(), Some(Status::BadArgument));
    let text =
        "proxy_call_foreign_function (foreign function expr_create): error status returned by host: bad argument";
    assert_eq!(error.to_string(), text);
    assert!(foreign::Expression::create("broken").unwrap_err().is_malformed());
    assert!(live.borrow().is_empty());
    Ok(())
}

#[test]
fn a_proxy_without_expressions_says_so() {
    let _host = start();
    assert_eq!(foreign::Expression::create("true").unwrap_err().status(), Some(Status::NotFound));
}
