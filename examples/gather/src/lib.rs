//! Asks two services before a request goes on. The module does so in two ways: with tasks that
//! await, and with closures. The plugin's `root_id` selects the way.
//!
//! The filter sends the request's own path to the services. So a client of this example decides on
//! the services' responses.

use std::time::Duration;

use sluicegate::prelude::*;
use sluicegate::{callout::Answer, task};

/// The number of attempts to ask the services.
const TRIES: u32 = 2;
/// The time that a task waits before it asks again.
const PAUSE: Duration = Duration::from_millis(20);
/// The longest time for a response.
const TIMEOUT: Duration = Duration::from_secs(1);

/// Asks a service about a user.
async fn ask(service: &str, path: &str) -> Result<Answer, CallFailure> {
    let headers = [(":method", "GET"), (":path", path), (":authority", service)];
    HttpCall::new(service).headers(&headers).timeout(TIMEOUT).send().await
}

/// Returns the body of a service's response, or `None` if the response is not a 200.
fn text(answer: Result<Answer, CallFailure>) -> Option<String> {
    let answer = answer.ok().filter(|answer| answer.status() == Some(200))?;
    Some(String::from_utf8_lossy(answer.body()).into_owned())
}

/// A filter that asks both services at once, asks again after a pause, and then replies with 502.
#[derive(Default)]
struct Awaits {
    gathered: String,
}

#[sluicegate::http_filter(tasks)]
impl HttpFilter for Awaits {
    fn on_request_headers(&mut self, request: &mut RequestHeaders<'_>) -> Result<Action> {
        let path = request.get(":path")?.unwrap_or_default().to_str().map_err(Error::other)?.to_owned();
        request.hold_while(async move {
            for _ in 0..TRIES {
                let (user, limit) = task::join(ask("users", &path), ask("limits", &path)).await;
                if let (Some(user), Some(limit)) = (text(user), text(limit)) {
                    task::with_filter(move |filter: &mut Self, _| filter.gathered = format!("{user}, {limit}")).await?;
                    return Ok(Action::Continue);
                }
                task::sleep(PAUSE).await?;
            }
            info!("gave up after {TRIES} tries");
            task::reply(&LocalResponse::new(502))
        })
    }

    fn on_response_headers(&mut self, response: &mut ResponseHeaders<'_>) -> Result<Action> {
        response.replace("x-gathered", &*self.gathered)?;
        Ok(Action::Continue)
    }
}

/// A filter that asks one service after the other, and takes each response in a closure.
#[derive(Default)]
struct Calls {
    gathered: String,
}

impl Calls {
    /// Notes a response, or replies with 502. Returns whether to go on.
    fn note(&mut self, stream: &HttpHandle<'_>, answer: Result<&CallResponse, CallFailure>) -> Result<bool> {
        let response = answer?;
        if response.headers()?.get(":status").is_none_or(|status| status != "200") {
            stream.reply(&LocalResponse::new(502))?;
            return Ok(false);
        }
        self.gathered.push_str(&String::from_utf8_lossy(&response.body()?));
        Ok(true)
    }
}

#[sluicegate::http_filter(calls)]
impl HttpFilter for Calls {
    fn on_request_headers(&mut self, request: &mut RequestHeaders<'_>) -> Result<Action> {
        let path = request.get(":path")?.unwrap_or_default().to_str().map_err(Error::other)?.to_owned();
        let headers = [(":method", "GET"), (":path", &*path), (":authority", "users")];
        let users = HttpCall::new("users").headers(&headers).timeout(TIMEOUT);
        let kept = path.clone();
        request.call_then(&users, move |filter: &mut Self, stream, answer| {
            if !filter.note(stream, answer)? {
                return Ok(());
            }
            filter.gathered.push_str("; ");
            let headers = [(":method", "GET"), (":path", &*kept), (":authority", "limits")];
            let limits = HttpCall::new("limits").headers(&headers).timeout(TIMEOUT);
            stream.call_then(
                &limits,
                |filter: &mut Self, stream, answer| {
                    if filter.note(stream, answer)? { stream.resume_request() } else { Ok(()) }
                },
            )?;
            Ok(())
        })?;
        Ok(Action::Pause)
    }

    fn on_response_headers(&mut self, response: &mut ResponseHeaders<'_>) -> Result<Action> {
        response.replace("x-gathered", &*self.gathered)?;
        Ok(Action::Continue)
    }
}

sluicegate::plugin! {
    root "tasks" { http: Awaits }
    root "closures" { http: Calls }
}

#[cfg(test)]
mod tests;
