//! One rule per intent: how strongly a sentence speaks for it, from 0 to 1. The numbers rank the
//! readings of one sentence against each other; what they rest on stands beside them.

use super::{Evidence, Intent};
use crate::understanding::certainty::Match;
use crate::understanding::reference::ProductReference;
use crate::understanding::sentence::{Item, Sense};
use crate::understanding::slots::Slots;
use crate::understanding::terms::{Cue, Meaning, Page, PolicyTopic};

/// Verbs beside which a light verb adds nothing.
pub(super) const ACTS: [Cue; 6] = [Cue::Add, Cue::Remove, Cue::Empty, Cue::Checkout, Cue::Buy, Cue::Take];

impl Evidence<'_, '_> {
    /// How strongly the sentence speaks for an intent, 0 to 1.
    pub(super) fn strength(&self, intent: Intent) -> f64 {
        match intent {
            Intent::Stop => self.stop(),
            Intent::AnswerPolicy => self.policy_question(),
            Intent::Help => self.help(),
            Intent::Checkout => self.checkout(),
            Intent::RemoveFromCart => self.remove(),
            Intent::ChangeQuantity => self.change(),
            Intent::AddToCart => self.add(),
            Intent::ReadCart => self.read_cart(),
            Intent::Navigate => self.navigate(),
            Intent::ReadProduct => self.read_product(),
            Intent::Search => self.search(),
            Intent::Unknown => 0.0,
        }
    }

    pub(super) fn has(&self, cue: Cue) -> bool {
        self.sentence.has(cue)
    }

    pub(super) fn any(&self, cues: &[Cue]) -> bool {
        cues.iter().any(|&cue| self.has(cue))
    }

    /// Whether something tells products apart: a garment, fabric, weave or colour.
    pub(super) fn describes(&self) -> bool {
        let slots = self.slots;
        let lists = [&slots.fabric, &slots.weave, &slots.colors, &slots.not_colors];
        slots.category.is_some() || lists.iter().any(|list| !list.is_empty())
    }

    pub(super) fn priced(&self) -> bool {
        self.slots.min_price_paise.is_some() || self.slots.max_price_paise.is_some()
    }

    /// `the second one`, `the red one`, `this`.
    pub(super) fn points(&self) -> bool {
        self.reference.is_some()
    }

    /// `the red one`, `the silk saree`: one product of those on the screen.
    pub(super) fn definite(&self) -> bool {
        (0..self.sentence.items.len()).any(|index| self.is_determiner(index) && self.names_one(index + 1))
    }

    pub(super) fn is_determiner(&self, index: usize) -> bool {
        let determines = |word: &str| matches!(word, "the" | "this" | "that" | "my");
        let item = &self.sentence.items[index];
        (self.sentence.words(index).any(determines) || item.is(Cue::This)) && !item.is(Cue::Cart)
    }

    /// Whether descriptions from `start` on end in a singular garment, a weave or `one`.
    fn names_one(&self, start: usize) -> bool {
        let rest = &self.sentence.items[start..];
        let described = rest.iter().take_while(|item| item.describes_products()).count();
        let weave = |item: &Item| item.meanings().iter().any(|meaning| matches!(meaning, Meaning::Weave(_)));
        let named = rest[..described].iter().any(|item| item.category().is_some() || weave(item));
        let one = rest.get(described).is_some_and(|item| item.is(Cue::One))
            && !self.sentence.is_word(start + described, "ones");
        (named || one) && !(described > 0 && self.plural(start + described - 1))
    }

    pub(super) fn plural(&self, index: usize) -> bool {
        let is_category = self.sentence.items.get(index).is_some_and(|item| item.category().is_some());
        is_category && self.sentence.words(index).last().is_some_and(|word| word.ends_with('s'))
    }

    /// Whether the sentence is about something else than a shop: `when does the train come`.
    pub(super) fn is_elsewhere(&self) -> bool {
        // As it is written only: too many words of the shop sound nearly so.
        let named = |item: &Item| item.is(Cue::Elsewhere) && item.matched == Match::Exact;
        self.sentence.items.iter().any(named)
            && !self.describes()
            && !self.points()
            && !self.any(&[Cue::Cart, Cue::Generic])
    }

    fn stop(&self) -> f64 {
        let others = self.sentence.items.iter().filter(|item| {
            !item.is_filler() && ![Cue::Stop, Cue::Thanks, Cue::Read, Cue::This].iter().any(|&cue| item.is(cue))
        });
        match (self.has(Cue::Stop), self.has(Cue::Thanks), others.count()) {
            (true, _, 0) => 0.97,
            (true, _, 1) if !self.describes() && !self.points() && !self.has(Cue::Cart) => 0.6,
            (false, true, 0) => 0.8,
            _ => 0.0,
        }
    }

    fn help(&self) -> f64 {
        let alone = !self.describes() && !self.has(Cue::Cart) && !self.priced();
        match (self.has(Cue::Help), self.has(Cue::Greeting)) {
            (true, _) if alone => 0.96,
            (true, _) => 0.4,
            (_, true) if alone && self.accounted_cues(&[Cue::Greeting, Cue::Thanks]) => 0.85,
            _ => 0.0,
        }
    }

    /// Whether all content consists of these cues.
    pub(super) fn accounted_cues(&self, cues: &[Cue]) -> bool {
        let content = |item: &&Item| !item.is_filler();
        self.sentence.items.iter().filter(content).all(|item| cues.iter().any(|&cue| item.is(cue)))
    }

    fn policy_question(&self) -> f64 {
        let Some((topic, length)) = self.policy else { return 0.0 };
        // `where is my order` is a page, `when will my order arrive` a question.
        let tracks = topic == PolicyTopic::Shipping && self.page == Some(Page::Account) && self.names_page_at_length();
        let to_page = tracks || self.has(Cue::Go) && self.page.is_some();
        if to_page || (topic == PolicyTopic::Sizes && self.any(&[Cue::Add, Cue::Remove])) {
            return 0.5;
        }
        // A phrase on the topic beats every rule that rests on single words.
        if length > 1 { 0.98 } else { 0.97 }
    }

    fn names_page_at_length(&self) -> bool {
        let page = |meaning: &Meaning| matches!(meaning, Meaning::Page(_));
        self.sentence.items.iter().any(|item| item.tokens.len() > 2 && item.meanings().iter().any(page))
    }

    fn checkout(&self) -> f64 {
        // `bill kar do`: a total that is to be made, not told.
        let makes_bill = self.has(Cue::Total) && self.any(&[Cue::Make, Cue::Add]) && !self.asks();
        if makes_bill && !self.any(&[Cue::Empty, Cue::Remove, Cue::Cart]) {
            return 0.95;
        }
        if !self.has(Cue::Checkout) || self.page == Some(Page::Checkout) {
            return 0.0;
        }
        if self.describes() && !self.has(Cue::Cart) { 0.6 } else { 0.96 }
    }

    fn remove(&self) -> f64 {
        let cart = self.has(Cue::Cart);
        if self.reference == Some(&ProductReference::All) && self.any(&[Cue::Empty, Cue::Remove]) {
            return 0.96;
        }
        let indices = 0..self.sentence.items.len();
        let refuses = indices.clone().any(|index| self.sentence.disowns(index));
        if indices.clone().any(|index| self.sentence.disowns(index) && self.sentence.negates(index)) {
            return 0.0;
        }
        // `kick the kurta out of my cart`, whatever the verb.
        let leaves = cart && self.takes_out() && self.describes() && !self.asks() && !self.has(Cue::Add);
        let firm = self.removes_firmly() || (leaves && !self.any(&[Cue::Show, Cue::Read, Cue::Go]));
        let filters = self.has(Cue::Filter);
        if filters
            || !(firm
                || refuses
                || (self.has(Cue::Remove) && self.takes_out() && (cart || self.points() || self.definite())))
        {
            return 0.0;
        }
        match () {
            () if cart || self.points() || self.definite() => 0.96,
            () if firm && self.slots.category.is_some() => 0.97,
            () if self.slots.category.is_some() || self.slots.quantity.is_some() => 0.9,
            () if self.describes() || self.has(Cue::Generic) || self.has(Cue::Item) => 0.75,
            () if !self.has_unknown() => 0.75,
            () => 0.45,
        }
    }

    /// A removing verb that has no other reading here.
    fn removes_firmly(&self) -> bool {
        self.sentence.items.iter().enumerate().any(|(index, item)| {
            let ambiguous = item.is(Cue::Take) || item.is(Cue::Not) || item.is(Cue::Decrease);
            let stops = item.is(Cue::Stop) && !(self.points() || self.definite() || self.has(Cue::Cart));
            let dropped_in = item.is(Cue::Add) && self.puts_in();
            item.is(Cue::Remove) && !self.sentence.disowns(index) && !ambiguous && !stops && !dropped_in
        })
    }

    /// Whether something is asked, not told to be done.
    fn asks(&self) -> bool {
        let opens = self.sentence.tokens.first().map(|token| token.word.as_str());
        let words =
            ["is", "are", "do", "does", "did", "have", "has", "what", "which", "how", "why", "when", "was", "who"];
        self.has(Cue::Question) || opens.is_some_and(|word| words.contains(&word))
    }

    fn takes_out(&self) -> bool {
        let says = |words: &[&str]| words.iter().any(|word| self.sentence.has_word(word));
        // `से` and `నుంచి` have other uses, too: `दोनों में से पहली`.
        says(&["out", "off", "from"])
            || (self.has(Cue::Cart) && says(&["se", "से", "నుంచి", "నుండి", "లోంచి", "nunchi", "nundi", "lonchi"]))
    }

    fn puts_in(&self) -> bool {
        self.has(Cue::Cart)
            && ["in", "into", "to", "में", "mein", "me", "లో", "లోకి", "lo"].iter().any(|word| self.sentence.has_word(word))
            && !self.takes_out()
    }

    fn change(&self) -> f64 {
        let quantity = self.slots.quantity.is_some();
        let moves = self.any(&[Cue::Increase, Cue::Decrease]);
        let counted = self.has(Cue::Quantity);
        if self.has(Cue::Filter) || self.slots.sort.is_some() {
            return 0.0;
        }
        match () {
            () if quantity && self.corrects_count() && !self.any(&[Cue::Show, Cue::Total]) => 0.98,
            () if counted && (moves || self.any(&[Cue::Change, Cue::Add, Cue::Make])) => 0.98,
            () if counted && quantity => 0.9,
            () if moves && (quantity || self.points() || self.has(Cue::Cart) || self.content == 1) => 0.95,
            () if moves && self.describes() => 0.8,
            () if self.has(Cue::Change) && quantity && (self.points() || self.describes() || !self.has_unknown()) => {
                0.95
            }
            () if quantity && (self.sentence.has_word("instead") || self.has(Cue::Instead)) && !self.has(Cue::Show) => {
                0.97
            }
            () if quantity
                && self.has(Cue::Make)
                && !self.any(&ACTS)
                && !self.has(Cue::Show)
                && !self.has_unknown() =>
            {
                0.92
            }
            () => 0.0,
        }
    }

    /// `only two of those`, `one, not three`, `सिर्फ एक रखो`: a number in the place of another.
    fn corrects_count(&self) -> bool {
        let items = &self.sentence.items;
        let not_that = items.windows(2).any(|two| two[0].is(Cue::Not) && two[1].number().is_some() && !two[1].used);
        let only = ["only", "just", "सिर्फ", "केवल", "sirf", "keval", "మాత్రమే"];
        let limits = only.iter().any(|word| self.sentence.has_word(word)) && !self.has(Cue::Cart);
        not_that || limits && (self.points() || self.content <= 3) && !self.describes() && !self.has_unknown()
    }

    pub(super) fn has_unknown(&self) -> bool {
        self.sentence.items.iter().any(|item| matches!(item.sense, Sense::Unknown))
    }

    fn add(&self) -> f64 {
        let cart = self.has(Cue::Cart);
        let one = self.points() || self.definite();
        let shows = self.has(Cue::Show);
        if self.removes_firmly() || (self.has(Cue::Remove) && cart && self.takes_out() && !self.has(Cue::Add)) {
            return 0.0;
        }
        let quantity = self.slots.quantity.is_some();
        match () {
            () if self.has(Cue::Add) && cart => 0.97,
            () if self.has(Cue::Add) && (one || quantity) && !shows => 0.96,
            () if self.has(Cue::Add) && self.describes() && !shows => 0.95,
            () if self.has(Cue::Add) && !self.describes() && !shows && !self.has_unknown() => 0.8,
            () if self.has(Cue::Filter) || self.aspect.is_some() => 0.0,
            // `send the blue dupatta to my cart`, whatever the verb.
            () if self.puts_in() && (one || self.describes()) && !shows && !self.asks() => 0.96,
            () if self.any(&[Cue::Buy, Cue::Take]) && cart && (one || self.describes()) => 0.95,
            () if self.has(Cue::Buy) && one && !shows => 0.97,
            () if self.firmly_takes() && (one || quantity) => 0.97,
            () if self.has(Cue::Want)
                && self.points()
                && !self.has(Cue::More)
                && !shows
                && !self.reads()
                && !self.filtered() =>
            {
                0.97
            }
            () if self.firmly_takes() && self.slots.category.is_some() => 0.85,
            () if self.firmly_takes() && self.content == 1 => 0.75,
            () if self.has(Cue::Want) && one && !shows && !self.has(Cue::More) && !self.reads() && !self.refined() => {
                0.93
            }
            () if quantity && self.points() && !shows && !self.reads() => 0.9,
            () if cart && (self.describes() || self.points()) && !shows && self.has(Cue::Want) => 0.9,
            () => 0.0,
        }
    }

    fn firmly_takes(&self) -> bool {
        let items = &self.sentence.items;
        items.iter().any(|item| item.is(Cue::Take)) && !self.takes_out()
    }

    pub(super) fn refined(&self) -> bool {
        self.has(Cue::Refine) && !self.slots.colors.is_empty()
    }

    pub(super) fn reads(&self) -> bool {
        self.aspect.is_some() || self.has(Cue::Read)
    }

    fn read_cart(&self) -> f64 {
        if self.has(Cue::CartQuestion) {
            return 0.96;
        }
        let empties = self.reference == Some(&ProductReference::All);
        if empties || self.any(&[Cue::Add, Cue::Change]) && !self.has(Cue::Show) {
            return 0.0;
        }
        let asks = self.any(&[Cue::Show, Cue::Read, Cue::Total]) || self.aspect.is_some();
        let questions = self.has(Cue::Question)
            || ["what", "how", "is", "whats", "which"].iter().any(|word| self.sentence.has_word(word));
        match self.has(Cue::Cart) {
            true if (asks || questions) && !self.has(Cue::Go) => 0.96,
            true if self.has(Cue::Total) => 0.9,
            true if self.content > 1 && !self.has(Cue::Go) => 0.75,
            false if self.has(Cue::Total) && !self.points() && !self.describes() => 0.85,
            _ => 0.0,
        }
    }

    fn navigate(&self) -> f64 {
        let goes = self.has(Cue::Go);
        let only_category = self.slots.category.is_some()
            && Slots { category: None, ..self.slots.clone() }.is_empty()
            && !self.points();
        let alone = self.content == 1 || (self.content == 2 && self.has(Cue::Section));
        let orders = self.any(&[Cue::Add, Cue::Remove, Cue::Empty, Cue::Buy]);
        match self.page {
            Some(_) if orders && self.has(Cue::Cart) => 0.0,
            // `read my cart back to me`
            Some(Page::Back) if self.has(Cue::Cart) && self.has(Cue::Read) => 0.0,
            Some(page) if goes || alone || page == Page::Back && self.content <= 3 => 0.97,
            Some(page) if !matches!(page, Page::Home | Page::Shop) && !self.describes() => 0.93,
            Some(_) if !self.describes() && !self.points() => 0.8,
            _ if self.has(Cue::Checkout) => 0.0,
            _ if self.has(Cue::Cart) && (goes || alone) => 0.95,
            _ if goes && self.points() => 0.92,
            _ if goes && self.has(Cue::Generic) && !self.describes() => 0.92,
            _ if only_category && (goes || self.has(Cue::Section)) && !self.has(Cue::Want) => 0.99,
            _ if goes && self.definite() => 0.9,
            _ => 0.0,
        }
    }
}
