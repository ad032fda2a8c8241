use std::net::IpAddr;
use std::str::FromStr;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Method};
use serde::de::DeserializeOwned;

use crate::error::{Code, Error, Result};
use crate::identity::{Caller, Principal};
use crate::types::Network;

/// Where a request comes from.
#[derive(Clone, Debug, Default)]
pub struct Client {
    pub address: Option<IpAddr>,
}

impl Client {
    /// The network that it is in.
    pub fn network(&self) -> Network {
        Network::of(self.address)
    }
}

/// A request that was matched to its function, authenticated, and read whole within the function's
/// limit.
#[derive(Clone, Debug)]
pub struct Request {
    /// Names the request in logs and problem documents.
    pub id: String,
    pub method: Method,
    /// As it came, without the query.
    pub path: String,
    /// The values of the route's parameters, percent-decoded.
    pub params: Vec<(String, String)>,
    /// As it came, without the question mark.
    pub query: String,
    pub headers: HeaderMap,
    pub caller: Caller,
    pub client: Client,
    pub body: Bytes,
}

impl Request {
    /// The route's parameter as a `T`; another text is told as "not found", since the path names a
    /// thing that cannot exist.
    pub fn param<T: FromStr>(&self, name: &str) -> Result<T> {
        self.params
            .iter()
            .find(|(key, _)| key == name)
            .and_then(|(_, value)| value.parse().ok())
            .ok_or_else(|| Error::not_found("There is nothing under this address."))
    }

    /// The query as a `T`.
    ///
    /// # Errors
    /// [`Code::ValidationFailed`] that names the parameter.
    pub fn query<T: DeserializeOwned>(&self) -> Result<T> {
        let deserializer = serde_html_form::Deserializer::from_bytes(self.query.as_bytes());
        serde_path_to_error::deserialize(deserializer)
            .map_err(|error| Error::field(error.path().to_string(), error.inner().to_string()))
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// [`Code::UnsupportedMediaType`] unless it is declared as JSON, [`Code::MalformedRequest`] when it is
    /// none, [`Code::ValidationFailed`] with the path of the field when it is not a `T`.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T> {
        match self.media_type().as_deref() {
            Some("application/json") => self.json_of_any_type(),
            Some(other) if other.ends_with("+json") => self.json_of_any_type(),
            _ => Err(Error::new(Code::UnsupportedMediaType, "Send the body as application/json.")),
        }
    }

    /// The body as JSON whatever it is declared as: the storefront sends some bodies as `text/plain`.
    pub fn json_of_any_type<T: DeserializeOwned>(&self) -> Result<T> {
        let mut deserializer = serde_json::Deserializer::from_slice(&self.body);
        let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
            let path = error.path().to_string();
            let inner = error.into_inner();
            if inner.is_data() { Error::field(path, plain(&inner)) } else { malformed(&inner) }
        })?;
        deserializer.end().map_err(|error| malformed(&error))?;
        Ok(value)
    }

    /// The body as an HTML form (`application/x-www-form-urlencoded`).
    pub fn form<T: DeserializeOwned>(&self) -> Result<T> {
        if self.media_type().as_deref() != Some("application/x-www-form-urlencoded") {
            return Err(Error::new(
                Code::UnsupportedMediaType,
                "Send the body as application/x-www-form-urlencoded or application/json.",
            ));
        }
        let deserializer = serde_html_form::Deserializer::from_bytes(&self.body);
        serde_path_to_error::deserialize(deserializer)
            .map_err(|error| Error::field(error.path().to_string(), error.inner().to_string()))
    }

    /// The media type of the body in lower case, without parameters.
    pub fn media_type(&self) -> Option<String> {
        let value = self.header(CONTENT_TYPE.as_str())?;
        Some(value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
    }

    /// A header's value, when it is there once and is visible ASCII.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Who calls, for functions that only known callers reach.
    ///
    /// # Errors
    /// [`Code::NotAuthenticated`] for an anonymous caller.
    pub fn principal(&self) -> Result<&Principal> {
        self.caller.principal().ok_or_else(|| Error::new(Code::NotAuthenticated, "Sign in first."))
    }
}

fn malformed(error: &serde_json::Error) -> Error {
    Error::new(
        Code::MalformedRequest,
        format!("The body is not valid JSON at line {}, column {}.", error.line(), error.column()),
    )
}

/// serde_json's words without its position, which the field's path replaces.
fn plain(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.rsplit_once(" at line ").map_or(text.clone(), |(words, _)| words.to_owned())
}
