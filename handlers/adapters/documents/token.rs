//! Continuation tokens: a position, and a mark of the listing that it belongs to.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::ports::{Continuation, PortError, PortResult};

/// Bytes of the mark: enough that listings do not share one by accident. A token is not a
/// secret and gives no right: a forged one only moves within what the call may see anyway.
const MARK_BYTES: usize = 12;

#[derive(Serialize, Deserialize)]
struct Token<P> {
    /// Of which listing.
    l: String,
    /// Where in it.
    p: P,
}

/// A token for `position` in the listing that `listing` describes.
pub(super) fn encode(listing: &str, position: &impl Serialize) -> PortResult<Continuation> {
    let json = serde_json::to_vec(&Token { l: mark(listing), p: position })
        .map_err(|error| PortError::invalid("a position that does not serialise").with_source(error))?;
    Ok(Continuation(URL_SAFE_NO_PAD.encode(json)))
}

/// The position in a token.
///
/// # Errors
/// [`crate::ports::PortErrorKind::InvalidRequest`] for one that was not made for this listing.
pub(super) fn decode<P: DeserializeOwned>(listing: &str, token: &Continuation) -> PortResult<P> {
    let malformed = || PortError::invalid("a malformed continuation token");
    let json = URL_SAFE_NO_PAD.decode(&token.0).map_err(|error| malformed().with_source(error))?;
    let token: Token<P> = serde_json::from_slice(&json).map_err(|error| malformed().with_source(error))?;
    match token.l == mark(listing) {
        true => Ok(token.p),
        false => Err(PortError::invalid("a continuation token of another listing")),
    }
}

fn mark(listing: &str) -> String {
    URL_SAFE_NO_PAD.encode(&digest(&SHA256, listing.as_bytes()).as_ref()[..MARK_BYTES])
}
