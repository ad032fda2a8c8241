//! How sure each slot is: words that were said as the lexicon has them, words that only sound like
//! it or look like it, bare numbers, and what an earlier sentence said.

use std::collections::BTreeMap;

use super::sentence::{Item, Sentence};
use super::slots::Slots;
use super::terms::{Bound, Meaning};

/// How a phrase was found in the lexicon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Match {
    /// As it is written there.
    Exact,
    /// By its sound.
    Sound,
    /// By its likeness.
    Guess,
}

impl Match {
    const fn confidence(self) -> f64 {
        match self {
            Self::Exact => 1.0,
            Self::Sound => 0.9,
            Self::Guess => 0.7,
        }
    }
}

/// An amount without `under`, `rupees` or the like may be something else.
const BARE_AMOUNT: f64 = 0.8;
/// What was said before still holds, unless the shopper has changed their mind.
const CARRIED_ON: f64 = 0.85;

/// The confidence of every slot that is filled, by its name on the wire, 0 to 1: that of its least
/// sure value. Values that no phrase of the sentence gave were carried on from the context.
pub(crate) fn by_slot(sentence: &Sentence<'_>, slots: &Slots) -> BTreeMap<String, f64> {
    let mut found: BTreeMap<&str, f64> = BTreeMap::new();
    let mut lower = |slot: &'static str, confidence: f64| {
        let least = found.entry(slot).or_insert(1.0);
        *least = least.min(confidence);
    };
    for item in sentence.items.iter().filter(|item| !item.refused) {
        for meaning in item.meanings() {
            for slot in slots_of(*meaning, slots) {
                lower(slot, item.matched.confidence());
            }
        }
    }
    let is_used_number = |index: &usize| sentence.items[*index].used && sentence.items[*index].number().is_some();
    for index in (0..sentence.items.len()).filter(is_used_number) {
        let confidence = if is_announced(sentence, index) { 1.0 } else { BARE_AMOUNT };
        lower("price", confidence);
        lower("quantity", 1.0);
    }
    let name_of = |slot: &str| if slot.ends_with("PricePaise") { "price".to_owned() } else { slot.to_owned() };
    let confidence = |slot: &str| found.get(name_of(slot).as_str()).copied().unwrap_or(CARRIED_ON);
    slots.filled().into_iter().map(|slot| (slot.to_owned(), confidence(slot))).collect()
}

/// The slots that a phrase can have filled.
fn slots_of(meaning: Meaning, slots: &Slots) -> Vec<&'static str> {
    let holds = |values: &[String], value: &str| values.iter().any(|held| held == value);
    match meaning {
        Meaning::Category(value) if slots.category.as_deref() == Some(value) => vec!["category"],
        Meaning::Fabric(value) if holds(&slots.fabric, value) => vec!["fabric"],
        Meaning::Weave(value) if holds(&slots.weave, value) => vec!["weave"],
        Meaning::Color(value) if holds(&slots.colors, value) => vec!["colors"],
        Meaning::Color(value) if holds(&slots.not_colors, value) => vec!["notColors"],
        Meaning::Size(size) if slots.sizes.contains(&size) => vec!["sizes"],
        Meaning::Occasion(value) if slots.occasion.as_deref() == Some(value) => vec!["occasion"],
        Meaning::Sort(sort) if slots.sort == Some(sort) => vec!["sort"],
        _ => Vec::new(),
    }
}

/// Whether a word near the number says that it is an amount.
fn is_announced(sentence: &Sentence<'_>, index: usize) -> bool {
    let near = sentence.items[index.saturating_sub(3)..].iter().take(7);
    let limits = |item: &Item| {
        item.meanings().iter().any(|meaning| matches!(meaning, Meaning::Bound(bound) if *bound != Bound::OrSo))
    };
    near.into_iter().any(limits)
}

#[cfg(test)]
mod tests {
    use crate::understanding::{Context, understand};

    #[test]
    fn every_filled_slot_has_a_confidence_and_no_other() {
        let understood = understand("show me red silk sarees under five thousand size m", &Context::default());
        let names: Vec<_> = understood.slot_confidence.keys().map(String::as_str).collect();
        assert_eq!(names, ["category", "colors", "fabric", "maxPricePaise", "sizes"]);
        assert!(understood.slot_confidence.values().all(|&confidence| confidence == 1.0));
        assert!(understand("help", &Context::default()).slot_confidence.is_empty());
    }

    #[test]
    fn guesses_and_carried_values_are_less_sure() {
        let of = |text: &str, slot: &str, context: &Context| understand(text, context).slot_confidence[slot];
        let fresh = Context::default();
        assert_eq!(of("kanjeevarum sarees", "weave", &fresh), 1.0, "a spelling that is listed");
        assert_eq!(of("pochampallee sarees", "weave", &fresh), 0.9, "one that sounds like it");
        assert_eq!(of("chanedri sarees", "weave", &fresh), 0.7, "one that looks like it");
        assert_eq!(of("sarees 4000", "maxPricePaise", &fresh), 0.8);
        let slots = Some(understand("red sarees", &fresh).slots);
        let context = Context { slots, ..Context::default() };
        assert_eq!(of("in silk", "category", &context), 0.85);
        assert_eq!(of("in silk", "fabric", &context), 1.0);
    }
}
