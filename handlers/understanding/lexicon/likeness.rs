//! What a word that stands in no entry can be: one that sounds like it, or one that looks like it.

use std::borrow::Cow;

use rustc_hash::FxHashMap;

use super::WordId;
use super::guess::Guesses;
use crate::understanding::sound::sound;

/// Shorter sounds of words in Latin letters are shared by too many English words.
pub(in crate::understanding) const MIN_LATIN_SOUND: usize = 4;
/// Shorter sounds are shared by too many words: `టీ` is tea.
pub(in crate::understanding) const MIN_INDIC_SOUND: usize = 3;
/// Shorter sounds of English words are shared by too many Indian ones.
const MIN_ENGLISH_SOUND: usize = 3;

/// Shorter beginnings are shared by words of different meanings, in letters of the key.
const LEAST_STEM: usize = 5;
const LEAST_LATIN_STEM: usize = 6;
/// Longer endings are no endings.
const MOST_ENDING: usize = 4;

/// Indices of single words by sound and by looks.
pub(super) struct Likeness {
    /// Words of Hindi and Telugu, in any script; the first two of one sound.
    indian: FxHashMap<String, [Option<WordId>; 2]>,
    /// The same by sound, in order, to find words with other endings.
    sorted: Vec<(String, WordId)>,
    is_indian: Vec<bool>,
    /// English words, as an Indic script spells them.
    english: FxHashMap<String, WordId>,
    guesses: Guesses,
}

impl Likeness {
    /// Indexes all words; `indian` lists those of Hindi and Telugu, `names_products` gives the node
    /// of the prefix tree under which a word names products.
    pub(super) fn new(
        words: &FxHashMap<Cow<'static, str>, WordId>,
        indian: &[WordId],
        names_products: impl Fn(WordId) -> Option<u32>,
    ) -> Self {
        let mut by_id: Vec<&str> = vec![""; words.len()];
        for (word, &id) in words {
            by_id[id as usize] = word;
        }
        let mut this = Self {
            indian: FxHashMap::default(),
            sorted: Vec::new(),
            is_indian: vec![false; by_id.len()],
            english: FxHashMap::default(),
            guesses: Guesses::default(),
        };
        for &id in indian {
            if !std::mem::replace(&mut this.is_indian[id as usize], true) {
                this.index_indian(by_id[id as usize], id);
            }
        }
        for (id, word) in (0..).zip(by_id) {
            if !this.is_indian[id as usize] {
                let key = sound(word);
                if key.len() >= MIN_ENGLISH_SOUND {
                    this.english.entry(key).or_insert(id);
                }
            }
            if let Some(node) = names_products(id) {
                this.guesses.push(word, node);
            }
        }
        this.guesses.sort();
        this.sorted.sort();
        this
    }

    fn index_indian(&mut self, word: &str, id: WordId) {
        let key = sound(word);
        if key.len() >= LEAST_STEM {
            self.sorted.push((key.clone(), id));
        }
        let [first, second] = self.indian.entry(key).or_default();
        match (&first, &second) {
            (None, _) => *first = Some(id),
            (Some(_), None) => *second = Some(id),
            _ => {}
        }
    }

    /// The words that sound like `word`; English ones only for a word in an Indic script.
    pub(super) fn by_sound(&self, word: &str) -> [Option<WordId>; 2] {
        let latin = word.starts_with(|c: char| c.is_ascii_lowercase());
        let indic = word.starts_with(|c: char| matches!(c, '\u{0900}'..='\u{097F}' | '\u{0C00}'..='\u{0C7F}'));
        if !(latin || indic) {
            return [None, None];
        }
        let key = sound(word);
        if key.len() < if latin { MIN_LATIN_SOUND } else { MIN_INDIC_SOUND } {
            return [None, None];
        }
        match self.indian.get(&key) {
            Some(ids) => *ids,
            None if indic && self.english.contains_key(&key) => [self.english.get(&key).copied(), None],
            None => [self.by_stem(&key, if latin { LEAST_LATIN_STEM } else { LEAST_STEM }), None],
        }
    }

    /// The other word that an Indian word of the lexicon sounds like: `thakkuva` is `takkuva`.
    pub(super) fn homophone(&self, id: WordId, word: &str) -> Option<WordId> {
        if !self.is_indian[id as usize] {
            return None;
        }
        self.indian.get(&sound(word))?.iter().flatten().copied().find(|&other| other != id)
    }

    /// The word that begins as this one does and only ends differently: `చూపించమ్మా` is `చూపించు`.
    fn by_stem(&self, key: &str, least: usize) -> Option<WordId> {
        let at = self.sorted.partition_point(|(other, _)| other.as_str() < key);
        let neighbours = [at.checked_sub(1), Some(at)].into_iter().flatten().filter_map(|index| self.sorted.get(index));
        let shared = |other: &str| key.bytes().zip(other.bytes()).take_while(|(a, b)| a == b).count();
        let best = neighbours.map(|(other, id)| (shared(other), other, *id)).max_by_key(|(length, ..)| *length)?;
        let (length, other, id) = best;
        let ends = |word: &str| word.len() - length <= MOST_ENDING;
        (length >= least && ends(key) && ends(other)).then_some(id)
    }

    /// The node of the product's name that looks most like `word`.
    pub(super) fn nearest(&self, word: &str) -> Option<u32> {
        self.guesses.nearest(word)
    }
}
