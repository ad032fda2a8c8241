//! Price limits: `under five thousand`, `between 2000 and 5000`, `around 3k`, `two to three
//! thousand`, `5000 or less`. Both limits are inclusive: `under 5000` includes what costs exactly
//! 5000, since shoppers name the round price that they are ready to pay. `around` means 20 % up
//! or down. An amount without any such word is a ceiling.

use super::sentence::{Item, Sentence};
use super::terms::{Bound, Cue};

/// Limits in paise, inclusive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct PriceRange {
    pub min: Option<u64>,
    pub max: Option<u64>,
}

impl PriceRange {
    fn ordered(self) -> Self {
        match (self.min, self.max) {
            (Some(min), Some(max)) if min > max => Self { min: Some(max), max: Some(min) },
            _ => self,
        }
    }
}

const BEFORE: [Bound; 7] = [
    Bound::AtMost,
    Bound::AtLeast,
    Bound::Between,
    Bound::Around,
    // `and below 5000` goes on from a limit before it.
    Bound::OrLess,
    Bound::OrMore,
    Bound::Budget,
];
const AFTER: [Bound; 4] = [Bound::OrLess, Bound::OrMore, Bound::OrSo, Bound::Budget];
/// Postpositions belong to the number before them, whatever stands before that.
const POSTPOSED: [Bound; 4] = [Bound::PostMost, Bound::PostLeast, Bound::PostAround, Bound::PostBetween];

/// Below this a bare number is a quantity, not a price: 100 rupees in paise.
const LEAST_BARE_PRICE: u64 = 10_000;
/// Below this a number is no price even beside `under`: `rated above 4`. In paise.
const LEAST_PRICE: u64 = 2_000;

/// Finds the price limits and marks the numbers that made them.
pub(crate) fn extract(sentence: &mut Sentence<'_>) -> PriceRange {
    let mut range = PriceRange::default();
    let mut index = 0;
    while index < sentence.items.len() {
        let found = span_at(sentence, index).or_else(|| limit_at(sentence, index));
        let Some((found, end)) = found else {
            index += 1;
            continue;
        };
        range.min = found.min.or(range.min);
        range.max = found.max.or(range.max);
        for item in &mut sentence.items[index..=end] {
            item.used |= item.number().is_some();
        }
        index = end + 1;
    }
    range.ordered()
}

/// `A to B`, `between A and B`, `two three thousand`; gives the item where it ends.
fn span_at(sentence: &Sentence<'_>, index: usize) -> Option<(PriceRange, usize)> {
    let first = sentence.items[index].number()?;
    let end = (index + 1..sentence.items.len().min(index + 5)).find(|&i| sentence.items[i].number().is_some())?;
    let second = sentence.items[end].number()?;
    let gap = || (index + 1..end).flat_map(|i| sentence.words(i));
    let joins = |word: &str| {
        matches!(word, "to" | "and" | "till" | "until" | "upto" | "rupees" | "rs" | "from" | "or")
            || FROM.contains(&word)
            || AND.contains(&word)
    };
    let currency = |i: usize| sentence.items[i].bound(&[Bound::Currency]).is_some();
    if !(index + 1..end).all(|i| currency(i) || sentence.words(i).all(joins)) {
        return None;
    }
    let lends = first.scale == 1 && second.scale > 1 && first.hundredths < LEAST_BARE_PRICE;
    let low = if lends { first.hundredths.saturating_mul(second.scale) } else { first.hundredths };
    let ranges = |word: &str| matches!(word, "to" | "till" | "until" | "upto" | "from" | "or") || FROM.contains(&word);
    let gap_names_range = gap().any(ranges);
    let announced = matches!(bound_before(sentence, index), Some(Bound::Between))
        || postposed(sentence, end) == Some(Bound::PostBetween);
    let from = index > 0 && sentence.is_word(index - 1, "from");
    let idiom = end == index + 1 && (lends || dash_between(sentence, index, end));
    let plausible = low.min(second.hundredths) >= LEAST_PRICE && low < second.hundredths;
    (plausible && (gap_names_range || announced || from || idiom))
        .then_some((PriceRange { min: Some(low), max: Some(second.hundredths) }, end))
}

/// Words that mark where a range begins, behind its first number.
const FROM: [&str; 10] = ["se", "से", "nunchi", "nundi", "నుంచి", "నుండి", "lekar", "लेकर", "tak", "ya"];
/// Words that join two numbers without making them a range.
const AND: [&str; 6] = ["aur", "और", "या", "మరియు", "mariyu", "leda"];

fn dash_between(sentence: &Sentence<'_>, left: usize, right: usize) -> bool {
    let end = sentence.tokens[sentence.items[left].tokens.end - 1].span.end;
    let start = sentence.tokens[sentence.items[right].tokens.start].span.start;
    sentence.text.get(end..start).is_some_and(|gap| gap.trim().chars().all(|c| matches!(c, '-' | '–' | '—')))
}

fn limit_at(sentence: &Sentence<'_>, index: usize) -> Option<(PriceRange, usize)> {
    let paise = sentence.items[index].number()?.hundredths;
    let money = has_currency(sentence, index);
    let before = bound_before(sentence, index);
    let postposed = postposed(sentence, index);
    let before = before.map(|bound| if refused(sentence, index) { opposite(bound) } else { bound });
    let bound = postposed
        .or(before.filter(|&bound| bound != Bound::Budget))
        .or_else(|| bound_after(sentence, index))
        .or(before);
    let least = match bound {
        _ if money => 1,
        Some(_) => LEAST_PRICE,
        None => LEAST_BARE_PRICE,
    };
    if paise < least || (!money && is_count(sentence, index, bound.is_some())) {
        return None;
    }
    let from = index > 0 && sentence.is_word(index - 1, "from");
    let range = match bound {
        Some(Bound::AtLeast | Bound::OrMore | Bound::PostLeast) => PriceRange { min: Some(paise), max: None },
        Some(Bound::Around | Bound::OrSo | Bound::PostAround) => {
            PriceRange { min: Some(paise - paise / 5), max: Some(paise.saturating_add(paise / 5)) }
        }
        None if from => PriceRange { min: Some(paise), max: None },
        _ => PriceRange { min: None, max: Some(paise) },
    };
    Some((range, index))
}

/// `don't show me anything above 5000` turns a limit round; in `not too expensive, under 5000` something else is
/// refused.
fn refused(sentence: &Sentence<'_>, index: usize) -> bool {
    let near = (index.saturating_sub(6)..index).rev();
    let ends = |item: &Item| item.describes_products() || item.number().is_some() || item.sort().is_some();
    let mut open = near.take_while(|&i| !ends(&sentence.items[i]));
    open.any(|i| sentence.negates(i) || sentence.disowns(i))
}

fn opposite(bound: Bound) -> Bound {
    match bound {
        Bound::AtLeast => Bound::AtMost,
        Bound::AtMost => Bound::AtLeast,
        other => other,
    }
}

fn has_currency(sentence: &Sentence<'_>, index: usize) -> bool {
    let currency = |item: &Item| item.bound(&[Bound::Currency]).is_some();
    let before = index.checked_sub(1).is_some_and(|i| currency(&sentence.items[i]));
    before || sentence.items.get(index + 1).is_some_and(currency)
}

/// Whether the number counts pieces or names a size or position instead of money.
fn is_count(sentence: &Sentence<'_>, index: usize, bounded: bool) -> bool {
    let counted = |item: &Item| item.is(Cue::Piece) || item.is(Cue::Quantity);
    let named = |item: &Item| item.is(Cue::SizeNoun) || item.is(Cue::Item) || item.is(Cue::Quantity);
    let after = sentence.items.get(index + 1).is_some_and(counted);
    let before = sentence.before(index).is_some_and(|i| named(&sentence.items[i]));
    let cart_verb = [Cue::Add, Cue::Change, Cue::Increase, Cue::Decrease].iter().any(|&cue| sentence.has(cue));
    after || before || (cart_verb && !bounded)
}

/// The limiting word before the number, over fillers and currency.
fn bound_before(sentence: &Sentence<'_>, index: usize) -> Option<Bound> {
    for item in sentence.items[index.saturating_sub(5)..index].iter().rev() {
        if let Some(bound) = item.bound(&BEFORE) {
            return Some(bound);
        }
        if !item.is_filler() && item.bound(&[Bound::Currency]).is_none() {
            return None;
        }
    }
    None
}

/// The postposition of the number, over currency and case endings.
fn postposed(sentence: &Sentence<'_>, index: usize) -> Option<Bound> {
    let transparent =
        |item: &Item| item.bound(&[Bound::Currency]).is_some() || (item.is_filler() && item.tokens.len() == 1);
    let rest = &sentence.items[index + 1..];
    let skipped = rest.iter().take(2).take_while(|item| item.bound(&POSTPOSED).is_none() && transparent(item)).count();
    rest.get(skipped)?.bound(&POSTPOSED)
}

/// The limiting word after the number, over currency.
fn bound_after(sentence: &Sentence<'_>, index: usize) -> Option<Bound> {
    let next = sentence.items[index + 1..].iter().find(|item| item.bound(&[Bound::Currency]).is_none())?;
    next.bound(&AFTER)
}
