//! Authorization with an account key
//! (<https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key>).

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use aws_lc_rs::hmac;
use azure_core::error::ErrorKind;
use azure_core::http::policies::{Policy, PolicyResult};
use azure_core::http::{Context, Request, StatusCode};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::Utc;

use crate::ports::secrets::{Secret, SecretSource};
use crate::ports::{PortError, PortResult};

/// The headers that stand in the text that is signed, in this order, besides `x-ms-*`.
const SIGNED_HEADERS: [&str; 11] = [
    "content-encoding",
    "content-language",
    "content-length",
    "content-md5",
    "content-type",
    "date",
    "if-modified-since",
    "if-match",
    "if-none-match",
    "if-unmodified-since",
    "range",
];

/// A key of a storage account.
pub struct AccountKey {
    account: String,
    source: SecretSource,
}

impl fmt::Debug for AccountKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccountKey").field("account", &self.account).finish_non_exhaustive()
    }
}

impl AccountKey {
    pub fn new(account: String, source: SecretSource) -> Self {
        Self { account, source }
    }

    /// The base64 of the HMAC-SHA-256 of a text by the present key.
    ///
    /// # Errors
    /// `Unavailable` while there is no key, or none that is base64.
    pub async fn sign(&self, text: &str) -> PortResult<String> {
        signature(&self.source.get().await?, text)
    }

    /// The `Authorization` of a request by a key.
    fn authorization(&self, key: &Secret, request: &Request) -> PortResult<String> {
        Ok(format!("SharedKey {}:{}", self.account, signature(key, &text_to_sign(&self.account, request))?))
    }
}

fn signature(key: &Secret, text: &str) -> PortResult<String> {
    let key = STANDARD
        .decode(key.expose().trim())
        .map_err(|_| PortError::unavailable("the key of the storage account is not base64"))?;
    Ok(STANDARD.encode(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), text.as_bytes())))
}

/// Signs each try of a request. One that is refused is signed once more if the key was replaced meanwhile.
#[derive(Debug)]
pub struct SharedKey {
    key: Arc<AccountKey>,
}

impl SharedKey {
    pub fn new(key: Arc<AccountKey>) -> Self {
        Self { key }
    }

    async fn key(&self) -> azure_core::Result<Secret> {
        self.key.source.get().await.map_err(no_key)
    }

    fn sign(&self, key: &Secret, request: &mut Request) -> azure_core::Result<()> {
        request.insert_header("x-ms-date", Utc::now().format("%a, %d %b %Y %H:%M:%S GMT").to_string());
        let authorization = self.key.authorization(key, request).map_err(no_key)?;
        request.insert_header("authorization", authorization);
        Ok(())
    }
}

fn no_key(error: PortError) -> azure_core::Error {
    azure_core::Error::new(ErrorKind::Credential, error)
}

#[async_trait]
impl Policy for SharedKey {
    async fn send(&self, ctx: &Context, request: &mut Request, next: &[Arc<dyn Policy>]) -> PolicyResult {
        let Some((transport, rest)) = next.split_first() else {
            return Err(azure_core::Error::with_message(ErrorKind::Other, "nothing sends the request"));
        };
        let key = self.key().await?;
        self.sign(&key, request)?;
        let answer = transport.send(ctx, request, rest).await?;
        if answer.status() != StatusCode::Forbidden {
            return Ok(answer);
        }
        let present = self.key().await?;
        if present == key {
            return Ok(answer);
        }
        self.sign(&present, request)?;
        request.body_mut().reset().await?;
        transport.send(ctx, request, rest).await
    }
}

/// The text that a shared key signs.
fn text_to_sign(account: &str, request: &Request) -> String {
    let mut headers: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in request.headers().iter() {
        headers.insert(name.as_str().to_ascii_lowercase(), value.as_str().trim().to_owned());
    }
    // The HTTP client adds it where the request does not have it; none stands for an empty body.
    let length = request.body().len().filter(|length| *length > 0).map(|length| length.to_string());
    headers.insert("content-length".to_owned(), length.unwrap_or_default());
    let mut text = format!("{}\n", request.method().as_str());
    for name in SIGNED_HEADERS {
        text.push_str(headers.get(name).map_or("", String::as_str));
        text.push('\n');
    }
    for (name, value) in headers.iter().filter(|(name, _)| name.starts_with("x-ms-")) {
        text.push_str(&format!("{name}:{value}\n"));
    }
    text.push_str(&format!("/{account}{}", request.url().path()));
    let mut query: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in request.url().query_pairs() {
        query.entry(name.to_lowercase()).or_default().push(value.into_owned());
    }
    for (name, mut values) in query {
        values.sort_unstable();
        text.push_str(&format!("\n{name}:{}", values.join(",")));
    }
    text
}

#[cfg(test)]
mod tests {
    use azure_core::http::{Method, Url};

    use super::*;

    #[test]
    fn a_request_is_written_as_the_service_reads_it() {
        let url = "https://account.blob.core.windows.net/box/a%2Fb?comp=block&blockid=QQ%3D%3D&Timeout=20";
        let mut request = Request::new(Url::parse(url).unwrap(), Method::Put);
        request.insert_header("x-ms-version", "2026-04-06");
        request.insert_header("x-ms-date", " Fri, 26 Jun 2026 23:39:12 GMT ");
        request.insert_header("content-type", "text/plain");
        request.insert_header("if-match", "\"0x1\"");
        request.set_body(azure_core::Bytes::from_static(b"content"));
        let expected = "PUT\n\n\n7\n\ntext/plain\n\n\n\"0x1\"\n\n\n\n\
            x-ms-date:Fri, 26 Jun 2026 23:39:12 GMT\nx-ms-version:2026-04-06\n\
            /account/box/a%2Fb\nblockid:QQ==\ncomp:block\ntimeout:20";
        assert_eq!(text_to_sign("account", &request), expected);
    }
}
