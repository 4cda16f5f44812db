//! Filter state, beyond [`property::set`](crate::property::set).

use super::call_named;
use super::message::Message;
use crate::error::{Result, Subject};

/// The life span of an object in the filter state.
///
/// ```
/// use sluicegate::Result;
/// use sluicegate::foreign::{LifeSpan, set_envoy_filter_state};
///
/// fn route(cluster: &str) -> Result<()> {
///     set_envoy_filter_state("envoy.tcp_proxy.cluster", cluster, LifeSpan::Connection)
/// }
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum LifeSpan {
    /// As long as the filters of one request. The object is gone after an internal redirect.
    #[default]
    FilterChain,
    /// As long as the request.
    Request,
    /// As long as the client's connection.
    Connection,
}

impl LifeSpan {
    const fn number(self) -> u64 {
        match self {
            Self::FilterChain => 0,
            Self::Request => 1,
            Self::Connection => 2,
        }
    }
}

/// Puts an object of Envoy into the filter state, such as `envoy.tcp_proxy.cluster` or
/// `envoy.network.upstream_server_name`. Envoy makes the object from the text.
///
/// # Errors
///
/// Fails as [`call`](super::call) does. Fails with [`Status::NotFound`](crate::Status::NotFound)
/// also if Envoy has no such object, and with [`Status::BadArgument`](crate::Status::BadArgument)
/// if Envoy cannot make the object from this text.
///
/// # Cost
///
/// One host call that returns nothing; see [the module](super#cost) for the arguments.
pub fn set_envoy_filter_state(name: impl AsRef<[u8]>, value: impl AsRef<[u8]>, life_span: LifeSpan) -> Result<()> {
    let mut arguments = Message::new();
    arguments.bytes(1, name.as_ref())?;
    arguments.bytes(2, value.as_ref())?;
    arguments.number(3, life_span.number())?;
    let on = Subject::Named(&"foreign function set_envoy_filter_state");
    call_named(on, b"set_envoy_filter_state", arguments.written(), 0).map(drop)
}

/// The declaration of a property that [`property::set`](crate::property::set) will set: its life
/// span, whether it may be set again, and the meaning of its bytes for the proxy.
///
/// ```
/// use sluicegate::foreign::{Declaration, LifeSpan, declare_property};
/// # fn configure() -> sluicegate::Result<()> {
/// declare_property(&Declaration::new("tenant").text().read_only().life_span(LifeSpan::Connection))
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
#[must_use = "nothing is declared before `declare_property`"]
pub struct Declaration<'a> {
    name: &'a str,
    read_only: bool,
    /// `WasmType` in Envoy's messages.
    form: u64,
    schema: &'a [u8],
    life_span: LifeSpan,
}

impl<'a> Declaration<'a> {
    /// Returns a declaration of bytes that may be set again and stay as long as the filters. Envoy
    /// assumes this for a property that is not declared.
    pub const fn new(name: &'a str) -> Self {
        Self { name, read_only: false, form: 0, schema: &[], life_span: LifeSpan::FilterChain }
    }

    /// Declares text, as which the property appears in expressions and in the log.
    pub const fn text(self) -> Self {
        Self { form: 1, schema: &[], ..self }
    }

    /// Declares a table in the encoding of FlatBuffers, with the table's schema in binary.
    pub const fn flat_buffers(self, schema: &'a [u8]) -> Self {
        Self { form: 2, schema, ..self }
    }

    /// Declares a protobuf message, with the URL of its type: `type.googleapis.com/…`.
    pub const fn protobuf(self, type_url: &'a str) -> Self {
        Self { form: 3, schema: type_url.as_bytes(), ..self }
    }

    /// Declares that the property is set only once.
    pub const fn read_only(self) -> Self {
        Self { read_only: true, ..self }
    }

    /// Declares the life span of the property.
    pub const fn life_span(self, life_span: LifeSpan) -> Self {
        Self { life_span, ..self }
    }
}

/// Declares a property before the first stream sets it. Call this in `on_configure`.
///
/// # Errors
///
/// Fails as [`call`](super::call) does, with [`Status::BadArgument`](crate::Status::BadArgument) if
/// the name is declared already.
///
/// # Cost
///
/// One host call that returns nothing; see [the module](super#cost) for the arguments.
pub fn declare_property(declaration: &Declaration<'_>) -> Result<()> {
    let on = Subject::Named(&"foreign function declare_property");
    call_named(on, b"declare_property", declaration.message()?.written(), 0).map(drop)
}

impl Declaration<'_> {
    fn message(&self) -> Result<Message> {
        let mut arguments = Message::new();
        arguments.bytes(1, self.name.as_bytes())?;
        arguments.number(2, self.read_only.into())?;
        arguments.number(3, self.form)?;
        arguments.bytes(4, self.schema)?;
        arguments.number(5, self.life_span.number())?;
        Ok(arguments)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn declared(declaration: Declaration<'_>) -> alloc::vec::Vec<u8> {
        declaration.message().unwrap().written().to_vec()
    }

    #[test]
    fn a_declaration_is_the_message_that_envoy_reads() {
        assert_eq!(declared(Declaration::new("n")), b"\x0a\x01n");
        let text = Declaration::new("n").text().read_only().life_span(LifeSpan::Connection);
        assert_eq!(declared(text), b"\x0a\x01n\x10\x01\x18\x01\x28\x02");
        let flat = Declaration::new("n").flat_buffers(b"\0s").life_span(LifeSpan::Request);
        assert_eq!(declared(flat), b"\x0a\x01n\x18\x02\x22\x02\0s\x28\x01");
        assert_eq!(declared(Declaration::new("n").protobuf("u")), b"\x0a\x01n\x18\x03\x22\x01u");
        assert_eq!(declared(Declaration::new("n").protobuf("u").text()), b"\x0a\x01n\x18\x01");
    }
}
