//! Why a picture is refused, for programs and for people.

/// The reason for which a picture cannot be used. `Display` gives the sentence for who uploaded it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// No bytes at all.
    #[error("The file is empty. Please upload the picture again.")]
    Empty,
    /// More bytes than [`Limits::max_bytes`](super::Limits::max_bytes).
    #[error("The file is too large. At most {} MiB are allowed.", .max_bytes / (1024 * 1024))]
    TooLarge {
        /// The limit, in bytes.
        max_bytes: u64,
    },
    /// Another format, as its first bytes tell.
    #[error("This is {found}. Please upload a JPEG, PNG or WebP picture.")]
    UnsupportedFormat {
        /// What it is, in words, with an article.
        found: &'static str,
    },
    /// Several pictures that are shown one after another.
    #[error("The picture moves. Please upload a still one.")]
    Animated,
    /// The file ends before the picture does.
    #[error("The picture breaks off before its end. Please upload it again.")]
    Truncated,
    /// Something else follows the picture in the same file.
    #[error("The file holds more than a picture. Please export it again as a plain picture.")]
    Polyglot,
    /// More pixels than the limits allow, or more bytes for them.
    #[error("The picture has too many pixels. At most {max_megapixels} megapixels and {max_side} a side are allowed.")]
    TooManyPixels {
        /// The limit of a row or a column.
        max_side: u32,
        /// The limit in all, in millions.
        max_megapixels: u64,
    },
    /// It takes more work than any honest picture.
    #[error("The picture takes too long to process. Please export it again with usual settings.")]
    TooComplex,
    /// The bytes contradict themselves.
    #[error("The picture is damaged and cannot be shown. Please export it again.")]
    Corrupt {
        /// What the decoder said, for the log.
        detail: String,
    },
}

impl Rejection {
    /// The stable snake-case code of the reason.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::TooLarge { .. } => "too_large",
            Self::UnsupportedFormat { .. } => "unsupported_format",
            Self::Animated => "animated",
            Self::Truncated => "truncated",
            Self::Polyglot => "polyglot",
            Self::TooManyPixels { .. } => "too_many_pixels",
            Self::TooComplex => "too_complex",
            Self::Corrupt { .. } => "corrupt",
        }
    }

    /// What the log should keep beside the code, if there is more to say.
    pub fn detail(&self) -> Option<&str> {
        match self {
            Self::Corrupt { detail } => Some(detail),
            _ => None,
        }
    }

    pub(super) fn corrupt(detail: impl ToString) -> Self {
        Self::Corrupt { detail: detail.to_string() }
    }
}

/// Why nothing was made of a picture: its own fault (final), or ours (worth a retry).
#[derive(Debug, thiserror::Error)]
pub enum MakeError {
    /// The picture is refused; the same bytes will be refused again.
    #[error("the picture was rejected")]
    Rejected(#[from] Rejection),
    /// A library refused to work on decoded pixels.
    #[error("the picture could not be processed: {0}")]
    Processing(String),
}

impl MakeError {
    pub(super) fn processing(cause: impl std::fmt::Debug) -> Self {
        Self::Processing(format!("{cause:?}"))
    }

    /// The rejection, when the picture is to blame.
    pub fn rejection(&self) -> Option<&Rejection> {
        match self {
            Self::Rejected(rejection) => Some(rejection),
            Self::Processing(_) => None,
        }
    }
}
