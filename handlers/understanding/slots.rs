//! What is wanted: category, fabric, weave, colours, price limits, sizes, occasion, quantity,
//! order. Values are the lexicon's canonical English ones.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::price::{self, PriceRange};
use super::sentence::{Item, Sense, Sentence};
use super::terms::{Aspect, Cue, Meaning, Size, Sort};
use crate::types::Paise;

/// The slots of a sentence. Absent values are `null` or empty lists; several values of a list are
/// alternatives.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Slots {
    /// `sarees`, `kurtas`, …
    pub category: Option<String>,
    /// Plain fabric words; each matches every fabric that contains it.
    pub fabric: Vec<String>,
    /// Weaves and crafts, such as `banarasi`.
    pub weave: Vec<String>,
    /// Wanted colours.
    pub colors: Vec<String>,
    /// Colours that must not occur.
    pub not_colors: Vec<String>,
    /// The least price, inclusive.
    pub min_price_paise: Option<Paise>,
    /// The greatest price, inclusive.
    pub max_price_paise: Option<Paise>,
    pub sizes: Vec<Size>,
    /// `wedding`, `festive`, `office`, `party` or `daily`.
    pub occasion: Option<String>,
    /// How many pieces.
    pub quantity: Option<u32>,
    pub sort: Option<Sort>,
}

impl Slots {
    /// The names of the slots that hold something, as on the wire.
    pub fn filled(&self) -> Vec<&'static str> {
        let slots = [
            ("category", self.category.is_some()),
            ("fabric", !self.fabric.is_empty()),
            ("weave", !self.weave.is_empty()),
            ("colors", !self.colors.is_empty()),
            ("notColors", !self.not_colors.is_empty()),
            ("minPricePaise", self.min_price_paise.is_some()),
            ("maxPricePaise", self.max_price_paise.is_some()),
            ("sizes", !self.sizes.is_empty()),
            ("occasion", self.occasion.is_some()),
            ("quantity", self.quantity.is_some()),
            ("sort", self.sort.is_some()),
        ];
        slots.into_iter().filter(|(_, filled)| *filled).map(|(name, _)| name).collect()
    }

    /// Whether nothing limits a search.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The largest quantity that is believed.
const MAX_QUANTITY: u64 = 999;

/// Details of a garment whose colour is not the garment's colour: `saree with golden border`.
const DETAILS: [&str; 7] = ["border", "temple border", "zari", "thread work", "motif", "pallu", "tassels"];

/// Fills the slots and marks the items that were used.
pub(crate) fn extract(sentence: &mut Sentence<'_>) -> Slots {
    let PriceRange { min, max } = price::extract(sentence);
    let mut slots = Slots { min_price_paise: min.map(Paise), max_price_paise: max.map(Paise), ..Slots::default() };
    values(sentence, &mut slots);
    slots.category = category(sentence).map(str::to_owned);
    letters_as_sizes(sentence, &mut slots);
    slots.sort = sort(sentence);
    slots.quantity = quantity(sentence);
    slots
}

fn push(values: &mut Vec<String>, value: &str) {
    if !values.iter().any(|known| known == value) {
        values.push(value.to_owned());
    }
}

/// How far a negation reaches.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scope {
    Positive,
    /// Directly behind the negating word.
    Opened,
    /// Behind a refused colour: further colours are refused too.
    Colors,
}

/// Walks the items once and takes every value, refusing what a negation covers.
fn values(sentence: &mut Sentence<'_>, slots: &mut Slots) {
    let mut scope = Scope::Positive;
    for index in 0..sentence.items.len() {
        if sentence.negates(index) {
            scope = Scope::Opened;
            continue;
        }
        if refused_behind(sentence, index) {
            refuse(sentence, index, slots);
            continue;
        }
        if scope == Scope::Colors && sentence.pause_before(index) && !enumerates(sentence, index) {
            scope = Scope::Positive;
        }
        let item = &sentence.items[index];
        if let Some(color) = item.color().filter(|_| scope != Scope::Positive) {
            push(&mut slots.not_colors, color);
            scope = Scope::Colors;
            sentence.items[index].used = true;
            continue;
        }
        let is_value = take_value(sentence, index, slots, scope);
        // `if I don't like the saree` speaks of a certain saree and refuses no kind.
        let determined = index > 0 && ["the", "this", "my"].iter().any(|word| sentence.is_word(index - 1, word));
        let certain = determined && sentence.items[index].category().is_some();
        let item = &mut sentence.items[index];
        item.used |= is_value && scope != Scope::Opened;
        item.refused = is_value && scope == Scope::Opened && !certain;
        let transparent = item.is_filler() || item.is(Cue::ColorNoun) || item.is(Cue::Generic);
        let asks = scope == Scope::Opened && [Cue::Want, Cue::Show, Cue::One].iter().any(|&cue| item.is(cue));
        if !(transparent || asks) || item.is(Cue::But) {
            scope = Scope::Positive;
        }
    }
    slots.not_colors.retain(|color| !slots.colors.contains(color));
}

/// Whether a list of colours goes on at a comma: `not red, blue or green`, but not `not red, blue`.
fn enumerates(sentence: &Sentence<'_>, index: usize) -> bool {
    let listed = |item: &&Item| item.color().is_some() || item.is_filler();
    let list = sentence.items[index..].iter().take_while(listed).count();
    let joins = |word: &str| matches!(word, "or" | "and" | "nor" | "या" | "और" | "లేదా" | "మరియు" | "ya" | "aur" | "leda");
    (index..index + list).any(|at| sentence.words(at).any(joins))
}

/// Whether the item is refused by a word behind it: `लाल नहीं`, `ఎరుపు లేదా నలుపు వద్దు`. Colours before a
/// refused one share its fate; a comma, or a word that asks for something, ends the reach.
fn refused_behind(sentence: &Sentence<'_>, index: usize) -> bool {
    if !sentence.items[index].describes_products() {
        return false;
    }
    let color = sentence.items[index].color().is_some();
    // `this saree, no, take it away` refuses no kind of garment, and `no black kurta` no kurta.
    let garment = sentence.items[index].category().is_some();
    let colored = index > 0 && sentence.items[index - 1].color().is_some();
    if garment && (sentence.has(Cue::Remove) || colored) {
        return false;
    }
    for next in index + 1..sentence.items.len() {
        let item = &sentence.items[next];
        if sentence.pause_before(next) {
            return false;
        }
        if item.is(Cue::NotAfter) {
            return true;
        }
        let transparent = [Cue::ColorNoun, Cue::One, Cue::Generic].iter().any(|&cue| item.is(cue));
        let another = color && (item.color().is_some() || item.category().is_some());
        if !(transparent || another || (item.is_filler() && !item.is(Cue::Make))) {
            return false;
        }
    }
    false
}

fn refuse(sentence: &mut Sentence<'_>, index: usize, slots: &mut Slots) {
    match sentence.items[index].color() {
        Some(color) => {
            push(&mut slots.not_colors, color);
            sentence.items[index].used = true;
        }
        None => sentence.items[index].refused = true,
    }
}

/// Takes the item's value into the slots unless it is refused; tells whether it had one.
fn take_value(sentence: &Sentence<'_>, index: usize, slots: &mut Slots, scope: Scope) -> bool {
    let wanted = scope != Scope::Opened;
    let mut found = false;
    for meaning in sentence.items[index].meanings() {
        match *meaning {
            Meaning::Fabric(value) if wanted => push(&mut slots.fabric, value),
            Meaning::Weave(value) if wanted => push(&mut slots.weave, value),
            Meaning::Color(value) if !colors_a_detail(sentence, index) => push(&mut slots.colors, value),
            Meaning::Occasion(value) if wanted => {
                slots.occasion = Some(slots.occasion.take().unwrap_or(value.to_owned()))
            }
            Meaning::Size(size) if wanted && !slots.sizes.contains(&size) => slots.sizes.push(size),
            Meaning::Fabric(_) | Meaning::Weave(_) | Meaning::Color(_) | Meaning::Occasion(_) | Meaning::Size(_) => {}
            Meaning::Category(_) | Meaning::Feature(_) => {}
            _ => continue,
        }
        found = true;
    }
    found
}

fn colors_a_detail(sentence: &Sentence<'_>, index: usize) -> bool {
    let is_detail = |meaning| matches!(meaning, Meaning::Feature(value) if DETAILS.contains(&value));
    sentence.items.get(index + 1).is_some_and(|next| next.meanings().iter().copied().any(is_detail))
}

/// The category that is wanted: the head of a compound (`saree blouse`), not what it must go with
/// (`blouse for my saree`).
fn category(sentence: &Sentence<'_>) -> Option<&'static str> {
    let mut first = None;
    let mut companion = None;
    for (index, item) in sentence.items.iter().enumerate() {
        let Some(value) = item.category().filter(|_| !item.refused && !counts_top(sentence, index)) else { continue };
        let head = sentence.items.get(index + 1).is_none_or(|next| next.category().is_none());
        if !head {
            continue;
        }
        if is_companion(sentence, index) {
            companion = companion.or(Some(value));
        } else {
            first = first.or(Some(value));
        }
    }
    first.or(companion)
}

/// `top five sarees` names no shirt.
fn counts_top(sentence: &Sentence<'_>, index: usize) -> bool {
    sentence.is_word(index, "top") && sentence.items.get(index + 1).is_some_and(|next| next.number().is_some())
}

fn is_companion(sentence: &Sentence<'_>, index: usize) -> bool {
    for before in (0..index).rev() {
        let item = &sentence.items[before];
        if sentence.words(before).any(|word| matches!(word, "for" | "with" | "match" | "matching" | "matches")) {
            // `looking for a saree` asks for it.
            return !item.is(Cue::Show) && !item.is(Cue::Filter);
        }
        let inside = item.is_filler() || item.describes_products() || item.is(Cue::This);
        if !inside || item.category().is_some() {
            return false;
        }
    }
    false
}

/// Single letters are sizes beside the word `size`, or behind `in` when a garment is named.
fn letters_as_sizes(sentence: &mut Sentence<'_>, slots: &mut Slots) {
    let size_named = sentence.has(Cue::SizeNoun);
    for index in 0..sentence.items.len() {
        let mut words = sentence.words(index);
        let size = match (words.next(), words.next()) {
            (Some("s"), None) => Size::S,
            (Some("m"), None) => Size::M,
            (Some("l"), None) => Size::L,
            _ => continue,
        };
        drop(words);
        let behind_in = index > 0 && sentence.is_word(index - 1, "in");
        if size_named || behind_in {
            sentence.items[index].used = true;
            if !slots.sizes.contains(&size) {
                slots.sizes.push(size);
            }
        }
    }
}

fn sort(sentence: &mut Sentence<'_>) -> Option<Sort> {
    let Some(at) = sentence.items.iter().rposition(|item| item.sort().is_some()) else {
        return sorted_by_aspect(sentence);
    };
    let sort = match sentence.items[at].sort() {
        // `nothing that is expensive`.
        Some(Sort::PriceHigh) if is_refused(sentence, at) => Some(Sort::PriceLow),
        sort => sort,
    };
    sentence.items[at].used = true;
    // `cheapest ones first` orders the list; it points at no product.
    let last = sentence.items.len() - 1;
    if last > at && matches!(sentence.items[last].sense, Sense::Ordinal(1)) {
        sentence.items[last].used = true;
    }
    sort
}

/// Whether a negation stands before the item, with nothing between them that carries meaning.
fn is_refused(sentence: &Sentence<'_>, index: usize) -> bool {
    sentence.before(index).is_some_and(|before| sentence.negates(before))
}

/// `sort by price`, `arrange by rating`: without a direction, the one that shoppers look for.
fn sorted_by_aspect(sentence: &Sentence<'_>) -> Option<Sort> {
    let orders = ["sort", "sorted", "sorting", "arrange", "rank", "order"];
    let asked = sentence.has(Cue::Filter) && orders.iter().any(|word| sentence.has_word(word));
    let sort = |item: &Item| {
        item.find(|meaning| match meaning {
            Meaning::Aspect(Aspect::Reviews) => Some(Sort::Rating),
            Meaning::Aspect(Aspect::Price) => Some(Sort::PriceLow),
            _ => None,
        })
    };
    let by_price = ["price", "cost"].iter().any(|word| sentence.has_word(word));
    let found = sentence.items.iter().find_map(sort).or(by_price.then_some(Sort::PriceLow));
    found.filter(|_| asked)
}

/// A number that counts pieces: before what is counted, or beside a verb that changes the cart.
fn quantity(sentence: &mut Sentence<'_>) -> Option<u32> {
    let found = (0..sentence.items.len()).find_map(|index| Some((index, count_at(sentence, index)?)));
    let (index, count) = found?;
    sentence.items[index].used = true;
    u32::try_from(count).ok()
}

fn count_at(sentence: &Sentence<'_>, index: usize) -> Option<u64> {
    let item = &sentence.items[index];
    if item.is(Cue::Add) && sentence.words(index).any(|word| word == "one") {
        return Some(1);
    }
    let single = item.is(Cue::One) && sentence.is_word(index, "one");
    let count = match item.number() {
        Some(number) => number.whole()?,
        None if single => 1,
        None => return None,
    };
    // `दो की जगह तीन`, `from two to five`: the number that is there now.
    let replaced = sentence.items.get(index + 1).is_some_and(|next| next.is(Cue::Instead))
        || index.checked_sub(1).is_some_and(|before| sentence.is_word(before, "from"));
    if item.used || replaced || !(1..=MAX_QUANTITY).contains(&count) {
        return None;
    }
    let size = sentence.before(index).is_some_and(|i| sentence.items[i].is(Cue::SizeNoun));
    if size || sentence.is_numbered(index) {
        return None;
    }
    let counts = counts_pieces(sentence, index) || sentence.words(index + 1).next() == Some("of");
    // `ek saree` is any saree, as `a saree` is.
    let article = ["ek", "एक", "ఒక", "oka"].iter().any(|word| sentence.is_word(index, word));
    let counts = counts && (!article || sentence.has(Cue::Piece));
    let changes = [
        Cue::Add,
        Cue::Take,
        Cue::Remove,
        Cue::Change,
        Cue::Increase,
        Cue::Decrease,
        Cue::Quantity,
        Cue::Make,
        Cue::Instead,
        Cue::Piece,
    ];
    let buys = (sentence.has(Cue::Buy) || sentence.has(Cue::Want)) && sentence.has(Cue::This);
    let by_verb = buys || sentence.has_word("instead") || changes.iter().any(|&cue| sentence.has(cue));
    let pronoun = single && !counts_single(sentence, index, counts);
    (!pronoun && (counts || by_verb)).then_some(count)
}

/// Whether the words behind the number lead to something that can be counted.
fn counts_pieces(sentence: &Sentence<'_>, index: usize) -> bool {
    for item in &sentence.items[index + 1..] {
        if item.category().is_some() || [Cue::Piece, Cue::Generic, Cue::Item].iter().any(|&cue| item.is(cue)) {
            return true;
        }
        if !item.describes_products() {
            return false;
        }
    }
    false
}

/// `one` is a number before something countable, or where a verb or `to` asks for a number;
/// behind an article, a colour or `this` it stands for a product.
fn counts_single(sentence: &Sentence<'_>, index: usize, counts: bool) -> bool {
    let Some(previous) = index.checked_sub(1) else { return counts };
    let item = &sentence.items[previous];
    let asks = [Cue::Add, Cue::Buy, Cue::Take, Cue::Remove, Cue::Want].iter().any(|&cue| item.is(cue));
    let ordered = matches!(item.sense, Sense::Ordinal(_)) || item.is(Cue::Last);
    let determined = ordered || item.is(Cue::This) || item.describes_products() || sentence.is_word(previous, "the");
    let aimed = ["to", "by"].iter().any(|word| sentence.is_word(previous, word));
    let target = aimed || item.is(Cue::Change) || item.is(Cue::Quantity);
    !determined && (counts || asks || target)
}
