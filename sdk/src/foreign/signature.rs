//! Signatures that the proxy's cryptography verifies and makes.

use core::fmt;
use core::ops::Range;

use super::call_named;
use super::message::{Field, Fields, Message};
use crate::ByteStr;
use crate::abi::HostBytes;
use crate::error::{Error, Result, Subject};

/// A key, in one of two forms.
///
/// ```
/// use sluicegate::Result;
/// use sluicegate::foreign::{Key, verify_signature};
///
/// fn is_signed(pem: &str, signature: &[u8], body: &[u8]) -> Result<bool> {
///     Ok(verify_signature("sha256", Key::Pem(pem), signature, body)?.is_valid())
/// }
/// ```
#[derive(Clone, Copy)]
pub enum Key<'a> {
    /// A key in DER, which is binary.
    Der(&'a [u8]),
    /// A key in PEM, which is text. Older Envoys know DER only, and refuse PEM.
    Pem(&'a str),
}

impl fmt::Debug for Key<'_> {
    /// Writes the form alone: a private key must not be in a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Der(_) => "Key::Der(..)",
            Self::Pem(_) => "Key::Pem(..)",
        })
    }
}

/// A size above that of a verdict, a signature and a reason.
const ROOM: usize = 8192;

const VERIFY: Subject = Subject::Named(&"foreign function verify_signature");
const SIGN: Subject = Subject::Named(&"foreign function sign");

/// Verifies the signature of a text with a public key. The name of the hash is written as `sha256`.
///
/// # Errors
///
/// Fails as [`call`](super::call) does, with [`Status::BadArgument`](crate::Status::BadArgument) if
/// the key is empty. A wrong signature, or a key that Envoy cannot read, is not an error: see
/// [`Verification::is_valid`].
///
/// # Cost
///
/// The cost of [`call`](super::call), and a copy of the text. The proxy works on the worker's
/// thread.
pub fn verify_signature(
    hash: &str,
    key: Key<'_>,
    signature: impl AsRef<[u8]>,
    text: impl AsRef<[u8]>,
) -> Result<Verification> {
    let arguments = verify_arguments(hash, key, signature.as_ref(), text.as_ref())?;
    let answer = call_named(VERIFY, b"verify_signature", arguments.written(), ROOM)?;
    let parts = Parts::read(VERIFY, &answer, 0, 2)?;
    Ok(Verification { answer, parts })
}

fn verify_arguments(hash: &str, key: Key<'_>, signature: &[u8], text: &[u8]) -> Result<Message> {
    let mut arguments = Message::new();
    arguments.bytes(1, hash.as_bytes())?;
    if let Key::Der(key) = key {
        arguments.bytes(2, key)?;
    }
    arguments.bytes(3, signature)?;
    arguments.bytes(4, text)?;
    if let Key::Pem(key) = key {
        arguments.bytes(5, key.as_bytes())?;
    }
    Ok(arguments)
}

/// Signs a text with a private key. The name of the hash is written as `sha256`. Older Envoys do
/// not have this function.
///
/// # Errors
///
/// Fails as [`call`](super::call) does, with [`Status::BadArgument`](crate::Status::BadArgument) if
/// the key is empty. A key that Envoy cannot read is not an error: see [`Signature::bytes`].
///
/// # Cost
///
/// The cost of [`call`](super::call), and a copy of the text. The proxy works on the worker's
/// thread.
pub fn sign(hash: &str, key: Key<'_>, text: impl AsRef<[u8]>) -> Result<Signature> {
    let arguments = sign_arguments(hash, key, text.as_ref())?;
    let answer = call_named(SIGN, b"sign", arguments.written(), ROOM)?;
    let parts = Parts::read(SIGN, &answer, 2, 3)?;
    Ok(Signature { answer, parts })
}

fn sign_arguments(hash: &str, key: Key<'_>, text: &[u8]) -> Result<Message> {
    let mut arguments = Message::new();
    arguments.bytes(1, hash.as_bytes())?;
    if let Key::Der(key) = key {
        arguments.bytes(2, key)?;
    }
    arguments.bytes(3, text)?;
    if let Key::Pem(key) = key {
        arguments.bytes(4, key.as_bytes())?;
    }
    Ok(arguments)
}

/// The proxy's verdict about a signature.
///
/// ```
/// # use sluicegate::prelude::*;
/// use sluicegate::foreign::Verification;
///
/// fn log(verification: &Verification) {
///     if !verification.is_valid() {
///         warn!("not signed: {}", verification.reason().display());
///     }
/// }
/// ```
#[derive(Debug)]
#[must_use = "a signature is valid only if `is_valid` says so"]
pub struct Verification {
    answer: HostBytes,
    parts: Parts,
}

impl Verification {
    /// Returns whether the signature matches the key and the text.
    #[must_use]
    pub const fn is_valid(&self) -> bool {
        self.parts.good
    }

    /// Returns the proxy's reason for which the signature is not valid. The reason is empty if it
    /// is valid.
    #[must_use]
    pub fn reason(&self) -> ByteStr<'_> {
        part(&self.answer, &self.parts.reason)
    }
}

/// A signature that the proxy made, or the reason for which it made none.
///
/// ```
/// # use sluicegate::prelude::*;
/// use sluicegate::foreign::{Key, sign};
///
/// fn add(request: &mut RequestHeaders<'_>, der: &[u8]) -> Result<()> {
///     let signature = sign("sha256", Key::Der(der), request.id().to_string())?;
///     match signature.bytes() {
///         Some(bytes) => request.replace("x-signature-size", bytes.len()),
///         None => Err(Error::new("the key cannot be read")),
///     }
/// }
/// ```
#[derive(Debug)]
pub struct Signature {
    answer: HostBytes,
    parts: Parts,
}

impl Signature {
    /// Returns the signature, or `None` if the proxy could not make it.
    #[must_use]
    pub fn bytes(&self) -> Option<ByteStr<'_>> {
        self.parts.good.then(|| part(&self.answer, &self.parts.signature))
    }

    /// Returns the proxy's reason for which there is no signature. The reason is empty if there is
    /// one.
    #[must_use]
    pub fn reason(&self) -> ByteStr<'_> {
        part(&self.answer, &self.parts.reason)
    }
}

/// The ranges of the parts of a result.
#[derive(Debug)]
struct Parts {
    good: bool,
    signature: Range<usize>,
    reason: Range<usize>,
}

impl Parts {
    /// Reads the parts of a result. The first field of both results is the verdict. No field has
    /// the number 0, which stands for a part that a result does not have.
    fn read(on: Subject, answer: &[u8], signature_field: u64, reason_field: u64) -> Result<Self> {
        let mut parts = Self { good: false, signature: 0..0, reason: 0..0 };
        let mut fields = Fields::of(answer);
        while let Some((number, field)) = fields.next().map_err(|problem| Error::malformed(on, problem))? {
            match field {
                Field::Number(good) if number == 1 => parts.good = good != 0,
                Field::Bytes(bytes) => {
                    let place = place(answer, fields.left(), bytes);
                    if number == signature_field {
                        parts.signature = place;
                    } else if number == reason_field {
                        parts.reason = place;
                    }
                }
                _ => {}
            }
        }
        Ok(parts)
    }
}

/// Returns the range, in the message, of the field that was read last.
fn place(message: &[u8], left: usize, field: &[u8]) -> Range<usize> {
    let end = message.len().saturating_sub(left);
    end.saturating_sub(field.len())..end
}

fn part<'a>(answer: &'a [u8], place: &Range<usize>) -> ByteStr<'a> {
    ByteStr::new(answer.get(place.clone()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_are_the_messages_that_envoy_reads() {
        let text = [b't'; 300];
        let der = verify_arguments("sha256", Key::Der(b"\x01\x02"), b"s", &text).unwrap();
        let head = b"\x0a\x06sha256\x12\x02\x01\x02\x1a\x01s\x22\xac\x02";
        assert_eq!(der.written(), [&head[..], &text].concat());
        let pem = verify_arguments("sha256", Key::Pem("k"), b"s", b"t").unwrap();
        assert_eq!(pem.written(), b"\x0a\x06sha256\x1a\x01s\x22\x01t\x2a\x01k");
        let der = sign_arguments("sha1", Key::Der(b"k"), b"t").unwrap();
        assert_eq!(der.written(), b"\x0a\x04sha1\x12\x01k\x1a\x01t");
        let pem = sign_arguments("sha1", Key::Pem("k"), b"t").unwrap();
        assert_eq!(pem.written(), b"\x0a\x04sha1\x1a\x01t\x22\x01k");
    }

    #[test]
    fn the_parts_of_an_answer_are_found_in_any_order() {
        for answer in [&b"\x08\x01\x12\x03sig\x1a\x02no"[..], b"\x1a\x02no\x12\x01x\x12\x03sig\x08\x01"] {
            let parts = Parts::read(SIGN, answer, 2, 3).unwrap();
            assert!(parts.good);
            assert_eq!((part(answer, &parts.signature), part(answer, &parts.reason)), ("sig".into(), "no".into()));
        }
        let parts = Parts::read(VERIFY, b"", 0, 2).unwrap();
        assert!(!parts.good && parts.reason.is_empty());
        assert!(Parts::read(VERIFY, b"\x08", 0, 2).unwrap_err().is_malformed());
    }

    #[test]
    fn a_key_is_not_shown() {
        assert_eq!(alloc::format!("{:?} {:?}", Key::Der(b"secret"), Key::Pem("secret")), "Key::Der(..) Key::Pem(..)");
    }
}
