//! What a conversation is about, kept between its sentences, so that `the second one` and `cheaper` mean something
//! to clients that send no context along.
//!
//! It lives in the cache for half an hour after the last sentence and may be gone at any time. It holds the ids of
//! products and values of closed vocabularies, and no word of the shopper. A customer's is found by tenant and
//! account, as the token tells them; a guest's by a random id that the answer gave, of which only a hash is kept.

use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::error::{Error, Result};
use crate::identity::Caller;
use crate::services::shop::answers::{self, Answer};
use crate::state::AppState;
use crate::types::{TenantId, UserId};
use crate::understanding::Context;

const LIFETIME: Duration = Duration::from_secs(30 * 60);
const PREFIX: &str = "cnv_";
/// Random bytes of a guest's id: it is all that keeps others out.
const ID_BYTES: usize = 24;
/// Products that positions can point at later; an answer shows as many.
const MAX_PRODUCTS: usize = 50;
/// No context is larger as JSON.
const MAX_BYTES: usize = 8 * 1024;

/// A place for the context of a conversation.
pub(super) struct Conversation {
    key: String,
    /// What a guest shows the next time.
    id: Option<String>,
    /// What was kept there.
    context: Option<Context>,
}

impl Conversation {
    /// That of the caller: a guest's goes on only under an id that we gave and that is still alive. None for a
    /// program, which is many shoppers or none.
    ///
    /// # Errors
    /// When there is no randomness for a new id.
    pub async fn of(state: &AppState, caller: &Caller, id: Option<&str>) -> Result<Option<Self>> {
        let tenant = caller.tenant();
        match caller {
            Caller::Known(principal) if principal.session().is_err() => Ok(None),
            Caller::Known(principal) => Ok(Some(Self::of_customer(state, tenant, &principal.user).await)),
            Caller::Anonymous { .. } => Self::of_guest(state, tenant, id).await.map(Some),
        }
    }

    pub async fn of_customer(state: &AppState, tenant: &TenantId, user: &UserId) -> Self {
        let key = customer_key(tenant, user);
        Self { context: read(state, &key).await, key, id: None }
    }

    async fn of_guest(state: &AppState, tenant: &TenantId, id: Option<&str>) -> Result<Self> {
        if let Some(id) = id.filter(|id| is_id(id)) {
            let key = guest_key(tenant, id);
            if let Some(context) = read(state, &key).await {
                return Ok(Self { key, id: Some(id.to_owned()), context: Some(context) });
            }
        }
        let id = fresh_id()?;
        Ok(Self { key: guest_key(tenant, &id), id: Some(id), context: None })
    }

    /// The context to understand a sentence by: the one that came with it, else what was kept.
    pub fn context(known: Option<&Self>, given: Context) -> Context {
        match known.and_then(|known| known.context.clone()) {
            Some(kept) if given == Context::default() => kept,
            _ => given,
        }
    }

    /// Keeps what the conversation is about after an answer that was given in `before`. Gives the id under which a
    /// guest finds it again, if there is anything to find.
    pub async fn go_on(self, state: &AppState, answer: &Answer, before: &Context) -> Option<String> {
        let mut context = match answer.is_understood() {
            true => answers::following(answer, before),
            false => before.clone(),
        };
        if context == Context::default() {
            return None;
        }
        context.products.truncate(MAX_PRODUCTS);
        let bytes = serde_json::to_vec(&context).ok().filter(|bytes| bytes.len() <= MAX_BYTES)?;
        match state.cache.set(&self.key, bytes.into(), LIFETIME).await {
            Ok(()) => self.id,
            Err(error) => {
                tracing::debug!(%error, "a conversation is not kept");
                None
            }
        }
    }
}

/// Ends a customer's conversation.
pub async fn forget(state: &AppState, tenant: &TenantId, user: &UserId) {
    if let Err(error) = state.cache.delete(&customer_key(tenant, user)).await {
        tracing::warn!(%error, "a conversation is kept for half an hour");
    }
}

async fn read(state: &AppState, key: &str) -> Option<Context> {
    let kept = state.cache.get(key).await.inspect_err(|error| tracing::debug!(%error, "no conversation is known"));
    let context: Context = serde_json::from_slice(&kept.ok()??).ok()?;
    Some(context.bounded())
}

/// No tenant and no user has a colon in its id.
fn customer_key(tenant: &TenantId, user: &UserId) -> String {
    format!("conversation:{tenant}:{user}")
}

fn guest_key(tenant: &TenantId, id: &str) -> String {
    format!("conversation:{tenant}:guest:{}", URL_SAFE_NO_PAD.encode(digest(&SHA256, id.as_bytes())))
}

fn is_id(text: &str) -> bool {
    let bytes = text.strip_prefix(PREFIX).and_then(|rest| URL_SAFE_NO_PAD.decode(rest).ok());
    bytes.is_some_and(|bytes| bytes.len() == ID_BYTES)
}

fn fresh_id() -> Result<String> {
    let mut bytes = [0_u8; ID_BYTES];
    aws_lc_rs::rand::fill(&mut bytes).map_err(Error::internal)?;
    Ok(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes)))
}
