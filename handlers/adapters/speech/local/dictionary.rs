//! The pronouncing dictionary of the recogniser: the CMU dictionary that comes with the acoustic model, cut
//! to the vocabulary, and before it our own pronunciations of what the shop sells
//! (`pronunciations.txt`). A small dictionary is what makes recognition fast and accurate.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::io::{self, BufRead};

/// `word PHONE PHONE ...` per line in ARPAbet without stress, several lines for a word that is said in
/// several ways, the commonest first; `#` begins a comment.
pub(super) const OWN_PRONUNCIATIONS: &str = include_str!("pronunciations.txt");

/// The phones of the acoustic model (ARPAbet, as in the CMU dictionary).
pub(super) const PHONES: [&str; 39] = [
    "AA", "AE", "AH", "AO", "AW", "AY", "B", "CH", "D", "DH", "EH", "ER", "EY", "F", "G", "HH", "IH", "IY", "JH", "K",
    "L", "M", "N", "NG", "OW", "OY", "P", "R", "S", "SH", "T", "TH", "UH", "UW", "V", "W", "Y", "Z", "ZH",
];

/// Ways to say a word that are kept at most.
const VARIANTS: usize = 6;

/// Words and how they are said.
#[derive(Debug, Default)]
pub(super) struct Dictionary {
    entries: BTreeMap<String, Vec<String>>,
}

impl Dictionary {
    /// Looks `vocabulary` up in `own` and `packaged` (same format; the packaged one marks variants as
    /// `word(2)`). Words of neither are left out; see [`Dictionary::contains`].
    pub(super) fn cut(vocabulary: &BTreeSet<String>, own: &str, packaged: impl BufRead) -> io::Result<Self> {
        let mut dictionary = Self::default();
        for line in own.lines() {
            dictionary.add(vocabulary, line);
        }
        for line in packaged.lines() {
            dictionary.add(vocabulary, &line?);
        }
        Ok(dictionary)
    }

    fn add(&mut self, vocabulary: &BTreeSet<String>, line: &str) {
        let line = line.split('#').next().unwrap_or_default();
        let Some((word, phones)) = line.trim().split_once(char::is_whitespace) else { return };
        let word = word.split('(').next().unwrap_or(word);
        if !vocabulary.contains(word) {
            return;
        }
        let phones = phones.split_whitespace().collect::<Vec<_>>().join(" ");
        let variants = self.entries.entry(word.to_owned()).or_default();
        if variants.len() < VARIANTS && !variants.contains(&phones) {
            variants.push(phones);
        }
    }

    pub(super) fn contains(&self, word: &str) -> bool {
        self.entries.contains_key(word)
    }

    /// The file that PocketSphinx reads: `word`, `word(2)` and so on.
    pub(super) fn to_text(&self) -> String {
        let mut text = String::new();
        for (word, variants) in &self.entries {
            for (index, phones) in variants.iter().enumerate() {
                let _ = match index {
                    0 => writeln!(text, "{word} {phones}"),
                    _ => writeln!(text, "{word}({}) {phones}", index + 1),
                };
            }
        }
        text
    }
}

/// The filler dictionary: silence and noise as the acoustic model names them, and every phone alone as a
/// garbage word. Speech that is none of our words then comes out as a run of loose phones instead of being
/// forced into words (phone-loop filler: Rose and Paul 1990, "A hidden Markov model based keyword
/// recognition system").
pub(super) fn fillers() -> String {
    let mut text = String::from("<s> SIL\n</s> SIL\n<sil> SIL\n[NOISE] +NSN+\n[SPEECH] +SPN+\n");
    for phone in PHONES {
        let _ = writeln!(text, "++{phone}++ {phone}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> BTreeSet<String> {
        words.iter().map(|word| word.to_string()).collect()
    }

    #[test]
    fn own_pronunciations_come_first_and_variants_are_numbered() {
        let packaged = "cart K AA R T\nsaree X\nto T UW\nto(2) T AH\nzebra Z IY B R AH\n";
        let dictionary = Dictionary::cut(
            &words(&["saree", "to", "qxz"]),
            "# ours\nsaree S AA R IY # said so\n",
            packaged.as_bytes(),
        )
        .unwrap();
        assert_eq!(dictionary.to_text(), "saree S AA R IY\nsaree(2) X\nto T UW\nto(2) T AH\n");
        assert!(!dictionary.contains("qxz"));
    }

    #[test]
    fn own_pronunciations_use_phones_of_the_model() {
        for line in OWN_PRONUNCIATIONS.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
        {
            let mut parts = line.split_whitespace();
            let word = parts.next().unwrap();
            assert!(word.bytes().all(|b| b.is_ascii_lowercase() || b == b'\''), "{line}");
            let phones: Vec<&str> = parts.collect();
            assert!(!phones.is_empty(), "{line}");
            for phone in phones {
                assert!(PHONES.contains(&phone), "{phone} in {line}");
            }
        }
    }
}
