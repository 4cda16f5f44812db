//! Conversions from and to the `http` crate.

use sluicegate::http as convert;
use sluicegate::prelude::*;
use sluicegate_host::Host;

#[derive(Default)]
struct Filter;

#[sluicegate::http_filter]
impl HttpFilter for Filter {
    fn on_request_headers(&mut self, request: &mut RequestHeaders<'_>) -> Result<Action> {
        let mut parts = convert::request(request.snapshot()?)?;
        assert_eq!((parts.method.as_str(), parts.uri.path()), ("POST", "/a"));
        let cookies: Vec<_> = parts.headers.get_all("cookie").iter().collect();
        assert_eq!(cookies, ["a=1", "b=2"]);
        parts.headers.remove("cookie");
        for (name, value) in &parts.headers {
            request.replace(name, value)?;
        }
        request.add("x-status", http::StatusCode::IM_A_TEAPOT)?;
        request.replace_all(&convert::request_pairs(&parts.method, &parts.uri, &parts.headers))?;
        Ok(Action::Continue)
    }

    fn on_response_headers(&mut self, response: &mut ResponseHeaders<'_>) -> Result<Action> {
        let parts = convert::response(response.snapshot()?)?;
        let pairs = convert::pairs(&parts.headers);
        response.reply(&LocalResponse::new(parts.status.as_u16()).headers(&pairs))
    }
}

sluicegate::plugin!(http: Filter);

#[test]
fn a_request_goes_through_the_http_crate_and_comes_back() {
    let host = Host::new(&PLUGIN).start();
    let stream = host.http_stream();
    let pseudo = [(":method", "POST"), (":path", "/a?b=c"), (":scheme", "https"), (":authority", "example:8443")];
    let rest = [("accept", "*/*"), ("cookie", "a=1"), ("cookie", "b=2")];
    assert_eq!(stream.request_headers(&[&pseudo[..], &rest].concat()), 0, "{:?}", host.log());
    let expected: Vec<_> =
        pseudo.iter().chain(&rest[..1]).map(|(name, value)| ((*name).into(), (*value).into())).collect();
    assert_eq!(stream.request_map().to_text(), expected);
    assert_eq!(stream.response_headers(&[(":status", "418"), ("x-tea", "yes")]), 1);
    let reply = stream.reply().unwrap();
    assert_eq!((reply.status, reply.headers.to_text()), (418, vec![("x-tea".into(), "yes".into())]));
}

#[test]
fn what_is_no_request_is_an_error() {
    for headers in [
        vec![(":path", "/")],
        vec![(":method", "GET"), (":path", "/ /")],
        vec![(":method", "GET"), (":path", "/"), ("a b", "")],
    ] {
        let host = Host::new(&PLUGIN).start();
        let stream = host.http_stream();
        stream.request_headers(&headers);
        assert_eq!(stream.reply().map(|reply| reply.status), Some(500), "{headers:?}");
    }
}
