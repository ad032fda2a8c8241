use std::sync::{Arc, LazyLock};
use std::time::Duration;

use ::redis::{Cmd, Script, Value, cmd};
use async_trait::async_trait;
use bytes::Bytes;

use super::PREFIX;
use super::connection::Link;
use crate::adapters::cache::rules::{FILLED, LEASE, MAX_COUNT, check_key, check_value, lifetime, read_filled};
use crate::ports::cache::{Cache, Lease, LookUp};
use crate::ports::{PortError, PortResult};

/// `INCRBY` refuses to pass 2⁶³ − 1. The count is read back as text: as a number Lua would round it.
static INCREMENT: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
        local outcome = redis.pcall('INCRBY', KEYS[1], ARGV[1])
        if type(outcome) == 'table' and outcome.err then
            if not string.find(outcome.err, 'overflow', 1, true) then
                return outcome
            end
            redis.call('SET', KEYS[1], '9223372036854775807', 'KEEPTTL')
        end
        if redis.call('PTTL', KEYS[1]) < 0 then
            redis.call('PEXPIRE', KEYS[1], ARGV[2])
        end
        return redis.call('GET', KEYS[1])
        ",
    )
});

/// Gives what is there, or puts the lease there and gives that.
static LOOK_UP: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
        local found = redis.call('GET', KEYS[1])
        if found then
            return found
        end
        redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
        return ARGV[1]
        ",
    )
});

/// Puts the value in the place of the lease.
static FILL: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
        if redis.call('GET', KEYS[1]) ~= ARGV[1] then
            return 0
        end
        redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
        return 1
        ",
    )
});

/// The cache that all instances share.
pub struct RedisCache {
    link: Arc<Link>,
}

impl RedisCache {
    pub(super) fn new(link: Arc<Link>) -> Self {
        Self { link }
    }

    async fn store(&self, operation: &'static str, command: Cmd) -> PortResult<bool> {
        let answer: Value = self
            .link
            .call(operation, |mut connection| async move { command.query_async(&mut connection).await })
            .await?;
        Ok(answer == Value::Okay)
    }
}

#[async_trait]
impl Cache for RedisCache {
    async fn get(&self, key: &str) -> PortResult<Option<Bytes>> {
        check_key(key)?;
        let mut command = cmd("GET");
        command.arg(name(key));
        self.link.call("get", |mut connection| async move { command.query_async(&mut connection).await }).await
    }

    async fn set(&self, key: &str, value: Bytes, ttl: Duration) -> PortResult<()> {
        self.store("set", set(key, &value, ttl)?).await.map(drop)
    }

    async fn set_if_absent(&self, key: &str, value: Bytes, ttl: Duration) -> PortResult<bool> {
        let mut command = set(key, &value, ttl)?;
        command.arg("NX");
        self.store("set_if_absent", command).await
    }

    async fn delete(&self, key: &str) -> PortResult<()> {
        check_key(key)?;
        let mut command = cmd("DEL");
        command.arg(name(key));
        self.link.call("delete", |mut connection| async move { command.exec_async(&mut connection).await }).await
    }

    async fn increment(&self, key: &str, by: u64, ttl: Duration) -> PortResult<u64> {
        check_key(key)?;
        let mut call = INCREMENT.prepare_invoke();
        call.key(name(key)).arg(by.min(MAX_COUNT)).arg(millis(lifetime(ttl)?));
        let count: i64 = self
            .link
            .call("increment", |mut connection| async move { call.invoke_async(&mut connection).await })
            .await?;
        u64::try_from(count).map_err(|_| PortError::corrupt("a counter is below nothing"))
    }

    async fn look_up(&self, key: &str, lease_ttl: Duration) -> PortResult<LookUp> {
        check_key(key)?;
        let lease = Lease::new();
        let offered = [&[LEASE], lease.as_str().as_bytes()].concat();
        let mut call = LOOK_UP.prepare_invoke();
        call.key(name(key)).arg(&offered).arg(millis(lifetime(lease_ttl)?));
        let found: Bytes =
            self.link.call("look_up", |mut connection| async move { call.invoke_async(&mut connection).await }).await?;
        if found == offered { Ok(LookUp::Leased(lease)) } else { read_filled(found) }
    }

    async fn fill(&self, key: &str, lease: &Lease, value: Bytes, ttl: Duration) -> PortResult<bool> {
        check_key(key)?;
        check_value(&value)?;
        let mut call = FILL.prepare_invoke();
        call.key(name(key))
            .arg([&[LEASE], lease.as_str().as_bytes()].concat())
            .arg([&[FILLED], &value[..]].concat())
            .arg(millis(lifetime(ttl)?));
        self.link.call("fill", |mut connection| async move { call.invoke_async(&mut connection).await }).await
    }
}

fn set(key: &str, value: &[u8], ttl: Duration) -> PortResult<Cmd> {
    check_key(key)?;
    check_value(value)?;
    let ttl = lifetime(ttl)?;
    let mut command = cmd("SET");
    command.arg(name(key)).arg(value).arg("PX").arg(millis(ttl));
    Ok(command)
}

/// Rounded down: nothing stays past its lifetime.
fn millis(ttl: Duration) -> u64 {
    u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX)
}

fn name(key: &str) -> String {
    format!("{PREFIX}cache:{key}")
}
