//! How strongly a sentence asks about one product: by what it points at, and by what it asks.

use super::Evidence;
use super::rules::ACTS;
use crate::understanding::reference::names_product;
use crate::understanding::sentence::Item;
use crate::understanding::terms::{Aspect, Cue, Meaning};

impl Evidence<'_, '_> {
    pub(super) fn read_product(&self) -> f64 {
        let one = self.points() || self.definite();
        let asks = self.aspect.is_some();
        let tells = self.any(&[Cue::Read, Cue::Choose]);
        if self.has(Cue::Cart) || self.refined() && self.aspect.is_none() {
            return 0.0;
        }
        let lists = self.has(Cue::Show) && !one;
        let singular = self.slots.category.is_some() && !self.any_plural();
        match () {
            () if asks && self.points() => 0.97,
            () if self.asks_whether() => 0.96,
            () if self.asks_about_this() => 0.96,
            () if asks && self.definite() => 0.95,
            () if tells && one => 0.95,
            () if self.has(Cue::Show) && one && !self.has(Cue::More) && !self.filtered() => 0.93,
            () if self.asks_stock(one) => 0.94,
            () if asks && self.only_asks() => 0.9,
            () if asks && singular && !lists && !self.has(Cue::Want) => 0.97,
            () if tells && singular && self.has(Cue::Read) => 0.97,
            () if asks && names_product(self.sentence) && self.asks_price() && !lists => 0.9,
            () if asks && !lists && !self.describes() && !self.has_unknown() => 0.72,
            () if self.only_read() => 0.8,
            () if one && self.content <= 2 && !self.has(Cue::Want) && !self.sentence.has_word("it") => 0.7,
            () => 0.0,
        }
    }

    /// `show me this in blue` filters, `show me the blue one` points.
    pub(super) fn filtered(&self) -> bool {
        let in_color =
            self.sentence.items.iter().enumerate().any(|(index, item)| item.color().is_some() && self.is_inside(index));
        self.slots.sort.is_some() || self.priced() || in_color || self.has(Cue::Filter)
    }

    /// `in blue`, `नीले रंग में`, `నీలం రంగులో`.
    fn is_inside(&self, index: usize) -> bool {
        let before = index > 0 && self.sentence.is_word(index - 1, "in");
        let behind = (index + 1..index + 3).flat_map(|next| self.sentence.words(next));
        before || behind.into_iter().any(|word| matches!(word, "में" | "mein" | "me" | "లో" | "lo" | "rangulo" | "రంగులో"))
    }

    /// `is it pure silk`, `does the first one come in red`.
    fn asks_whether(&self) -> bool {
        let opens = self.sentence.tokens.first().map(|token| token.word.as_str());
        let asks = matches!(opens, Some("is" | "are" | "does" | "was" | "has"))
            || (self.has(Cue::Question) && !self.any(&ACTS) && !self.has(Cue::Want) && self.describes());
        asks && self.points() && !self.has_unknown()
    }

    /// `how long is this saree`: a question about what the shopper looks at.
    fn asks_about_this(&self) -> bool {
        let opens = self.sentence.tokens.first().map(|token| token.word.as_str());
        let question = matches!(opens, Some("how" | "what" | "who" | "where" | "why" | "tell"));
        let shown = ["this", "that", "these"].iter().any(|word| self.sentence.has_word(word));
        let clear = names_product(self.sentence) || (shown && !self.has_unknown());
        question && clear && self.has(Cue::This) && !self.any(&[Cue::Show, Cue::Refine]) && self.slots.sort.is_none()
    }

    fn asks_stock(&self, one: bool) -> bool {
        one && !self.slots.sizes.is_empty() && !self.has(Cue::Want) && !self.has(Cue::Filter)
    }

    pub(super) fn asks_price(&self) -> bool {
        self.aspect == Some(Aspect::Price) && !self.any(&[Cue::Show, Cue::Filter])
    }

    fn any_plural(&self) -> bool {
        (0..self.sentence.items.len()).any(|index| self.plural(index))
    }

    /// `what does it cost`, `reviews`: nothing but the aspect and words that ask.
    fn only_asks(&self) -> bool {
        let asking = |item: &&Item| {
            let cues =
                [Cue::Read, Cue::Show, Cue::This, Cue::Item, Cue::ColorNoun, Cue::SizeNoun, Cue::Want, Cue::More];
            item.is_filler()
                || cues.iter().any(|&cue| item.is(cue))
                || item.meanings().iter().any(|meaning| matches!(meaning, Meaning::Aspect(_)))
        };
        self.sentence.items.iter().all(|item| asking(&item))
    }

    /// `describe it`, `read it out`, `tell me more`.
    fn only_read(&self) -> bool {
        self.has(Cue::Read) && self.accounted_cues(&[Cue::Read, Cue::This, Cue::More, Cue::Item])
    }
}
