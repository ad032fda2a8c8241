//! The synthesiser: espeak-ng as a process, the text on its standard input. It is free software under
//! GPL-3, so it is called, never linked.
//!
//! The text is data: it is never an argument (`-h` would be an option), markup is read as it stands (no
//! `-m`), control characters are dropped, and the brackets that would switch espeak-ng to phoneme
//! mnemonics (`[[`) are parted.

use super::command::CommandLine;
use super::voices::LocalVoice;
use crate::ports::{PortError, PortResult};

/// The longest text, in characters, as the port says.
const LONGEST_TEXT: usize = 2_000;

/// 2000 characters take some three minutes to read: 8 MB at 22,050 Hz. Ideographs and digits take more.
pub(super) const OUTPUT_BYTES: usize = 64 << 20;

pub(super) const MEMORY_MIB: u64 = 512;

/// What espeak-ng is called with: 155 words a minute, a tenth slower than it likes, as the storefront had it.
pub(super) fn espeak_ng() -> CommandLine {
    let arguments = "-v {voice} -p {pitch} -s 155 -b 1 --stdin --stdout";
    CommandLine { program: "espeak-ng".into(), arguments: arguments.split(' ').map(String::from).collect() }
}

/// The command that reads with a voice.
pub(super) fn filled(command: &CommandLine, voice: &LocalVoice) -> CommandLine {
    command.filled(&[("{voice}", voice.espeak), ("{pitch}", &voice.pitch.to_string())])
}

/// What is fed to the synthesiser for a text; `InvalidRequest` for an empty text or one too long.
pub(super) fn readable(text: &str) -> PortResult<String> {
    if text.chars().nth(LONGEST_TEXT).is_some() {
        return Err(PortError::invalid(format!("a text to read out has at most {LONGEST_TEXT} characters")));
    }
    let plain: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let plain = plain.split_whitespace().collect::<Vec<_>>().join(" ");
    if plain.is_empty() {
        return Err(PortError::invalid("there is no text to read out"));
    }
    let mut parted = String::with_capacity(plain.len() + 1);
    for c in plain.chars() {
        if c == '[' && parted.ends_with('[') {
            parted.push(' ');
        }
        parted.push(c);
    }
    parted.push('\n');
    Ok(parted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::PortErrorKind;

    #[test]
    fn text_is_data() {
        assert_eq!(readable(" two\nsarees\u{0}\u{1b}[2J ").unwrap(), "two sarees [2J\n");
        assert_eq!(readable("[[[h@l@U]]").unwrap(), "[ [ [h@l@U]]\n");
        assert_eq!(readable("साड़ी చీర").unwrap(), "साड़ी చీర\n");
    }

    #[test]
    fn empty_and_endless_texts_are_refused() {
        for text in [String::new(), " \n\u{0}".into(), "a".repeat(2_001)] {
            assert_eq!(readable(&text).unwrap_err().kind(), PortErrorKind::InvalidRequest);
        }
        assert!(readable(&"శ".repeat(2_000)).is_ok());
    }
}
