//! How strongly a sentence speaks for a search: by what it names, and by whether it asks.

use super::Evidence;
use crate::understanding::reference::names_product;
use crate::understanding::terms::{Cue, Meaning};

impl Evidence<'_, '_> {
    pub(super) fn search(&self) -> f64 {
        let slots = self.slots;
        let shows = self.any(&[Cue::Show, Cue::Want, Cue::Filter, Cue::Buy]);
        let dialogue =
            self.in_dialogue || self.any(&[Cue::One, Cue::Refine, Cue::Generic, Cue::Filter, Cue::ColorNoun]);
        let with = |asked: f64, talked: f64, bare: f64| {
            if shows {
                asked
            } else if dialogue {
                talked
            } else {
                bare
            }
        };
        let opens = self.sentence.tokens.first().map(|token| token.word.as_str());
        if matches!(opens, Some("why" | "who")) {
            return 0.45;
        }
        if self.asks_price() && !shows && !names_product(self.sentence) && !self.priced() {
            return 0.45;
        }
        match () {
            () if slots.category.is_some() && shows => 0.96,
            () if slots.category.is_some() || !slots.weave.is_empty() => 0.94,
            () if self.describes() => with(0.9, 0.88, 0.8),
            () if slots.sort.is_some() && self.has_unknown() => 0.6,
            () if slots.sort.is_some() => with(0.88, 0.88, 0.8),
            () if self.priced() => with(0.88, 0.86, 0.78),
            () if slots.occasion.is_some() && slots.sizes.is_empty() && self.has_unknown() => 0.62,
            () if !slots.sizes.is_empty() || slots.occasion.is_some() => with(0.86, 0.84, 0.74),
            () if self.has(Cue::More) && !self.reads() && (shows || !self.has_unknown()) => with(0.85, 0.8, 0.75),
            () if self.has(Cue::Filter) => 0.8,
            () if self.has(Cue::Refine) && self.has(Cue::Show) && self.content <= 2 => 0.8,
            () if self.has(Cue::Generic) && shows => 0.85,
            () if self.has_feature() => with(0.7, 0.6, 0.45),
            () if self.shows_only() => 0.6,
            () => 0.0,
        }
    }

    fn has_feature(&self) -> bool {
        let feature = |meaning: &Meaning| matches!(meaning, Meaning::Feature(_));
        self.sentence.items.iter().any(|item| !item.refused && item.meanings().iter().any(feature))
    }

    /// `show me something`, `i want to shop`.
    fn shows_only(&self) -> bool {
        let open = ["something", "anything", "everything", "shop", "shopping"];
        self.any(&[Cue::Show, Cue::Want]) && open.iter().any(|word| self.sentence.has_word(word))
    }
}
