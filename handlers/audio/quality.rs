//! Whether a recording is good enough to be understood, and what the shopper can do about it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::measure::Measurements;

/// Quieter than this the loudness is too low for recognition, in LUFS (or dBFS where the recording is
/// too short for a loudness).
const QUIET_LUFS: f64 = -45.0;
/// Less speech than this cannot be a command, in milliseconds.
const MIN_SPEECH_MS: f64 = 150.0;
/// More clipped samples than this can be heard as distortion.
const CLIPPED_RATIO: f64 = 0.005;
/// A sound whose level hardly changes is no speech, whatever the detector says (it takes hiss for
/// consonants), in decibels.
const STEADY_DB: f64 = 4.0;
/// Pauses louder than this count as noisy when speech does not stand out from them, in dBFS.
const NOISE_DBFS: f64 = -50.0;
/// Speech stands out from noise when it is louder by this, in decibels.
const STANDS_OUT_DB: f64 = 12.0;

/// The verdict on a recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum Quality {
    /// Fit for recognition.
    Good,
    /// Too quiet.
    TooQuiet,
    /// Distorted by overload.
    Clipped,
    /// Speech hardly stands out from the noise.
    Noisy,
    /// Nobody speaks.
    NoSpeech,
}

impl Quality {
    /// Judges by the figures. When several things are wrong, the one to mend first is named: a quiet
    /// recording hides speech, and speech must be there before its noise matters.
    pub fn of(measured: &Measurements) -> Self {
        let noisy = measured.noise_floor_dbfs > NOISE_DBFS && measured.dynamic_range_db() < STANDS_OUT_DB;
        if measured.loudness_lufs.unwrap_or(measured.speech_level_dbfs) < QUIET_LUFS {
            Self::TooQuiet
        } else if measured.clipped_ratio > CLIPPED_RATIO {
            Self::Clipped
        } else if measured.speech_ms() < MIN_SPEECH_MS || measured.dynamic_range_db() < STEADY_DB {
            Self::NoSpeech
        } else if noisy {
            Self::Noisy
        } else {
            Self::Good
        }
    }

    /// What to tell the shopper; none when all is well.
    pub fn advice(self) -> Option<&'static str> {
        match self {
            Self::Good => None,
            Self::TooQuiet => Some("Your recording is very quiet. Please move closer to the microphone and speak up."),
            Self::Clipped => Some("Your recording is distorted. Please move a little away from the microphone."),
            Self::Noisy => Some("There is a lot of noise around you. Please try a quieter place or come closer."),
            Self::NoSpeech => Some("We could not hear anyone speak. Please hold the button while you speak."),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fault_has_its_verdict_and_all_but_good_an_advice() {
        let good = Measurements {
            duration_ms: 3000,
            sample_rate_hz: 48_000,
            channels: 1,
            loudness_lufs: Some(-23.0),
            true_peak_dbtp: Some(-4.0),
            clipped_ratio: 0.0,
            speech_ratio: 0.7,
            speech_level_dbfs: -18.0,
            noise_floor_dbfs: -60.0,
        };
        let cases = [
            (good.clone(), Quality::Good),
            (Measurements { loudness_lufs: Some(-50.0), ..good.clone() }, Quality::TooQuiet),
            (Measurements { loudness_lufs: None, speech_level_dbfs: -55.0, ..good.clone() }, Quality::TooQuiet),
            (Measurements { clipped_ratio: 0.02, ..good.clone() }, Quality::Clipped),
            (Measurements { speech_ratio: 0.01, ..good.clone() }, Quality::NoSpeech),
            (Measurements { noise_floor_dbfs: -19.0, ..good.clone() }, Quality::NoSpeech),
            (Measurements { noise_floor_dbfs: -26.0, ..good.clone() }, Quality::Noisy),
            // Speech without pauses, in a quiet room.
            (Measurements { speech_level_dbfs: -45.0, noise_floor_dbfs: -52.0, ..good }, Quality::Good),
        ];
        for (measured, quality) in cases {
            assert_eq!(Quality::of(&measured), quality, "{measured:?}");
            assert_eq!(quality.advice().is_none(), quality == Quality::Good);
        }
    }
}
