//! How a connection makes itself known to Redis: with the password as it is now, or with Microsoft Entra
//! tokens that are replaced before they expire
//! (<https://learn.microsoft.com/azure/redis/entra-for-authentication>).

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use ::redis::{BasicAuth, ErrorKind, RedisError, RedisResult, StreamingCredentialsProvider};
use azure_core::credentials::{AccessToken, TokenCredential};
use azure_core::time::OffsetDateTime;
use futures_util::stream::{self, Stream, StreamExt};
use tokio::time::sleep;

use crate::ports::secrets::SecretSource;

/// What a token for Redis is asked for.
const SCOPE: &str = "https://redis.azure.com/.default";

/// Redis is given a new token this long before the old one expires; 3 minutes are the least it asks for.
const BEFORE_EXPIRY: Duration = Duration::from_secs(5 * 60);

/// How long to wait before a token is asked for again that was not given, or was still the old one.
const TOKEN_RETRY: Duration = Duration::from_secs(15);

/// Who this process is to Redis.
pub(super) enum Login {
    /// The user of an access list; `default` where only a password is set.
    Password { user: String, password: SecretSource },
    /// `user` is the object id of the identity.
    Entra { user: String, credential: Arc<dyn TokenCredential> },
}

/// Gives each connection its login when it is made, and a new one whenever that must be renewed.
#[derive(Clone)]
pub(super) struct Credentials(pub(super) Arc<Login>);

impl StreamingCredentialsProvider for Credentials {
    fn subscribe(&self) -> Pin<Box<dyn Stream<Item = RedisResult<BasicAuth>> + Send + 'static>> {
        let login = self.0.clone();
        match &*self.0 {
            // Never ends: Redis does not ask again on a connection that it knows.
            Login::Password { .. } => Box::pin(stream::once(with_password(login)).chain(stream::pending())),
            Login::Entra { .. } => Box::pin(stream::unfold(Renewal::First, move |renewal| {
                let login = login.clone();
                async move { Some(renewal.next(&login).await) }
            })),
        }
    }
}

async fn with_password(login: Arc<Login>) -> RedisResult<BasicAuth> {
    let Login::Password { user, password } = &*login else { return Err(refused("no password is set")) };
    match password.get().await {
        Ok(secret) => Ok(BasicAuth::new(user.clone(), secret.expose().to_owned())),
        Err(error) => {
            tracing::warn!(%error, "the password of Redis is not known");
            Err(refused("the password is not known"))
        }
    }
}

/// Where a connection is in the succession of its tokens.
enum Renewal {
    First,
    Failed,
    Holds(AccessToken),
}

impl Renewal {
    async fn next(self, login: &Login) -> (RedisResult<BasicAuth>, Self) {
        let Login::Entra { user, credential } = login else {
            return (Err(refused("no credential is set")), Self::Failed);
        };
        let token = match self {
            Self::First => token(&**credential).await,
            Self::Failed => {
                sleep(TOKEN_RETRY).await;
                token(&**credential).await
            }
            Self::Holds(old) => Some(successor(&**credential, &old).await),
        };
        match token {
            Some(token) => (Ok(BasicAuth::new(user.clone(), token.token.secret().to_owned())), Self::Holds(token)),
            None => (Err(refused("no token was given")), Self::Failed),
        }
    }
}

async fn token(credential: &dyn TokenCredential) -> Option<AccessToken> {
    match credential.get_token(&[SCOPE], None).await {
        Ok(token) => Some(token),
        Err(error) => {
            tracing::warn!(%error, "no token for Redis");
            None
        }
    }
}

/// Waits until a token must be renewed, and then for another one.
async fn successor(credential: &dyn TokenCredential, old: &AccessToken) -> AccessToken {
    sleep(renew_after(left(old))).await;
    loop {
        match token(credential).await {
            Some(new) if new.token.secret() != old.token.secret() => return new,
            _ => sleep(TOKEN_RETRY.min(left(old) / 2).max(Duration::from_millis(500))).await,
        }
    }
}

fn left(token: &AccessToken) -> Duration {
    Duration::try_from(token.expires_on - OffsetDateTime::now_utc()).unwrap_or_default()
}

/// A token that lives shortly is renewed at half of its life.
fn renew_after(left: Duration) -> Duration {
    left.saturating_sub(BEFORE_EXPIRY).max(left / 2)
}

fn refused(why: &'static str) -> RedisError {
    RedisError::from((ErrorKind::AuthenticationFailed, why))
}
