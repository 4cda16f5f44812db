//! Every callback that a host may look up in a module, declared once.
//!
//! [`plugin!`](crate::plugin) exports the callbacks that the filter implements, and the few exports
//! that a host requires.

/// Declares the callbacks: the macro that exports one of them on wasm, and their table for a host
/// in the same process.
macro_rules! exports {
    ($d:tt $(fn $name:ident($first:ident: $first_ty:ty $(, $arg:ident: $ty:ty)*) $(-> $ret:ty)?;)*) => {
        /// Exports one callback of the dispatcher in the VM-local `$vm`, or of several dispatchers,
        /// which their root ids tell apart.
        #[doc(hidden)]
        #[macro_export]
        macro_rules! __export_as_declared {
            $(
                ($d vm:ident $name) => {
                    // SAFETY: the specification gives this name this signature, and a module
                    // defines each name once, in `plugin!`.
                    #[unsafe(no_mangle)]
                    pub extern "C" fn $name($first: $first_ty $(, $arg: $ty)*) $(-> $ret)? {
                        $crate::__timed!($name, $d vm.with(|dispatcher| $crate::dispatch::with_woken(
                            const { $crate::dispatch::decides(stringify!($name)) },
                            || dispatcher.$name($first $(, $arg)*),
                            |context| dispatcher.poll_woken(context),
                        )))
                    }
                };
                ($d ids:ident [$d($d vm:ident)+] $name) => {
                    // SAFETY: the specification gives this name this signature, and a module
                    // defines each name once, in `plugin!`.
                    #[unsafe(no_mangle)]
                    pub extern "C" fn $name($first: $first_ty $(, $arg: $ty)*) $(-> $ret)? {
                        $crate::__timed!($name, $crate::dispatch::with_woken(
                            const { $crate::dispatch::decides(stringify!($name)) },
                            || $crate::__route!($name, $first, ($first $(, $arg)*), $d ids, $d($d vm)+),
                            |context| $crate::__route!(poll_woken, context, (context), $d ids, $d($d vm)+),
                        ))
                    }
                };
            )*
        }

        /// Returns one callback as a function pointer for [`Exports`].
        #[doc(hidden)]
        #[macro_export]
        macro_rules! __export_native {
            $(
                ($d vm:ident $name) => {
                    |$first: $first_ty $(, $arg: $ty)*| {
                        $crate::__timed!($name, $d vm.with(|dispatcher| $crate::dispatch::with_woken(
                            const { $crate::dispatch::decides(stringify!($name)) },
                            || dispatcher.$name($first $(, $arg)*),
                            |context| dispatcher.poll_woken(context),
                        )))
                    }
                };
                ($d ids:ident [$d($d vm:ident)+] $name) => {
                    |$first: $first_ty $(, $arg: $ty)*| {
                        $crate::__timed!($name, $crate::dispatch::with_woken(
                            const { $crate::dispatch::decides(stringify!($name)) },
                            || $crate::__route!($name, $first, ($first $(, $arg)*), $d ids, $d($d vm)+),
                            |context| $crate::__route!(poll_woken, context, (context), $d ids, $d($d vm)+),
                        ))
                    }
                };
            )*
        }

        /// The exports of a module for a host in the same process. A callback that the filter does
        /// not implement is `None`.
        #[derive(Clone, Copy, Debug)]
        pub struct Exports {
            /// The function `_initialize`.
            pub initialize: fn(),
            /// The function that forgets all contexts of the current thread, as the end of a VM
            /// does.
            pub reset: fn(),
            $(
                #[doc = concat!("`", stringify!($name), "`")]
                pub $name: Option<fn($first_ty $(, $ty)*) $(-> $ret)?>,
            )*
        }

        impl Exports {
            /// The names of all callbacks that a host may look up.
            pub const ALL: &[&str] = &[$(stringify!($name)),*];

            /// Returns the exports of a module that implements nothing.
            #[must_use]
            pub const fn none(initialize: fn(), reset: fn()) -> Self {
                Self { initialize, reset, $($name: None,)* }
            }

            /// Returns the names of the callbacks that the module implements.
            #[must_use]
            pub fn names(&self) -> alloc::vec::Vec<&'static str> {
                let mut names = alloc::vec::Vec::new();
                $(
                    if self.$name.is_some() {
                        names.push(stringify!($name));
                    }
                )*
                names
            }

            /// Returns the number of parameters of a callback, or `None` if hosts look up no such
            /// callback.
            #[cfg(not(target_family = "wasm"))]
            #[must_use]
            pub fn parameters(name: &str) -> Option<usize> {
                match name {
                    $(stringify!($name) => Some([stringify!($first) $(, stringify!($arg))*].len()),)*
                    _ => None,
                }
            }

            /// Calls a callback by its name. Returns its result, 0 if it has no result, or `None`
            /// if the module does not have the callback.
            ///
            /// Missing arguments are 0, and surplus arguments are ignored.
            #[cfg(not(target_family = "wasm"))]
            #[must_use]
            pub fn call(&self, name: &str, arguments: &[u32]) -> Option<u32> {
                crate::callout::__answered(
                    self.proxy_on_http_call_response.is_some(),
                    self.proxy_on_grpc_receive.is_some(),
                );
                let mut arguments = arguments.iter().copied();
                match name {
                    $(
                        stringify!($name) => {
                            let callback = self.$name?;
                            let $first = arguments.next().unwrap_or_default() as $first_ty;
                            $(let $arg = arguments.next().unwrap_or_default() as $ty;)*
                            Some(callback($first $(, $arg)*).into_result())
                        }
                    )*
                    _ => None,
                }
            }
        }
    };
}

/// A type that turns the result of a callback into a number.
#[cfg(not(target_family = "wasm"))]
trait IntoResult {
    fn into_result(self) -> u32;
}

#[cfg(not(target_family = "wasm"))]
impl IntoResult for u32 {
    fn into_result(self) -> u32 {
        self
    }
}

#[cfg(not(target_family = "wasm"))]
impl IntoResult for () {
    fn into_result(self) -> u32 {
        0
    }
}

exports! { $
    fn proxy_on_context_create(context: u32, parent: u32);
    fn proxy_on_vm_start(plugin: u32, configuration_size: usize) -> u32;
    fn proxy_validate_configuration(plugin: u32, configuration_size: usize) -> u32;
    fn proxy_on_configure(plugin: u32, configuration_size: usize) -> u32;
    fn proxy_on_tick(plugin: u32);
    fn proxy_on_done(context: u32) -> u32;
    fn proxy_on_log(context: u32);
    fn proxy_on_delete(context: u32);
    fn proxy_on_new_connection(context: u32) -> u32;
    fn proxy_on_downstream_data(context: u32, size: usize, end_of_stream: u32) -> u32;
    fn proxy_on_upstream_data(context: u32, size: usize, end_of_stream: u32) -> u32;
    fn proxy_on_downstream_connection_close(context: u32, peer: u32);
    fn proxy_on_upstream_connection_close(context: u32, peer: u32);
    fn proxy_on_request_headers(context: u32, headers: u32, end_of_stream: u32) -> u32;
    fn proxy_on_request_body(context: u32, size: usize, end_of_stream: u32) -> u32;
    fn proxy_on_request_trailers(context: u32, trailers: u32) -> u32;
    fn proxy_on_request_metadata(context: u32, elements: u32) -> u32;
    fn proxy_on_response_headers(context: u32, headers: u32, end_of_stream: u32) -> u32;
    fn proxy_on_response_body(context: u32, size: usize, end_of_stream: u32) -> u32;
    fn proxy_on_response_trailers(context: u32, trailers: u32) -> u32;
    fn proxy_on_response_metadata(context: u32, elements: u32) -> u32;
    fn proxy_on_http_call_response(plugin: u32, token: u32, headers: u32, body_size: usize, trailers: u32);
    fn proxy_on_grpc_receive_initial_metadata(plugin: u32, token: u32, elements: u32);
    fn proxy_on_grpc_receive(plugin: u32, token: u32, size: usize);
    fn proxy_on_grpc_receive_trailing_metadata(plugin: u32, token: u32, elements: u32);
    fn proxy_on_grpc_close(plugin: u32, token: u32, status: u32);
    fn proxy_on_queue_ready(plugin: u32, queue: u32);
    fn proxy_on_foreign_function(context: u32, function: u32, arguments_size: usize);
}

/// Runs a callback. With the feature `timing` it also measures the callback.
#[cfg(not(feature = "timing"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __timed {
    ($name:ident, $run:expr) => {
        $crate::__profiled!($name, $run)
    };
}

/// Runs a callback and measures it.
#[cfg(feature = "timing")]
#[doc(hidden)]
#[macro_export]
macro_rules! __timed {
    ($name:ident, $run:expr) => {{
        $crate::__vm_local! {
            static TIMED: $crate::timing::Timed = $crate::timing::Timed::new(stringify!($name));
        }
        TIMED.with(|timed| timed.run(|| $crate::__profiled!($name, $run)))
    }};
}

/// Runs a callback, and with the feature `profile` tags what it allocates.
#[cfg(not(feature = "profile"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __profiled {
    ($name:ident, $run:expr) => {
        $run
    };
}

/// Runs a callback and tags what it allocates.
#[cfg(feature = "profile")]
#[doc(hidden)]
#[macro_export]
macro_rules! __profiled {
    ($name:ident, $run:expr) => {{
        const CALLBACK: &str = $crate::profile::__callback(stringify!($name));
        $crate::profile::__in_callback(CALLBACK, || $run)
    }};
}

/// Calls the dispatcher of the plugin that a context belongs to.
#[doc(hidden)]
#[macro_export]
macro_rules! __route {
    (proxy_on_context_create, $context:ident, ($_:ident, $parent:ident), $ids:ident, $($vm:ident)+) => {
        if let Some(root) = $crate::dispatch::root_of_new($context, $parent, $ids) {
            $crate::__route!(@call root, proxy_on_context_create, ($context, $parent), $($vm)+)
        }
    };
    (proxy_on_delete, $context:ident, $arguments:tt, $ids:ident, $($vm:ident)+) => {{
        let root = $crate::dispatch::forget_root($context);
        $crate::__route!(@call root, proxy_on_delete, $arguments, $($vm)+)
    }};
    ($name:ident, $context:ident, $arguments:tt, $ids:ident, $($vm:ident)+) => {{
        let root = $crate::dispatch::root_of($context);
        $crate::__route!(@call root, $name, $arguments, $($vm)+)
    }};
    (@call $root:ident, $name:ident, $arguments:tt, $vm:ident) => {
        $vm.with(|dispatcher| dispatcher.$name $arguments)
    };
    (@call $root:ident, $name:ident, $arguments:tt, $vm:ident $($rest:ident)+) => {
        if $root == 0 {
            $vm.with(|dispatcher| dispatcher.$name $arguments)
        } else {
            let next = $root - 1;
            $crate::__route!(@call next, $name, $arguments, $($rest)+)
        }
    };
}

/// Exports the functions that every module must have: the allocation entry, the start function and
/// the marker of the ABI.
///
/// There is only one allocation entry: a host that finds `malloc` beside `proxy_on_memory_allocate`
/// uses `malloc`.
#[doc(hidden)]
#[macro_export]
macro_rules! __export_module {
    ($http_answers:expr, $grpc_answers:expr, $($announce:tt)*) => {
        // SAFETY: the specification gives this name this signature, and a module defines it once,
        // in `plugin!`.
        #[unsafe(no_mangle)]
        pub extern "C" fn proxy_on_memory_allocate(size: usize) -> *mut u8 {
            $crate::abi::allocate(size)
        }

        // SAFETY: the specification gives this name this signature, and a module defines it once,
        // in `plugin!`. It is the start function of a reactor: the host calls it once, before
        // anything else.
        #[unsafe(no_mangle)]
        pub extern "C" fn _initialize() {
            $($announce)*
            $crate::dispatch::initialize();
            $crate::callout::__answered($http_answers, $grpc_answers);
        }

        $crate::__export_version!();
    };
}

/// Exports the marker of the ABI's version, and the callbacks with their signatures in that
/// version.
macro_rules! version {
    ($d:tt #[$when:meta] $mark:ident $({ $($callback:ident)* })?) => {
        /// Exports the marker by which a host knows the ABI's version.
        #[cfg($when)]
        #[doc(hidden)]
        #[macro_export]
        macro_rules! __export_version {
            () => {
                // SAFETY: the specification gives this name this signature. Hosts look only for its
                // name.
                #[unsafe(no_mangle)]
                pub extern "C" fn $mark() {}
            };
        }

        /// Exports one callback.
        #[cfg($when)]
        #[doc(hidden)]
        #[macro_export]
        macro_rules! __export {
            $($(
                ($d vm:ident $callback) => { $crate::__export_without_end!($callback, $d vm); };
                ($d ids:ident $d targets:tt $callback) => { $crate::__export_without_end!($callback, $d ids $d targets); };
            )*)?
            ($d($d callback:tt)*) => { $crate::__export_as_declared!($d($d callback)*); };
        }
    };
}

/// Exports a callback for headers in ABI 0.1.0, whose signature does not say whether the stream
/// ends with the headers.
#[doc(hidden)]
#[macro_export]
macro_rules! __export_without_end {
    ($name:ident, $($target:tt)*) => {
        // SAFETY: ABI 0.1.0 gives this name this signature, and a module defines each name once, in
        // `plugin!`.
        #[unsafe(no_mangle)]
        pub extern "C" fn $name(context: u32, headers: u32) -> u32 {
            let callback: fn(u32, u32, u32) -> u32 = $crate::__export_native!($($target)* $name);
            callback(context, headers, 0)
        }
    };
}

version! { $ #[not(any(feature = "abi-0-2-0", feature = "abi-0-1-0"))] proxy_abi_version_0_2_1 }
version! { $ #[all(feature = "abi-0-2-0", not(feature = "abi-0-1-0"))] proxy_abi_version_0_2_0 }
version! { $ #[feature = "abi-0-1-0"] proxy_abi_version_0_1_0 { proxy_on_request_headers proxy_on_response_headers } }

/// Runs the module's constructors, and installs the logger and the panic hook that the features ask
/// for: the body of `_initialize`.
#[doc(hidden)]
pub fn initialize() {
    #[cfg(target_os = "wasi")]
    crate::abi::call_constructors();
    #[cfg(feature = "log")]
    crate::log::install();
    #[cfg(all(target_family = "wasm", feature = "panic-log"))]
    crate::__std::panic::set_hook(alloc::boxed::Box::new(|panic| {
        crate::log::write(crate::LogLevel::Critical, format_args!("{panic}"));
    }));
}
