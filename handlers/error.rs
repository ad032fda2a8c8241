//! What goes wrong, in words for two readers: the caller, who gets `code`, `detail` and
//! `fields`, and the log, which alone gets the cause. The mapping to HTTP stands in
//! [`crate::http::problem`].

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::ports::{PortError, PortErrorKind};

/// The closed set of outcomes that a caller can tell apart; stable, in snake case on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// The request cannot be read: not the syntax it claims.
    MalformedRequest,
    /// The request can be read, but a field breaks its rule; see `errors`.
    ValidationFailed,
    NotAuthenticated,
    InvalidToken,
    InvalidCredentials,
    /// The account waits to be erased; see `detail` for how to keep it.
    AccountClosing,
    NotPermitted,
    NotFound,
    MethodNotAllowed,
    NotAcceptable,
    /// The body did not arrive in time.
    RequestTimeout,
    Conflict,
    /// There are fewer pieces than asked for; see `shortage`.
    OutOfStock,
    PreconditionFailed,
    /// `If-Match` is needed.
    PreconditionRequired,
    PayloadTooLarge,
    UnsupportedMediaType,
    IdempotencyKeyReused,
    RequestInProgress,
    TooManyRequests,
    /// The recording cannot be used; `detail` says why.
    RecordingRejected,
    Unavailable,
    TimedOut,
    Internal,
}

impl Code {
    pub const ALL: [Code; 24] = [
        Self::MalformedRequest,
        Self::ValidationFailed,
        Self::NotAuthenticated,
        Self::InvalidToken,
        Self::InvalidCredentials,
        Self::AccountClosing,
        Self::NotPermitted,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::NotAcceptable,
        Self::RequestTimeout,
        Self::Conflict,
        Self::OutOfStock,
        Self::PreconditionFailed,
        Self::PreconditionRequired,
        Self::PayloadTooLarge,
        Self::UnsupportedMediaType,
        Self::IdempotencyKeyReused,
        Self::RequestInProgress,
        Self::TooManyRequests,
        Self::RecordingRejected,
        Self::Unavailable,
        Self::TimedOut,
        Self::Internal,
    ];
}

/// What is wrong with one field of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FieldError {
    /// Where: a path in the body (`items[0].name`), or the name of a parameter or header.
    pub field: String,
    /// What is wrong and what is allowed.
    pub message: String,
}

/// A limit that a request went beyond, for programs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExceededLimit {
    /// The name of the limit, as in `RateLimit-Policy`.
    pub policy: String,
    /// What is allowed in the window.
    pub quota: u64,
    pub window_seconds: u64,
    /// What is left of it now; not enough for this request.
    pub remaining: u64,
    /// When this request would be allowed.
    pub retry_after_seconds: u64,
    /// When all of the quota is there again.
    pub reset_after_seconds: u64,
}

/// What there is too little of, and what could be had instead.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Shortage {
    pub items: Vec<ShortItem>,
    /// Products like them that are in stock, the likest first.
    pub alternatives: Vec<Alternative>,
}

/// A product of which there are fewer pieces than asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ShortItem {
    pub product_id: String,
    /// Empty when the product is gone.
    pub name: String,
    pub requested: u32,
    pub available: u32,
}

/// A product that could be had instead.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Alternative {
    pub product_id: String,
    pub name: String,
    pub price_paise: u64,
    /// Rupees; computed from `pricePaise`.
    pub price: f64,
    pub image: Option<String>,
}

/// A request or an invocation that did not come to its end.
#[derive(Debug)]
pub struct Error {
    code: Code,
    detail: Cow<'static, str>,
    fields: Vec<FieldError>,
    retry_after: Option<Duration>,
    limit: Option<Box<ExceededLimit>>,
    shortage: Option<Box<Shortage>>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// `detail` is read by the caller: it names nothing internal.
    pub fn new(code: Code, detail: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            detail: detail.into(),
            fields: Vec::new(),
            retry_after: None,
            limit: None,
            shortage: None,
            source: None,
        }
    }

    /// One field breaks its rule.
    pub fn field(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::fields(vec![FieldError { field: field.into(), message: message.into() }])
    }

    /// Some fields break their rules.
    pub fn fields(fields: Vec<FieldError>) -> Self {
        let mut error = Self::new(Code::ValidationFailed, "The request breaks a rule; see errors.");
        error.fields = fields;
        error
    }

    pub fn not_found(what: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::NotFound, what)
    }

    /// A fault of ours: the cause goes to the log only.
    pub fn internal(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::new(Code::Internal, "Something went wrong on our side.").with_source(source)
    }

    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Adds what is wrong with a field.
    pub fn with_field(mut self, field: impl Into<String>, message: impl Into<String>) -> Self {
        self.fields.push(FieldError { field: field.into(), message: message.into() });
        self
    }

    pub fn with_retry_after(mut self, delay: Duration) -> Self {
        self.retry_after = Some(delay);
        self
    }

    /// Says which limit was exceeded.
    pub fn with_limit(mut self, limit: ExceededLimit) -> Self {
        self.limit = Some(Box::new(limit));
        self
    }

    /// Says what there is too little of.
    pub fn with_shortage(mut self, shortage: Shortage) -> Self {
        self.shortage = Some(Box::new(shortage));
        self
    }

    pub fn shortage(&self) -> Option<&Shortage> {
        self.shortage.as_deref()
    }

    pub fn code(&self) -> Code {
        self.code
    }

    pub fn detail(&self) -> &str {
        &self.detail
    }

    pub fn field_errors(&self) -> &[FieldError] {
        &self.fields
    }

    pub fn limit(&self) -> Option<&ExceededLimit> {
        self.limit.as_deref()
    }

    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// The same error for another who waited for the same work; its cause as text.
    pub fn again(&self) -> Self {
        let (code, detail) = (self.code, self.detail.clone());
        let source = self.source.is_some().then(|| self.chain().into());
        Self {
            code,
            detail,
            fields: self.fields.clone(),
            retry_after: self.retry_after,
            limit: self.limit.clone(),
            shortage: self.shortage.clone(),
            source,
        }
    }

    /// The error and its causes on one line, for the log.
    pub fn chain(&self) -> String {
        let mut line = format!("{}", self);
        let mut cause = self.source();
        while let Some(error) = cause {
            line.push_str(": ");
            line.push_str(&error.to_string());
            cause = error.source();
        }
        line
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)?;
        for field in &self.fields {
            write!(f, " [{}: {}]", field.field, field.message)?;
        }
        Ok(())
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}

impl From<PortError> for Error {
    /// For failures that the caller of the port did not foresee: what is missing or contradictory
    /// there is a fault of ours, only unavailability is told apart.
    fn from(error: PortError) -> Self {
        let retry_after = error.retry_after();
        let mapped = match error.kind() {
            PortErrorKind::Unavailable | PortErrorKind::Throttled | PortErrorKind::TimedOut => {
                Self::new(Code::Unavailable, "A service that this needs is not available now; please try again.")
                    .with_retry_after(retry_after.unwrap_or(Duration::from_secs(1)))
            }
            PortErrorKind::TooLarge => Self::new(Code::PayloadTooLarge, "The content is larger than can be stored."),
            PortErrorKind::PreconditionFailed => {
                Self::new(Code::PreconditionFailed, "It was changed meanwhile; read it again and repeat.")
            }
            PortErrorKind::NotFound
            | PortErrorKind::Conflict
            | PortErrorKind::InvalidRequest
            | PortErrorKind::Corrupt => Self::new(Code::Internal, "Something went wrong on our side."),
        };
        mapped.with_source(error)
    }
}

/// What handlers give.
pub type Result<T, E = Error> = std::result::Result<T, E>;
