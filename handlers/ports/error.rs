use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

/// What came of a call to a port.
pub type PortResult<T> = Result<T, PortError>;

/// What a caller can do about a failed call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PortErrorKind {
    /// What the call names does not exist.
    NotFound,
    /// Something is already stored under the name.
    Conflict,
    /// The stored version is not the one that the call demanded.
    PreconditionFailed,
    /// The call itself is wrong: repeating it cannot help.
    InvalidRequest,
    /// The content is larger than the service takes.
    TooLarge,
    /// The service asks for patience; see [`PortError::retry_after`].
    Throttled,
    /// The call took longer than it may.
    TimedOut,
    /// The service cannot be reached, is not installed, or failed.
    Unavailable,
    /// What is stored cannot be read as what it should be.
    Corrupt,
}

impl PortErrorKind {
    /// In snake case, for metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::Conflict => "conflict",
            Self::PreconditionFailed => "precondition_failed",
            Self::InvalidRequest => "invalid_request",
            Self::TooLarge => "too_large",
            Self::Throttled => "throttled",
            Self::TimedOut => "timed_out",
            Self::Unavailable => "unavailable",
            Self::Corrupt => "corrupt",
        }
    }
}

/// A failed call to a port. The message is for the log, never for a client.
#[derive(Debug)]
pub struct PortError {
    kind: PortErrorKind,
    message: String,
    retry_after: Option<Duration>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl PortError {
    pub fn new(kind: PortErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), retry_after: None, source: None }
    }

    /// Keeps the cause, which the log prints as a chain.
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Says how long the service asked to be left alone.
    pub fn with_retry_after(mut self, delay: Duration) -> Self {
        self.retry_after = Some(delay);
        self
    }

    pub fn kind(&self) -> PortErrorKind {
        self.kind
    }

    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// The same failure for another caller, with the cause in the message.
    pub fn again(&self) -> Self {
        let message = match &self.source {
            Some(source) => format!("{}: {source}", self.message),
            None => self.message.clone(),
        };
        Self { kind: self.kind, message, retry_after: self.retry_after, source: None }
    }

    /// Whether the same call may succeed later.
    pub fn retryable(&self) -> bool {
        match self.kind {
            PortErrorKind::Throttled | PortErrorKind::TimedOut | PortErrorKind::Unavailable => true,
            PortErrorKind::NotFound
            | PortErrorKind::Conflict
            | PortErrorKind::PreconditionFailed
            | PortErrorKind::InvalidRequest
            | PortErrorKind::TooLarge
            | PortErrorKind::Corrupt => false,
        }
    }

    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(PortErrorKind::NotFound, message)
    }

    pub fn conflict(message: impl Into<String>) -> Self {
        Self::new(PortErrorKind::Conflict, message)
    }

    pub fn precondition_failed(message: impl Into<String>) -> Self {
        Self::new(PortErrorKind::PreconditionFailed, message)
    }

    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(PortErrorKind::InvalidRequest, message)
    }

    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(PortErrorKind::Unavailable, message)
    }

    pub fn corrupt(message: impl Into<String>) -> Self {
        Self::new(PortErrorKind::Corrupt, message)
    }
}

impl fmt::Display for PortError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl StdError for PortError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}
