//! Expressions in CEL, the language of Envoy's access rules, over the attributes that
//! [`property`](crate::property) reads.

use super::call_named;
use crate::error::{Error, Result, Subject};
use crate::property::Property;

const CREATE: Subject = Subject::Named(&"foreign function expr_create");
const EVALUATE: Subject = Subject::Named(&"foreign function expr_evaluate");

/// An expression that the proxy has parsed and compiled. A plugin creates it once, in
/// `on_configure`, and evaluates it for each stream. Dropping the value deletes the expression.
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
/// **The expression is evaluated for the context whose callback the proxy runs.** In a callback of
/// a stream that is the stream. In the callback for the response to a call, or in a tick, it is the
/// plugin, which has no request.
///
/// Envoy has the functions only if it was built with the parser for CEL. Without the parser
/// [`create`](Self::create) fails with [`Status::NotFound`](crate::Status::NotFound).
#[derive(Debug)]
#[must_use = "dropped, it is deleted"]
pub struct Expression {
    token: u32,
}

/// The size of a token.
const TOKEN: usize = 4;

/// A size above that of a truth value. A value that is not a truth value is an error here.
const TRUTH: usize = 64;

impl Expression {
    /// Makes the proxy parse and compile an expression.
    ///
    /// # Errors
    ///
    /// Fails as [`call`](super::call) does, with
    /// [`Status::BadArgument`](crate::Status::BadArgument) if the text is not an expression. The
    /// proxy's log has the reason.
    ///
    /// # Cost
    ///
    /// One host call, and the proxy's parser.
    pub fn create(expression: impl AsRef<[u8]>) -> Result<Self> {
        let answer = call_named(CREATE, b"expr_create", expression.as_ref(), TOKEN)?;
        let token = <[u8; TOKEN]>::try_from(&*answer).map_err(|_| Error::malformed(CREATE, "a token has 4 bytes"))?;
        Ok(Self { token: u32::from_le_bytes(token) })
    }

    /// Evaluates the expression, and returns its value in the encoding of a property. `room` is the
    /// largest size that the caller expects. The call fails if there is no room for it. **This does
    /// not bound the value**: [if the SDK is out of memory](super#out-of-memory) the proxy ends. If
    /// a client can make the value large, use [`is_true`](Self::is_true).
    ///
    /// # Errors
    ///
    /// Fails as [`call`](super::call) does, with
    /// [`Status::InternalFailure`](crate::Status::InternalFailure) if the expression has no value:
    /// a header is absent, a type does not fit, or the stream does not have an attribute.
    ///
    /// # Cost
    ///
    /// One host call, the evaluation, and one block, which the host allocates.
    pub fn evaluate(&self, room: usize) -> Result<Property> {
        let value = call_named(EVALUATE, b"expr_evaluate", &self.token.to_le_bytes(), room)?;
        Ok(Property::new(EVALUATE, value))
    }

    /// Evaluates the expression, and returns whether it is true.
    ///
    /// # Errors
    ///
    /// Fails as [`evaluate`](Self::evaluate) does, and if the value is not a truth value.
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
        // If the host refuses, the expression is deleted with its plugin.
        let _ = call_named(EVALUATE, b"expr_delete", &self.token.to_le_bytes(), 0);
    }
}
