//! Expressions in CEL, the language of Envoy's access rules, over the attributes that
//! [`property`](crate::property) reads.

use super::call_named;
use crate::error::{Error, On, Result};
use crate::property::Property;

const CREATE: On = On::Named(&"foreign function expr_create");
const EVALUATE: On = On::Named(&"foreign function expr_evaluate");

/// An expression that the proxy has parsed and compiled: made once, in `on_configure`, kept in the
/// plugin, evaluated for each stream. Dropped, it is deleted.
///
/// ```
/// use sluicegate::foreign::Expression;
/// use sluicegate::prelude::*;
///
/// #[derive(Default)]
/// struct Rules { blocked: Option<Expression> }
///
/// #[sluicegate::plugin_context]
/// impl PluginContext for Rules {
///     fn on_configure(&mut self, plugin: &mut PluginHandle<'_>) -> Result<StartStatus> {
///         // request.path.startsWith('/admin') && source.address != '10.0.0.1'
///         self.blocked = Some(Expression::create(&*plugin.configuration()?)?);
///         Ok(StartStatus::Ok)
///     }
/// }
///
/// #[derive(Default)]
/// struct Filter;
///
/// #[sluicegate::http_filter]
/// impl HttpFilter for Filter {
///     type Plugin = Rules;
///
///     fn on_request_headers(&mut self, request: &mut RequestHeaders<'_, Rules>) -> Result<Action> {
///         match &request.plugin().blocked {
///             Some(blocked) if blocked.is_true()? => request.reply(&LocalResponse::new(403)),
///             _ => Ok(Action::Continue),
///         }
///     }
/// }
/// # sluicegate::plugin!(plugin: Rules, http: Filter);
/// # fn main() {}
/// ```
///
/// **It is evaluated for the context whose callback the proxy runs.** In a callback of a stream
/// that is the stream; in the answer to a call, or from a tick, it is the plugin, which has no
/// request.
///
/// Envoy has the functions only if it was built with the parser for CEL; without them
/// [`create`](Self::create) is an error with [`Status::NotFound`](crate::Status::NotFound).
#[derive(Debug)]
#[must_use = "dropped, it is deleted"]
pub struct Expression {
    token: u32,
}

/// The size of a token.
const TOKEN: usize = 4;

/// More than a truth value takes, and than what is none and answers an error here.
const TRUTH: usize = 64;

impl Expression {
    /// Has the proxy parse and compile an expression.
    ///
    /// # Errors
    ///
    /// As [`call`](super::call), with [`Status::BadArgument`](crate::Status::BadArgument) if it is
    /// no expression: the proxy's log says why.
    ///
    /// # Cost
    ///
    /// One host call, and the proxy's parser.
    pub fn create(expression: impl AsRef<[u8]>) -> Result<Self> {
        let answer = call_named(CREATE, b"expr_create", expression.as_ref(), TOKEN)?;
        let token = <[u8; TOKEN]>::try_from(&*answer).map_err(|_| Error::malformed(CREATE, "a token has 4 bytes"))?;
        Ok(Self { token: u32::from_le_bytes(token) })
    }

    /// Its value, in the encoding of a property. It is an error if there is no room for `room`
    /// bytes, which the caller expects at the most; **that does not bound the answer**, and [when
    /// the SDK is out of memory](super#when-memory-is-out) the proxy is lost: of an expression
    /// whose value a client can make large, ask for the truth.
    ///
    /// # Errors
    ///
    /// As [`call`](super::call), with [`Status::InternalFailure`](crate::Status::InternalFailure)
    /// if it has no value: a header that is not there, a type that does not fit, an attribute that
    /// the stream does not have.
    ///
    /// # Cost
    ///
    /// One host call, the evaluation, and one block of the host's.
    pub fn evaluate(&self, room: usize) -> Result<Property> {
        let value = call_named(EVALUATE, b"expr_evaluate", &self.token.to_le_bytes(), room)?;
        Ok(Property::new(EVALUATE, value))
    }

    /// Returns whether it is true.
    ///
    /// # Errors
    ///
    /// As [`evaluate`](Self::evaluate), and if its value is no truth value.
    ///
    /// # Cost
    ///
    /// The cost of [`evaluate`](Self::evaluate).
    pub fn is_true(&self) -> Result<bool> {
        self.evaluate(TRUTH)?.to_bool()
    }
}

impl Drop for Expression {
    fn drop(&mut self) {
        // If the host refuses, it goes with its plugin.
        let _ = call_named(EVALUATE, b"expr_delete", &self.token.to_le_bytes(), 0);
    }
}
