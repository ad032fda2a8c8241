use std::any::Any;
use std::marker::PhantomData;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::table::{CachePolicy, Levels};
use super::{Scope, ScopeKind};
use crate::error::{Error, Result};

/// A value as the caches hold it.
pub(super) type Value = Arc<dyn Any + Send + Sync>;

/// A cache of values `T` for a scope `S`. One static for each row of the table.
pub struct Cached<S, T> {
    pub(super) policy: &'static CachePolicy,
    /// The bytes of memory that a value takes.
    weigh: fn(&T) -> usize,
    codec: Option<Codec<T>>,
    scope: PhantomData<fn() -> S>,
}

/// How a value goes to the shared cache and comes back.
struct Codec<T> {
    encode: fn(&T) -> Result<Vec<u8>>,
    decode: fn(&[u8]) -> Result<T>,
}

impl<S: Scope, T: Any + Send + Sync> Cached<S, T> {
    /// A cache in the memory of each process; `weigh` gives the bytes that a value takes.
    pub const fn in_process(policy: &'static CachePolicy, weigh: fn(&T) -> usize) -> Self {
        assert!(same(S::KIND, policy.scope), "the type and the row name different scopes");
        assert!(matches!(policy.levels, Levels::Process), "the row asks for a shared level");
        Self { policy, weigh, codec: None, scope: PhantomData }
    }

    /// A cache of both levels. `encode` and `decode` run off the async threads.
    pub const fn shared(
        policy: &'static CachePolicy,
        weigh: fn(&T) -> usize,
        encode: fn(&T) -> Result<Vec<u8>>,
        decode: fn(&[u8]) -> Result<T>,
    ) -> Self {
        assert!(same(S::KIND, policy.scope), "the type and the row name different scopes");
        assert!(matches!(policy.levels, Levels::ProcessAndShared), "the row asks for no shared level");
        Self { policy, weigh, codec: Some(Codec { encode, decode }), scope: PhantomData }
    }

    /// A cache of both levels whose values travel as JSON.
    pub const fn shared_as_json(policy: &'static CachePolicy, weigh: fn(&T) -> usize) -> Self
    where
        T: Serialize + DeserializeOwned,
    {
        Self::shared(policy, weigh, to_json::<T>, from_json::<T>)
    }
}

const fn same(one: ScopeKind, other: ScopeKind) -> bool {
    one as u8 == other as u8
}

fn to_json<T: Serialize>(value: &T) -> Result<Vec<u8>> {
    serde_json::to_vec(value).map_err(Error::internal)
}

fn from_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    serde_json::from_slice(bytes).map_err(Error::internal)
}

/// A [`Cached`] whose types are forgotten, so that the caches' own code exists once.
pub(super) trait AnyCached: Send + Sync {
    fn weigh(&self, value: &Value) -> usize;

    /// `None` where values never leave the process.
    fn encode(&self, value: &Value) -> Option<Result<Vec<u8>>>;

    /// # Errors
    /// When the bytes are not such a value, or values never leave the process.
    fn decode(&self, bytes: &[u8]) -> Result<Value>;
}

impl<S: Scope, T: Any + Send + Sync> AnyCached for Cached<S, T> {
    fn weigh(&self, value: &Value) -> usize {
        value.downcast_ref().map_or(0, self.weigh)
    }

    fn encode(&self, value: &Value) -> Option<Result<Vec<u8>>> {
        let codec = self.codec.as_ref()?;
        value.downcast_ref().map(codec.encode)
    }

    fn decode(&self, bytes: &[u8]) -> Result<Value> {
        let codec = self.codec.as_ref().ok_or_else(|| Error::internal("this cache has no shared level"))?;
        Ok(Arc::new((codec.decode)(bytes)?))
    }
}
