//! Tokens that all users of a credential share.
//!
//! The SDK's own credentials keep their tokens too, but renew them while everybody waits, whatever the
//! scope, and let each of those who wait for a token that cannot be had ask anew.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use azure_core::credentials::{AccessToken, TokenCredential, TokenRequestOptions};
use azure_core::error::ErrorKind;
use azure_core::time::{self, OffsetDateTime};
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};

use super::failure::{TokenFailure, port_error};
use crate::adapters::dependency::Dependency;
use crate::ports::PortError;

/// A token with less time left is renewed behind the backs of its users. No more than the SDK's own
/// cache grants, which would give the old token back.
const RENEWED_BEFORE: time::Duration = time::Duration::minutes(5);
/// A token with less time left may expire on its way.
const USABLE_BEFORE: time::Duration = time::Duration::seconds(30);
/// Between two renewals of a token that is still good.
const RENEWAL_PAUSE: Duration = Duration::from_secs(10);
/// A developer's command line needs seconds, an identity endpoint that starts with the machine too.
const TIME_LIMIT: Duration = Duration::from_secs(20);
/// One for each service, and room for some more: what a vault asks for is in its hands.
const MAX_SCOPES: usize = 32;

type Outcome = Result<AccessToken, TokenFailure>;
type Flight = Shared<BoxFuture<'static, Outcome>>;

/// A credential that asks its source once for all who want the same token.
pub struct SharedTokens(Arc<Tokens>);

struct Tokens {
    source: Arc<dyn TokenCredential>,
    service: Dependency,
    scopes: Mutex<HashMap<Vec<String>, Held>>,
}

/// What is known of one list of scopes.
#[derive(Default)]
struct Held {
    token: Option<AccessToken>,
    flight: Option<Flight>,
    flown_at: Option<Instant>,
}

impl SharedTokens {
    pub fn new(source: Arc<dyn TokenCredential>) -> Self {
        let service = Dependency::new("entra", TIME_LIMIT);
        Self(Arc::new(Tokens { source, service, scopes: Mutex::default() }))
    }
}

impl fmt::Debug for SharedTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SharedTokens").finish_non_exhaustive()
    }
}

#[async_trait]
impl TokenCredential for SharedTokens {
    async fn get_token(
        &self,
        scopes: &[&str],
        _options: Option<TokenRequestOptions<'_>>,
    ) -> azure_core::Result<AccessToken> {
        let scopes: Vec<String> = scopes.iter().map(ToString::to_string).collect();
        let flight = match self.0.present(scopes) {
            Ok(token) => return Ok(token),
            Err(flight) => flight,
        };
        flight.await.map_err(|failure| {
            azure_core::Error::with_error(ErrorKind::Credential, failure, "there is no access token")
        })
    }
}

impl Tokens {
    /// The token, or the way to the next one. The way does not end with those who go it: whoever comes
    /// later finds it further on.
    fn present(self: &Arc<Self>, scopes: Vec<String>) -> Result<AccessToken, Flight> {
        let mut all = self.lock();
        if all.len() >= MAX_SCOPES && !all.contains_key(&scopes) {
            let failure = TokenFailure { message: "no token: too many scopes".into(), retry_after: None };
            return Err(std::future::ready(Err(failure)).boxed().shared());
        }
        let held = all.entry(scopes.clone()).or_default();
        let left = held.token.as_ref().map(|token| token.expires_on - OffsetDateTime::now_utc());
        // A flight that has landed and is still here has crashed.
        let under_way = held.flight.take().filter(|flight| flight.peek().is_none());
        if let Some(token) = held.token.clone().filter(|_| left.is_some_and(|left| left > USABLE_BEFORE)) {
            let due = left.is_some_and(|left| left <= RENEWED_BEFORE)
                && held.flown_at.is_none_or(|at| at.elapsed() >= RENEWAL_PAUSE);
            held.flight = under_way;
            if due && held.flight.is_none() {
                held.flown_at = Some(Instant::now());
                held.flight = Some(self.clone().fly(scopes));
            }
            return Ok(token);
        }
        let flight = under_way.unwrap_or_else(|| self.clone().fly(scopes));
        held.flight = Some(flight.clone());
        Err(flight)
    }

    fn fly(self: Arc<Self>, scopes: Vec<String>) -> Flight {
        let task = tokio::spawn(async move {
            let outcome = self.ask(&scopes).await;
            let mut all = self.lock();
            let held = all.entry(scopes).or_default();
            held.flight = None;
            match &outcome {
                Ok(token) => held.token = Some(token.clone()),
                Err(failure) => tracing::warn!(error = %failure, "no new access token"),
            }
            outcome
        });
        task.map(|outcome| outcome.unwrap_or_else(|_| Err(lost()))).boxed().shared()
    }

    async fn ask(&self, scopes: &[String]) -> Outcome {
        let asked = async {
            let scopes: Vec<&str> = scopes.iter().map(String::as_str).collect();
            self.source.get_token(&scopes, None).await.map_err(|error| {
                let error = port_error("no token", &error);
                // Also a refusal is the platform's: nothing that a request could do better.
                let told = PortError::unavailable(error.to_string());
                error.retry_after().into_iter().fold(told, PortError::with_retry_after)
            })
        };
        let outcome = self.service.call("token", asked).await;
        outcome.map_err(|error| TokenFailure { message: error.to_string(), retry_after: error.retry_after() })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Vec<String>, Held>> {
        self.scopes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn lost() -> TokenFailure {
    TokenFailure { message: "no token: asking for it broke off".into(), retry_after: None }
}
