//! The data that leave the guest: names, values, statuses, metrics, properties and lines. Each is
//! checked before the host is called.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::path::Path;
use std::rc::Rc;

use sluicegate::abi::Import;
use sluicegate::metric::{Counter, Gauge, Histogram};
use sluicegate::prelude::*;
use sluicegate::{LogLevel, Status, property};
use sluicegate_host::{Host, RunningHost};

type Run = dyn Fn(&mut RequestHeaders<'_>) -> Result<Action>;

thread_local! {
    /// The filter's action for the next request.
    static NEXT: RefCell<Option<Rc<Run>>> = const { RefCell::new(None) };
    /// The error of the last call, as the filter saw it.
    static FAILURE: Cell<Option<(Status, usize)>> = const { Cell::new(None) };
}

#[derive(Default)]
struct Filter;

#[sluicegate::http_filter(calls)]
impl HttpFilter for Filter {
    fn on_request_headers(&mut self, request: &mut RequestHeaders<'_>) -> Result<Action> {
        let run = NEXT.take().expect("something to do");
        run(request)
    }

    fn on_http_call_response(&mut self, _: &mut HttpHandle<'_>, response: &CallResponse) -> Result<()> {
        FAILURE.set(response.failure().map(|(status, text)| (status, text.len())));
        Ok(())
    }

    fn on_grpc_event(&mut self, _: &mut HttpHandle<'_>, _: &GrpcEvent) -> Result<()> {
        Ok(())
    }
}

sluicegate::plugin!(http: Filter);

/// Runs a function in the headers callback of a new stream.
fn run(host: &RunningHost, run: impl Fn(&mut RequestHeaders<'_>) -> Result<()> + 'static) {
    NEXT.set(Some(Rc::new(move |request: &mut RequestHeaders<'_>| {
        run(request)?;
        Ok(Action::Continue)
    })));
    let stream = host.http_stream();
    stream.request_headers(&[(":method", "GET"), (":path", "/"), (":authority", "a")]);
    stream.complete();
}

/// A function that takes a name and a value which leave the guest.
struct Api {
    /// The file and the function.
    name: &'static str,
    /// `true` if it takes text alone.
    text: bool,
    /// The host function that sends them.
    import: Import,
    call: Call,
    /// Its twin that leaves them as they are.
    unchecked: Call,
}

type Call = fn(&mut RequestHeaders<'_>, &[u8], &[u8]) -> Result<()>;

const TARGET: [(&[u8], &[u8]); 3] = [(b":method", b"GET"), (b":path", b"/"), (b":authority", b"a")];

fn str(bytes: &[u8]) -> &str {
    str::from_utf8(bytes).expect("text")
}

const APIS: &[Api] = &[
    Api {
        name: "handle/headers/edit.rs add",
        text: false,
        import: Import::proxy_add_header_map_value,
        call: |request, name, value| request.add(name, value),
        unchecked: |request, name, value| request.add_unchecked(name, value),
    },
    Api {
        name: "handle/headers/edit.rs replace",
        text: false,
        import: Import::proxy_replace_header_map_value,
        call: |request, name, value| request.replace(name, value),
        unchecked: |request, name, value| request.replace_unchecked(name, value),
    },
    Api {
        name: "headers/editor.rs add",
        text: false,
        import: Import::proxy_add_header_map_value,
        call: |request, name, value| request.stream().edit_request_headers().add(name, value),
        unchecked: |request, name, value| request.stream().edit_request_headers().add_unchecked(name, value),
    },
    Api {
        name: "headers/editor.rs replace",
        text: false,
        import: Import::proxy_replace_header_map_value,
        call: |request, name, value| request.stream().edit_request_headers().replace(name, value),
        unchecked: |request, name, value| request.stream().edit_request_headers().replace_unchecked(name, value),
    },
    Api {
        name: "handle/headers/edit.rs replace_all",
        text: false,
        import: Import::proxy_set_header_map_pairs,
        call: |request, name, value| request.replace_all(&[TARGET[0], TARGET[1], TARGET[2], (name, value)]),
        unchecked: |request, name, value| {
            request.replace_all_unchecked(&[TARGET[0], TARGET[1], TARGET[2], (name, value)])
        },
    },
    Api {
        name: "reply.rs headers",
        text: false,
        import: Import::proxy_send_local_response,
        call: |request, name, value| request.reply(&LocalResponse::new(200).headers(&[(name, value)])).map(drop),
        unchecked: |request, name, value| {
            request.reply(&LocalResponse::new(200).headers(&[(name, value)]).unchecked()).map(drop)
        },
    },
    Api {
        name: "callout/http.rs headers",
        text: false,
        import: Import::proxy_http_call,
        call: |request, name, value| {
            let headers = [TARGET[0], TARGET[1], TARGET[2], (name, value)];
            request.call(&HttpCall::new("c").headers(&headers)).map(drop)
        },
        unchecked: |request, name, value| {
            let headers = [TARGET[0], TARGET[1], TARGET[2], (name, value)];
            request.call(&HttpCall::new("c").headers(&headers).unchecked()).map(drop)
        },
    },
    Api {
        name: "callout/http.rs trailers",
        text: false,
        import: Import::proxy_http_call,
        call: |request, name, value| {
            request.call(&HttpCall::new("c").headers(&TARGET).trailers(&[(name, value)])).map(drop)
        },
        unchecked: |request, name, value| {
            request.call(&HttpCall::new("c").headers(&TARGET).trailers(&[(name, value)]).unchecked()).map(drop)
        },
    },
    Api {
        name: "callout/grpc.rs metadata",
        text: true,
        import: Import::proxy_grpc_call,
        call: |request, name, value| {
            let metadata = [(str(name), str(value))];
            request.stream().grpc_call(&GrpcCall::new("c", "S", "M").metadata(&metadata)).map(drop)
        },
        unchecked: |request, name, value| {
            let metadata = [(str(name), str(value))];
            request.stream().grpc_call(&GrpcCall::new("c", "S", "M").metadata(&metadata).unchecked()).map(drop)
        },
    },
    Api {
        name: "handle/calls.rs grpc_stream",
        text: true,
        import: Import::proxy_grpc_stream,
        call: |request, name, value| request.stream().grpc_stream("c", "S", "M", &[(str(name), str(value))]).map(drop),
        unchecked: |request, name, value| {
            request.stream().grpc_stream_unchecked("c", "S", "M", &[(str(name), str(value))]).map(drop)
        },
    },
    Api {
        name: "handle/calls.rs grpc_stream_then",
        text: true,
        import: Import::proxy_grpc_stream,
        call: |request, name, value| {
            let metadata = [(str(name), str(value))];
            request.stream().grpc_stream_then("c", "S", "M", &metadata, |_: &mut Filter, _, _| Ok(())).map(drop)
        },
        unchecked: |request, name, value| {
            let metadata = [(str(name), str(value))];
            let stream = request.stream();
            stream.grpc_stream_then_unchecked("c", "S", "M", &metadata, |_: &mut Filter, _, _| Ok(())).map(drop)
        },
    },
];

/// Those that are the twins of the above, and those of metrics, of which control bytes alone are
/// refused: `metrics_and_tags_have_no_control_bytes`.
const ELSEWHERE: &[&str] = &[
    "handle/calls.rs grpc_stream_unchecked",
    "handle/calls.rs grpc_stream_then_unchecked",
    "handle/headers/edit.rs replace_all_unchecked",
    "handle/headers/edit.rs add_unchecked",
    "handle/headers/edit.rs replace_unchecked",
    "headers/editor.rs add_unchecked",
    "headers/editor.rs replace_unchecked",
    "metric.rs with_tags",
    "metric.rs with_tags_unchecked",
];

/// The functions of the crate that take pairs, or a name with a value.
fn functions() -> BTreeSet<String> {
    fn collect(folder: &Path, root: &Path, found: &mut BTreeSet<String>) {
        for entry in folder.read_dir().unwrap().map(Result::unwrap) {
            let path = entry.path();
            if path.is_dir() {
                collect(&path, root, found);
                continue;
            }
            let source = std::fs::read_to_string(&path).unwrap();
            let file = path.strip_prefix(root).unwrap().display().to_string();
            for start in ["pub fn ", "pub const fn "].iter().flat_map(|start| source.match_indices(start)) {
                let rest = &source[start.0 + start.1.len()..];
                let signature = rest.split_once('{').map_or(rest, |(signature, _)| signature);
                let takes_pairs = signature.contains("&[(") || signature.contains("&'a [(");
                if takes_pairs || signature.contains("impl ToValue") {
                    let end = signature.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap();
                    found.insert(format!("{file} {}", &signature[..end]));
                }
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = BTreeSet::new();
    collect(&root, &root, &mut found);
    // It gives pairs, and takes none.
    found.retain(|name| !name.starts_with("http.rs "));
    found
}

#[test]
#[cfg_attr(miri, ignore = "reads files")]
fn every_function_that_takes_names_and_values_is_tried() {
    let tried = APIS.iter().map(|api| api.name).chain(ELSEWHERE.iter().copied()).map(str::to_owned).collect();
    assert_eq!(functions(), tried);
}

/// A text with the byte first, last, alone, and in the middle.
fn with(byte: u8) -> [Vec<u8>; 4] {
    [vec![byte], [b"x-abc", &[byte][..]].concat(), [&[byte], &b"x-abcdefghijk"[..]].concat(), {
        [b"x-abcdefgh", &[byte][..], b"ijklmn"].concat()
    }]
}

fn is_value(byte: u8) -> bool {
    byte == b'\t' || byte >= b' ' && byte != 0x7f
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_graphic() && !b"\"(),/:;<=>?@[\\]{}".contains(&byte)
}

#[test]
fn no_function_lets_a_byte_out_that_ends_a_line_or_is_no_token() {
    let host = Host::new(&PLUGIN).start();
    for api in APIS {
        run(&host, move |request| {
            for byte in (0..=255).filter(|byte| !api.text || *byte < 0x80) {
                for text in with(byte) {
                    if !is_value(byte) {
                        let error = (api.call)(request, b"x-abc", &text).expect_err(api.name);
                        assert!(error.is_invalid_byte(), "{}: {error}", api.name);
                        assert_eq!(error.name(), Some(&b"x-abc"[..]), "{}", api.name);
                        assert!(error.to_string().contains(&format!("byte 0x{byte:02x}")), "{error}");
                    }
                    // One colon in front makes a pseudo-header.
                    if !(is_token(byte) || byte == b':' && text.starts_with(b":")) {
                        let error = (api.call)(request, &text, b"1").expect_err(api.name);
                        assert!(error.is_invalid_byte(), "{}: {error}", api.name);
                    }
                }
            }
            assert!((api.call)(request, b"", b"1").is_err(), "{}: no name", api.name);
            // A refused value never reaches the host, and a valid one does.
            (api.call)(request, b"x-abc", b"gr\tun !~").unwrap_or_else(|error| panic!("{}: {error}", api.name));
            Ok(())
        });
    }
    let calls = |import| host.calls(import);
    assert_eq!((calls(Import::proxy_http_call), calls(Import::proxy_send_local_response)), (2, 1));
    assert_eq!((calls(Import::proxy_grpc_call), calls(Import::proxy_grpc_stream)), (1, 2));
    assert_eq!(host.trapped(), None);
}

/// The value of a pseudo-header is a part of a message's first line, which a space would cut.
#[test]
fn no_function_lets_a_space_into_the_first_line_of_a_message() {
    let host = Host::new(&PLUGIN).start();
    for api in APIS {
        let before = host.calls(api.import);
        run(&host, move |request| {
            for name in [":path", ":method", ":authority", ":scheme", ":status", ":x"] {
                for value in ["/a HTTP/1.0", " /", "/ ", "GET\t/"] {
                    assert!((api.call)(request, name.as_bytes(), value.as_bytes()).is_err(), "{}: {name}", api.name);
                }
            }
            Ok(())
        });
        assert_eq!(host.calls(api.import), before, "{}", api.name);
    }
}

#[test]
fn each_function_has_a_twin_that_leaves_the_bytes_alone() {
    let host = Host::new(&PLUGIN).start();
    for api in APIS {
        let before = host.calls(api.import);
        for (name, value) in [("x a", "1"), ("x-a", "1\r\nx-b: 2"), ("x-a\0", "\x7f")] {
            run(&host, move |request| {
                (api.unchecked)(request, name.as_bytes(), value.as_bytes()).unwrap_or_else(|error| panic!("{error}"));
                Ok(())
            });
        }
        assert_eq!(host.calls(api.import) - before, 3, "{}", api.name);
        // A map cannot have a header without a name, whoever answers for the bytes.
        run(&host, |request| {
            assert!((api.unchecked)(request, b"", b"1").is_err(), "{}: no name", api.name);
            Ok(())
        });
        assert_eq!(host.calls(api.import) - before, 3, "{}: no name", api.name);
    }
    assert!(host.harm().is_some(), "the host tells what came of it");
}

#[test]
fn what_was_added_unchecked_can_be_removed() {
    let host = Host::new(&PLUGIN).start();
    run(&host, |request| {
        assert!(request.remove("x a").is_err() && request.stream().edit_request_headers().remove("x a").is_err());
        request.add_unchecked("x a", "1")?;
        request.remove_unchecked("x a")?;
        request.add_unchecked("x a", "1")?;
        request.stream().edit_request_headers().remove_unchecked("x a")?;
        assert!(request.remove_unchecked("").is_err());
        assert!(request.fetch("x a")?.is_none());
        Ok(())
    });
    assert_eq!(host.calls(Import::proxy_remove_header_map_value), 2);
}

#[test]
fn a_grpc_path_has_no_control_bytes_unless_its_author_must() {
    let host = Host::new(&PLUGIN).start();
    run(&host, |request| {
        let stream = request.stream();
        for byte in (0..0x80).filter(|byte| !is_value(*byte)) {
            for text in with(byte) {
                for (service, method, what) in [(str(&text), "M", "service"), ("S", str(&text), "method")] {
                    let call = stream.grpc_call(&GrpcCall::new("c", service, method)).map(drop);
                    let open = stream.grpc_stream("c", service, method, &[]).map(drop);
                    for (answer, function) in [(call, "proxy_grpc_call"), (open, "proxy_grpc_stream")] {
                        let (error, text) = (answer.unwrap_err(), text.escape_ascii());
                        let at = format!("{function}: gRPC {what} ({text}): byte 0x{byte:02x} at position ");
                        assert!(error.to_string().starts_with(&at), "{error}");
                    }
                }
            }
        }
        stream.grpc_call(&GrpcCall::new("c", "S\n", "M\r").unchecked())?;
        stream.grpc_stream_unchecked("c", "S\n", "M\r", &[]).map(drop)
    });
    assert_eq!((host.calls(Import::proxy_grpc_call), host.calls(Import::proxy_grpc_stream)), (1, 1));
}

#[test]
fn the_details_of_an_answer_are_one_line_of_the_log() {
    let host = Host::new(&PLUGIN).start();
    run(&host, |request| {
        for byte in (0..=255).filter(|byte| !is_value(*byte)) {
            for text in with(byte) {
                let error = request.reply(&LocalResponse::new(403).details(&text)).unwrap_err();
                assert!(error.is_invalid_byte(), "{error}");
                assert!(error.to_string().starts_with("proxy_send_local_response: details: byte 0x"), "{error}");
            }
        }
        request.reply(&LocalResponse::new(403).details("two\nlines").unchecked()).map(drop)
    });
    assert_eq!(host.calls(Import::proxy_send_local_response), 1);
}

/// Tries an answer, and gives the error.
fn refused<N: AsRef<[u8]>, V: AsRef<[u8]>>(
    request: &mut RequestHeaders<'_>,
    response: &LocalResponse<'_, N, V>,
) -> String {
    request.reply(response).map_or_else(|error| error.to_string(), |_| "sent".into())
}

#[test]
fn an_answer_that_would_desynchronise_the_connection_is_refused() {
    let host = Host::new(&PLUGIN).start();
    run(&host, |request| {
        for status in (0..200).chain(600..=u16::MAX) {
            let text = refused(request, &LocalResponse::new(status));
            assert_eq!(text, format!("status {status}: a local reply has a status of 200 to 599"));
        }
        for status in [204, 304] {
            let text = refused(request, &LocalResponse::new(status).body("x"));
            assert_eq!(text, format!("status {status}: a local reply with this status has no body"));
        }
        for (name, value) in [
            ("content-length", "2"),
            ("Content-Length", "4"),
            ("content-length", ""),
            ("content-length", "+3"),
            ("content-length", "99999999999999999999999999"),
            ("transfer-encoding", "chunked"),
            ("Transfer-Encoding", "identity"),
            (":status", "403"),
            (":path", "/"),
        ] {
            let headers = [("a", "b"), (name, value)];
            let text = refused(request, &LocalResponse::new(200).headers(&headers).body("abc"));
            let header = format!("proxy_send_local_response (header {name}): ");
            assert!(text.starts_with(&header), "{name}: {value}: {text}");
        }
        Ok(())
    });
    assert_eq!(host.calls(Import::proxy_send_local_response), 0);
    let right: &[fn(&mut RequestHeaders<'_>) -> Result<Action>] = &[
        |request| request.reply(&LocalResponse::new(200)),
        |request| request.reply(&LocalResponse::new(599).body("x")),
        |request| request.reply(&LocalResponse::new(204)),
        |request| request.reply(&LocalResponse::new(304).headers(&[("content-length", "1234")])),
        |request| request.reply(&LocalResponse::new(200).headers(&[("content-length", "3")]).body("abc")),
        |request| request.reply(&LocalResponse::new(205).headers(&[("content-length", "0")])),
    ];
    for reply in right {
        run(&host, |request| reply(request).map(drop));
    }
    assert_eq!(host.calls(Import::proxy_send_local_response), right.len());
}

#[test]
fn metrics_and_tags_have_no_control_bytes() {
    let host = Host::new(&PLUGIN).start();
    run(&host, |_| {
        for byte in (0..=255).filter(|byte| !is_value(*byte)) {
            for text in with(byte) {
                let answers = [
                    Counter::define(&text).map(drop),
                    Gauge::define(&text).map(drop),
                    Histogram::define(&text).map(drop),
                    Counter::with_tags("name", &[(&b"tag"[..], &*text)]).map(drop),
                    Counter::with_tags("name", &[(&*text, &b"value"[..])]).map(drop),
                    Counter::with_tags(&text, &[("tag", "value")]).map(drop),
                ];
                for answer in answers {
                    let error = answer.unwrap_err();
                    assert!(error.is_invalid_byte() && error.name().is_some(), "{error}");
                }
            }
        }
        assert!(Counter::define("").is_err() && Gauge::define_unchecked("").is_err());
        Ok(())
    });
    assert_eq!(host.calls(Import::proxy_define_metric), 0);
    run(&host, |_| {
        Counter::define_unchecked("two\nlines")?;
        Counter::with_tags_unchecked("two\nlines", &[("tag", "\0")]).map(drop)
    });
    assert_eq!(host.counter("two\nlines_tag=\0"), Some(0));
    assert_eq!(host.counter("two\nlines"), Some(0));
}

#[test]
fn one_line_goes_in_and_one_comes_out() {
    let host = Host::new(&PLUGIN).start();
    let text = |text: &'static str| {
        host.clear_log();
        run(&host, move |_| {
            info!("{text}");
            Ok(())
        });
        let lines: Vec<_> = host.log().iter().map(|line| line.text.clone()).collect();
        let [line] = &*lines else { panic!("{lines:?}") };
        line.clone()
    };
    for plain in ["", "a", "a line of more than eight bytes", "tab\there", "grüße", "C:\\new"] {
        assert_eq!(text(plain), plain);
    }
    assert_eq!(text("a\nforged: line\r\n"), "a\\nforged: line\\r\\n");
    assert_eq!(text("\0\x1b[31m\x7f grüße\n"), "\\x00\\x1b[31m\\x7f grüße\\n");
    host.clear_log();
    sluicegate::log::write_unescaped(LogLevel::Info, "two\nlines");
    assert_eq!(host.log()[0].text, "two\nlines", "for who must");
    let long: &'static str = "x\n".repeat(400).leak();
    assert_eq!(text(long), "x\\n".repeat(400));
    host.clear_log();
    run(&host, |_| {
        info!("fixed\ntext");
        Err(Error::text("an error\nof two lines"))
    });
    let lines: Vec<_> = host.log().iter().map(|line| line.text.clone()).collect();
    assert!(lines.iter().all(|line| !line.contains('\n')), "{lines:?}");
    assert!(lines.iter().any(|line| line.contains("an error\\nof two lines")), "{lines:?}");
}

#[test]
fn a_call_names_the_header_that_it_lacks() {
    let host = Host::new(&PLUGIN).start();
    run(&host, |request| {
        let error = |headers: &[(&str, &str)]| {
            request.call(&HttpCall::new("c").headers(headers)).map_or_else(|error| error.to_string(), |_| "sent".into())
        };
        let (method, path, authority) = ((":method", "GET"), (":path", "/"), (":authority", "a"));
        assert_eq!(error(&[]), "proxy_http_call (cluster c): the header :method is missing");
        assert_eq!(error(&[path, authority]), "proxy_http_call (cluster c): the header :method is missing");
        assert_eq!(error(&[method, authority]), "proxy_http_call (cluster c): the header :path is missing");
        assert_eq!(error(&[method, path]), "proxy_http_call (cluster c): the header :authority is missing");
        assert_eq!(error(&[("x", "y"), path, authority, method]), "sent");
        Ok(())
    });
    assert_eq!(host.calls(Import::proxy_http_call), 1);
}

/// The cluster would take the next call of the connection for the body of this one, or the body of
/// this one for the next call.
#[test]
fn a_call_that_would_desynchronise_the_connection_is_refused() {
    let host = Host::new(&PLUGIN).start();
    for (name, value, body, is_right) in [
        ("content-length", "5", "", false),
        ("Content-Length", "4", "abc", false),
        ("content-length", "", "", false),
        ("content-length", "-1", "", false),
        ("transfer-encoding", "chunked", "", false),
        ("Transfer-Encoding", "chunked", "abc", false),
        ("content-length", "0", "", true),
        ("content-length", "3", "abc", true),
        ("te", "trailers", "", true),
    ] {
        let before = host.calls(Import::proxy_http_call);
        run(&host, move |request| {
            let text = |bytes: &'static [u8]| str::from_utf8(bytes).expect("text");
            let [method, path, authority] = TARGET.map(|(name, value)| (text(name), text(value)));
            let headers = [method, path, authority, (name, value)];
            let call = HttpCall::new("c").headers(&headers).body(body);
            let answer = request.call(&call).map_err(|error| error.to_string());
            assert_eq!(answer.is_ok(), is_right, "{name}: {value}: {answer:?}");
            if let Err(problem) = answer {
                assert!(problem.starts_with(&format!("proxy_http_call (header {name}): ")), "{problem}");
                request.call(&call.unchecked())?;
            }
            Ok(())
        });
        assert_eq!(host.calls(Import::proxy_http_call), before + 1);
    }
    assert_eq!(host.counter("sluicegate_errors").unwrap_or_default(), 0);
}

#[test]
fn a_call_has_a_failure_only_if_it_failed_and_always_then() {
    let host = Host::new(&PLUGIN).start();
    let call = || {
        NEXT.set(Some(Rc::new(|request: &mut RequestHeaders<'_>| {
            request.call(&HttpCall::new("c").headers(&TARGET))?;
            Ok(Action::Pause)
        })));
        let stream = host.http_stream();
        stream.request_headers(&[(":path", "/")]);
        (stream, host.pending_calls()[0].token)
    };
    let (stream, token) = call();
    host.fail_call(token);
    assert_eq!(FAILURE.take(), Some((Status::BrokenConnection, 5)));
    stream.complete();
    let (stream, token) = call();
    host.answer_call(token, &[(":status", "200")], "", &[]);
    assert_eq!(FAILURE.take(), None, "what an earlier call left is not this one's");
    stream.complete();
    host.fail(Import::proxy_get_status, Status::Unimplemented);
    let (stream, token) = call();
    host.fail_call(token);
    assert_eq!(FAILURE.take(), Some((Status::Unimplemented, 0)), "the host cannot say why");
    stream.complete();
}

#[test]
fn a_property_that_nobody_can_read_back_is_not_set() {
    let host = Host::new(&PLUGIN).start();
    run(&host, |_| {
        let text = |path: &[&str]| property::set(path, "v").map_or_else(|error| error.to_string(), |()| "set".into());
        let several =
            "proxy_set_property (property a\\x00b): a value at a path of several segments could not be read back";
        assert_eq!(text(&["a", "b"]), several);
        assert_eq!(text(&["a\0b"]), text(&["a", "b"]));
        for attribute in ["request", "response", "node", "xds", "plugin_name", "filter_state", "metadata"] {
            let cannot = format!("proxy_set_property (property {attribute}): an attribute of the proxy cannot be set");
            assert_eq!(text(&[attribute]), cannot);
        }
        assert_eq!(text(&[]), "the path of a property is empty");
        assert_eq!(text(&["tag"]), "set");
        property::set_unchecked(&["a", "b"], "v")
    });
    assert_eq!(host.calls(Import::proxy_set_property), 2);
    assert!(host.log().iter().all(|line| line.level < LogLevel::Error), "{:?}", host.log());
}

#[test]
fn nothing_is_asked_of_the_host_before_the_vm_starts() {
    // The allocator's line is the start's.
    let create = PLUGIN.names().iter().position(|name| *name == "proxy_on_context_create");
    let start = PLUGIN.names().iter().position(|name| *name == "proxy_on_vm_start");
    assert!(create < start && start.is_some());
}
