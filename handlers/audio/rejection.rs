//! Why a recording was not accepted, and the errors that are nobody's recording.

use std::io;

/// What is wrong with a recording. [`Display`](std::fmt::Display) is the sentence for the shopper,
/// [`Rejection::code`] the stable machine code. Details for the log stay in the variants.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// There are no bytes at all.
    #[error("The recording is empty. Please record again.")]
    Empty,
    /// The first bytes are none of the containers of [`Container`](super::Container).
    #[error("This kind of file is not supported. Please send WebM, Ogg, MP4, MP3, FLAC or WAV audio.")]
    UnsupportedContainer,
    /// The container is known, what is inside is not.
    #[error("The audio inside this file is not supported. Please use Opus, Vorbis, AAC, MP3, FLAC or plain PCM.")]
    UnsupportedCodec {
        /// What was found, for the log.
        found: String,
    },
    /// More bytes than [`Limits::max_bytes`](super::Limits::max_bytes).
    #[error("The recording is too large. At most {} MB are allowed.", .max_bytes / 1_000_000)]
    TooLarge {
        /// The limit, in bytes.
        max_bytes: u64,
    },
    /// More audio than [`Limits::max_duration`](super::Limits::max_duration), counted in decoded samples.
    #[error("The recording is too long. At most {max_seconds} seconds are allowed.")]
    TooLong {
        /// The limit, in seconds.
        max_seconds: u64,
    },
    /// Less audio than [`Limits::min_duration`](super::Limits::min_duration).
    #[error("The recording is too short. Please speak for at least {min_ms} milliseconds.")]
    TooShort {
        /// The limit, in milliseconds.
        min_ms: u64,
    },
    /// Nothing in it is louder than the silence threshold.
    #[error("Nothing can be heard in the recording. Please check that the microphone is on and not muted.")]
    Silent,
    /// The container says that more should follow.
    #[error("The recording breaks off before its end. Please send it again.")]
    Truncated,
    /// The bytes contradict themselves.
    #[error("The recording is damaged and cannot be played. Please record again.")]
    Corrupt {
        /// What the parser said, for the log.
        detail: String,
    },
    /// Sample rate or channel count out of range.
    #[error(
        "The recording's format is not supported. Please use {min_sample_rate_hz} to {max_sample_rate_hz} Hz and at most \
         {max_channels} channels."
    )]
    BadParameters {
        /// Lowest sample rate allowed, in hertz.
        min_sample_rate_hz: u32,
        /// Highest sample rate allowed, in hertz.
        max_sample_rate_hz: u32,
        /// Most channels allowed.
        max_channels: u32,
    },
    /// Decoding went over [`Limits::max_wall_time`](super::Limits::max_wall_time) or
    /// [`Limits::max_packets`](super::Limits::max_packets).
    #[error("The recording takes too long to process. Please send a shorter or simpler one.")]
    TimeLimit,
}

impl Rejection {
    /// The stable snake-case code of the reason.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::UnsupportedContainer => "unsupported_container",
            Self::UnsupportedCodec { .. } => "unsupported_codec",
            Self::TooLarge { .. } => "too_large",
            Self::TooLong { .. } => "too_long",
            Self::TooShort { .. } => "too_short",
            Self::Silent => "silent",
            Self::Truncated => "truncated",
            Self::Corrupt { .. } => "corrupt",
            Self::BadParameters { .. } => "bad_parameters",
            Self::TimeLimit => "time_limit",
        }
    }

    /// What the log should keep beside the code, if there is more to say.
    pub fn detail(&self) -> Option<&str> {
        match self {
            Self::UnsupportedCodec { found } => Some(found),
            Self::Corrupt { detail } => Some(detail),
            _ => None,
        }
    }

    pub(super) fn corrupt(detail: impl ToString) -> Self {
        Self::Corrupt { detail: detail.to_string() }
    }
}

/// Why an analysis gave no result: the recording's fault (final), or ours (worth a retry).
#[derive(Debug, thiserror::Error)]
pub enum AnalyseError {
    /// The recording is refused; the same bytes will be refused again.
    #[error("the recording was rejected")]
    Rejected(#[from] Rejection),
    /// The source could not be read; says nothing about the recording.
    #[error("the recording could not be read")]
    Unreadable(#[from] io::Error),
    /// A signal-processing library refused to work.
    #[error("the recording could not be processed")]
    Processing(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl AnalyseError {
    pub(super) fn processing(cause: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Processing(Box::new(cause))
    }

    /// The rejection, when the recording is to blame.
    pub fn rejection(&self) -> Option<&Rejection> {
        match self {
            Self::Rejected(rejection) => Some(rejection),
            Self::Unreadable(_) | Self::Processing(_) => None,
        }
    }
}
