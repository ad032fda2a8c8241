//! Which product is meant: by position in what was shown (`the second one`, `the last`), by
//! pointing (`this`, `it`), or by name (`the banarasi silk saree`).

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Context;
use super::sentence::{Sense, Sentence};
use super::terms::{Cue, Meaning};
use crate::types::ProductId;

/// A product as the shopper points at it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "by", rename_all = "camelCase")]
pub enum ProductReference {
    /// Counted from 1 among the products shown last (or the lines of the cart).
    Position { position: u8 },
    /// The last of the products shown.
    Last,
    /// `this`, `it`: the product looked at, or the only one shown.
    Current,
    /// Words to find it by, as understood: `banarasi silk saree`.
    Name { words: String },
    /// Every line of the cart.
    All,
}

impl ProductReference {
    /// The product that was shown to the shopper and is meant here; `None` if the reference is by
    /// name or points outside of what was shown.
    pub fn resolve(&self, context: &Context) -> Option<ProductId> {
        match self {
            Self::Position { position } => context.products.get(usize::from(*position).checked_sub(1)?).cloned(),
            Self::Last => context.products.last().cloned(),
            Self::Current => {
                let only = (context.products.len() == 1).then(|| context.products[0].clone());
                context.current_product.clone().or(only)
            }
            Self::Name { .. } | Self::All => None,
        }
    }
}

/// Finds what the sentence points at; a name is only read when nothing else points.
pub(crate) fn extract(sentence: &mut Sentence<'_>) -> Option<ProductReference> {
    let pointed = position(sentence).or_else(|| last(sentence)).or_else(|| everything(sentence));
    pointed.or_else(|| current(sentence))
}

fn position(sentence: &mut Sentence<'_>) -> Option<ProductReference> {
    for index in 0..sentence.items.len() {
        let item = &sentence.items[index];
        if item.used {
            continue;
        }
        let position = match item.sense {
            Sense::Ordinal(position) => Some(position),
            Sense::Number(_) => numbered(sentence, index),
            Sense::Known(_) if item.is(Cue::One) && sentence.is_word(index, "one") => numbered(sentence, index),
            _ => None,
        };
        if let Some(position) = position {
            sentence.items[index].used = true;
            return Some(ProductReference::Position { position });
        }
    }
    None
}

/// `number two`, `option 3`.
fn numbered(sentence: &Sentence<'_>, index: usize) -> Option<u8> {
    let value = sentence.items[index].number().map_or(Some(1), |number| number.whole())?;
    u8::try_from(value).ok().filter(|position| sentence.is_numbered(index) && (1..=99).contains(position))
}

fn last(sentence: &Sentence<'_>) -> Option<ProductReference> {
    sentence.has(Cue::Last).then_some(ProductReference::Last)
}

fn everything(sentence: &Sentence<'_>) -> Option<ProductReference> {
    // `empty my cart`, but not `is my cart empty`.
    let first = |cue: Cue| sentence.items.iter().position(|item| item.is(cue));
    // Hindi and Telugu put the verb last, and say `make empty` where `empty` alone is a state.
    let made = |verb: usize| sentence.items[verb].tokens.len() > 1 || sentence.has(Cue::Make);
    let clears = first(Cue::Empty).zip(first(Cue::Cart)).is_some_and(|(verb, cart)| verb < cart || made(verb));
    let removes_all = sentence.has(Cue::Remove) && sentence.has(Cue::All);
    (clears || removes_all).then_some(ProductReference::All)
}

fn current(sentence: &Sentence<'_>) -> Option<ProductReference> {
    // `dupattas that go with` relates, it does not point.
    let relates =
        |index: usize| index > 0 && sentence.is_word(index, "that") && sentence.items[index - 1].category().is_some();
    let points = |index: usize| sentence.items[index].is(Cue::This) && !relates(index);
    let phrase = |index: usize| {
        sentence.words(index).any(|word| matches!(word, "this" | "these" | "it" | "that" | "those" | "them"))
    };
    let counted = |index: usize| {
        let item = &sentence.items[index];
        (item.is(Cue::Piece)
            || item.is(Cue::More)
            || item.is(Cue::Refine)
            || item.is(Cue::Read)
            || item.is(Cue::Change))
            && phrase(index)
    };
    let found = (0..sentence.items.len()).any(|index| points(index) || counted(index));
    found.then_some(ProductReference::Current)
}

/// Words that name a product: values, descriptions and unknown words, in the order spoken.
/// Refused ones are left out.
pub(crate) fn name_words(sentence: &Sentence<'_>) -> String {
    let mut words = Vec::new();
    for (index, item) in sentence.items.iter().enumerate() {
        if item.refused || in_negation(sentence, index) {
            continue;
        }
        let known = item.meanings().iter().copied().find(|meaning| meaning.describes_products());
        let verb = !item.meanings().is_empty() && item.meanings().iter().any(|m| matches!(m, Meaning::Cue(_)));
        match known {
            Some(Meaning::Category(value)) if !(verb && item.category().is_none()) => words.push(singular(value)),
            Some(Meaning::Fabric(value) | Meaning::Weave(value) | Meaning::Color(value) | Meaning::Feature(value)) => {
                words.push(value);
            }
            _ if matches!(item.sense, Sense::Unknown) => words.extend(sentence.words(index)),
            _ => {}
        }
    }
    words.dedup();
    words.join(" ")
}

/// A colour behind a negation was used without becoming a wanted one.
fn in_negation(sentence: &Sentence<'_>, index: usize) -> bool {
    sentence.items[index].color().is_some()
        && (0..index)
            .rev()
            .take_while(|&i| sentence.items[i].is_filler() || sentence.negates(i))
            .any(|i| sentence.negates(i))
}

/// The singular of a canonical category.
pub(crate) fn singular(category: &str) -> &str {
    category.strip_suffix('s').unwrap_or(category)
}

/// Whether something names a product well enough to be looked up, beyond a colour or a fabric.
pub(crate) fn names_product(sentence: &Sentence<'_>) -> bool {
    sentence.items.iter().any(|item| {
        let strong = |meaning: &Meaning| matches!(meaning, Meaning::Category(_) | Meaning::Weave(_));
        !item.refused && item.meanings().iter().any(strong)
    })
}
