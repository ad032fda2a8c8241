//! The monthly voice quota: how long the recordings were that were worked for a customer, told by month and
//! day in UTC.
//!
//! A recording is counted in the transactional batch that writes its end, so once however often its job runs.
//! Only what came to an answer counts: nothing that was rejected, or given up by us. Work is refused once the
//! quota is used up; a recording that is longer than what is left is worked to its end.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Datelike, Months, NaiveDate, NaiveTime, Utc};
use http::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use crate::containers::{CUSTOMERS, customer};
use crate::error::{Code, Error, ExceededLimit, Result};
use crate::function::{Access, Function};
use crate::http::{Request, Response, json, no_store};
use crate::ports::Condition;
use crate::ports::documents::{NewDocument, Operation, Ttl};
use crate::ports::limits::Quota;
use crate::state::AppState;
use crate::types::{Network, Service, TenantId, TierId, UserId};

/// How long a month is remembered.
const LIFETIME: u32 = 400 * 86_400;
/// Seconds of recordings that strangers of one network may have transcribed.
const ANONYMOUS: Quota = Quota { burst: 900, per: Duration::from_secs(3600) };

/// This resource's rows of the registry.
pub fn functions() -> Vec<Function> {
    let example = json!({
        "period": "2026-01", "secondsUsed": 12.5, "secondsLimit": 1800, "secondsRemaining": 1787.5, "renewsAt": "2026-02-01T00:00:00Z",
        "days": [{ "date": "2026-01-15", "engine": "pocketsphinx", "seconds": 12.5 }]
    });
    vec![
        Function::http("VoiceUsage", Service::Voice, Method::GET, "v1/voice/usage", usage)
            .access(Access::SignedIn)
            .summary("Shows how much of this month's voice quota the caller has used.")
            .answers::<UsageView>(StatusCode::OK, "This month in UTC, by day and engine.", example)
            .into(),
    ]
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct UsageView {
    /// The month.
    period: String,
    seconds_used: f64,
    /// `null` is without limit.
    seconds_limit: Option<u64>,
    seconds_remaining: Option<f64>,
    renews_at: DateTime<Utc>,
    days: Vec<DayView>,
}

#[derive(Serialize, ToSchema)]
struct DayView {
    date: String,
    engine: String,
    seconds: f64,
}

async fn usage(state: AppState, request: Request) -> Result<Response> {
    let principal = request.principal()?;
    let now = state.clock.now();
    let month = read(&state, &principal.tenant, &principal.user, now).await?.0;
    let limit = state.tiers.tier(&principal.tenant, &principal.tier).await.voice_seconds_per_month;
    let seconds = |milliseconds: u64| milliseconds as f64 / 1e3;
    let days = month.days.iter().flat_map(|(date, engines)| {
        engines.iter().map(move |(engine, milliseconds)| DayView {
            date: date.to_string(),
            engine: engine.clone(),
            seconds: seconds(*milliseconds),
        })
    });
    Ok(no_store(json(&UsageView {
        period: month.period.clone(),
        seconds_used: seconds(month.total_ms),
        seconds_limit: limit,
        seconds_remaining: limit.map(|limit| seconds((limit * 1000).saturating_sub(month.total_ms))),
        renews_at: renews_at(now),
        days: days.collect(),
    })?))
}

/// What one recording cost.
#[derive(Clone, Debug)]
pub(super) struct Metered {
    pub engine: String,
    pub audio_ms: u64,
}

/// What a customer used in a month: kind `usage`, in the customer's own partition.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Month {
    kind: String,
    /// Such as `2026-01`.
    period: String,
    total_ms: u64,
    /// Milliseconds by day and engine.
    days: BTreeMap<NaiveDate, BTreeMap<String, u64>>,
}

impl Month {
    fn add(&mut self, metered: &Metered, at: DateTime<Utc>) {
        self.total_ms = self.total_ms.saturating_add(metered.audio_ms);
        let of_engine = self.days.entry(at.date_naive()).or_default().entry(metered.engine.clone()).or_default();
        *of_engine = of_engine.saturating_add(metered.audio_ms);
    }
}

fn period_of(at: DateTime<Utc>) -> String {
    at.format("%Y-%m").to_string()
}

fn id_of(period: &str) -> String {
    format!("usage_{period}")
}

/// The beginning of the next month.
fn renews_at(now: DateTime<Utc>) -> DateTime<Utc> {
    let first = now.date_naive().with_day(1).and_then(|first| first.checked_add_months(Months::new(1)));
    first.unwrap_or(NaiveDate::MAX).and_time(NaiveTime::MIN).and_utc()
}

/// The month of `at`, and on what condition it is written again. One point read.
async fn read(state: &AppState, tenant: &TenantId, user: &UserId, at: DateTime<Utc>) -> Result<(Month, Condition)> {
    let period = period_of(at);
    let found = state.documents.read(&CUSTOMERS, &customer(tenant, user.as_str()), &id_of(&period)).await?;
    match found {
        Some(document) => Ok((document.read()?, Condition::IfMatch(document.etag))),
        None => {
            let month = Month { kind: "usage".into(), period, total_ms: 0, days: BTreeMap::new() };
            Ok((month, Condition::IfAbsent))
        }
    }
}

/// The operation that counts a recording, upon what is counted now.
pub(super) async fn count(
    state: &AppState,
    tenant: &TenantId,
    user: &UserId,
    metered: &Metered,
    at: DateTime<Utc>,
) -> Result<Operation> {
    let (mut month, condition) = read(state, tenant, user, at).await?;
    month.add(metered, at);
    let document = NewDocument::new(id_of(&month.period), &month)?.with_ttl(Ttl::Seconds(LIFETIME));
    Ok(match condition {
        Condition::IfAbsent => Operation::Create(document),
        condition => Operation::Replace(document, condition),
    })
}

/// # Errors
/// [`Code::TooManyRequests`] when a customer on `tier` has used up this month's quota. One point read, none
/// where the tier has no quota.
pub(super) async fn check(state: &AppState, tenant: &TenantId, user: &UserId, tier: &TierId) -> Result<()> {
    let Some(limit) = state.tiers.tier(tenant, tier).await.voice_seconds_per_month else { return Ok(()) };
    let now = state.clock.now();
    let used = read(state, tenant, user, now).await?.0.total_ms;
    if used < limit * 1000 {
        return Ok(());
    }
    let renews_at = renews_at(now);
    let wait = u64::try_from((renews_at - now).num_seconds()).unwrap_or(1).max(1);
    let exceeded = ExceededLimit {
        policy: "voice-seconds".into(),
        quota: limit,
        window_seconds: u64::from(now.num_days_in_month()) * 86_400,
        remaining: 0,
        retry_after_seconds: wait,
        reset_after_seconds: wait,
    };
    let detail = format!(
        "This month's quota of {limit} seconds of recordings is used up: 0 are left; it renews on {}.",
        renews_at.format("%Y-%m-%d at %H:%M UTC")
    );
    Err(Error::new(Code::TooManyRequests, detail).with_retry_after(Duration::from_secs(wait)).with_limit(exceeded))
}

/// Takes seconds from what strangers of a network may have transcribed; 0 only looks whether any are left.
///
/// # Errors
/// [`Code::TooManyRequests`] when so many are not left.
pub(super) async fn take_anonymous(state: &AppState, network: Network, seconds: u32) -> Result<()> {
    if !state.settings.rate_limits {
        return Ok(());
    }
    let decision = match state.limits.take(&format!("voice-seconds:{network}"), ANONYMOUS, seconds).await {
        Ok(decision) => decision,
        Err(error) => {
            tracing::warn!(%error, "a recording was not counted");
            return Ok(());
        }
    };
    if decision.allowed && (seconds > 0 || decision.remaining > 0) {
        return Ok(());
    }
    let whole = |time: Duration| time.as_secs() + u64::from(time.subsec_nanos() > 0);
    let wait = whole(decision.retry_after.unwrap_or(ANONYMOUS.per / ANONYMOUS.burst)).max(1);
    let exceeded = ExceededLimit {
        policy: "voice-seconds".into(),
        quota: u64::from(ANONYMOUS.burst),
        window_seconds: ANONYMOUS.per.as_secs(),
        remaining: u64::from(decision.remaining),
        retry_after_seconds: wait,
        reset_after_seconds: whole(decision.reset_after),
    };
    let (left, all) = (decision.remaining, ANONYMOUS.burst);
    let detail = format!(
        "Without an account {all} seconds of recordings an hour are transcribed for your network; {left} are left. \
         Sign in, or come again in {wait} seconds."
    );
    Err(Error::new(Code::TooManyRequests, detail).with_retry_after(Duration::from_secs(wait)).with_limit(exceeded))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_renews_with_the_month() {
        let renewal = |text: &str| renews_at(text.parse().unwrap()).to_rfc3339();
        assert_eq!(renewal("2026-01-31T23:59:59Z"), "2026-02-01T00:00:00+00:00");
        assert_eq!(renewal("2026-12-01T00:00:00Z"), "2027-01-01T00:00:00+00:00");
        assert_eq!(period_of("2026-12-31T23:59:59Z".parse().unwrap()), "2026-12");
    }

    #[test]
    fn a_month_is_kept_by_day_and_engine() {
        let mut month = Month { kind: "usage".into(), period: "2026-01".into(), total_ms: 0, days: BTreeMap::new() };
        let metered = |engine: &str, audio_ms| Metered { engine: engine.into(), audio_ms };
        let day = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
        month.add(&metered("a", 1500), day("2026-01-15T06:30:00Z"));
        month.add(&metered("a", 500), day("2026-01-15T23:59:59Z"));
        month.add(&metered("b", 100), day("2026-01-16T00:00:00Z"));
        let stored = serde_json::to_value(&month).unwrap();
        assert_eq!(stored["days"], json!({ "2026-01-15": { "a": 2000 }, "2026-01-16": { "b": 100 } }));
        assert_eq!(serde_json::from_value::<Month>(stored).unwrap().total_ms, 2100);
    }
}
