//! The parts that the benches share: a header map of a usual request, in the host's encoding, a
//! clock, a table, and documents to write tables into.

pub mod clock;
pub mod table;
pub mod written;

/// Headers as a browser sends them and Envoy completes them: 25, with values of 4 to 110 bytes.
pub const REQUEST: [(&str, &str); 25] = [
    (":authority", "shop.example.com"),
    (":path", "/api/v2/products/1729?fields=name,price,stock&lang=en"),
    (":method", "GET"),
    (":scheme", "https"),
    ("user-agent", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0 Safari/537.36"),
    ("accept", "application/json, text/plain;q=0.9, */*;q=0.8"),
    ("accept-language", "en-GB,en;q=0.9,de;q=0.7"),
    ("accept-encoding", "gzip, deflate, br, zstd"),
    ("cookie", "session=9f1c2e7a5b3d4c6e8a0b1c2d3e4f5a6b; theme=dark; consent=analytics.no.marketing.no"),
    ("authorization", "Bearer eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiIxNzI5Iiwic2NvcGUiOiJyZWFkIn0.c2lnbmF0dXJlLWJ5dGVz"),
    ("referer", "https://shop.example.com/catalogue/tools?page=3"),
    ("origin", "https://shop.example.com"),
    ("cache-control", "no-cache"),
    ("pragma", "no-cache"),
    ("sec-ch-ua", "\"Chromium\";v=\"141\", \"Not?A_Brand\";v=\"8\""),
    ("sec-ch-ua-mobile", "?0"),
    ("sec-ch-ua-platform", "\"Linux\""),
    ("sec-fetch-dest", "empty"),
    ("sec-fetch-mode", "cors"),
    ("sec-fetch-site", "same-origin"),
    ("x-forwarded-for", "203.0.113.17"),
    ("x-forwarded-proto", "https"),
    ("x-request-id", "5d0c9d4e-6f0f-4b5a-9a52-0c1f5f9f2f6d"),
    ("x-envoy-expected-rq-timeout-ms", "15000"),
    ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
];

/// Returns the map in the host's encoding.
#[must_use]
pub fn encoded() -> Vec<u8> {
    let mut block = u32::try_from(REQUEST.len()).unwrap_or_default().to_le_bytes().to_vec();
    for part in REQUEST.iter().flat_map(|(name, value)| [name, value]) {
        block.extend(u32::try_from(part.len()).unwrap_or_default().to_le_bytes());
    }
    for part in REQUEST.iter().flat_map(|(name, value)| [name, value]) {
        block.extend(part.as_bytes());
        block.push(0);
    }
    block
}
