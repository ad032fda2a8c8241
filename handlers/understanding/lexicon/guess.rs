//! Which word of the trade an unknown word in Latin letters was meant to be: equal consonants and at
//! most two letters apart, or one slip in a long word.

use std::collections::HashMap;

/// Shorter words of the lexicon are not candidates for a guess.
const MIN_CANDIDATE: usize = 5;
/// Shorter words are not guessed: `short`, `block` and `model` would become products.
const MIN_GUESSED: usize = 6;
/// No word of the lexicon is longer than this by more than a slip.
const MAX_GUESSED: usize = 18;

/// Words that name products, by first letter, to compare unknown words with.
#[derive(Default)]
pub(super) struct Guesses(HashMap<char, Vec<Candidate>>);

struct Candidate {
    word: String,
    skeleton: String,
    node: u32,
}

impl Guesses {
    /// Makes `word` a candidate that stands for `node` of the prefix tree, if it is long enough.
    pub(super) fn push(&mut self, word: &str, node: u32) {
        if let Some(first) = word.chars().next().filter(|c| c.is_ascii() && word.len() >= MIN_CANDIDATE) {
            let candidate = Candidate { word: word.to_owned(), skeleton: skeleton(word), node };
            self.0.entry(sound_class(first)).or_default().push(candidate);
        }
    }

    /// Puts the candidates in order, so that equal input gives equal guesses.
    pub(super) fn sort(&mut self) {
        for words in self.0.values_mut() {
            words.sort_by(|a, b| a.word.cmp(&b.word));
        }
    }

    /// The node of the candidate that is most like `word`. Short words are never guessed; too many
    /// English words are near them.
    pub(super) fn nearest(&self, word: &str) -> Option<u32> {
        if !(MIN_GUESSED..=MAX_GUESSED).contains(&word.len()) {
            return None;
        }
        let sound = skeleton(word);
        let candidates = self.0.get(&sound_class(word.chars().next()?))?;
        let distance = |candidate: &Candidate| {
            let far = candidate.word.len().abs_diff(word.len()) > 2;
            let allowed = match (far, candidate.skeleton == sound) {
                (true, _) => return None,
                (false, true) if sound.len() >= 3 && word.len() >= 8 => 2,
                (false, true) if sound.len() >= 3 => 1,
                (false, _) if word.len() >= 7 => 1,
                _ => return None,
            };
            Some(strsim::osa_distance(&candidate.word, word)).filter(|&distance| distance <= allowed)
        };
        let near = candidates.iter().filter_map(|candidate| Some((distance(candidate)?, candidate)));
        near.min_by_key(|(distance, _)| *distance).map(|(_, candidate)| candidate.node)
    }
}

/// Letters that Indian names are romanised with interchangeably count as one.
fn sound_class(letter: char) -> char {
    match letter {
        'w' => 'v',
        'z' => 'j',
        'c' | 'q' => 'k',
        'f' => 'p',
        'i' | 'e' | 'o' | 'u' => 'a',
        other => other,
    }
}

/// The consonants of a romanised word, aspiration, doubling and vowels left out:
/// `kanjeevaram` and `kanjivaram` share `knjvrm`.
fn skeleton(word: &str) -> String {
    let mut out = String::with_capacity(word.len());
    for (index, letter) in word.chars().enumerate() {
        let vowel = matches!(letter, 'a' | 'e' | 'i' | 'o' | 'u' | 'y');
        if index > 0 && (vowel || letter == 'h') {
            continue;
        }
        let sound = sound_class(letter);
        if !out.ends_with(sound) {
            out.push(sound);
        }
    }
    out
}
