//! Adds `authorization` to each request, with a token of a token service. The token is fetched
//! once, and kept until it expires. If the service fails, the filter asks once more.

mod cache;

use std::rc::Rc;
use std::time::Duration;

use sluicegate::prelude::*;
use sluicegate::{json, task, time};

use cache::Cache;

/// The cluster of the token service.
const CLUSTER: &str = "tokens";
/// The number of attempts to fetch a token.
const TRIES: u32 = 2;
/// The longest time for a response.
const TIMEOUT: Duration = Duration::from_secs(1);

#[derive(Default)]
struct Plugin {
    /// The token, which the plugin shares with the tasks.
    cache: Rc<Cache>,
}

#[sluicegate::plugin_context]
impl PluginContext for Plugin {}

#[derive(Default)]
struct AsyncToken;

#[sluicegate::http_filter(tasks)]
impl HttpFilter for AsyncToken {
    type Plugin = Plugin;

    fn on_request_headers(&mut self, request: &mut RequestHeaders<'_, Plugin>) -> Result<Action> {
        let cache = &request.plugin().cache;
        if let Some(bearer) = cache.fresh(time::now()?) {
            request.replace("authorization", &*bearer)?;
            return Ok(Action::Continue);
        }
        let cache = cache.clone();
        request.hold_while(async move {
            let Some(bearer) = wait(&cache).await? else {
                return task::reply(&LocalResponse::new(503).body("no token\n"));
            };
            let set = move |_: &mut Self, stream: &mut HttpHandle<'_, Plugin>| {
                stream.edit_request_headers().replace("authorization", &*bearer)
            };
            task::with_filter(set).await??;
            Ok(Action::Continue)
        })
    }
}

/// Fetches a token, or waits for the token that another request fetches. Returns `None` if there is
/// no token to be had.
///
/// If a request goes away while it fetches, the next request fetches.
async fn wait(cache: &Cache) -> Result<Option<Rc<str>>> {
    loop {
        if let Some(bearer) = cache.fresh(time::now()?) {
            return Ok(Some(bearer));
        }
        let Some(fetching) = cache.begin() else {
            match cache.fetched().await? {
                Some(bearer) => return Ok(bearer),
                None => continue,
            }
        };
        let fetched = fetch_again().await;
        let bearer = fetched.as_ref().map(|(bearer, _)| bearer.clone());
        if let Some((bearer, lifetime)) = fetched {
            cache.keep(&bearer, time::now()?, lifetime);
        }
        fetching.finish(bearer.clone());
        return Ok(bearer);
    }
}

/// Fetches a token with several attempts. Returns the token and its lifetime, or `None` if all
/// attempts failed.
async fn fetch_again() -> Option<(Rc<str>, Duration)> {
    for _ in 0..TRIES {
        match fetch().await {
            Ok(fetched) => return Some(fetched),
            Err(error) => warn!("no token: {error}"),
        }
    }
    None
}

/// Fetches a token once. Returns the token and its lifetime.
async fn fetch() -> Result<(Rc<str>, Duration)> {
    let headers = [(":method", "POST"), (":path", "/token"), (":authority", CLUSTER)];
    let answer = HttpCall::new(CLUSTER).headers(&headers).timeout(TIMEOUT).send().await?;
    if answer.status() != Some(200) {
        return Err(Error::new("the token service did not answer 200"));
    }
    let json = json::parse(answer.body())?;
    let token = json.get("access_token").and_then(|token| token.as_str());
    let seconds = json.get("expires_in").and_then(|seconds| seconds.to_u64());
    let (token, seconds) = token.zip(seconds).ok_or(Error::new("an answer without access_token and expires_in"))?;
    info!("a token for {seconds} s");
    Ok((format!("Bearer {token}").into(), Duration::from_secs(seconds)))
}

sluicegate::plugin!(plugin: Plugin, http: AsyncToken);

#[cfg(test)]
mod tests;
