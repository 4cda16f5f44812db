//! Every function that a host offers under ABI 0.1.0, 0.2.0 and 0.2.1, declared once.
//!
//! The names, the order of the parameters and their wasm types are the specification's: `usize` and
//! pointers are `i32` on wasm32, and only the three metric and time functions carry 64 bits. Every
//! function returns a status as a plain integer, which [`Status::from`](super::Status) maps
//! totally. So no status of a host is undefined behaviour.
//!
//! On wasm each declaration is an import, which the linker keeps only if something calls it.
//! Elsewhere it is a function of the same signature that calls the simulated host of the current
//! thread ([`super::native`]).

/// Declares the imports: the extern block on wasm, the functions of the same signature elsewhere,
/// and [`Import`].
macro_rules! imports {
    ($($(#[$doc:meta])* fn $name:ident($($arg:ident: $ty:ty),* $(,)?);)*) => {
        #[cfg(target_family = "wasm")]
        #[link(wasm_import_module = "env")]
        unsafe extern "C" {
            $($(#[$doc])* pub fn $name($($arg: $ty),*) -> u32;)*
        }

        $(
            $(#[$doc])*
            ///
            /// # Safety
            ///
            /// - Each pointer with a length is valid for reads of that length.
            /// - Each pointer to a result is valid for a write of its type.
            #[cfg(not(target_family = "wasm"))]
            #[allow(clippy::too_many_arguments, reason = "the specification's")]
            pub unsafe fn $name($($arg: $ty),*) -> u32 {
                super::native::call(Import::$name, &[$(super::native::Arg::from($arg)),*])
            }
        )*

        /// The name of a host function.
        #[allow(non_camel_case_types, reason = "the variants are the specification's names")]
        #[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
        #[non_exhaustive]
        pub enum Import {
            $(
                #[doc = concat!("`", stringify!($name), "`")]
                $name,
            )*
        }

        impl Import {
            /// All host functions, in the order of their declaration.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// Returns the name as the specification writes it.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)*
                }
            }

            /// Returns the types of the function's parameters as they are declared here. Types
            /// other than `u64` and `i64` are `i32` on wasm.
            #[must_use]
            pub const fn parameters(self) -> &'static [&'static str] {
                match self {
                    $(Self::$name => &[$(stringify!($ty)),*],)*
                }
            }
        }
    };
}

imports! {
    /// Writes a line to the proxy's log.
    fn proxy_log(level: u32, message: *const u8, message_size: usize);
    /// Gets the lowest level that the proxy's log keeps. ABI 0.2.1.
    fn proxy_get_log_level(level: *mut u32);
    /// Gets the nanoseconds since the Unix epoch.
    fn proxy_get_current_time_nanoseconds(time: *mut u64);
    /// Asks the host to call `proxy_on_tick` at this period. 0 ends the ticks.
    fn proxy_set_tick_period_milliseconds(period: u32);
    /// Gets the configuration. ABI 0.1.0 only.
    fn proxy_get_configuration(value: *mut *mut u8, value_size: *mut usize);

    /// Copies a part of a buffer into a block that the host allocates in the guest.
    fn proxy_get_buffer_bytes(buffer: u32, start: usize, max_size: usize, value: *mut *mut u8, value_size: *mut usize);
    /// Gets the size and flags of a buffer.
    fn proxy_get_buffer_status(buffer: u32, size: *mut usize, flags: *mut u32);
    /// Replaces a part of a buffer.
    fn proxy_set_buffer_bytes(buffer: u32, start: usize, size: usize, value: *const u8, value_size: usize);

    /// Gets the size of a map in bytes, as Envoy counts it.
    fn proxy_get_header_map_size(map: u32, size: *mut usize);
    /// Gets the whole map, serialised.
    fn proxy_get_header_map_pairs(map: u32, value: *mut *mut u8, value_size: *mut usize);
    /// Replaces the whole map.
    fn proxy_set_header_map_pairs(map: u32, pairs: *const u8, pairs_size: usize);
    /// Gets the first value of a name.
    fn proxy_get_header_map_value(map: u32, key: *const u8, key_size: usize, value: *mut *mut u8, value_size: *mut usize);
    /// Appends an entry.
    fn proxy_add_header_map_value(map: u32, key: *const u8, key_size: usize, value: *const u8, value_size: usize);
    /// Sets the value of a name.
    fn proxy_replace_header_map_value(map: u32, key: *const u8, key_size: usize, value: *const u8, value_size: usize);
    /// Removes every entry of a name.
    fn proxy_remove_header_map_value(map: u32, key: *const u8, key_size: usize);

    /// Reads a property.
    fn proxy_get_property(path: *const u8, path_size: usize, value: *mut *mut u8, value_size: *mut usize);
    /// Writes a property.
    fn proxy_set_property(path: *const u8, path_size: usize, value: *const u8, value_size: usize);

    /// Resumes the request. ABI 0.1.0 only.
    fn proxy_continue_request();
    /// Resumes the response. ABI 0.1.0 only.
    fn proxy_continue_response();
    /// Forgets the chosen route. ABI 0.1.0 only.
    fn proxy_clear_route_cache();
    /// Resumes a stream. ABI 0.2.0 and later.
    fn proxy_continue_stream(stream: u32);
    /// Closes or resets a stream. ABI 0.2.0 and later.
    fn proxy_close_stream(stream: u32);
    /// Sends a local reply to the client.
    fn proxy_send_local_response(
        status_code: u32,
        details: *const u8,
        details_size: usize,
        body: *const u8,
        body_size: usize,
        headers: *const u8,
        headers_size: usize,
        grpc_status: i32,
    );

    /// Dispatches an HTTP call.
    fn proxy_http_call(
        upstream: *const u8,
        upstream_size: usize,
        headers: *const u8,
        headers_size: usize,
        body: *const u8,
        body_size: usize,
        trailers: *const u8,
        trailers_size: usize,
        timeout_milliseconds: u32,
        token: *mut u32,
    );
    /// Dispatches a unary gRPC call.
    fn proxy_grpc_call(
        upstream: *const u8,
        upstream_size: usize,
        service: *const u8,
        service_size: usize,
        method: *const u8,
        method_size: usize,
        metadata: *const u8,
        metadata_size: usize,
        message: *const u8,
        message_size: usize,
        timeout_milliseconds: u32,
        token: *mut u32,
    );
    /// Opens a gRPC stream.
    fn proxy_grpc_stream(
        upstream: *const u8,
        upstream_size: usize,
        service: *const u8,
        service_size: usize,
        method: *const u8,
        method_size: usize,
        metadata: *const u8,
        metadata_size: usize,
        token: *mut u32,
    );
    /// Sends a message on a gRPC stream.
    fn proxy_grpc_send(token: u32, message: *const u8, message_size: usize, end_of_stream: u32);
    /// Cancels a gRPC call or stream. No callback follows.
    fn proxy_grpc_cancel(token: u32);
    /// Closes a gRPC call or stream.
    fn proxy_grpc_close(token: u32);
    /// Gets the status of the last callout and its text.
    fn proxy_get_status(code: *mut u32, message: *mut *mut u8, message_size: *mut usize);

    /// Reads a value of the shared store, with its CAS number.
    fn proxy_get_shared_data(
        key: *const u8,
        key_size: usize,
        value: *mut *mut u8,
        value_size: *mut usize,
        cas: *mut u32,
    );
    /// Writes a value of the shared store. CAS number 0 writes unconditionally.
    fn proxy_set_shared_data(key: *const u8, key_size: usize, value: *const u8, value_size: usize, cas: u32);
    /// Registers a queue.
    fn proxy_register_shared_queue(name: *const u8, name_size: usize, queue: *mut u32);
    /// Finds a queue of a VM.
    fn proxy_resolve_shared_queue(
        vm_id: *const u8,
        vm_id_size: usize,
        name: *const u8,
        name_size: usize,
        queue: *mut u32,
    );
    /// Appends an item to a queue.
    fn proxy_enqueue_shared_queue(queue: u32, value: *const u8, value_size: usize);
    /// Takes the first item of a queue.
    fn proxy_dequeue_shared_queue(queue: u32, value: *mut *mut u8, value_size: *mut usize);

    /// Defines a metric.
    fn proxy_define_metric(metric_type: u32, name: *const u8, name_size: usize, metric: *mut u32);
    /// Sets a gauge, or records a value of a histogram.
    fn proxy_record_metric(metric: u32, value: u64);
    /// Adds to a counter or gauge.
    fn proxy_increment_metric(metric: u32, offset: i64);
    /// Gets the value of a counter or gauge.
    fn proxy_get_metric(metric: u32, value: *mut u64);

    /// Makes further host calls act on another context.
    fn proxy_set_effective_context(context: u32);
    /// Ends a context whose `proxy_on_done` returned "not yet".
    fn proxy_done();
    /// Calls a function that the host registered by name.
    fn proxy_call_foreign_function(
        name: *const u8,
        name_size: usize,
        arguments: *const u8,
        arguments_size: usize,
        value: *mut *mut u8,
        value_size: *mut usize,
    );
}
