//! Properties that the proxy has, and those that it does not have, with the checks of their values.

use std::time::Duration;

use sluicegate::abi::Import;
use sluicegate::prelude::*;
use sluicegate::property::{self, connection, istio, node, request, response, upstream, wasm, xds};
use sluicegate_host::{Host, PropertyValue, RunningHost};

#[derive(Default)]
struct Plugin;

#[sluicegate::plugin_context]
impl PluginContext for Plugin {
    fn on_configure(&mut self, _: &mut PluginHandle<'_>) -> Result<StartStatus> {
        let error = property::set(&["tag"], "no stream").unwrap_err();
        assert_eq!((error.call(), error.status()), (Some("proxy_set_property"), Some(Status::NotFound)));
        assert!(request::path()?.is_none());
        assert!(wasm::plugin_root_id()?.unwrap().is_empty());
        Ok(StartStatus::Ok)
    }
}

#[derive(Default)]
struct Filter;

fn text(property: Option<property::Property>) -> Option<String> {
    property.map(|property| property.text().display().to_string())
}

fn seen() -> Result<[Option<String>; 4]> {
    Ok([text(request::path()?), text(request::query()?), text(request::header("x-a")?), text(property::get(&["tag"])?)])
}

#[sluicegate::http_filter]
impl HttpFilter for Filter {
    type Plugin = Plugin;

    fn on_request_headers(&mut self, headers: &mut RequestHeaders<'_, Plugin>) -> Result<Action> {
        property::set(&["tag"], headers.get("x-a")?.unwrap_or_default())?;
        info!("request {:?} {:?}", seen()?, response::code()?);
        let map = request::headers()?.unwrap();
        assert_eq!((map.len(), headers.snapshot()?.len()), (3, 4));
        assert_eq!(map.get("x-b").unwrap().text(), "2,3");
        Ok(Action::Continue)
    }

    fn on_response_headers(&mut self, _: &mut ResponseHeaders<'_, Plugin>) -> Result<Action> {
        info!("response {:?} {:?}", seen()?, response::code()?);
        assert!(request::headers()?.unwrap().is_empty());
        assert_eq!(response::headers()?.unwrap().iter().len(), 1);
        Ok(Action::Continue)
    }

    fn on_log(&mut self, _: &mut HttpHandle<'_, Plugin>) -> Result<()> {
        info!("log {:?} {:?}", seen().unwrap(), response::code().unwrap());
        Ok(())
    }
}

sluicegate::plugin!(plugin: Plugin, http: Filter);

fn start() -> RunningHost {
    let host = Host::new(&PLUGIN).start();
    assert!(host.started(), "{:?}", host.log());
    host
}

#[test]
fn a_stream_reads_what_envoy_has_in_each_phase() {
    let host = start();
    let stream = host.http_stream();
    assert_eq!(
        stream.request_headers(&[(":path", "/a?b=c"), ("x-a", "1"), ("x-b", "2"), ("x-b", "3")]),
        0,
        "{:?}",
        host.log()
    );
    assert_eq!(stream.filter_state("tag").unwrap(), b"1");
    assert_eq!(stream.response_headers(&[(":status", "404")]), 0, "{:?}", host.log());
    stream.complete();
    let lines: Vec<_> = host.log().into_iter().map(|line| line.text).collect();
    assert_eq!(
        lines,
        [
            r#"request [Some("/a?b=c"), Some("b=c"), Some("1"), Some("1")] None"#,
            r#"response [None, None, None, Some("1")] Some(404)"#,
            r#"log [Some("/a?b=c"), Some("b=c"), Some("1"), Some("1")] Some(404)"#,
        ]
    );
}

#[test]
fn absent_empty_and_unserialisable_are_three_things() -> Result<()> {
    let host = start();
    assert!(upstream::address()?.is_none());
    assert!(property::get(&["no", "such"])?.is_none());
    assert!(xds::route_name()?.unwrap().is_empty());
    host.set_property(&["xds", "upstream_host_metadata"], PropertyValue::Opaque);
    let error = xds::upstream_host_metadata().unwrap_err();
    assert_eq!(error.status(), Some(Status::SerializationFailure));
    assert_eq!(
        error.to_string(),
        "proxy_get_property (property xds.upstream_host_metadata): error status returned by host: serialization failure"
    );
    host.set_property(&["filter_state", "a", "b"], 1);
    assert_eq!(property::filter_state("a").unwrap_err().status(), Some(Status::SerializationFailure));
    Ok(())
}

#[test]
fn every_encoding_is_read_as_what_it_is() -> Result<()> {
    let host = start();
    host.set_property(&["connection", "mtls"], true);
    host.set_property(&["source", "port"], 50_000);
    host.set_property(&["request", "duration"], Duration::from_micros(1500));
    host.set_property(&["request", "time"], Duration::from_secs(1_700_000_000));
    host.set_property(&["response", "code_details"], "via_upstream");
    host.set_property(&["request", "protocol"], &b"\xff"[..]);
    assert_eq!((connection::mtls()?, connection::source_port()?), (Some(true), Some(50_000)));
    assert_eq!(request::duration()?, Some(Duration::from_micros(1500)));
    assert_eq!(request::time()?.unwrap().as_secs(), 1_700_000_000);
    assert_eq!(response::code_details()?.unwrap().text(), "via_upstream");
    assert!(request::protocol()?.unwrap().text().to_str().is_err());
    assert_eq!(property::get(&["source", "port"])?.unwrap().to_i64()?, 50_000);
    for (number, direction) in
        [(0, xds::Direction::Unspecified), (1, xds::Direction::Inbound), (7, xds::Direction::Unknown(7))]
    {
        host.set_property(&["xds", "listener_direction"], number);
        assert_eq!(xds::listener_direction()?, Some(direction));
    }
    Ok(())
}

#[test]
fn maps_and_lists_are_read_in_place_or_descended() -> Result<()> {
    let host = start();
    let features = ["a", "", "c"].map(PropertyValue::from);
    host.set_property(&["xds", "node", "client_features"], PropertyValue::List(features.into()));
    let list = node::client_features()?.unwrap();
    assert_eq!((list.len(), list.iter().len(), list.is_empty()), (3, 3, false));
    assert_eq!(format!("{list:?}"), r#"["a", "", "c"]"#);
    assert_eq!(list.get(2).unwrap().as_bytes(), b"c");
    assert!(list.get(3).is_none());
    assert_eq!(text(property::get(&["xds", "node", "client_features", "2"])?).as_deref(), Some("c"));
    assert!(property::get(&["xds", "node", "client_features", "3"])?.is_none());

    let labels = PropertyValue::Map(vec![("app".into(), "x".into()), ("App".into(), 2.5.into())]);
    host.set_property(&["xds", "node", "metadata", "LABELS"], labels);
    let map = istio::labels()?.unwrap();
    assert_eq!((map.get("app").unwrap().text(), map.get("App").unwrap().to_f64()?), (ByteStr::from("x"), 2.5));
    assert!(map.get("APP").is_none(), "keys keep their case");
    assert!(map.get("app").unwrap().to_f64().is_err());
    assert_eq!((&map).into_iter().map(|(key, _)| key.len()).sum::<usize>(), 6);
    assert_eq!(node::metadata(&["LABELS", "App"])?.unwrap().to_f64()?, 2.5);

    host.set_property(&["xds", "node", "extensions"], PropertyValue::List(vec![]));
    assert!(node::extensions()?.unwrap().is_empty());
    let params = PropertyValue::Map(vec![("k".into(), "v".into())]);
    host.set_property(&["node", "dynamic_parameters", "type.googleapis.com/x", "params"], params);
    assert_eq!(node::dynamic_parameters("type.googleapis.com/x")?.unwrap().len(), 1);
    Ok(())
}

#[test]
fn what_has_the_wrong_size_or_shape_is_an_error_that_names_it() -> Result<()> {
    let host = start();
    for size in [0, 1, 7, 9] {
        host.set_property(&["response", "flags"], vec![0; size]);
        let error = response::flags().unwrap_err();
        assert_eq!(error.to_string(), "malformed property response.flags: a number has 8 bytes");
        host.set_property(&["connection", "mtls"], vec![0; size]);
        assert_eq!(connection::mtls().is_ok(), size == 1);
    }
    host.set_property(&["request", "duration"], -1);
    assert!(request::duration().unwrap_err().is_malformed());
    host.set_property(&["request", "headers"], "no map at all");
    assert!(request::headers().unwrap_err().to_string().starts_with("malformed property request.headers: "));
    host.set_property(&["xds", "node", "client_features"], vec![9, 0, 0, 0]);
    assert!(node::client_features().unwrap_err().is_malformed());
    assert_eq!(property::get::<&str>(&[]).unwrap_err().to_string(), "the path of a property is empty");
    assert_eq!(property::set::<&str>(&[], "").unwrap_err().to_string(), "the path of a property is empty");
    Ok(())
}

#[test]
fn a_name_that_moved_is_found_at_both_places_and_the_new_one_counts() -> Result<()> {
    let host = start();
    for (path, expected) in [(["node", "id"], "old"), (["xds", "node"], "new")] {
        let path = if expected == "new" { vec!["xds", "node", "id"] } else { path.to_vec() };
        host.set_property(&path, expected);
        assert_eq!(text(node::id()?).as_deref(), Some(expected));
    }
    host.set_property(&["cluster_name"], "old");
    host.set_property(&["node", "metadata", "NAME"], "old");
    let before = host.calls(Import::proxy_get_property);
    assert_eq!(text(xds::cluster_name()?).as_deref(), Some("old"));
    assert_eq!(text(istio::name()?).as_deref(), Some("old"));
    assert_eq!(text(node::metadata(&["NAME"])?).as_deref(), Some("old"));
    assert_eq!(host.calls(Import::proxy_get_property) - before, 6);
    host.set_property(&["xds", "cluster_name"], "");
    assert_eq!(text(xds::cluster_name()?).as_deref(), Some(""), "empty is there");
    assert_eq!(host.calls(Import::proxy_get_property) - before, 7);
    Ok(())
}

#[test]
fn istios_own_types_are_read_as_what_they_are() -> Result<()> {
    let host = start();
    let metadata = |xds: &'static str, place: &'static str, part: &'static str| {
        [&[xds][..], &["listener_metadata", "filter_metadata", "istio", "services", place, part]].concat()
    };
    host.set_property(&metadata("xds", "0", "host"), "a.example");
    host.set_property(&metadata("xds", "0", "namespace"), "one");
    // On an older host, without a name for its host.
    host.set_property(&metadata("xds", "1", "name")[1..], "b");
    let first = istio::service(istio::Resource::Listener, 0)?.unwrap();
    let parts = [text(first.host), text(first.name), text(first.namespace)];
    assert_eq!(parts, [Some("a.example".to_owned()), None, Some("one".to_owned())]);
    let second = istio::service(istio::Resource::Listener, 1)?.unwrap();
    assert_eq!((text(second.name).as_deref(), second.host.is_none()), (Some("b"), true));
    assert!(istio::service(istio::Resource::Listener, 2)?.is_none());
    for other in [istio::Resource::Cluster, istio::Resource::Route, istio::Resource::UpstreamHost] {
        assert!(istio::service(other, 0)?.is_none());
    }

    assert_eq!(istio::interception_mode()?, None);
    let modes = [
        ("NONE", istio::InterceptionMode::None),
        ("TPROXY", istio::InterceptionMode::Tproxy),
        ("REDIRECT", istio::InterceptionMode::Redirect),
    ];
    for (text, mode) in modes {
        host.set_property(&["xds", "node", "metadata", "INTERCEPTION_MODE"], text);
        assert_eq!(istio::interception_mode()?, Some(mode));
    }
    host.set_property(&["xds", "node", "metadata", "INTERCEPTION_MODE"], "redirect");
    let error = istio::interception_mode().unwrap_err();
    assert_eq!(error.to_string(), "malformed property xds.node.metadata.INTERCEPTION_MODE: no mode of interception");
    Ok(())
}

#[test]
fn paths_of_any_length_and_filter_state_go_to_the_host_whole() -> Result<()> {
    let host = start();
    let long = "x".repeat(300);
    host.set_property(&["metadata", "filter_metadata", &long, "k"], "deep");
    assert_eq!(text(property::metadata(&[long.as_str(), "k"])?).as_deref(), Some("deep"));
    host.set_property(&["upstream_filter_state", "u"], "up");
    assert_eq!(text(property::upstream_filter_state("u")?).as_deref(), Some("up"));
    host.set_property(&["filter_state", "envoy.x"], "own");
    assert_eq!(text(property::filter_state("envoy.x")?).as_deref(), Some("own"));

    host.fail(Import::proxy_get_property, Status::InvalidMemoryAccess);
    assert!(connection::id().unwrap_err().is_out_of_memory());
    assert_eq!(xds::route_name().unwrap_err().call(), Some("proxy_get_property"));
    Ok(())
}
