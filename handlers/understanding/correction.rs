//! Shoppers correct themselves: `red, sorry, blue sarees`, `under five thousand, no wait, six
//! thousand`; and they correct the last answer: `no, the green one`. What is taken back counts no
//! longer; the word that takes it back is no negation.

use std::mem::{Discriminant, discriminant};

use super::sentence::{Item, Sense, Sentence};
use super::terms::{Cue, Meaning};

/// How far before a correction its first version can stand, in items.
const REACH: usize = 8;

const SILENT: Sense = Sense::Known(&[Meaning::Filler]);

/// What two versions of one value have in common.
#[derive(PartialEq)]
enum Kind {
    Number,
    Value(Discriminant<Meaning>),
}

/// Silences what the sentence takes back; tells whether it corrects anything.
pub(crate) fn apply(sentence: &mut Sentence<'_>) -> bool {
    let mut corrects = false;
    if answers_no(sentence) {
        sentence.items[0].sense = SILENT;
        corrects = true;
    }
    for at in 0..sentence.items.len() {
        if denies_number(sentence, at) {
            sentence.items[at - 1].sense = SILENT;
            sentence.items[at].sense = SILENT;
            corrects = true;
        }
        if !sentence.items[at].is(Cue::Correct) {
            continue;
        }
        corrects = true;
        let new = sentence.items[at + 1..].iter().find_map(kind);
        let before = (at.saturating_sub(REACH)..at).rev();
        let old = before.into_iter().find(|&i| new.is_some() && kind(&sentence.items[i]) == new);
        if let Some(old) = old {
            sentence.items[old].sense = SILENT;
        }
    }
    corrects
}

/// `दो नहीं तीन पीस`: a number that the next one replaces.
fn denies_number(sentence: &Sentence<'_>, at: usize) -> bool {
    let number =
        |index: Option<usize>| index.and_then(|i| sentence.items.get(i)).is_some_and(|item| item.number().is_some());
    sentence.items[at].is(Cue::NotAfter) && number(at.checked_sub(1)) && number(Some(at + 1))
}

/// The kind of value that an item is, if it is one that can be corrected.
fn kind(item: &Item) -> Option<Kind> {
    if item.number().is_some() {
        return Some(Kind::Number);
    }
    let value = |meaning: Meaning| match meaning {
        Meaning::Category(_)
        | Meaning::Fabric(_)
        | Meaning::Weave(_)
        | Meaning::Color(_)
        | Meaning::Size(_)
        | Meaning::Occasion(_) => Some(Kind::Value(discriminant(&meaning))),
        _ => None,
    };
    item.find(value)
}

/// `no the green one`, `नहीं, हरी वाली`: the first word answers the last reply, it refuses nothing.
fn answers_no(sentence: &Sentence<'_>) -> bool {
    let (Some(first), Some(second)) = (sentence.items.first(), sentence.items.get(1)) else { return false };
    let plain = sentence.is_word(0, "no") && (!second.describes_products() || sentence.pause_before(1));
    // A word that refuses what is before it has nothing to refuse here.
    let postposed = first.is(Cue::NotAfter) && first.tokens.len() == 1;
    plain || postposed
}

#[cfg(test)]
mod tests {
    use crate::understanding::{Context, understand};

    #[test]
    fn what_is_taken_back_counts_no_longer() {
        let colors = |text: &str| understand(text, &Context::default()).slots.colors;
        assert_eq!(colors("red sorry blue sarees"), ["blue"]);
        assert_eq!(colors("show me red, no wait, blue kurtas"), ["blue"]);
        assert_eq!(colors("laal matlab neeli saree dikhao"), ["blue"]);
        assert_eq!(colors("red sorry silk sarees"), ["red"], "another kind of value corrects nothing");
        let limit = |text: &str| understand(text, &Context::default()).slots.max_price_paise.map(|paise| paise.0);
        assert_eq!(limit("under five thousand sorry six thousand"), Some(600_000));
    }

    #[test]
    fn a_first_no_refuses_only_what_it_stands_directly_before() {
        let refused = |text: &str| understand(text, &Context::default()).slots.not_colors;
        assert!(refused("no, green").is_empty());
        assert!(refused("नहीं, हरी साड़ी दिखाओ").is_empty());
        assert_eq!(refused("no green please"), ["green"]);
    }
}
