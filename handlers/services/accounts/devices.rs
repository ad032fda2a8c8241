//! Known devices: who has signed in on a device holds a token there, and is not kept out by those who guess
//! the password elsewhere.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderValue;
use http::header::{COOKIE, SET_COOKIE};

use crate::error::{Error, Result};
use crate::http::{Request, Response};

const NAME: &str = "pravis_device";
const TOKEN_BYTES: usize = 32;
/// Tokens that a browser keeps, the last used first: some people share one.
const MAX_PRESENTED: usize = 4;
/// How long a device is known after it was last used.
pub const LIFETIME: chrono::Duration = chrono::Duration::days(180);

/// 256 random bits that a device keeps. It has no `Debug`, so that it cannot be logged by accident.
#[derive(Clone, PartialEq, Eq)]
pub struct DeviceToken([u8; TOKEN_BYTES]);

impl DeviceToken {
    /// # Errors
    /// An internal error when the machine has no randomness.
    pub fn generate() -> Result<Self> {
        let mut bytes = [0; TOKEN_BYTES];
        rand::fill(&mut bytes).map_err(Error::internal)?;
        Ok(Self(bytes))
    }

    pub fn parse(text: &str) -> Option<Self> {
        Some(Self(URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()?))
    }

    pub fn text(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }

    /// What is stored of it. The token is random, so a plain hash cannot be searched.
    pub fn fingerprint(&self) -> String {
        URL_SAFE_NO_PAD.encode(digest(&SHA256, &self.0))
    }
}

/// The tokens that a request brings: in its body, and in its cookie.
pub fn presented(request: &Request, in_body: Option<&str>) -> Vec<DeviceToken> {
    let cookies = request.headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs = cookies.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let kept = pairs.filter(|(name, _)| *name == NAME).flat_map(|(_, value)| value.split('.'));
    let mut tokens = Vec::new();
    for token in in_body.into_iter().chain(kept).filter_map(DeviceToken::parse) {
        if tokens.len() < MAX_PRESENTED && !tokens.contains(&token) {
            tokens.push(token);
        }
    }
    tokens
}

/// Has the browser keep `given`, and what it brought besides. Scripts cannot read the cookie, other sites
/// cannot have it sent, and it goes to the endpoints of signing in alone.
///
/// # Errors
/// An internal error, which cannot happen: tokens are plain ASCII.
pub fn keep(mut response: Response, given: &DeviceToken, brought: &[DeviceToken]) -> Result<Response> {
    let others = brought.iter().filter(|token| *token != given);
    let tokens: Vec<String> = std::iter::once(given).chain(others).take(MAX_PRESENTED).map(DeviceToken::text).collect();
    let cookie = format!(
        "{NAME}={}; Max-Age={}; Path=/api/v1/auth; HttpOnly; Secure; SameSite=Strict",
        tokens.join("."),
        LIFETIME.num_seconds()
    );
    response.headers_mut().append(SET_COOKIE, HeaderValue::from_str(&cookie).map_err(Error::internal)?);
    Ok(response)
}
