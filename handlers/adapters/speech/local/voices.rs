//! The voices that espeak-ng reads with.
//!
//! espeak-ng 1.51 has no Indian accent of English; received pronunciation is the nearest it has. Women's
//! voices are its variants of the one voice of a language. The storefront's old voice ids keep working
//! (they name voices of a hosted service there), each with the gender that it had.

use crate::ports::speech::{Voice, VoiceGender};
use crate::types::Language;

/// The engine of every voice here.
pub(super) const ENGINE: &str = "espeak-ng";

/// A voice and how espeak-ng makes it.
#[derive(Debug)]
pub(super) struct LocalVoice {
    pub id: &'static str,
    name: &'static str,
    gender: VoiceGender,
    language: Language,
    /// Language and variant, as `espeak-ng -v` takes them.
    pub espeak: &'static str,
    /// 0 to 99.
    pub pitch: u8,
}

/// The default voice of each language comes first.
pub(super) const VOICES: [LocalVoice; 12] = [
    english("pravi-en-female", "Pravi", VoiceGender::Female, "en-gb-x-rp+f2", 45),
    english("pravi-en-male", "Pravin", VoiceGender::Male, "en-gb-x-rp+m3", 40),
    LocalVoice {
        id: "pravi-hi-female",
        name: "प्रवी",
        gender: VoiceGender::Female,
        language: Language::Hindi,
        espeak: "hi+f2",
        pitch: 45,
    },
    LocalVoice {
        id: "pravi-hi-male",
        name: "प्रवीण",
        gender: VoiceGender::Male,
        language: Language::Hindi,
        espeak: "hi",
        pitch: 45,
    },
    LocalVoice {
        id: "pravi-te-female",
        name: "ప్రవి",
        gender: VoiceGender::Female,
        language: Language::Telugu,
        espeak: "te+f2",
        pitch: 45,
    },
    LocalVoice {
        id: "pravi-te-male",
        name: "ప్రవీణ్",
        gender: VoiceGender::Male,
        language: Language::Telugu,
        espeak: "te",
        pitch: 45,
    },
    english("alloy", "Alloy", VoiceGender::Neutral, "en-us+f5", 30),
    english("echo", "Echo", VoiceGender::Male, "en-us+m2", 45),
    english("fable", "Fable", VoiceGender::Female, "en-gb+f3", 50),
    english("onyx", "Onyx", VoiceGender::Male, "en-us+m7", 25),
    english("nova", "Nova", VoiceGender::Female, "en-us+f2", 50),
    english("shimmer", "Shimmer", VoiceGender::Female, "en-us+f4", 60),
];

const fn english(
    id: &'static str,
    name: &'static str,
    gender: VoiceGender,
    espeak: &'static str,
    pitch: u8,
) -> LocalVoice {
    LocalVoice { id, name, gender, language: Language::English, espeak, pitch }
}

impl LocalVoice {
    pub(super) fn describe(&self) -> Voice {
        Voice {
            id: self.id.into(),
            name: self.name.into(),
            gender: self.gender,
            language: self.language,
            engine: ENGINE.into(),
        }
    }
}

/// The voice with an id.
pub(super) fn find(id: &str) -> Option<&'static LocalVoice> {
    VOICES.iter().find(|voice| voice.id == id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_unique_and_every_language_has_a_voice_of_each_gender() {
        for (index, voice) in VOICES.iter().enumerate() {
            assert!(VOICES[..index].iter().all(|other| other.id != voice.id), "{}", voice.id);
            assert!(voice.pitch < 100);
        }
        for language in Language::ALL {
            for gender in [VoiceGender::Female, VoiceGender::Male] {
                assert!(VOICES.iter().any(|voice| voice.language == language && voice.gender == gender));
            }
        }
    }
}
