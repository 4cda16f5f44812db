//! Bytes as printable text on one line.

use core::fmt::{self, Write};

/// Writes bytes as printable ASCII. Other bytes become `\n`, `\r`, `\t` or `\xHH`. `Formatter` is
/// not used, because its code links the panic code.
pub(crate) fn write_escaped(out: &mut dyn Write, bytes: &[u8]) -> fmt::Result {
    for byte in bytes {
        match byte {
            b' '..=b'~' => out.write_str(str::from_utf8(&[*byte]).unwrap_or_default()),
            other => write_escape(out, *other),
        }?;
    }
    Ok(())
}

/// Writes a byte as its escape: `\n`, `\r`, `\t` or `\xHH`.
pub(crate) fn write_escape(out: &mut dyn Write, byte: u8) -> fmt::Result {
    match byte {
        b'\n' => out.write_str("\\n"),
        b'\r' => out.write_str("\\r"),
        b'\t' => out.write_str("\\t"),
        other => {
            out.write_str("\\x")?;
            write_hex(out, other)
        }
    }
}

/// Writes a byte as two hexadecimal digits.
pub(crate) fn write_hex(out: &mut dyn Write, byte: u8) -> fmt::Result {
    let digits = [byte >> 4, byte & 15].map(|digit| if digit < 10 { b'0' + digit } else { b'a' + digit - 10 });
    out.write_str(str::from_utf8(&digits).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;

    #[test]
    fn what_is_not_printable_has_an_escape() {
        let mut text = String::new();
        write_escaped(&mut text, b"a b~\r\n\t\0\x1b\x7f\xff\\").unwrap();
        assert_eq!(text, "a b~\\r\\n\\t\\x00\\x1b\\x7f\\xff\\");
    }
}
