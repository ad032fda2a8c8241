//! One rule per intent: how strongly a sentence speaks for it, from 0 to 1. The numbers rank the
//! readings of one sentence against each other; what they rest on stands beside them.

use super::{Evidence, Intent};
use crate::understanding::reference::{ProductReference, names_product};
use crate::understanding::sentence::{Item, Sense};
use crate::understanding::slots::Slots;
use crate::understanding::terms::{Aspect, Cue, Meaning, Page, PolicyTopic};

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

    fn has(&self, cue: Cue) -> bool {
        self.sentence.has(cue)
    }

    fn any(&self, cues: &[Cue]) -> bool {
        cues.iter().any(|&cue| self.has(cue))
    }

    /// Whether something tells products apart: a garment, fabric, weave or colour.
    fn describes(&self) -> bool {
        let slots = self.slots;
        let lists = [&slots.fabric, &slots.weave, &slots.colors, &slots.not_colors];
        slots.category.is_some() || lists.iter().any(|list| !list.is_empty())
    }

    fn priced(&self) -> bool {
        self.slots.min_price_paise.is_some() || self.slots.max_price_paise.is_some()
    }

    /// `the second one`, `the red one`, `this`.
    fn points(&self) -> bool {
        self.reference.is_some()
    }

    /// `the red one`, `the silk saree`: one product of those on the screen.
    fn definite(&self) -> bool {
        (0..self.sentence.items.len()).any(|index| self.is_determiner(index) && self.names_one(index + 1))
    }

    fn is_determiner(&self, index: usize) -> bool {
        let determines = |word: &str| matches!(word, "the" | "this" | "that" | "my");
        self.sentence.words(index).any(determines) && !self.sentence.items[index].is(Cue::Cart)
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

    fn plural(&self, index: usize) -> bool {
        let is_category = self.sentence.items.get(index).is_some_and(|item| item.category().is_some());
        is_category && self.sentence.words(index).last().is_some_and(|word| word.ends_with('s'))
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
    fn accounted_cues(&self, cues: &[Cue]) -> bool {
        let content = |item: &&Item| !item.is_filler();
        self.sentence.items.iter().filter(content).all(|item| cues.iter().any(|&cue| item.is(cue)))
    }

    fn policy_question(&self) -> f64 {
        let Some((topic, length)) = self.policy else { return 0.0 };
        let to_page = self.has(Cue::Go) && self.page.is_some();
        if to_page || (topic == PolicyTopic::Sizes && self.any(&[Cue::Add, Cue::Remove])) {
            return 0.5;
        }
        // A phrase on the topic beats every rule that rests on single words.
        if length > 1 { 0.98 } else { 0.97 }
    }

    fn checkout(&self) -> f64 {
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
        let firm = self.removes_firmly();
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

    fn takes_out(&self) -> bool {
        ["out", "off", "from"].iter().any(|word| self.sentence.has_word(word))
    }

    fn puts_in(&self) -> bool {
        self.has(Cue::Cart) && ["in", "into", "to"].iter().any(|word| self.sentence.has_word(word)) && !self.takes_out()
    }

    fn change(&self) -> f64 {
        let quantity = self.slots.quantity.is_some();
        let moves = self.any(&[Cue::Increase, Cue::Decrease]);
        let counted = self.has(Cue::Quantity);
        if self.has(Cue::Filter) || self.slots.sort.is_some() {
            return 0.0;
        }
        match () {
            () if counted && (moves || self.any(&[Cue::Change, Cue::Add])) => 0.98,
            () if counted && quantity => 0.9,
            () if moves && (quantity || self.points() || self.has(Cue::Cart) || self.content == 1) => 0.95,
            () if moves && self.describes() => 0.8,
            () if self.has(Cue::Change) && quantity && (self.points() || self.describes() || !self.has_unknown()) => {
                0.95
            }
            () if quantity && self.sentence.has_word("instead") && !self.has(Cue::Show) => 0.97,
            () => 0.0,
        }
    }

    fn has_unknown(&self) -> bool {
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
            () if self.has(Cue::Add) && self.describes() && !shows => 0.85,
            () if self.has(Cue::Add) && !self.describes() && !shows && !self.has_unknown() => 0.8,
            () if self.has(Cue::Filter) || self.aspect.is_some() => 0.0,
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

    fn refined(&self) -> bool {
        self.has(Cue::Refine) && !self.slots.colors.is_empty()
    }

    fn reads(&self) -> bool {
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
        let questions = ["what", "how", "is", "whats", "which"].iter().any(|word| self.sentence.has_word(word));
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

    fn read_product(&self) -> f64 {
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
    fn filtered(&self) -> bool {
        let in_color = self
            .sentence
            .items
            .iter()
            .enumerate()
            .any(|(index, item)| index > 0 && self.sentence.is_word(index - 1, "in") && (item.color().is_some()));
        self.slots.sort.is_some() || self.priced() || in_color || self.has(Cue::Filter)
    }

    /// `is it pure silk`, `does the first one come in red`.
    fn asks_whether(&self) -> bool {
        let opens = self.sentence.tokens.first().map(|token| token.word.as_str());
        matches!(opens, Some("is" | "are" | "does" | "was" | "has")) && self.points() && !self.has_unknown()
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

    fn asks_price(&self) -> bool {
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

    fn search(&self) -> f64 {
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
            () if slots.sort.is_some() => with(0.88, 0.88, 0.8),
            () if self.priced() => with(0.88, 0.86, 0.78),
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
