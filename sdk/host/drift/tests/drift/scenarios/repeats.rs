//! Headers and trailers that are there several times.

use super::*;

scenarios! {
    repeats_that_come:
        "request_headers: pairs 0; get 0 cookie; get 0 via; get 0 host; get 0 :authority\nresponse_headers: pairs 2",
        [Request(REPEATS, true), Response(REPEATS_BACK, true)];
    repeats_of_a_request:
        "request_headers: add 0 user-agent 1; add 0 user-agent 2; add 0 via 1; add 0 via 2; add 0 x-forwarded-for 1; \
         add 0 x-forwarded-for 2; add 0 x-request-id 1; \
         add 0 x-request-id 2; add 0 cookie 1; add 0 cookie 2; add 0 content-type 1; add 0 content-type 2; \
         add 0 accept 1; add 0 accept 2; \
         add 0 accept-encoding 1; add 0 accept-encoding 2; add 0 accept-language 1; add 0 accept-language 2; \
         add 0 authorization 1; add 0 authorization 2; \
         add 0 cache-control 1; add 0 cache-control 2; add 0 referer 1; add 0 referer 2; add 0 origin 1; \
         add 0 origin 2; add 0 te 1; add 0 te 2; \
         add 0 grpc-timeout 1; add 0 grpc-timeout 2; add 0 if-none-match 1; add 0 if-none-match 2; add 0 if-range 1; \
         add 0 if-range 2; add 0 range 1; \
         add 0 range 2; add 0 expect 1; add 0 expect 2; add 0 x-envoy-retry-on 1; add 0 x-envoy-retry-on 2; \
         add 0 x-custom 1; add 0 x-custom 2; \
         add 0 content-encoding 1; add 0 content-encoding 2; add 0 pragma 1; add 0 pragma 2; \
         add 0 x-forwarded-proto 1; add 0 x-forwarded-proto 2; \
         add 0 x-real-ip 1; add 0 x-real-ip 2; add 0 grpc-accept-encoding 1; add 0 grpc-accept-encoding 2; \
         add 0 upgrade 1; add 0 upgrade 2; \
         add 0 access-control-request-method 1; add 0 access-control-request-method 2; add 0 traceparent 1; \
         add 0 traceparent 2; add 0 server 1; add 0 server 2; \
         add 0 vary 1; add 0 vary 2; add 0 etag 1; add 0 etag 2; add 0 host 1; add 0 host 2; pairs 0; size 0; \
         replace 0 via 3; replace 0 host other; pairs 0; \
         remove 0 host; pairs 0; reply 200 - - - -1; return 1",
        [Request(GET, true)];
    repeats_of_a_response:
        "response_headers: add 2 content-type 1; add 2 content-type 2; add 2 server 1; add 2 server 2; add 2 via 1; \
         add 2 via 2; add 2 vary 1; add 2 vary 2; add 2 set-cookie 1; \
         add 2 set-cookie 2; add 2 etag 1; add 2 etag 2; add 2 cache-control 1; add 2 cache-control 2; \
         add 2 location 1; add 2 location 2; \
         add 2 content-encoding 1; add 2 content-encoding 2; add 2 grpc-status 1; add 2 grpc-status 2; \
         add 2 grpc-message 1; add 2 grpc-message 2; \
         add 2 x-custom 1; add 2 x-custom 2; add 2 expires 1; add 2 expires 2; add 2 age 1; add 2 age 2; \
         add 2 last-modified 1; add 2 last-modified 2; \
         add 2 access-control-allow-origin 1; add 2 access-control-allow-origin 2; add 2 www-authenticate 1; \
         add 2 www-authenticate 2; add 2 upgrade 1; \
         add 2 upgrade 2; add 2 x-request-id 1; add 2 x-request-id 2; add 2 proxy-status 1; add 2 proxy-status 2; \
         add 2 link 1; add 2 link 2; add 2 user-agent 1; \
         add 2 user-agent 2; add 2 accept 1; add 2 accept 2; add 2 x-forwarded-for 1; add 2 x-forwarded-for 2; \
         pairs 2; size 2; replace 2 via 3; pairs 2; reply 200 - - - -1; return 1",
        [Request(GET, true), Response(EMPTY, true)];
    repeats_in_trailers:
        "response_trailers: add 3 grpc-status 1; add 3 grpc-status 2; add 3 grpc-message 1; add 3 grpc-message 2; \
         add 3 via 1; add 3 via 2; add 3 x-custom 1; add 3 x-custom 2; pairs 3; set 3 a=b",
        [Request(GET, true), Response(STREAMED, false), ResponseBody("two", false), ResponseTrailers(TRAILERS)];
    repeats_of_pseudo_headers:
        "request_headers: add 0 :path /2; add 0 :method PUT; add 0 :authority b; add 0 :scheme https; pairs 0; \
         reply 200 - - - -1; return 1",
        [Request(GET, true)];
    repeats_that_are_set:
        "request_headers: set 0 :method=PUT,:path=/set,:authority=set,:scheme=http,via=1,via=2,cookie=a,cookie=b,x=1,\
         x=2; pairs 0; \
         reply 200 - - vary=a,vary=b,via=1,via=2,set-cookie=a,set-cookie=b,server=s,server=t -1; return 1
         response_headers: pairs 2; set 2 :status=200,via=1,via=2,x=1,x=2; pairs 2",
        [Request(GET, true)];
}
