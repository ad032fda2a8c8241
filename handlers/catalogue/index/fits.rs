//! How well products fit one word of a search: the word as it is written, what it stands for, how it begins,
//! how it sounds, and at last what it was meant to be.

use super::Index;
use super::postings::Posting;
use super::terms::{Standing, TermId};
use crate::understanding::{Concept, SearchWord, guessed, opened, search_words, sound_key};

/// What a match is worth by how it came about; multiplied by the weight of the places of the word.
mod worth {
    pub(super) const EXACT: u16 = 8;
    /// By another word for the same.
    pub(super) const SYNONYM: u16 = 6;
    pub(super) const BEGINNING: u16 = 4;
    pub(super) const SOUND: u16 = 3;
    /// Added where a product has the very word.
    pub(super) const VERBATIM: u16 = 2;
    /// By what a match by a corrected word is divided.
    pub(super) const CORRECTED: u16 = 8;
}

/// Shorter beginnings of sounds are shared by too many words.
const LEAST_SOUND_BEGINNING: usize = 4;
/// A shorter word is cut of no plural ending, in letters.
const LEAST_PLURAL: usize = 4;
/// Values of more words, such as tags, are not sought as phrases.
const LONGEST_VALUE: usize = 4;
/// Shorter names of concepts are not sought as beginnings of other words.
const LEAST_NAME: usize = 3;

/// How well each product fits a word.
pub(super) struct Fit {
    /// By the product's number; 0 where it does not fit.
    pub scores: Vec<u16>,
    /// What the word was taken for.
    pub corrected: Option<String>,
}

impl Fit {
    pub(super) fn fits(&self, doc: usize) -> bool {
        self.scores[doc] > 0
    }

    pub(super) fn is_empty(&self) -> bool {
        self.scores.iter().all(|&score| score == 0)
    }

    fn raise(&mut self, postings: &[Posting], worth: u16) {
        for posting in postings {
            let score = &mut self.scores[posting.doc() as usize];
            *score = (*score).max(posting.places().weight() * worth);
        }
    }

    fn add_where_found(&mut self, postings: &[Posting], worth: u16) {
        for posting in postings {
            let score = &mut self.scores[posting.doc() as usize];
            if *score > 0 {
                *score = score.saturating_add(posting.places().weight() * worth);
            }
        }
    }
}

impl Index {
    /// How well products fit the last of some words; `None` where it says nothing about products. It depends on
    /// the word and what is said before it, so that a further word never makes more products fit. `correct` says
    /// whether a word that nothing has may be taken for misspelt.
    pub(super) fn fit(&self, words: &[SearchWord], correct: bool) -> Option<Fit> {
        let word = words.last()?;
        if word.is_functional && !word.by_sound && !self.is_term(&word.word) {
            return None;
        }
        let mut fit = self.fit_uncorrected(word);
        for &concept in &word.phrases {
            self.raise_concept(&mut fit, concept, worth::EXACT);
        }
        for length in 2..=LONGEST_VALUE.min(words.len()) {
            let said: Vec<&str> = words[words.len() - length..].iter().map(|word| word.word.as_str()).collect();
            if let Some(term) = self.terms.find(&said.join(" ")) {
                fit.add_where_found(self.postings.of(term as usize), worth::EXACT);
            }
        }
        if !fit.is_empty() {
            return Some(fit);
        }
        if word.is_functional {
            return None;
        }
        // A word that is known, and that no product has, is no slip.
        if !correct || (!word.concepts.is_empty() && !word.by_sound) {
            return Some(fit);
        }
        Some(self.correction(&word.word).map_or(fit, |corrected| self.fit_corrected(corrected)))
    }

    fn nothing(&self) -> Fit {
        Fit { scores: vec![0; self.len()], corrected: None }
    }

    fn fit_uncorrected(&self, word: &SearchWord) -> Fit {
        let mut fit = self.nothing();
        let text = word.word.as_str();
        let is_latin = text.starts_with(|c: char| c.is_ascii_lowercase());
        // Properties are grouped widely, `short` with `long`: they say less than the word itself.
        let is_loose = |concept: &Concept| matches!(concept, Concept::Feature(_));
        let known = !word.by_sound && !word.concepts.iter().all(is_loose);
        // What is known finds the same in every script, so a translation adds nothing to it.
        let said = (!known || is_latin) && self.raise_word(&mut fit, text, worth::EXACT);
        for &concept in &word.concepts {
            if said && is_latin && is_loose(&concept) {
                continue;
            }
            let is_its_name = variants(concept.name()).any(|name| name == text);
            let worth = match (word.by_sound, is_its_name) {
                (true, _) => worth::SOUND,
                (false, true) => worth::EXACT,
                (false, false) => worth::SYNONYM,
            };
            self.raise_concept(&mut fit, concept, worth);
        }
        if !known || fit.is_empty() {
            self.raise_beginnings(&mut fit, text, said);
            self.raise_sounds(&mut fit, text);
        }
        if fit.is_empty() {
            opened(text).iter().for_each(|&concept| self.raise_concept(&mut fit, concept, worth::BEGINNING));
        }
        if let Some(term) = self.terms.find(text) {
            fit.add_where_found(self.postings.of(term as usize), worth::VERBATIM);
        }
        fit
    }

    /// The products that have a word in the singular or the plural; tells whether there are any.
    fn raise_word(&self, fit: &mut Fit, word: &str, worth: u16) -> bool {
        let mut any = false;
        for term in variants(word).filter_map(|variant| self.terms.find(&variant)) {
            fit.raise(self.postings.of(term as usize), worth);
            any = true;
        }
        any
    }

    /// The products that a concept was read of, and those in whose text it is named.
    fn raise_concept(&self, fit: &mut Fit, concept: Concept, worth: u16) {
        if let Ok(position) = self.concepts.binary_search(&concept) {
            fit.raise(self.concept_postings.of(position), worth);
        }
        let name = concept.name();
        if !name.contains(' ') && name.len() >= LEAST_NAME {
            self.raise_word(fit, name, worth);
            self.raise_all(fit, self.terms.starting_with(name), worth.min(worth::BEGINNING));
        }
    }

    fn raise_beginnings(&self, fit: &mut Fit, word: &str, said: bool) {
        // A single letter is a size, or the first that is typed.
        if !(said && word.chars().nth(1).is_none()) {
            self.raise_all(fit, self.terms.starting_with(singular(word)), worth::BEGINNING);
        }
    }

    fn raise_sounds(&self, fit: &mut Fit, word: &str) {
        let Some(key) = sound_key(word) else { return };
        self.raise_all(fit, self.terms.sounding(&key).iter().copied(), worth::SOUND);
        if key.len() >= LEAST_SOUND_BEGINNING {
            self.raise_all(fit, self.terms.starting_to_sound(&key).iter().copied(), worth::SOUND);
        }
    }

    fn raise_all(&self, fit: &mut Fit, terms: impl Iterator<Item = TermId>, worth: u16) {
        terms.for_each(|term| fit.raise(self.postings.of(term as usize), worth));
    }

    /// Whether the shop has the word as a value or a tag of products, like the `set` of `suit set`; words of
    /// two letters are never meant so.
    fn is_term(&self, word: &str) -> bool {
        let mut terms = variants(word).filter_map(|variant| self.terms.find(&variant));
        word.chars().count() > 2 && terms.any(|term| self.postings.places(term as usize).are_terms())
    }

    /// What a word that nothing has was meant to be: the nearest word of the catalogue, or a name of the trade.
    fn correction(&self, word: &str) -> Option<String> {
        let standing = |term: TermId| Standing {
            telling: self.postings.places(term as usize).are_telling(),
            products: self.postings.of(term as usize).len(),
        };
        let guess = guessed(word).filter(|concept| self.concepts.binary_search(concept).is_ok());
        match (self.terms.nearest(word, standing), guess) {
            (Some((term, distance)), guess) if distance == 1 || guess.is_none() => {
                Some(self.terms.text(term).to_owned())
            }
            (_, guess) => guess.map(|concept| concept.name().to_owned()),
        }
    }

    /// The same of what a word was meant to be, which may be two words run together.
    fn fit_corrected(&self, corrected: String) -> Fit {
        let words = search_words(&corrected);
        let parts: Vec<Fit> = (0..words.len()).filter_map(|at| self.fit(&words[..=at], false)).collect();
        let least = |doc: usize| parts.iter().map(|part| part.scores[doc]).min().unwrap_or(0);
        let scores = (0..self.len()).map(|doc| least(doc).div_ceil(worth::CORRECTED)).collect();
        Fit { scores, corrected: Some(corrected) }
    }
}

/// An English word without the ending of its plural.
fn singular(word: &str) -> &str {
    let stem = word.strip_suffix('s').filter(|stem| stem.len() >= LEAST_PLURAL - 1 && !stem.ends_with('s'));
    stem.unwrap_or(word)
}

/// A word as it is written, and an English one in its singular and plural.
fn variants(word: &str) -> impl Iterator<Item = String> {
    let english = word.len() >= LEAST_PLURAL - 1 && word.bytes().all(|b| b.is_ascii_lowercase());
    let mut forms = vec![word.to_owned()];
    if english {
        let stem = singular(word);
        forms.extend([stem.to_owned(), format!("{stem}s"), format!("{stem}es")]);
        forms.extend(word.strip_suffix("es").filter(|stem| stem.len() >= LEAST_PLURAL).map(str::to_owned));
        forms.extend(word.strip_suffix("ies").map(|stem| format!("{stem}y")));
        forms.extend(word.strip_suffix('y').map(|stem| format!("{stem}ies")));
    }
    forms.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plurals_and_singulars_are_one_word() {
        for (one, other) in
            [("saree", "sarees"), ("border", "borders"), ("dress", "dresses"), ("embroidery", "embroideries")]
        {
            assert!(variants(one).any(|form| form == other), "{one}");
            assert!(variants(other).any(|form| form == one), "{other}");
        }
        assert_eq!(variants("चीर").count(), 1);
        assert_eq!((singular("sarees"), singular("dress"), singular("gas")), ("saree", "dress", "gas"));
    }
}
