//! URLs that give one client one verb on one blob for a short time, after the shared access
//! signatures of Blob Storage, whose names of parameters they use where there is one.
//!
//! `{base}/blobs/{container}/{path}?sp=r|w&se=<RFC 3339>[&ct=<content type>&mx=<bytes>]&sig=<HMAC-SHA-256>`
//!
//! The signature covers the decoded values, one a line, so how a client escapes them does not
//! matter and no other name can be reached by escaping twice.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, SecondsFormat, Utc};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use url::form_urlencoded;

use crate::adapters::blobs::rules;
use crate::ports::blobs::BlobName;
use crate::ports::{Continuation, PortError, PortResult};

/// What stands before the container in the path of a signed URL.
pub const PATH_PREFIX: &str = "/blobs/";

/// The shortest signing key, in bytes: as long as the hash (RFC 2104 §3).
pub const MIN_KEY_BYTES: usize = 32;

/// All but the unreserved characters of RFC 3986 §2.3.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
const RESERVED_IN_PATH: &AsciiSet = &RESERVED.remove(b'/');

/// What a signed URL allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Right {
    /// `GET` and `HEAD`.
    Read,
    /// `PUT`, of a content of this type and at most this many bytes, staged blocks included.
    Write { content_type: String, max_bytes: u64 },
}

/// What a request with a good signature may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    pub blob: BlobName,
    pub right: Right,
}

/// Why a request to a signed URL may not go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("the address is not one that was signed here")]
    Malformed,
    #[error("the signature does not fit the address")]
    BadSignature,
    #[error("the address has expired")]
    Expired,
    #[error("the address was signed for another method")]
    WrongVerb,
}

/// Signs and checks with one key.
pub(super) struct Signer {
    key: hmac::Key,
    /// The containers that were signed for or came back well signed: the names of a [`BlobName`] live
    /// as long as the program, and only names that the key has signed are added.
    containers: Mutex<BTreeSet<&'static str>>,
}

impl Signer {
    /// `InvalidRequest` for a key below [`MIN_KEY_BYTES`].
    pub fn new(key: &[u8]) -> PortResult<Self> {
        if key.len() < MIN_KEY_BYTES {
            return Err(PortError::invalid(format!("a signing key has at least {MIN_KEY_BYTES} bytes")));
        }
        Ok(Self { key: hmac::Key::new(hmac::HMAC_SHA256, key), containers: Mutex::default() })
    }

    /// The URL for `right` on `blob` until `expires_at`, which counts in whole seconds.
    pub fn url(&self, base: &str, blob: &BlobName, right: &Right, expires_at: DateTime<Utc>) -> String {
        let expiry = expires_at.to_rfc3339_opts(SecondsFormat::Secs, true);
        let signature = hmac::sign(&self.key, signed_text(blob.container, &blob.path, right, &expiry).as_bytes());
        let query = match right {
            Right::Read => format!("sp=r&se={}", escape(&expiry)),
            Right::Write { content_type, max_bytes } => {
                format!("sp=w&se={}&ct={}&mx={max_bytes}", escape(&expiry), escape(content_type))
            }
        };
        let path = utf8_percent_encode(&blob.path, RESERVED_IN_PATH);
        let signature = URL_SAFE_NO_PAD.encode(signature);
        format!("{}{PATH_PREFIX}{}/{path}?{query}&sig={signature}", base.trim_end_matches('/'), blob.container)
    }

    /// Checks a request, in this order: form, signature, expiry, method.
    pub fn authorise(&self, method: &str, path: &str, query: &str, now: DateTime<Utc>) -> Result<Grant, Refusal> {
        let rest = path.strip_prefix(PATH_PREFIX).ok_or(Refusal::Malformed)?;
        let (container, path) = rest.split_once('/').ok_or(Refusal::Malformed)?;
        let path = percent_decode_str(path).decode_utf8().map_err(|_| Refusal::Malformed)?;
        rules::check_container(container).map_err(|_| Refusal::Malformed)?;
        rules::check_path(&path).map_err(|_| Refusal::Malformed)?;
        let Parameters { right, expiry, expires_at, signature } = Parameters::parse(query)?;

        hmac::verify(&self.key, signed_text(container, &path, &right, &expiry).as_bytes(), &signature)
            .map_err(|_| Refusal::BadSignature)?;
        if now >= expires_at {
            return Err(Refusal::Expired);
        }
        match (&right, method) {
            (Right::Read, "GET" | "HEAD") | (Right::Write { .. }, "PUT") => {}
            _ => return Err(Refusal::WrongVerb),
        }
        Ok(Grant { blob: BlobName::new(self.known_container(container), path), right })
    }

    /// Where a listing goes on after `last`; made and read only for the same container and prefix.
    pub fn continuation(&self, container: &str, prefix: &str, last: &str) -> Continuation {
        let tag = hmac::sign(&self.key, listing_text(container, prefix, last).as_bytes());
        Continuation(URL_SAFE_NO_PAD.encode([tag.as_ref(), last.as_bytes()].concat()))
    }

    /// The path after which the listing goes on. `InvalidRequest` for what this key has not made.
    pub fn read_continuation(&self, container: &str, prefix: &str, token: &Continuation) -> PortResult<String> {
        let refused = || PortError::invalid("the continuation is not of this listing");
        let decoded = URL_SAFE_NO_PAD.decode(&token.0).map_err(|_| refused())?;
        let (tag, last) = decoded.split_at_checked(MIN_KEY_BYTES).ok_or_else(refused)?;
        let last = std::str::from_utf8(last).map_err(|_| refused())?;
        hmac::verify(&self.key, listing_text(container, prefix, last).as_bytes(), tag).map_err(|_| refused())?;
        Ok(last.to_owned())
    }

    fn known_container(&self, name: &str) -> &'static str {
        let mut containers = self.containers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = containers.get(name) {
            return known;
        }
        let known: &'static str = name.to_owned().leak();
        containers.insert(known);
        known
    }
}

/// The query of a signed URL. What it does not know is left to the server (`comp`, `blockid`).
struct Parameters {
    right: Right,
    expiry: String,
    expires_at: DateTime<Utc>,
    signature: Vec<u8>,
}

impl Parameters {
    fn parse(query: &str) -> Result<Self, Refusal> {
        let mut values = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let signed = matches!(name.as_ref(), "sp" | "se" | "ct" | "mx" | "sig");
            // Of a parameter that comes twice the server and this check could see another one each.
            if signed && values.insert(name, value).is_some() {
                return Err(Refusal::Malformed);
            }
        }
        let mut take = |name: &str| values.remove(name).map(String::from);
        let expiry = take("se").ok_or(Refusal::Malformed)?;
        let signature = take("sig").ok_or(Refusal::Malformed)?;
        let right = match (take("sp").as_deref(), take("ct"), take("mx")) {
            (Some("r"), None, None) => Right::Read,
            (Some("w"), Some(content_type), Some(max_bytes)) => {
                Right::Write { content_type, max_bytes: max_bytes.parse().map_err(|_| Refusal::Malformed)? }
            }
            _ => return Err(Refusal::Malformed),
        };
        let expires_at = DateTime::parse_from_rfc3339(&expiry).map_err(|_| Refusal::Malformed)?.to_utc();
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| Refusal::Malformed)?;
        Ok(Self { right, expiry, expires_at, signature })
    }
}

/// No part can hold a line break, so no two grants share a text.
fn signed_text(container: &str, path: &str, right: &Right, expiry: &str) -> String {
    match right {
        Right::Read => format!("blob\nr\n{container}\n{path}\n{expiry}"),
        Right::Write { content_type, max_bytes } => {
            format!("blob\nw\n{container}\n{path}\n{expiry}\n{content_type}\n{max_bytes}")
        }
    }
}

/// A prefix may hold anything, so its length goes first.
fn listing_text(container: &str, prefix: &str, last: &str) -> String {
    format!("listing\n{container}\n{}\n{prefix}\n{last}", prefix.len())
}

fn escape(value: &str) -> String {
    utf8_percent_encode(value, RESERVED).to_string()
}
