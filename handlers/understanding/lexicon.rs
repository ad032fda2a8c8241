//! The lexicon: which phrases stand for what. It is data (`lexicon.json`), one entry per concept
//! with its spellings by language, so that a shopkeeper can review it and a new language is a
//! new key. `spellings` are what people say; `misspellings` are how recognisers, typists and
//! transliteration write it. A phrase may have meanings of several kinds; which one counts is
//! decided by what stands around it.

use std::collections::HashMap;
use std::sync::LazyLock;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::normalise::{Token, tokens};
use super::terms::Meaning;

/// The lexicon's source text, as reviewed.
const SOURCE: &str = include_str!("lexicon.json");

/// The one lexicon of the process, parsed at first use.
pub(crate) static LEXICON: LazyLock<Lexicon> = LazyLock::new(|| {
    // The text is part of the program, and a test parses it.
    Lexicon::parse(SOURCE).expect("the embedded lexicon is valid")
});

/// The lexicon file: kind → entries.
type Source<'a> = HashMap<&'a str, Vec<Entry<'a>>>;

/// One concept of the lexicon.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Entry<'a> {
    /// The canonical value.
    pub value: &'a str,
    /// What people say, by language, the most usual first.
    #[serde(borrow)]
    pub spellings: HashMap<&'a str, Vec<&'a str>>,
    /// Other ways in which that gets written, by language.
    #[serde(borrow, default)]
    pub misspellings: HashMap<&'a str, Vec<&'a str>>,
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
type WordId = u32;

/// A prefix tree over words, and an index of single words for those that are spelled wrong.
pub(crate) struct Lexicon {
    words: HashMap<String, WordId>,
    edges: HashMap<(u32, WordId), u32>,
    meanings: Vec<Vec<Meaning>>,
    /// Words that name products, by first letter, to compare unknown words with.
    product_words: HashMap<char, Vec<ProductWord>>,
    entries: Vec<(&'static str, Entry<'static>)>,
}

struct ProductWord {
    word: String,
    skeleton: String,
    node: u32,
}

impl Lexicon {
    pub(crate) fn parse(source: &'static str) -> Result<Self, LexiconError> {
        let file: Source<'static> = serde_json::from_str(source)?;
        let mut kinds: Vec<_> = file.into_iter().collect();
        kinds.sort_by_key(|(kind, _)| *kind);
        let mut lexicon = Self {
            words: HashMap::new(),
            edges: HashMap::new(),
            meanings: vec![Vec::new()],
            product_words: HashMap::new(),
            entries: Vec::new(),
        };
        for (kind, entries) in kinds {
            for entry in entries {
                let meaning = meaning(kind, entry.value)?;
                for phrase in entry.spellings.values().chain(entry.misspellings.values()).flatten() {
                    lexicon.insert(phrase, meaning);
                }
                lexicon.entries.push((kind, entry));
            }
        }
        lexicon.index_product_words();
        Ok(lexicon)
    }

    fn insert(&mut self, phrase: &str, meaning: Meaning) {
        let mut node = 0;
        for token in tokens(phrase) {
            let next_word = self.words.len() as WordId;
            let word = *self.words.entry(token.word).or_insert(next_word);
            let next_node = self.meanings.len() as u32;
            let child = *self.edges.entry((node, word)).or_insert(next_node);
            if child == next_node {
                self.meanings.push(Vec::new());
            }
            node = child;
        }
        let meanings = &mut self.meanings[node as usize];
        if !meanings.contains(&meaning) {
            meanings.push(meaning);
        }
    }

    fn index_product_words(&mut self) {
        for (word, id) in &self.words {
            let Some(&node) = self.edges.get(&(0, *id)) else { continue };
            let names_products = self.meanings[node as usize].iter().any(|meaning| {
                matches!(meaning, Meaning::Category(_) | Meaning::Fabric(_) | Meaning::Weave(_) | Meaning::Color(_))
            });
            if let Some(first) = word.chars().next().filter(|_| names_products && word.len() >= MIN_CANDIDATE) {
                let entry = ProductWord { word: word.clone(), skeleton: skeleton(word), node };
                self.product_words.entry(sound_class(first)).or_default().push(entry);
            }
        }
        for words in self.product_words.values_mut() {
            words.sort_by(|a, b| a.word.cmp(&b.word));
        }
    }

    /// The longest phrase that begins at `tokens[start]`, with its length in tokens.
    pub(crate) fn longest(&self, tokens: &[Token], start: usize) -> Option<(&[Meaning], usize)> {
        let mut node = 0;
        let mut found = None;
        for (index, token) in tokens[start..].iter().enumerate() {
            let Some(&child) = self.words.get(&token.word).and_then(|&word| self.edges.get(&(node, word))) else {
                break;
            };
            node = child;
            let meanings = &self.meanings[node as usize];
            if !meanings.is_empty() {
                found = Some((meanings.as_slice(), index + 1));
            }
        }
        found
    }

    /// What an unknown word most likely is, if it sounds or looks like the name of a category,
    /// fabric, weave or colour: equal consonants and at most two letters apart, or one slip in a
    /// long word. Short words are never guessed; too many English words are near them.
    pub(crate) fn near(&self, word: &str) -> Option<&[Meaning]> {
        if !(MIN_GUESSED..=MAX_GUESSED).contains(&word.len()) {
            return None;
        }
        let sound = skeleton(word);
        let candidates = self.product_words.get(&sound_class(word.chars().next()?))?;
        let distance = |candidate: &ProductWord| {
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
        let best =
            candidates.iter().filter_map(|candidate| Some((distance(candidate)?, candidate))).min_by_key(|c| c.0)?;
        Some(&self.meanings[best.1.node as usize])
    }

    /// Every concept with its kind, in a fixed order.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&'static str, &Entry<'static>)> {
        self.entries.iter().map(|(kind, entry)| (*kind, entry))
    }

    /// The concepts of one kind, in the file's order.
    pub(crate) fn of_kind<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Entry<'static>> {
        self.entries().filter(move |(k, _)| *k == kind).map(|(_, entry)| entry)
    }
}

/// Shorter words of the lexicon are not candidates for a guess.
const MIN_CANDIDATE: usize = 5;
/// Shorter words are not guessed: `short`, `block` and `model` would become products.
const MIN_GUESSED: usize = 6;
/// No word of the lexicon is longer than this by more than a slip.
const MAX_GUESSED: usize = 18;

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
    let invalid = || LexiconError::Value { kind: kind.to_owned(), value: value.to_owned() };
    serde_json::from_value(serde_json::Value::String(value.to_owned())).map_err(|_| invalid())
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

/// The canonical value of `word` among the entries of a slot-valued `kind` (`category`, `fabric`,
/// `weave`, `color`, `occasion`), whatever its spelling: `golden` → `gold`. The shop indexes its
/// products by it, so that catalogue and shoppers agree. `None` if the lexicon does not know it.
pub fn canonical(kind: &str, word: &str) -> Option<&'static str> {
    let tokens = tokens(word);
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

/// Whether a product's `fabric`, as the catalogue words it, satisfies `wanted`: every word of the
/// canonical wanted fabric occurs in it. `silk` is in `chanderi silk`, `tussar` in `tasar silk`.
pub fn fabric_includes(fabric: &str, wanted: &str) -> bool {
    let have = tokens(fabric);
    let canonical_fabric = canonical("fabric", fabric);
    let asked = wanted.to_lowercase();
    let says = |word: &str| asked.split_whitespace().any(|said| said == word);
    // A value that says more than its canonical one, as `raw silk` does, is taken at its word.
    let wanted = match canonical("fabric", &asked) {
        Some(plain) if !plain.split_whitespace().all(says) => plain.to_owned(),
        _ => asked,
    };
    canonical_fabric == Some(wanted.as_str())
        || wanted.split_whitespace().all(|word| have.iter().any(|token| token.word == word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_is_a_value_of_its_kind() {
        let lexicon = Lexicon::parse(SOURCE).expect("the lexicon parses");
        let categories: Vec<_> = lexicon.of_kind("category").map(|entry| entry.value).collect();
        let canonical =
            ["sarees", "kurtas", "dupattas", "suits", "stoles", "jackets", "shirts", "lehengas", "shawls", "blouses"];
        assert_eq!(categories, canonical);
        for (kind, entry) in lexicon.entries() {
            let languages: Vec<_> = entry.spellings.keys().chain(entry.misspellings.keys()).collect();
            assert!(languages.iter().all(|tag| ["en", "hi", "te"].contains(*tag)), "{kind} {}", entry.value);
            assert!(entry.spellings.get("en").is_some_and(|words| !words.is_empty()), "{kind} {}", entry.value);
            let phrases = entry.spellings.values().chain(entry.misspellings.values()).flatten();
            assert!(phrases.into_iter().all(|phrase| !tokens(phrase).is_empty()), "{kind} {}", entry.value);
        }
    }

    #[test]
    fn no_phrase_is_two_slot_values_of_one_kind() {
        for meanings in &LEXICON.meanings {
            let kinds: Vec<_> = meanings
                .iter()
                .filter(|meaning| !matches!(meaning, Meaning::Cue(_) | Meaning::Bound(_)))
                .map(std::mem::discriminant)
                .collect();
            for (index, kind) in kinds.iter().enumerate() {
                assert!(!kinds[..index].contains(kind), "{meanings:?}");
            }
        }
    }

    #[test]
    fn a_bad_lexicon_is_refused() {
        let kind = r#"{"colour": [{"value": "red", "spellings": {"en": ["red"]}}]}"#;
        assert!(matches!(Lexicon::parse(kind), Err(LexiconError::Kind(_))));
        let value = r#"{"size": [{"value": "XM", "spellings": {"en": ["xm"]}}]}"#;
        assert!(matches!(Lexicon::parse(value), Err(LexiconError::Value { .. })));
        assert!(matches!(Lexicon::parse("[]"), Err(LexiconError::Json(_))));
    }

    #[test]
    fn the_longest_phrase_wins() {
        let said = tokens("navy blue saree");
        assert_eq!(LEXICON.longest(&said, 0), Some((&[Meaning::Color("navy")][..], 2)));
    }

    #[test]
    fn unknown_spellings_are_guessed_by_sound_but_english_is_left_alone() {
        for (word, weave) in [
            ("kanjeevarum", "kanjivaram"),
            ("pochampallee", "pochampally"),
            ("banarassi", "banarasi"),
            ("chandeeri", "chanderi"),
            ("paithanni", "paithani"),
        ] {
            let known = LEXICON.longest(&tokens(word), 0).map(|(meanings, _)| meanings);
            let meanings = known.or_else(|| LEXICON.near(word)).unwrap_or_default();
            assert!(meanings.contains(&Meaning::Weave(weave)), "{word}: {meanings:?}");
        }
        for word in [
            "weather",
            "music",
            "restaurant",
            "news",
            "minister",
            "banana",
            "pizza",
            "cricket",
            "movie",
            "story",
            "flight",
            "hotel",
            "phone",
            "laptop",
            "sugar",
            "doctor",
            "capital",
            "minute",
            "recipe",
            "chicken",
            "station",
            "short",
            "model",
            "shoes",
        ] {
            assert_eq!(LEXICON.near(word), None, "{word}");
        }
    }

    #[test]
    fn catalogue_words_become_canonical() {
        assert_eq!(canonical("color", "Golden"), Some("gold"));
        assert_eq!(canonical("category", "lehenga"), Some("lehengas"));
        assert_eq!(canonical("color", "silk"), None);
        assert!(fabric_includes("chanderi silk", "silk"));
        assert!(fabric_includes("tussar silk", "tussar"));
        assert!(fabric_includes("khadi cotton", "khadi"));
        assert!(!fabric_includes("cotton", "cotton silk"));
        assert!(fabric_includes("raw silk", "raw silk"));
        assert!(!fabric_includes("chanderi silk", "raw silk"));
        assert!(fabric_includes("tussar silk", "Tasar"));
    }
}
