//! How much of a recording is worth looking at.

use std::time::Duration;

use super::rejection::Rejection;

/// Hard caps on one analysis. Every figure is checked while decoding, none is taken from a header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Size of the file, in bytes.
    pub max_bytes: u64,
    /// Shortest audio accepted.
    pub min_duration: Duration,
    /// Longest audio accepted.
    pub max_duration: Duration,
    /// Lowest sample rate, in hertz.
    pub min_sample_rate_hz: u32,
    /// Highest sample rate, in hertz.
    pub max_sample_rate_hz: u32,
    /// Most channels.
    pub max_channels: u32,
    /// Most packets taken from the container, of any track.
    pub max_packets: u64,
    /// Longest time the analysis may take by the clock on the wall.
    pub max_wall_time: Duration,
}

impl Default for Limits {
    /// What a shopper may send: 10 MiB, 0.2 to 120 seconds, 8 to 192 kHz, 8 channels, 45 s of work.
    fn default() -> Self {
        Self {
            max_bytes: 10 * 1024 * 1024,
            min_duration: Duration::from_millis(200),
            max_duration: Duration::from_secs(120),
            min_sample_rate_hz: 8_000,
            max_sample_rate_hz: 192_000,
            max_channels: 8,
            // 120 s of the shortest Opus packets (2.5 ms) are 48 000.
            max_packets: 100_000,
            // A fraction of this on an idle machine; the rest is for machines that are not.
            max_wall_time: Duration::from_secs(45),
        }
    }
}

impl Limits {
    pub(super) fn check_sample_rate(&self, hertz: u32) -> Result<(), Rejection> {
        match (self.min_sample_rate_hz..=self.max_sample_rate_hz).contains(&hertz) {
            true => Ok(()),
            false => Err(self.bad_parameters()),
        }
    }

    pub(super) fn check_channels(&self, channels: usize) -> Result<(), Rejection> {
        match u32::try_from(channels) {
            Ok(channels) if (1..=self.max_channels).contains(&channels) => Ok(()),
            _ => Err(self.bad_parameters()),
        }
    }

    /// The most samples per channel that `max_duration` holds at a sample rate.
    pub(super) fn max_frames(&self, sample_rate_hz: u32) -> u64 {
        let frames = self.max_duration.as_nanos() * u128::from(sample_rate_hz) / 1_000_000_000;
        u64::try_from(frames).unwrap_or(u64::MAX)
    }

    pub(super) fn too_long(&self) -> Rejection {
        Rejection::TooLong { max_seconds: self.max_duration.as_secs() }
    }

    pub(super) fn too_short(&self) -> Rejection {
        Rejection::TooShort { min_ms: u64::try_from(self.min_duration.as_millis()).unwrap_or(u64::MAX) }
    }

    fn bad_parameters(&self) -> Rejection {
        Rejection::BadParameters {
            min_sample_rate_hz: self.min_sample_rate_hz,
            max_sample_rate_hz: self.max_sample_rate_hz,
            max_channels: self.max_channels,
        }
    }
}
