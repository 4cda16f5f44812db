//! The contexts that own calls, timers and tasks.

/// A context whose callbacks start calls, timers and tasks. The attributes implement this trait.
///
/// Methods such as [`call_then`](crate::HttpHandle::call_then) take a closure for the context of
/// their handle. This trait says which contexts these are.
pub trait Owner: 'static {
    /// The kind of the context: [`HttpStream`], [`Connection`] or [`Plugin`].
    type Kind;
    /// The context above it: the plugin of a stream or connection, or the VM of a plugin.
    type Above: 'static;
}

/// Marks a context of an HTTP stream.
#[derive(Debug)]
pub enum HttpStream {}

/// Marks a context of a connection.
#[derive(Debug)]
pub enum Connection {}

/// Marks a context of a plugin.
#[derive(Debug)]
pub enum Plugin {}
