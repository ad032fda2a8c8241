//! A text cut into items: phrases of the lexicon, numbers, ordinals, and words that nobody knows.

use std::ops::Range;

use super::certainty::Match;
use super::lexicon::LEXICON;
use super::normalise::Token;
use super::numbers::{Number, number_at, ordinal_at};
use super::terms::{Bound, Cue, Meaning, Sort};

/// What an item is, before its neighbours are considered.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Sense {
    Known(&'static [Meaning]),
    Number(Number),
    /// A position from 1.
    Ordinal(u8),
    Unknown,
}

/// A phrase of the sentence.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub sense: Sense,
    /// The tokens it spans.
    pub tokens: Range<usize>,
    /// Whether a slot or reference took it.
    pub used: bool,
    /// Whether it was refused (`not silk`) in a way that no slot can express.
    pub refused: bool,
    /// How the lexicon found its phrase.
    pub matched: Match,
}

impl Item {
    pub(crate) fn meanings(&self) -> &'static [Meaning] {
        match self.sense {
            Sense::Known(meanings) => meanings,
            _ => &[],
        }
    }

    pub(crate) fn is(&self, cue: Cue) -> bool {
        self.meanings().contains(&Meaning::Cue(cue))
    }

    pub(crate) fn is_filler(&self) -> bool {
        self.meanings().contains(&Meaning::Filler)
    }

    pub(crate) fn bound(&self, wanted: &[Bound]) -> Option<Bound> {
        self.meanings().iter().find_map(|meaning| match meaning {
            Meaning::Bound(bound) if wanted.contains(bound) => Some(*bound),
            _ => None,
        })
    }

    pub(crate) fn number(&self) -> Option<Number> {
        match self.sense {
            Sense::Number(number) => Some(number),
            _ => None,
        }
    }

    /// The first value among the item's meanings that `pick` accepts.
    pub(crate) fn find<T>(&self, pick: impl Fn(Meaning) -> Option<T>) -> Option<T> {
        self.meanings().iter().copied().find_map(pick)
    }

    pub(crate) fn category(&self) -> Option<&'static str> {
        self.find(|meaning| if let Meaning::Category(value) = meaning { Some(value) } else { None })
    }

    pub(crate) fn color(&self) -> Option<&'static str> {
        self.find(|meaning| if let Meaning::Color(value) = meaning { Some(value) } else { None })
    }

    pub(crate) fn sort(&self) -> Option<Sort> {
        self.find(|meaning| if let Meaning::Sort(sort) = meaning { Some(sort) } else { None })
    }

    /// Whether it asks about something: an aspect of a product, or a policy.
    pub(crate) fn is_question(&self) -> bool {
        self.meanings().iter().any(|meaning| matches!(meaning, Meaning::Aspect(_) | Meaning::Policy(_)))
    }

    pub(crate) fn describes_products(&self) -> bool {
        self.meanings().iter().any(|meaning| meaning.describes_products())
    }
}

/// A text and its items, in order.
#[derive(Debug)]
pub(crate) struct Sentence<'t> {
    pub text: &'t str,
    pub tokens: Vec<Token>,
    pub items: Vec<Item>,
}

impl<'t> Sentence<'t> {
    pub(crate) fn read(text: &'t str) -> Self {
        let tokens = LEXICON.read(text);
        let mut items = Vec::with_capacity(tokens.len());
        let mut at = 0;
        while at < tokens.len() {
            let (sense, length) = sense_at(&tokens, at);
            let matched = match sense {
                Sense::Known(_) if !tokens[at].known.is_anything() => Match::Guess,
                Sense::Known(_) if tokens[at..at + length].iter().any(|token| token.known.by_sound) => Match::Sound,
                _ => Match::Exact,
            };
            items.push(Item { sense, tokens: at..at + length, used: false, refused: false, matched });
            at += length;
        }
        Self { text, tokens, items }
    }

    /// The normalised words of an item.
    pub(crate) fn words(&self, index: usize) -> impl Iterator<Item = &str> {
        let range = self.items.get(index).map_or(0..0, |item| item.tokens.clone());
        self.tokens[range].iter().map(|token| token.word.as_str())
    }

    /// Whether the item is the single word `word`.
    pub(crate) fn is_word(&self, index: usize, word: &str) -> bool {
        let mut words = self.words(index);
        words.next() == Some(word) && words.next().is_none()
    }

    pub(crate) fn has_word(&self, word: &str) -> bool {
        self.tokens.iter().any(|token| token.word == word)
    }

    pub(crate) fn has(&self, cue: Cue) -> bool {
        self.items.iter().any(|item| item.is(cue))
    }

    /// The item before `index` that carries meaning, if any.
    pub(crate) fn before(&self, index: usize) -> Option<usize> {
        (0..index).rev().find(|&i| !self.items[i].is_filler())
    }

    /// `I don't want`, `I no longer need`.
    pub(crate) fn disowns(&self, index: usize) -> bool {
        self.items[index].is(Cue::Remove) && self.words(index).any(|word| word == "not" || word == "longer")
    }

    /// Whether the item says that what follows is not wanted in a search. `I don't want the
    /// stole` speaks of a certain stole, so it takes that one away instead.
    pub(crate) fn negates(&self, index: usize) -> bool {
        let certain = |word: &str| matches!(word, "the" | "this" | "that" | "my" | "it" | "these");
        let speaks_of_one = self.words(index + 1).any(certain) || self.has_word("anymore") || self.has_word("longer");
        self.items[index].is(Cue::Not) || (self.disowns(index) && !speaks_of_one)
    }

    /// Whether a comma or the end of a sentence stands before the item.
    pub(crate) fn pause_before(&self, index: usize) -> bool {
        let Some(before) = index.checked_sub(1) else { return true };
        let end = self.tokens[self.items[before].tokens.end - 1].span.end;
        let start = self.tokens[self.items[index].tokens.start].span.start;
        self.text.get(end..start).is_some_and(|gap| gap.contains([',', ';', '.', '!', '?', '।']))
    }

    /// Whether the end of a sentence stands before the item.
    pub(crate) fn ends_before(&self, index: usize) -> bool {
        let Some(before) = index.checked_sub(1).filter(|_| index < self.items.len()) else { return false };
        let end = self.tokens[self.items[before].tokens.end - 1].span.end;
        let start = self.tokens[self.items[index].tokens.start].span.start;
        // `Rs. 500` ends nothing.
        let currency = self.items[before].bound(&[Bound::Currency]).is_some();
        !currency && self.text.get(end..start).is_some_and(|gap| gap.contains(['.', '!', '?', ';', '।']))
    }

    /// What the shopper wrote for the items from `start` up to `end`.
    pub(crate) fn part(&self, start: usize, end: usize) -> &'t str {
        match (self.items.get(start), end.checked_sub(1).and_then(|last| self.items.get(last))) {
            (Some(first), Some(last)) if start < end => {
                &self.text[self.tokens[first.tokens.start].span.start..self.tokens[last.tokens.end - 1].span.end]
            }
            _ => "",
        }
    }

    /// Whether the number at `index` names a position: `number two`, but not `the second item two`.
    pub(crate) fn is_numbered(&self, index: usize) -> bool {
        let Some(noun) = index.checked_sub(1).filter(|&i| self.items[i].is(Cue::Item)) else { return false };
        !noun.checked_sub(1).is_some_and(|i| matches!(self.items[i].sense, Sense::Ordinal(_)))
    }

    /// What the shopper wrote for an item, as they wrote it.
    pub(crate) fn original(&self, index: usize) -> &'t str {
        let range = &self.items[index].tokens;
        match (self.tokens.get(range.start), self.tokens.get(range.end.saturating_sub(1))) {
            (Some(first), Some(last)) => &self.text[first.span.start..last.span.end],
            _ => "",
        }
    }
}

/// `వెయ్యి` is a thousand, and at the end of a sentence it is `put`.
fn is_closing_verb(phrase: Option<(&[Meaning], usize)>, words_left: usize) -> bool {
    words_left == 1 && phrase.is_some_and(|(meanings, _)| meanings.contains(&Meaning::Cue(Cue::Add)))
}

/// The longest reading wins; at equal length a number beats a phrase, except `one`, which is
/// mostly a pronoun.
fn sense_at(tokens: &[Token], at: usize) -> (Sense, usize) {
    let phrase = LEXICON.longest(tokens, at);
    let phrase_length = phrase.map_or(0, |(_, length)| length);
    let pronoun = tokens[at].word == "one" || is_closing_verb(phrase, tokens.len() - at);
    if let Some(number) = number_at(tokens, at)
        && number.tokens >= phrase_length
        && !(pronoun && number.tokens == 1)
    {
        let ordinal = ordinal_at(tokens, at).filter(|(_, length)| *length > number.tokens);
        return ordinal.map_or((Sense::Number(number), number.tokens), |(n, length)| (Sense::Ordinal(n), length));
    }
    if let Some((position, length)) = ordinal_at(tokens, at).filter(|(_, length)| *length >= phrase_length) {
        return (Sense::Ordinal(position), length);
    }
    if let Some((meanings, length)) = phrase {
        return (Sense::Known(meanings), length);
    }
    LEXICON.near(&tokens[at].word).map_or((Sense::Unknown, 1), |meanings| (Sense::Known(meanings), 1))
}
