use super::*;

const YAML: &str = r#"
admin:
  address: { socket_address: { address: 0.0.0.0, port_value: 8001 } }
static_resources:
  listeners:
    - name: main
      address: { socket_address: { address: 0.0.0.0, port_value: 18000 } }
      filter_chains:
        - code: { local: { filename: ./target/wasm32-wasip1/guest/tag.wasm } }
    - name: reply
      enable_reuse_port: true
      address: { socket_address: { address: 127.0.0.1, port_value: 8099 } }
    - name: quic
      address: { socket_address: { protocol: UDP, address: 127.0.0.1, port_value: 8443 } }
  clusters:
    - name: reply
      endpoint: { address: { socket_address: { address: localhost, port_value: 8099 } } }
    - name: nobody
      endpoint: { address: { socket_address: { address: 127.0.0.1, port_value: 9999 } } }
    - name: elsewhere
      endpoint: { address: { socket_address: { address: example.com, port_value: 443 } } }
    - name: secret
      tls: { filename: /etc/key.pem }
"#;

fn config() -> Config {
    Config::from_yaml(YAML).unwrap().with_module("tag", Path::new("/built/tag.wasm"))
}

fn port(tree: &Value, path: &str) -> u16 {
    tree.pointer(path).and_then(Value::as_u64).unwrap().try_into().unwrap()
}

#[test]
fn every_mention_of_a_port_gets_the_same_free_one() {
    let rendered = config().render().unwrap();
    let tree = &rendered.tree;
    let main = port(tree, "/static_resources/listeners/0/address/socket_address/port_value");
    let reply = port(tree, "/static_resources/listeners/1/address/socket_address/port_value");
    let upstream = port(tree, "/static_resources/clusters/0/endpoint/address/socket_address/port_value");
    let nobody = port(tree, "/static_resources/clusters/1/endpoint/address/socket_address/port_value");
    let admin = port(tree, "/admin/address/socket_address/port_value");
    assert_eq!(reply, upstream);
    assert_eq!(BTreeSet::from([main, reply, nobody, admin]).len(), 4);
    assert_eq!(rendered.admin, admin);
    assert_eq!((rendered.ports[&18000], rendered.ports[&8099], rendered.ports[&9999]), (main, reply, nobody));
    assert!(!rendered.ports.contains_key(&443));
}

#[test]
fn only_our_own_addresses_move_to_the_loopback_one() {
    let tree = config().render().unwrap().tree;
    let at = |path: &str| tree.pointer(path).and_then(Value::as_str).unwrap().to_owned();
    assert_eq!(at("/admin/address/socket_address/address"), LOOPBACK);
    assert_eq!(at("/static_resources/listeners/0/address/socket_address/address"), LOOPBACK);
    assert_eq!(at("/static_resources/clusters/0/endpoint/address/socket_address/address"), LOOPBACK);
    assert_eq!(at("/static_resources/clusters/2/endpoint/address/socket_address/address"), "example.com");
    assert_eq!(port(&tree, "/static_resources/clusters/2/endpoint/address/socket_address/port_value"), 443);
}

#[test]
fn modules_are_replaced_by_stem_and_other_files_stay() {
    assert_eq!(config().modules(), BTreeSet::from(["tag".to_owned()]));
    let tree = config().render().unwrap().tree;
    let module = "/static_resources/listeners/0/filter_chains/0/code/local/filename";
    assert_eq!(tree.pointer(module).unwrap(), "/built/tag.wasm");
    assert_eq!(tree.pointer("/static_resources/clusters/3/tls/filename").unwrap(), "/etc/key.pem");

    let tree = Config::from_yaml(YAML).unwrap().with_every_module(Path::new("/any/thing")).render().unwrap().tree;
    assert_eq!(tree.pointer(module).unwrap(), "/any/thing");
}

#[test]
fn a_module_too_few_or_too_many_is_an_error() {
    let few = Config::from_yaml(YAML).unwrap().render().unwrap_err().to_string();
    assert_eq!(few, "no module is given for ./target/wasm32-wasip1/guest/tag.wasm");
    let many = config().with_module("other", Path::new("/x.wasm")).render().unwrap_err().to_string();
    assert_eq!(many, "the configuration names no module `other.wasm`");
}

#[test]
fn a_pinned_port_is_used_or_refused() {
    // Once the listener is dropped, another process may take the port before it is asked for. The
    // configuration is then refused, too, and the test tries the next port.
    for attempt in 0..10 {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = taken.local_addr().unwrap().port();
        let config = config().with_port(18000, port);
        let error = config.render().unwrap_err().to_string();
        assert_eq!(error, format!("port {port} is taken; pick another with --port N, or --port 0 for a free one"));
        assert_eq!(ensure_free(port).unwrap_err().to_string(), error);
        drop(taken);
        match config.render() {
            Ok(rendered) => return assert_eq!(rendered.ports[&18000], port),
            Err(refused) => assert_eq!(refused.to_string(), error, "attempt {attempt}"),
        }
    }
    panic!("ten ports in a row were taken the moment that they were free");
}

#[test]
fn an_admin_interface_is_added_where_there_is_none() {
    let rendered = Config::from_yaml("static_resources: {}").unwrap().render().unwrap();
    assert_eq!(port(&rendered.tree, "/admin/address/socket_address/port_value"), rendered.admin);
    assert_eq!(rendered.tree.pointer("/admin/address/socket_address/address").unwrap(), LOOPBACK);
}

#[test]
fn tcp_listeners_do_not_share_ports_unless_they_say_so() {
    let tree = config().render().unwrap().tree;
    let shares = |at: usize| tree["static_resources"]["listeners"][at].get("enable_reuse_port").cloned();
    assert_eq!((shares(0), shares(1), shares(2)), (Some(false.into()), Some(true.into()), None));
}

#[test]
fn what_is_no_configuration_is_refused_in_one_line() {
    for text in ["a: [", "- 1", "admin: { address: { socket_address: { address: localhost, port_value: 70000 } } }"] {
        let error = Config::from_yaml(text).and_then(|config| config.render().map(drop)).unwrap_err();
        assert_eq!(format!("{error:#}").lines().count(), 1);
    }
}
