use std::sync::{Arc, LazyLock};

use ::redis::Script;
use async_trait::async_trait;

use super::PREFIX;
use super::connection::Link;
use crate::ports::PortResult;
use crate::ports::limits::{Decision, Quota, Rate, RateLimits, check_key};

/// [`Rate::take`] by Redis' own clock. A bucket is the TAT in microseconds since 1970, which a double
/// holds exactly until 2255, and ends when it is full again.
static TAKE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
        local increment, tolerance = tonumber(ARGV[1]), tonumber(ARGV[2])
        local time = redis.call('TIME')
        local now = time[1] * 1000000 + time[2]
        local tat = tonumber(redis.call('GET', KEYS[1]) or now) or now
        local ahead = math.min(math.max(tat - now, 0), tolerance)
        local after = ahead + increment
        if after > tolerance then
            return {0, string.format('%.0f', ahead)}
        end
        if increment > 0 then
            redis.call('SET', KEYS[1], string.format('%.0f', now + after), 'PX', math.ceil(after / 1000))
        end
        return {1, string.format('%.0f', after)}
        ",
    )
});

/// Rate limits that all instances share.
pub struct RedisLimits {
    link: Arc<Link>,
}

impl RedisLimits {
    pub(super) fn new(link: Arc<Link>) -> Self {
        Self { link }
    }
}

#[async_trait]
impl RateLimits for RedisLimits {
    async fn take(&self, key: &str, quota: Quota, cost: u32) -> PortResult<Decision> {
        check_key(key)?;
        let rate = Rate::of(quota)?;
        let mut call = TAKE.prepare_invoke();
        call.key(format!("{PREFIX}limit:{key}")).arg(rate.increment(cost)).arg(rate.tolerance());
        let (allowed, ahead): (bool, u64) =
            self.link.call("take", |mut connection| async move { call.invoke_async(&mut connection).await }).await?;
        Ok(rate.decision(allowed, ahead, cost))
    }
}
