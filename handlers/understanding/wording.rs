//! The words of a product search: what each of them can stand for, so that `साड़ी`, `చీర`, `sari` and `sarees`
//! find the same, and how words are compared by sound. What products have them is the catalogue's business.

use std::ops::Range;
use std::sync::LazyLock;

use rustc_hash::FxHashMap;

use super::lexicon::LEXICON;
use super::lexicon::likeness::{MIN_INDIC_SOUND, MIN_LATIN_SOUND};
use super::normalise::{Token, tokens};
use super::reference::singular;
use super::sound::sound;
use super::terms::Meaning;

/// Something that products are described by, under the lexicon's name for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Concept {
    Category(&'static str),
    Fabric(&'static str),
    Weave(&'static str),
    Color(&'static str),
    Occasion(&'static str),
    /// A property that no filter knows, such as `peacock`.
    Feature(&'static str),
}

impl Concept {
    fn of(meaning: Meaning) -> Option<Self> {
        Some(match meaning {
            Meaning::Category(value) => Self::Category(value),
            Meaning::Fabric(value) => Self::Fabric(value),
            Meaning::Weave(value) => Self::Weave(value),
            Meaning::Color(value) => Self::Color(value),
            Meaning::Occasion(value) => Self::Occasion(value),
            Meaning::Feature(value) => Self::Feature(value),
            _ => return None,
        })
    }

    /// What it is called in a search, in the singular: `saree`, `block print`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Category(value) => singular(value),
            Self::Fabric(value)
            | Self::Weave(value)
            | Self::Color(value)
            | Self::Occasion(value)
            | Self::Feature(value) => value,
        }
    }
}

/// A word of a search.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SearchWord {
    /// In lower case and one spelling, as [`normalised`] writes it.
    pub word: String,
    /// The bytes of the text that it stands for; the parts of a word share them.
    pub span: Range<usize>,
    /// What it stands for by itself.
    pub concepts: Vec<Concept>,
    /// Whether it only sounds like the lexicon's word.
    pub by_sound: bool,
    /// What the phrases of several words stand for that end with it.
    pub phrases: Vec<Concept>,
    /// Whether it says nothing about products: `show`, `with`, an ending of Telugu.
    pub is_functional: bool,
}

/// The words of a search, in order, at most 200.
pub fn search_words(text: &str) -> Vec<SearchWord> {
    let tokens = LEXICON.read(text);
    let mut words: Vec<SearchWord> = tokens.iter().map(unread).collect();
    for start in 0..tokens.len() {
        let mut meant = false;
        for (meanings, length) in LEXICON.phrases(&tokens, start) {
            let concepts = meanings.iter().copied().filter_map(Concept::of);
            if length > 1 {
                words[start + length - 1].phrases.extend(concepts);
                continue;
            }
            meant = true;
            let word = &mut words[start];
            word.concepts.extend(concepts);
            word.is_functional =
                meanings.iter().all(|meaning| matches!(meaning, Meaning::Filler | Meaning::Cue(_) | Meaning::Bound(_)));
        }
        let is_part = start > 0 && tokens[start - 1].span == tokens[start].span;
        words[start].is_functional |= is_part && !meant;
    }
    words
}

fn unread(token: &Token) -> SearchWord {
    SearchWord {
        word: token.word.clone(),
        span: token.span.clone(),
        concepts: Vec::new(),
        by_sound: token.known.by_sound,
        phrases: Vec::new(),
        is_functional: false,
    }
}

/// What the phrases of a text of the catalogue stand for, the longest where they overlap. Only words that
/// stand in the lexicon count.
pub fn concepts(text: &str) -> Vec<Concept> {
    let tokens = LEXICON.read(text);
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let written = LEXICON.phrases(&tokens, at).take_while(|(_, length)| is_written(&tokens[at..at + length]));
        let longest = written.last();
        found.extend(longest.iter().flat_map(|(meanings, _)| meanings.iter().copied()).filter_map(Concept::of));
        at += longest.map_or(1, |(_, length)| length);
    }
    found
}

/// What a text of the catalogue stands for as a whole: `pure silk` is silk.
pub fn whole_concepts(text: &str) -> Vec<Concept> {
    let tokens = LEXICON.read(text);
    let whole = LEXICON.phrases(&tokens, 0).filter(|&(_, length)| length == tokens.len() && is_written(&tokens));
    whole.flat_map(|(meanings, _)| meanings.iter().copied()).filter_map(Concept::of).collect()
}

/// What all phrases in a text of the catalogue stand for: `khadi cotton` is khadi and cotton, too.
pub fn all_concepts(text: &str) -> Vec<Concept> {
    let tokens = LEXICON.read(text);
    let phrases = (0..tokens.len()).flat_map(|start| {
        let phrases = LEXICON.phrases(&tokens, start);
        let written = phrases.take_while(|&(_, length)| is_written(&tokens[start..start + length]));
        written.flat_map(|(meanings, _)| meanings.iter().copied()).filter_map(Concept::of).collect::<Vec<_>>()
    });
    phrases.collect()
}

fn is_written(tokens: &[Token]) -> bool {
    tokens.iter().all(|token| !token.known.by_sound)
}

/// The words of a text in one spelling, whatever their script, at most 200.
pub fn normalised(text: &str) -> impl Iterator<Item = String> {
    tokens(text).into_iter().map(|token| token.word)
}

/// How a normalised word sounds: one key in Devanagari, Telugu and Latin letters. None for words so short that
/// others share their sound, and for other scripts.
pub fn sound_key(word: &str) -> Option<String> {
    let least = match word.chars().next()? {
        'a'..='z' => MIN_LATIN_SOUND,
        '\u{0900}'..='\u{097F}' | '\u{0C00}'..='\u{0C7F}' => MIN_INDIC_SOUND,
        _ => return None,
    };
    Some(sound(word)).filter(|key| key.len() >= least)
}

/// What a misspelt word in Latin letters most likely is, if it looks like the name of a category, fabric,
/// weave or colour.
pub fn guessed(word: &str) -> Option<Concept> {
    LEXICON.near(word)?.iter().copied().find_map(Concept::of)
}

/// What the phrases stand for that begin with a word: `dress` opens `dress material`.
pub fn opened(word: &str) -> &'static [Concept] {
    static OPENED: LazyLock<FxHashMap<String, Vec<Concept>>> = LazyLock::new(|| {
        let mut opened: FxHashMap<String, Vec<Concept>> = FxHashMap::default();
        for (concept, phrase) in LEXICON.phrases_of_products().filter_map(|(m, phrase)| Some((Concept::of(m)?, phrase)))
        {
            let mut words = normalised(phrase);
            if let (Some(first), Some(_)) = (words.next(), words.next()) {
                let concepts = opened.entry(first).or_default();
                if !concepts.contains(&concept) {
                    concepts.push(concept);
                }
            }
        }
        opened
    });
    OPENED.get(word).map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(text: &str) -> SearchWord {
        let [word] = <[SearchWord; 1]>::try_from(search_words(text)).expect("one word");
        word
    }

    #[test]
    fn one_concept_has_many_words() {
        for text in ["saree", "sari", "sarees", "साड़ी", "చీర", "saaree"] {
            assert_eq!(word(text).concepts, [Concept::Category("sarees")], "{text}");
        }
        for text in ["kanjeevaram", "कांजीवरम", "కంచి"] {
            assert!(word(text).concepts.contains(&Concept::Weave("kanjivaram")), "{text}");
        }
        assert!(word("with").is_functional && !word("silk").is_functional && !word("zanzibar").is_functional);
    }

    #[test]
    fn a_phrase_counts_where_it_ends() {
        let words = search_words("navy blue saree");
        assert_eq!(words[1].phrases, [Concept::Color("navy")]);
        assert_eq!(words[1].concepts, [Concept::Color("blue")]);
        assert!(words[0].phrases.is_empty() && words[2].phrases.is_empty());
    }

    #[test]
    fn endings_of_telugu_say_nothing() {
        let words = search_words("చీరలలో");
        assert_eq!(words[0].concepts, [Concept::Category("sarees")]);
        assert!(words.len() > 1 && words[1..].iter().all(|word| word.is_functional));
    }

    #[test]
    fn catalogue_texts_are_read_by_their_longest_phrases() {
        assert_eq!(concepts("Block Print Saree"), [Concept::Weave("block print"), Concept::Category("sarees")]);
        assert!(all_concepts("cotton silk").contains(&Concept::Fabric("silk")));
        assert!(opened("dress").contains(&Concept::Category("suits")));
        assert!(opened("zanzibar").is_empty());
    }

    #[test]
    fn sounds_are_compared_across_scripts_where_they_are_long_enough() {
        assert_eq!(sound_key("shikargah"), sound_key("शिकारगाह"));
        assert_eq!(sound_key("red"), None);
        assert_eq!(sound_key("5000"), None);
    }
}
