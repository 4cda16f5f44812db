//! The macro that makes a function of each row of a table. A row has a doc, a kind, a name and a
//! path. If older hosts have another path, the row has that path too.

/// ```text
/// properties! {
///     /// At one path.
///     kind name = "first"."second";
///     /// At `xds.first.second`, on older hosts at `first.second`.
///     kind name = xds."first"."second";
///     /// At one path, on older hosts at another.
///     kind name = "first"."second" or "third";
/// }
/// ```
macro_rules! properties {
    ($(
        $(#[$doc:meta])*
        $kind:ident $name:ident = $($xds:ident.)? $first:literal $(. $rest:literal)* $(or $old:literal)?;
    )*) => {
        $(
            $(#[$doc])*
            ///
            #[doc = concat!(
                "Reads the attribute `", $(stringify!($xds), ".",)? $first, $(".", $rest,)* "`.",
                $(" On older hosts its name has no `", stringify!($xds), ".` in front.",)?
                $(" On older hosts its name is `", $old, "`.",)?
                " Returns `None` if the proxy does not have it now."
            )]
            ///
            /// # Errors
            ///
            #[doc = properties!(@errors $kind)]
            ///
            /// # Cost
            ///
            /// One host call. If the property is there, one block, which the host allocates; see
            /// [the module](crate::property#cost).
            pub fn $name() -> $crate::Result<Option<properties!(@type $kind)>> {
                let name = $crate::error::Subject::Named(
                    &concat!("property ", $(stringify!($xds), ".",)? $first $(, ".", $rest)*)
                );
                let path = concat!($(stringify!($xds), "\0",)? $first $(, "\0", $rest)*).as_bytes();
                match properties!(@fetch name, path $(, $xds)? $(, $old)?)? {
                    Some(property) => properties!(@decode $kind property).map(Some),
                    None => Ok(None),
                }
            }
        )*
    };

    (@fetch $name:expr, $path:expr) => { $crate::property::fetch($name, $path) };
    (@fetch $name:expr, $path:expr, xds) => { $crate::property::fetch_xds($name, $path) };
    (@fetch $name:expr, $path:expr, $old:literal) => { $crate::property::fetch_renamed($name, $path, $old.as_bytes()) };

    (@errors text) => { "Fails if the host refuses, or if the SDK is out of memory." };
    (@errors message) => { "Fails if the host refuses, or if the SDK is out of memory." };
    (@errors interception) => { "Fails if the host refuses, if its value is not a mode of interception, or if the SDK is out of memory." };
    (@errors $kind:ident) => {
        concat!("Fails if the host refuses, if its value is not of the type `", stringify!($kind), "`, or if the SDK is out of memory.")
    };

    (@type text) => { $crate::property::Property };
    (@type message) => { $crate::property::Property };
    (@type bool) => { bool };
    (@type u64) => { u64 };
    (@type f64) => { f64 };
    (@type direction) => { Direction };
    (@type interception) => { InterceptionMode };
    (@type duration) => { core::time::Duration };
    (@type time) => { core::time::Duration };
    (@type map) => { $crate::property::Map };
    (@type list) => { $crate::property::List };

    (@decode text $property:ident) => { Ok($property) };
    (@decode message $property:ident) => { Ok($property) };
    (@decode bool $property:ident) => { $property.to_bool() };
    (@decode u64 $property:ident) => { $property.to_u64() };
    (@decode f64 $property:ident) => { $property.to_f64() };
    (@decode direction $property:ident) => { $property.to_u64().map(Direction::from) };
    (@decode interception $property:ident) => { InterceptionMode::read(&$property) };
    (@decode duration $property:ident) => { $property.to_duration() };
    (@decode time $property:ident) => { $property.to_time() };
    (@decode map $property:ident) => { $property.into_map() };
    (@decode list $property:ident) => { $property.into_list() };
}

pub(super) use properties;
