//! The contexts that own calls, timers and tasks, and the kinds of contexts.

/// A context whose callbacks start calls, timers and tasks. The attributes implement this trait.
///
/// Methods such as [`call_then`](crate::HttpHandle::call_then) take a closure for the context of
/// their handle. This trait says which contexts these are.
pub trait Owner: 'static {
    /// The kind of the context: [`HttpStream`], [`Connection`] or [`Plugin`].
    type Kind: ContextKind;
    /// The context above it: the plugin of a stream or connection, or the VM of a plugin.
    type Above: 'static;
}

/// A kind of context that owns calls, timers and tasks: [`HttpStream`], [`Connection`] or
/// [`Plugin`].
pub trait ContextKind: sealed::Kind {}

/// A kind of context that belongs to a plugin: [`HttpStream`] or [`Connection`].
pub trait StreamKind: ContextKind {}

/// A request and its response, whose headers and trailers can be read: those of an [`HttpStream`],
/// or those of an entry of the [`AccessLog`].
pub trait Exchange: sealed::Exchange {}

/// The kind of an HTTP stream.
#[derive(Debug)]
pub struct HttpStream(());

/// The kind of a connection.
#[derive(Debug)]
pub struct Connection(());

/// The kind of a plugin.
#[derive(Debug)]
pub struct Plugin {
    /// The size of the plugin's configuration, in `on_configure`.
    pub(crate) configuration_size: usize,
}

/// The kind of an entry of the access log.
#[derive(Debug)]
pub struct AccessLog(pub(crate) ());

impl ContextKind for HttpStream {}
impl ContextKind for Connection {}
impl ContextKind for Plugin {}
impl StreamKind for HttpStream {}
impl StreamKind for Connection {}
impl Exchange for HttpStream {}
impl Exchange for AccessLog {}

impl sealed::Exchange for HttpStream {}
impl sealed::Exchange for AccessLog {}

impl sealed::Kind for HttpStream {
    const NEW: Self = Self(());
}

impl sealed::Kind for Connection {
    const NEW: Self = Self(());
}

impl sealed::Kind for Plugin {
    const NEW: Self = Self { configuration_size: 0 };
}

mod sealed {
    pub trait Kind: Sized + 'static {
        /// The kind of a handle, outside of `on_configure`.
        const NEW: Self;
    }

    pub trait Exchange {}
}
