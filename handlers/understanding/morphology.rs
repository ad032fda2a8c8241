//! Telugu words come apart: `చీరలలో` is `చీర` and its endings, `రెండువేల` a number and its scale,
//! `చీరలున్నాయా` two words run together. Latin spellings of it do the same (`cartlo`). A word that
//! the lexicon does not know whole is cut where both parts are known.

use super::lexicon::Lexicon;
use super::normalise::Token;

/// Endings of Telugu nouns, and the words that run together with what is before them, the longest
/// first.
const ENDINGS: [&str; 47] = [
    "గురించి",
    "దానిని",
    "దానికి",
    "లోపల",
    "వాటిని",
    "దాన్ని",
    "నుంచి",
    "నుండి",
    "కోసం",
    "లోపు",
    "వరకు",
    "కన్నా",
    "కంటే",
    "లేదా",
    "లోకి",
    "లోని",
    "లోనే",
    "లోంచి",
    "మీద",
    "దాని",
    "వేల",
    "వేలు",
    "వందల",
    "వందలు",
    "లక్షల",
    "లక్షలు",
    "లను",
    "లని",
    "లకి",
    "లకు",
    "లలో",
    "లతో",
    "లవి",
    "లే",
    "వి",
    "ది",
    "వే",
    "దే",
    "లు",
    "ల",
    "ను",
    "ని",
    "లో",
    "కి",
    "కు",
    "తో",
    "గా",
];

/// Words whose first vowel has replaced the last one of the word before: `చీరలు` + `ఉన్నాయా`.
const MERGED: [(&str, &str, &str); 8] = [
    ("ున్నాయా", "ు", "ఉన్నాయా"),
    ("ున్నాయి", "ు", "ఉన్నాయి"),
    ("ుందా", "ు", "ఉందా"),
    ("ుంది", "ు", "ఉంది"),
    ("ేనా", "", "ఏనా"),
    ("ేనా", "ు", "ఏనా"),
    ("ేనా", "ి", "ఏనా"),
    ("ైనా", "", "ఐనా"),
];

/// The same endings in Latin letters.
const LATIN_ENDINGS: [&str; 26] = [
    "gurinchi", "nunchi", "nundi", "kosam", "lopu", "loki", "loni", "lanu", "lani", "laki", "laku", "lalo", "tho",
    "lu", "la", "nu", "ni", "lo", "ki", "ku", "di", "vi", "ga", "ne", "de", "ve",
];

/// Shorter stems are never cut off a word in Latin letters, in bytes.
const LEAST_LATIN_STEM: usize = 4;
/// How often a word is cut.
const MOST_CUTS: usize = 3;

/// Cuts every word that is not known whole into known parts; parts share the span of their word.
pub(crate) fn split(tokens: Vec<Token>, lexicon: &Lexicon) -> Vec<Token> {
    let mut parts = Vec::with_capacity(tokens.len());
    for token in tokens {
        match token.word.chars().next() {
            Some('\u{0C00}'..='\u{0C7F}') if !lexicon.knows(&token.word) => push_cut(token, lexicon, &mut parts),
            Some('a'..='z') if !lexicon.knows(&token.word) && !lexicon.knows_by_sound(&token.word) => {
                push_cut(token, lexicon, &mut parts);
            }
            _ => parts.push(token),
        }
    }
    parts
}

fn push_cut(token: Token, lexicon: &Lexicon, parts: &mut Vec<Token>) {
    // First as it is written; a word that only sounds like a known one is cut only if it must be.
    let exact = |stem: &str| lexicon.knows(stem);
    let near = |stem: &str| lexicon.knows_by_sound(stem);
    let words = cut(&token.word, &exact, MOST_CUTS)
        .or_else(|| if near(&token.word) { None } else { cut(&token.word, &near, MOST_CUTS) });
    match words {
        Some(words) => parts.extend(words.into_iter().map(|word| Token::new(word, token.span.clone()))),
        None => parts.push(token),
    }
}

/// The known parts of a word, in order.
fn cut(word: &str, known: &dyn Fn(&str) -> bool, cuts: usize) -> Option<Vec<String>> {
    if cuts == 0 {
        return None;
    }
    let whole = |stem: String| if known(&stem) { Some(vec![stem]) } else { cut(&stem, known, cuts - 1) };
    let with = |stem: String, ending: &str| {
        let mut words = whole(stem)?;
        words.push(ending.to_owned());
        Some(words)
    };
    if word.is_ascii() {
        return LATIN_ENDINGS.iter().find_map(|ending| {
            let stem = word.strip_suffix(ending).filter(|stem| stem.len() >= LEAST_LATIN_STEM)?;
            known(stem).then(|| vec![stem.to_owned(), (*ending).to_owned()])
        });
    }
    let merged = MERGED
        .iter()
        .find_map(|(ending, restored, second)| with(format!("{}{restored}", word.strip_suffix(ending)?), second));
    merged.or_else(|| {
        ENDINGS
            .iter()
            .find_map(|ending| with(word.strip_suffix(ending).filter(|stem| !stem.is_empty())?.to_owned(), ending))
    })
}
