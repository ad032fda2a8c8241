//! Words that are numbers, and words that are numbers only where one must stand.

use super::{Lexicon, Token};
use crate::understanding::numbers::Numeral;
use crate::understanding::terms::{Cue, Meaning};

/// What a word counts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    numeral: Numeral,
    /// `do`, `saath`, `tera` are English or other Hindi words, too.
    ambiguous: bool,
}

impl Entry {
    /// Reads a value of the lexicon; `?` behind it marks words with other meanings.
    pub(super) fn parse(value: &str) -> Option<Self> {
        let numeral = Numeral::parse(value.trim_end_matches('?'))?;
        Some(Self { numeral, ambiguous: value.ends_with('?') })
    }
}

impl Lexicon {
    /// The numeral of a word. Ambiguous ones count before a scale, a garment or a piece (`do hazaar`,
    /// `do piece`), before another number (`do teen hazaar`, `do se paanch`) and before a light verb
    /// (`do kar do`); ambiguous scales behind a number.
    pub(super) fn numeral(&self, tokens: &[Token], index: usize) -> Option<Numeral> {
        let Entry { numeral, ambiguous } = self.entry_of(tokens.get(index)?)?;
        if !ambiguous {
            return Some(numeral).filter(|_| !self.is_auxiliary(tokens, index));
        }
        if matches!(numeral, Numeral::Scale(_)) {
            return index.checked_sub(1).and_then(|before| tokens[before].known.numeral).map(|_| numeral);
        }
        let next = tokens.get(index + 1)?;
        let after_next = tokens.get(index + 2).and_then(|token| self.entry_of(token));
        let is_scale = |entry: Entry| matches!(entry.numeral, Numeral::Scale(_));
        let counts = match (self.entry_of(next), after_next) {
            (Some(scale), _) if is_scale(scale) => true,
            (Some(_), Some(scale)) => is_scale(scale),
            (None, Some(_)) => matches!(next.word.as_str(), "se" | "ya"),
            _ => false,
        };
        let made = matches!(next.word.as_str(), "kar" | "karo" | "kardo" | "karna" | "kijiye" | "karein" | "hi");
        (counts || made || self.is_one_piece(next)).then_some(numeral)
    }

    /// At the end of a sentence `दो` is `do it`, as in `भिजवा दो`, unless a quantity is being named.
    fn is_auxiliary(&self, tokens: &[Token], index: usize) -> bool {
        let Some(before) = index.checked_sub(1).map(|before| &tokens[before]) else { return false };
        let node = before.known.first().and_then(|id| self.edges.get(&(0, id)));
        let names_quantity = |node: &u32| self.meanings[*node as usize].contains(&Meaning::Cue(Cue::Quantity));
        tokens[index].word == "दो"
            && index + 1 == tokens.len()
            && before.known.numeral.is_none()
            && !node.is_some_and(names_quantity)
    }

    fn entry_of(&self, token: &Token) -> Option<Entry> {
        // Not by a homophone: `पार्टी` sounds like `फोर्टी`.
        self.numerals.get(&token.known.first()?).copied()
    }

    /// `piece`, `saree`: what a number can count, in the singular as Hindi has it.
    fn is_one_piece(&self, token: &Token) -> bool {
        let node = token.known.ids.iter().flatten().find_map(|&id| self.edges.get(&(0, id)));
        let counted = |meaning: &Meaning| matches!(meaning, Meaning::Category(_) | Meaning::Cue(Cue::Piece));
        node.is_some_and(|&node| self.meanings[node as usize].iter().any(counted)) && !token.word.ends_with('s')
    }
}
