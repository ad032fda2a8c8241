//! Rate limits: a request is counted before it is read, and every answer to one that was counted tells what
//! is left (`RateLimit` and `RateLimit-Policy`, draft-ietf-httpapi-ratelimit-headers-11).
//!
//! Who counts is known by what cannot be made up: the user or program of a valid credential, else the
//! network of the client's address. A credential that is not valid counts for the network.

use std::time::Duration;

use http::{HeaderMap, HeaderValue};

use crate::error::{Code, Error, ExceededLimit, Result};
use crate::function::LimitClass;
use crate::identity::Caller;
use crate::ports::limits::{Decision, Quota};
use crate::state::AppState;
use crate::types::{Network, TierId};

const MINUTE: Duration = Duration::from_secs(60);

/// Shoppers who look around behind one address without an account (an office, a carrier's NAT) and use the
/// API as much as one customer of the free tier may: a network has so much more.
const SHOPPERS_OF_A_NETWORK: u32 = 20;
/// Writes, and requests that cost as much as speech does, are so many times fewer than requests at all.
const WRITE_SHARE: u32 = 2;
const VOICE_SHARE: u32 = 3;
/// Sign-ins and refreshes of a network: a client refreshes every 15 minutes, so these serve 4500 clients.
const CREDENTIALS: Quota = Quota { burst: 300, per: MINUTE };
/// Accounts opened from a network.
const REGISTRATIONS: Quota = Quota { burst: 30, per: Duration::from_secs(3600) };

/// One limit, for one caller.
struct Policy {
    name: &'static str,
    quota: Quota,
    key: String,
}

impl Policy {
    fn new(name: &'static str, quota: Quota, subject: &str) -> Self {
        Self { name, quota, key: format!("requests:{name}:{subject}") }
    }

    fn a_minute(name: &'static str, requests: u32, subject: &str) -> Self {
        Self::new(name, Quota { burst: requests.max(1), per: MINUTE }, subject)
    }
}

/// The limits that one request was counted against.
#[derive(Default)]
pub struct Counted(Vec<(Policy, Decision)>);

impl Counted {
    /// Tells them.
    pub fn tell(&self, headers: &mut HeaderMap) {
        if self.0.is_empty() {
            return;
        }
        let list = |item: &dyn Fn(&Policy, &Decision) -> String| {
            let items: Vec<String> = self.0.iter().map(|(policy, decision)| item(policy, decision)).collect();
            HeaderValue::from_str(&items.join(", "))
        };
        let policies =
            list(&|policy, _| format!("\"{}\";q={};w={}", policy.name, policy.quota.burst, policy.quota.per.as_secs()));
        let left = list(&|policy, decision| {
            format!("\"{}\";r={};t={}", policy.name, decision.remaining, whole_seconds(decision.reset_after))
        });
        if let (Ok(policies), Ok(left)) = (policies, left) {
            headers.insert("ratelimit-policy", policies);
            headers.insert("ratelimit", left);
        }
    }
}

/// Counts a request of `caller`, `None` where a credential was not valid.
///
/// # Errors
/// [`Code::TooManyRequests`] when a limit is used up; what is refused takes nothing from that limit.
pub async fn count(
    state: &AppState,
    class: LimitClass,
    caller: Option<&Caller>,
    network: Network,
    counted: &mut Counted,
) -> Result<()> {
    if !state.settings.rate_limits || class == LimitClass::Unlimited {
        return Ok(());
    }
    for policy in policies(state, class, caller, network).await {
        match state.limits.take(&policy.key, policy.quota, 1).await {
            Ok(decision) => {
                let refused = (!decision.allowed).then(|| too_many(&policy, decision));
                counted.0.push((policy, decision));
                if let Some(error) = refused {
                    return Err(error);
                }
            }
            // What cannot be counted is not refused.
            Err(error) => tracing::warn!(%error, limit = policy.name, "a request was not counted"),
        }
    }
    Ok(())
}

/// The limits of a class of requests, the narrower one first.
async fn policies(state: &AppState, class: LimitClass, caller: Option<&Caller>, network: Network) -> Vec<Policy> {
    let network = format!("network:{network}");
    match class {
        LimitClass::Credentials => return vec![Policy::new("credentials", CREDENTIALS, &network)],
        LimitClass::Registration => {
            return vec![
                Policy::new("registration", REGISTRATIONS, &network),
                Policy::new("credentials", CREDENTIALS, &network),
            ];
        }
        LimitClass::Unlimited | LimitClass::Read | LimitClass::Write | LimitClass::Voice => {}
    }
    let (subject, requests) = match caller.and_then(Caller::principal) {
        Some(principal) => {
            let tiers = state.tiers.of(&principal.tenant).await;
            let subject = format!("user:{}:{}", principal.tenant, principal.user);
            (subject, tiers.tier(&principal.tier).requests_per_minute)
        }
        None => {
            // Of the boutique that is asked; a network has one count for all of them.
            let tiers = state.tiers.of(caller.map_or(state.default_tenant(), Caller::tenant)).await;
            let requests = tiers.tier(&TierId::FREE).requests_per_minute.saturating_mul(SHOPPERS_OF_A_NETWORK);
            (network, requests)
        }
    };
    let all = Policy::a_minute("default", requests, &subject);
    match class {
        LimitClass::Write => vec![Policy::a_minute("write", requests / WRITE_SHARE, &subject), all],
        LimitClass::Voice => vec![Policy::a_minute("voice", requests / VOICE_SHARE, &subject), all],
        _ => vec![all],
    }
}

fn too_many(policy: &Policy, decision: Decision) -> Error {
    let (name, requests, seconds) = (policy.name, policy.quota.burst, policy.quota.per.as_secs());
    let wait = whole_seconds(decision.retry_after.unwrap_or(policy.quota.per)).max(1);
    let reset = whole_seconds(decision.reset_after);
    let detail = format!(
        "The limit \"{name}\" of {requests} requests in {seconds} seconds is used up; the next one is allowed in \
         {wait} seconds, and all of them again in {reset}."
    );
    let exceeded = ExceededLimit {
        policy: name.to_owned(),
        quota: u64::from(requests),
        window_seconds: seconds,
        remaining: u64::from(decision.remaining),
        retry_after_seconds: wait,
        reset_after_seconds: reset,
    };
    Error::new(Code::TooManyRequests, detail).with_retry_after(Duration::from_secs(wait)).with_limit(exceeded)
}

/// Rounded up: who comes after them is not too early.
fn whole_seconds(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_headers_are_structured_fields() {
        let decision = |remaining, millis| Decision {
            allowed: true,
            remaining,
            reset_after: Duration::from_millis(millis),
            retry_after: None,
        };
        let mut headers = HeaderMap::new();
        Counted::default().tell(&mut headers);
        assert!(headers.is_empty());
        let counted = vec![
            (Policy::a_minute("voice", 20, "user"), decision(19, 3000)),
            (Policy::a_minute("default", 60, "user"), decision(12, 29_001)),
        ];
        Counted(counted).tell(&mut headers);
        assert_eq!(headers["ratelimit-policy"], r#""voice";q=20;w=60, "default";q=60;w=60"#);
        assert_eq!(headers["ratelimit"], r#""voice";r=19;t=3, "default";r=12;t=30"#);
    }
}
