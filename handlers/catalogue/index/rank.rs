//! A search from its words to a list in order: every word narrows it, and where nothing is left the words are
//! given up that fit worst.

use std::cmp::Reverse;

use super::Index;
use super::columns::Misses;
use super::fits::Fit;
use super::postings::Doc;
use crate::catalogue::{Facets, Search, Wording};
use crate::understanding::{SearchWord, Sort, search_words};

/// Words of a search at most, parts of words included; more say nothing more.
const MOST_WORDS: usize = 24;
/// So many words of a search are compared with all words of the catalogue at most, which is what takes longest.
const MOST_CORRECTIONS: usize = 4;

/// What a search found.
pub(in crate::catalogue) struct Ranked {
    /// The products' positions, in the order asked for.
    pub positions: Vec<u32>,
    pub facets: Facets,
    /// The search with its misspelt words corrected, where there are any.
    pub did_you_mean: Option<String>,
    /// The words that nothing fits together with the others, as they were written.
    pub ignored: Vec<String>,
}

/// A word with how well products fit it.
struct Asked {
    /// Its position among the words.
    at: usize,
    fit: Fit,
}

impl Index {
    /// Finds what all words fit and the filter allows.
    pub(in crate::catalogue) fn search(&self, search: &Search) -> Ranked {
        let mut words = search_words(&search.words);
        words.truncate(MOST_WORDS);
        let asked = self.ask(&words, search.wording);
        let misses = self.columns.misses(&search.filter);
        let mut found = self.fitting(&asked.iter().collect::<Vec<_>>());
        let mut ignored = Vec::new();
        if !asked.is_empty() && !any_allowed(&found, &misses) {
            let (kept, given_up) = self.relax(&asked, &misses);
            if !kept.is_empty() {
                found = self.fitting(&kept);
            }
            ignored = written(&search.words, given_up.into_iter().map(|asked| &words[asked.at]));
        }
        let all = (0..).zip(found.iter().zip(&misses));
        let facets =
            self.columns.count(all.filter(|(_, (score, _))| **score > 0).map(|(doc, (_, &misses))| (doc, misses)));
        for (score, misses) in found.iter_mut().zip(&misses) {
            *score *= u32::from(misses.is_none());
        }
        Ranked {
            positions: self.in_order(&found, search.sort),
            facets,
            did_you_mean: corrected(&search.words, &words, &asked),
            ignored,
        }
    }

    /// How well products fit each of the words that say something about them.
    fn ask(&self, words: &[SearchWord], wording: Wording) -> Vec<Asked> {
        let mut corrections = if wording == Wording::Typed { MOST_CORRECTIONS } else { 0 };
        let mut asked = Vec::with_capacity(words.len());
        for at in 0..words.len() {
            let Some(fit) = self.fit(&words[..=at], corrections > 0) else { continue };
            if fit.corrected.is_some() || fit.is_empty() {
                corrections = corrections.saturating_sub(1);
            }
            asked.push(Asked { at, fit });
        }
        asked
    }

    /// The score of every product that fits all words, by number; 0 of the others.
    fn fitting(&self, asked: &[&Asked]) -> Vec<u32> {
        let mut scores = vec![1_u32; self.len()];
        for Asked { fit, .. } in asked {
            for (score, &more) in scores.iter_mut().zip(&fit.scores) {
                *score = if *score > 0 && more > 0 { *score + u32::from(more) } else { 0 };
            }
        }
        scores
    }

    /// Which words to keep so that something is found, and which to give up. Words that were written right go
    /// before corrected ones, and of these the ones that tell most: that the fewest products have.
    fn relax<'a>(&self, asked: &'a [Asked], misses: &[Misses]) -> (Vec<&'a Asked>, Vec<&'a Asked>) {
        let count = |asked: &Asked| (0..self.len()).filter(|&doc| misses[doc].is_none() && asked.fit.fits(doc)).count();
        let mut counted: Vec<(usize, &Asked)> = asked.iter().map(|asked| (count(asked), asked)).collect();
        counted.sort_by_key(|(count, asked)| (asked.fit.corrected.is_some(), *count, asked.at));
        let (mut kept, mut given_up) = (Vec::new(), Vec::new());
        let mut left: Vec<bool> = misses.iter().map(|misses| misses.is_none()).collect();
        for (_, asked) in counted {
            if (0..self.len()).any(|doc| left[doc] && asked.fit.fits(doc)) {
                left.iter_mut().enumerate().for_each(|(doc, left)| *left &= asked.fit.fits(doc));
                kept.push(asked);
            } else {
                given_up.push(asked);
            }
        }
        given_up.sort_by_key(|asked| asked.at);
        (kept, given_up)
    }

    /// The positions of what was found.
    fn in_order(&self, found: &[u32], sort: Option<Sort>) -> Vec<u32> {
        let order = self.orders.iter().find(|(order, _)| Some(*order) == sort);
        let docs: Vec<Doc> = match order {
            Some((_, docs)) => docs.iter().copied().filter(|&doc| found[doc as usize] > 0).collect(),
            None => {
                let mut docs: Vec<(Reverse<u32>, Doc)> = found
                    .iter()
                    .zip(0..)
                    .filter(|(score, _)| **score > 0)
                    .map(|(score, doc)| (Reverse(*score), doc))
                    .collect();
                // Numbers follow popularity.
                docs.sort_unstable();
                docs.into_iter().map(|(_, doc)| doc).collect()
            }
        };
        docs.into_iter().map(|doc| self.docs[doc as usize]).collect()
    }
}

fn any_allowed(found: &[u32], misses: &[Misses]) -> bool {
    found.iter().zip(misses).any(|(&score, misses)| score > 0 && misses.is_none())
}

/// The words as they were written; parts of one word are told once.
fn written<'a>(text: &str, words: impl Iterator<Item = &'a SearchWord>) -> Vec<String> {
    let mut spans: Vec<_> = words.map(|word| word.span.clone()).collect();
    spans.dedup();
    spans.into_iter().filter_map(|span| text.get(span)).map(str::to_owned).collect()
}

/// The search with its misspelt words corrected, if there are any.
fn corrected(text: &str, words: &[SearchWord], asked: &[Asked]) -> Option<String> {
    let correction = |at: usize| asked.iter().find(|asked| asked.at == at)?.fit.corrected.as_deref();
    (0..words.len()).find(|&at| correction(at).is_some())?;
    let mut told: Vec<&str> = Vec::with_capacity(words.len());
    let mut last = None;
    for (at, word) in words.iter().enumerate() {
        match correction(at) {
            Some(corrected) => told.push(corrected),
            None if last == Some(&word.span) => {}
            None => told.extend(text.get(word.span.clone())),
        }
        last = Some(&word.span);
    }
    Some(told.join(" "))
}
