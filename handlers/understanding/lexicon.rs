//! The lexicon: which phrases stand for what. It is data (`lexicon/<kind>.json`), one entry per
//! concept with its spellings by language (BCP 47: `en`, `hi`, `te`, and `hi-Latn`, `te-Latn` for
//! Hindi and Telugu in Latin letters), so that a shopkeeper can review it and a new language is a
//! new key. `spellings` are what people say; `misspellings` are how recognisers, typists and
//! transliteration write it. A phrase may have meanings of several kinds; which one counts is
//! decided by what stands around it.
//!
//! A word is looked up as it is written, then by how it sounds ([`likeness`]): that finds most Latin
//! spellings of Hindi and Telugu words, and names of the trade in any script.

mod guess;
pub(super) mod likeness;
mod numerals;
mod spelled;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{LazyLock, OnceLock};

use rustc_hash::FxHashMap;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use self::likeness::Likeness;
use super::morphology;
use super::normalise::{Token, each_word, tokens};
use super::numbers::Numeral;
use super::terms::Meaning;

pub use spelled::spelled;

/// The lexicon's source texts by kind, as reviewed.
const SOURCES: [(&str, &str); 16] = [
    ("aspect", include_str!("lexicon/aspect.json")),
    ("bound", include_str!("lexicon/bound.json")),
    ("category", include_str!("lexicon/category.json")),
    ("color", include_str!("lexicon/color.json")),
    ("cue", include_str!("lexicon/cue.json")),
    ("fabric", include_str!("lexicon/fabric.json")),
    ("feature", include_str!("lexicon/feature.json")),
    ("filler", include_str!("lexicon/filler.json")),
    ("number", include_str!("lexicon/number.json")),
    ("occasion", include_str!("lexicon/occasion.json")),
    ("ordinal", include_str!("lexicon/ordinal.json")),
    ("page", include_str!("lexicon/page.json")),
    ("policy", include_str!("lexicon/policy.json")),
    ("size", include_str!("lexicon/size.json")),
    ("sort", include_str!("lexicon/sort.json")),
    ("weave", include_str!("lexicon/weave.json")),
];

/// The one lexicon of the process, parsed at first use.
pub(crate) static LEXICON: LazyLock<Lexicon> = LazyLock::new(|| {
    // The texts are part of the program, and a test parses them.
    Lexicon::parse(&SOURCES).expect("the embedded lexicon is valid")
});

/// One concept of the lexicon.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Entry<'a> {
    /// The canonical value.
    pub value: &'a str,
    /// What people say, by language, the most usual first.
    #[serde(borrow)]
    pub spellings: BTreeMap<&'a str, Vec<&'a str>>,
    /// Other ways in which that gets written, by language.
    #[serde(borrow, default)]
    pub misspellings: BTreeMap<&'a str, Vec<&'a str>>,
}

/// Why the lexicon cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LexiconError {
    #[error("the lexicon is no JSON of the expected form")]
    Json(#[from] serde_json::Error),
    #[error("`{0}` is no kind of entry")]
    Kind(String),
    #[error("`{value}` is no value of kind `{kind}`")]
    Value { kind: String, value: String },
}

/// A word's number in the lexicon.
pub(crate) type WordId = u32;

/// What the lexicon knows of one word by itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Known {
    /// The words of the lexicon that it can be: itself, or those that sound like it.
    ids: [Option<WordId>; 2],
    /// Whether it was found by its sound alone.
    pub by_sound: bool,
    /// The number that it names or helps to name.
    pub numeral: Option<Numeral>,
    /// The position that it names, from 1.
    pub ordinal: Option<u8>,
}

impl Known {
    /// The word that it most likely is.
    fn first(&self) -> Option<WordId> {
        self.ids[0]
    }

    /// Whether the word stands in the lexicon, or sounds like one that does.
    pub(crate) fn is_anything(&self) -> bool {
        self.ids[0].is_some()
    }
}

/// A prefix tree over words; numerals and ordinals by word.
#[derive(Default)]
pub(crate) struct Lexicon {
    words: FxHashMap<Cow<'static, str>, WordId>,
    /// Words of Hindi and Telugu, in any script.
    indian: Vec<WordId>,
    edges: FxHashMap<(u32, WordId), u32>,
    meanings: Vec<Vec<Meaning>>,
    numerals: FxHashMap<WordId, numerals::Entry>,
    ordinals: FxHashMap<WordId, u8>,
    /// Made when the first word is met that stands in no entry.
    likeness: OnceLock<Likeness>,
    entries: Vec<(&'static str, Entry<'static>)>,
}

impl Lexicon {
    pub(crate) fn parse(sources: &[(&'static str, &'static str)]) -> Result<Self, LexiconError> {
        let mut lexicon = Self { meanings: vec![Vec::new()], ..Self::default() };
        lexicon.words.reserve(EXPECTED_WORDS);
        lexicon.edges.reserve(EXPECTED_PHRASES);
        lexicon.meanings.reserve(EXPECTED_PHRASES);
        for &(kind, source) in sources {
            let entries: Vec<Entry<'static>> = serde_json::from_str(source)?;
            for entry in entries {
                lexicon.insert_entry(kind, &entry)?;
                lexicon.entries.push((kind, entry));
            }
        }
        Ok(lexicon)
    }

    fn insert_entry(&mut self, kind: &str, entry: &Entry<'static>) -> Result<(), LexiconError> {
        let phrases = entry.spellings.iter().chain(&entry.misspellings);
        let phrases = phrases.flat_map(|(language, phrases)| phrases.iter().map(|phrase| (*language, *phrase)));
        match kind {
            "number" => {
                let numeral = numerals::Entry::parse(entry.value).ok_or_else(|| no_value(kind, entry.value))?;
                for (language, phrase) in phrases {
                    let word = self.single_word(kind, phrase, language)?;
                    self.numerals.insert(word, numeral);
                }
            }
            "ordinal" => {
                let position = entry.value.parse().map_err(|_| no_value(kind, entry.value))?;
                for (language, phrase) in phrases {
                    let word = self.single_word(kind, phrase, language)?;
                    self.ordinals.insert(word, position);
                }
            }
            _ => {
                let meaning = meaning(kind, entry.value)?;
                phrases.for_each(|(language, phrase)| self.insert(phrase, language, meaning));
            }
        }
        Ok(())
    }

    fn single_word(&mut self, kind: &str, phrase: &'static str, language: &str) -> Result<WordId, LexiconError> {
        let mut words = Vec::new();
        each_word(phrase, |word| words.push(word));
        match <[_; 1]>::try_from(words) {
            Ok([word]) => Ok(self.intern(word, language)),
            Err(_) => Err(no_value(kind, phrase)),
        }
    }

    fn intern(&mut self, word: Cow<'static, str>, language: &str) -> WordId {
        let next = self.words.len() as WordId;
        let id = *self.words.entry(word).or_insert(next);
        if language != "en" {
            self.indian.push(id);
        }
        id
    }

    fn insert(&mut self, phrase: &'static str, language: &str, meaning: Meaning) {
        let mut node = 0;
        each_word(phrase, |word| {
            let word = self.intern(word, language);
            let next_node = self.meanings.len() as u32;
            let child = *self.edges.entry((node, word)).or_insert(next_node);
            if child == next_node {
                self.meanings.push(Vec::new());
            }
            node = child;
        });
        let meanings = &mut self.meanings[node as usize];
        if !meanings.contains(&meaning) {
            meanings.push(meaning);
        }
    }

    fn likeness(&self) -> &Likeness {
        self.likeness.get_or_init(|| {
            let names_products = |id: WordId| {
                let node = self.edges.get(&(0, id)).copied();
                node.filter(|&node| self.meanings[node as usize].iter().any(|meaning| meaning.names_products()))
            };
            Likeness::new(&self.words, &self.indian, names_products)
        })
    }

    /// Cuts a text into words, each with what is known of it.
    pub(crate) fn read(&self, text: &str) -> Vec<Token> {
        let mut tokens = morphology::split(tokens(text), self);
        for token in &mut tokens {
            let id = self.words.get(token.word.as_str()).copied();
            token.known.by_sound = id.is_none();
            token.known.ids = match id {
                Some(known) => [id, self.likeness().homophone(known, &token.word)],
                None => self.likeness().by_sound(&token.word),
            };
            token.known.ordinal = token.known.first().and_then(|id| self.ordinals.get(&id)).copied();
        }
        for index in 0..tokens.len() {
            tokens[index].known.numeral = self.numeral(&tokens, index);
        }
        tokens
    }

    /// Whether a word stands in the lexicon as it is written.
    pub(crate) fn knows(&self, word: &str) -> bool {
        self.words.contains_key(word)
    }

    /// Whether a word sounds like one of the lexicon.
    pub(crate) fn knows_by_sound(&self, word: &str) -> bool {
        self.likeness().by_sound(word).iter().any(Option::is_some)
    }

    /// The longest phrase that begins at `tokens[start]`, with its length in tokens.
    pub(crate) fn longest(&self, tokens: &[Token], start: usize) -> Option<(&[Meaning], usize)> {
        self.phrases(tokens, start).last()
    }

    /// The phrases that begin at `tokens[start]` with their lengths in tokens, the shortest first.
    pub(crate) fn phrases<'l>(
        &'l self,
        tokens: &[Token],
        start: usize,
    ) -> impl Iterator<Item = (&'l [Meaning], usize)> {
        let mut node = 0;
        let nodes = tokens[start..].iter().map_while(move |token| {
            node = token.known.ids.iter().flatten().find_map(|&word| self.edges.get(&(node, word)).copied())?;
            Some(node)
        });
        let meanings = nodes.map(|node| self.meanings[node as usize].as_slice());
        meanings.zip(1..).filter(|(meanings, _)| !meanings.is_empty())
    }

    /// What an unknown word most likely is, if it looks like the name of a category, fabric, weave
    /// or colour in Latin letters.
    pub(crate) fn near(&self, word: &str) -> Option<&[Meaning]> {
        self.likeness().nearest(word).map(|node| self.meanings[node as usize].as_slice())
    }

    /// Every concept with its kind, in a fixed order.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&'static str, &Entry<'static>)> {
        self.entries.iter().map(|(kind, entry)| (*kind, entry))
    }

    /// Every phrase that stands for something of products, with that.
    pub(crate) fn phrases_of_products(&self) -> impl Iterator<Item = (Meaning, &'static str)> {
        self.entries().flat_map(|(kind, entry)| {
            let meaning = meaning(kind, entry.value).ok();
            let phrases = entry.spellings.values().chain(entry.misspellings.values()).flatten();
            phrases.filter_map(move |&phrase| Some((meaning?, phrase)))
        })
    }

    /// The concepts of one kind, in the file's order.
    pub(crate) fn of_kind<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Entry<'static>> {
        self.entries().filter(move |(k, _)| *k == kind).map(|(_, entry)| entry)
    }
}

/// About how many words and phrases there are, so that the tables grow once.
const EXPECTED_WORDS: usize = 8_192;
const EXPECTED_PHRASES: usize = 16_384;

fn no_value(kind: &str, value: &str) -> LexiconError {
    LexiconError::Value { kind: kind.to_owned(), value: value.to_owned() }
}

fn meaning(kind: &str, value: &'static str) -> Result<Meaning, LexiconError> {
    Ok(match kind {
        "category" => Meaning::Category(value),
        "fabric" => Meaning::Fabric(value),
        "weave" => Meaning::Weave(value),
        "color" => Meaning::Color(value),
        "occasion" => Meaning::Occasion(value),
        "feature" => Meaning::Feature(value),
        "size" => Meaning::Size(closed(kind, value)?),
        "sort" => Meaning::Sort(closed(kind, value)?),
        "aspect" => Meaning::Aspect(closed(kind, value)?),
        "policy" => Meaning::Policy(closed(kind, value)?),
        "page" => Meaning::Page(closed(kind, value)?),
        "bound" => Meaning::Bound(closed(kind, value)?),
        "cue" => Meaning::Cue(closed(kind, value)?),
        "filler" => Meaning::Filler,
        _ => return Err(LexiconError::Kind(kind.to_owned())),
    })
}

fn closed<T: DeserializeOwned>(kind: &str, value: &str) -> Result<T, LexiconError> {
    serde_json::from_value(serde_json::Value::String(value.to_owned())).map_err(|_| no_value(kind, value))
}

/// The canonical value of `word` among the entries of a slot-valued `kind` (`category`, `fabric`,
/// `weave`, `color`, `occasion`), whatever its spelling: `golden` → `gold`. The shop indexes its
/// products by it, so that catalogue and shoppers agree. `None` if the lexicon does not know it.
pub fn canonical(kind: &str, word: &str) -> Option<&'static str> {
    let tokens = LEXICON.read(word);
    let (meanings, length) = LEXICON.longest(&tokens, 0)?;
    let values = meanings.iter().filter(|_| length == tokens.len());
    values.copied().find_map(|meaning| match (kind, meaning) {
        ("category", Meaning::Category(value))
        | ("fabric", Meaning::Fabric(value))
        | ("weave", Meaning::Weave(value))
        | ("color", Meaning::Color(value))
        | ("occasion", Meaning::Occasion(value)) => Some(value),
        _ => None,
    })
}
