//! Who sends a request.

use http::HeaderMap;
use http::header::AUTHORIZATION;

use crate::error::{Code, Error, Result};
use crate::identity::{self, ApiKeyText, Caller, Standing, TokenError};
use crate::state::AppState;

const API_KEY: &str = "x-api-key";

/// What a request proves its caller by.
enum Presented<'a> {
    AccessToken(&'a str),
    ApiKey(&'a str),
}

/// Who calls. A credential that is sent must be valid, also where none is needed: a client that believes
/// to be known should learn that it is not.
///
/// # Errors
/// [`Code::MalformedRequest`] for more than one credential, [`Code::InvalidToken`] for one that is not
/// valid, [`Code::Unavailable`] when that cannot be told now.
pub async fn caller(state: &AppState, headers: &HeaderMap) -> Result<Caller> {
    let known = match presented(headers)? {
        None => return Ok(Caller::Anonymous { tenant: state.default_tenant().clone() }),
        Some(Presented::AccessToken(token)) => signed_in(state, token).await?,
        // One answer for whatever is wrong with it: nobody learns which keys there are, or were.
        Some(Presented::ApiKey(key)) => state
            .api_keys
            .authenticate(key)
            .await?
            .ok_or_else(|| Error::new(Code::InvalidToken, "The API key is not valid."))?,
    };
    Ok(Caller::Known(known))
}

fn presented(headers: &HeaderMap) -> Result<Option<Presented<'_>>> {
    let mut sent = headers.get_all(AUTHORIZATION).iter().chain(headers.get_all(API_KEY));
    let Some(value) = sent.next() else { return Ok(None) };
    if sent.next().is_some() {
        let detail = "Send one credential: either Authorization or X-API-Key, and that once.";
        return Err(Error::new(Code::MalformedRequest, detail));
    }
    // What is not text is no key, and is refused as one.
    let text = value.to_str().unwrap_or_default();
    if headers.contains_key(API_KEY) {
        return Ok(Some(Presented::ApiKey(text.trim())));
    }
    let (scheme, token) = text.split_once(' ').ok_or_else(invalid)?;
    let token = token.trim();
    match scheme.eq_ignore_ascii_case("bearer") {
        true if ApiKeyText::is_meant(token) => Ok(Some(Presented::ApiKey(token))),
        true => Ok(Some(Presented::AccessToken(token))),
        false => Err(invalid()),
    }
}

async fn signed_in(state: &AppState, token: &str) -> Result<identity::Principal> {
    let refused = |detail| Err(Error::new(Code::InvalidToken, detail));
    let principal = match state.keys.authenticate(token, state.clock.now()).await {
        Ok(principal) => principal,
        Err(TokenError::Expired) => return refused("The access token has expired; sign in again."),
        Err(TokenError::Invalid | TokenError::UnknownKey) => return Err(invalid()),
        Err(TokenError::NotReady) => return Err(identity::not_ready()),
    };
    match state.sessions.standing(&principal).await? {
        Standing::Live => Ok(principal),
        Standing::Ended => refused("The session has ended; sign in again."),
        Standing::Outdated => refused("The account has changed since; refresh the access token."),
    }
}

fn invalid() -> Error {
    Error::new(Code::InvalidToken, "The access token is not valid; sign in again.")
}
