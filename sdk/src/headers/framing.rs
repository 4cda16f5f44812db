//! The headers that say where a message ends.
//!
//! The proxy writes a message with the headers that it gets. If they contradict its body, the peer
//! takes bytes of the next message on the connection for the rest of this one, or the rest of this
//! one for the next message.

/// Returns the problem of a header that contradicts a body of this size, or `None`. A body of
/// `None` is one whose size the message does not tell.
#[inline(never)]
pub(crate) fn framing_problem(name: &[u8], value: &[u8], body: Option<usize>) -> Option<&'static &'static str> {
    match name.len() {
        14 if name.eq_ignore_ascii_case(b"content-length") && body.is_some() && number(value) != body => {
            Some(&"the length is not that of the body")
        }
        17 if name.eq_ignore_ascii_case(b"transfer-encoding") => Some(&"only the proxy sets this header"),
        _ => None,
    }
}

/// Returns the value of decimal digits, or `None` if there are others, or too many.
fn number(digits: &[u8]) -> Option<usize> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_usize, |number, digit| {
        let digit = digit.checked_sub(b'0').filter(|digit| *digit < 10)?;
        number.checked_mul(10)?.checked_add(usize::from(digit))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_is_that_of_the_body_and_the_coding_is_the_proxys() {
        let is_wrong =
            |name: &str, value: &str, body| framing_problem(name.as_bytes(), value.as_bytes(), body).is_some();
        for (value, body) in [("0", 0), ("00", 0), ("7", 7), ("007", 7), ("1048576", 1 << 20)] {
            assert!(!is_wrong("content-length", value, Some(body)), "{value}");
            assert!(is_wrong("Content-Length", value, Some(body + 1)), "{value}");
            assert!(!is_wrong("content-length", value, None), "{value}");
        }
        for value in ["", " 0", "+0", "-0", "0,0", "0x0", "99999999999999999999999"] {
            assert!(is_wrong("CONTENT-LENGTH", value, Some(0)), "{value}");
        }
        assert!(is_wrong("transfer-encoding", "chunked", Some(0)) && is_wrong("Transfer-Encoding", "", None));
        assert!(!is_wrong("content-encodin", "5", Some(0)) && !is_wrong("x-transfer-coding", "5", Some(0)));
    }
}
