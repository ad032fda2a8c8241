//! A search and a product in words.

use super::found::{Constraint, ProductFacts};
use super::words::{list, money, number_words, shortened};
use crate::understanding::reference::singular;
use crate::understanding::slots::Slots;
use crate::understanding::terms::{Aspect, Size};

/// The longest description that is read out, in characters.
pub(crate) const SPOKEN_DESCRIPTION: usize = 280;

/// `4 red silk sarees for a wedding under five thousand rupees`.
pub(crate) fn search(slots: &Slots, total: u64) -> String {
    let count = if total == 0 { "no".to_owned() } else { total.to_string() };
    let mut words = vec![count];
    words.extend([list(&slots.colors, "or"), list(&slots.weave, "or"), list(&slots.fabric, "or")]);
    words.push(noun(slots.category.as_deref(), total == 1));
    let sizes: Vec<_> = slots.sizes.iter().map(|size: &Size| size.as_str()).collect();
    if !sizes.is_empty() {
        words.push(format!("in size {}", list(&sizes, "or")));
    }
    words.push(slots.occasion.as_deref().map_or(String::new(), occasion));
    words.push(price(slots));
    if !slots.not_colors.is_empty() {
        words.push(format!("but not in {}", list(&slots.not_colors, "or")));
    }
    words.retain(|word| !word.is_empty());
    words.join(" ")
}

fn noun(category: Option<&str>, one: bool) -> String {
    let plural = category.unwrap_or("products");
    if one { singular(plural).to_owned() } else { plural.to_owned() }
}

fn occasion(occasion: &str) -> String {
    match occasion {
        "wedding" => "for a wedding".to_owned(),
        "festive" => "for a festival".to_owned(),
        "office" => "for the office".to_owned(),
        "party" => "for a party".to_owned(),
        "daily" => "for daily wear".to_owned(),
        other => format!("for {other}"),
    }
}

fn price(slots: &Slots) -> String {
    match (slots.min_price_paise, slots.max_price_paise) {
        (Some(min), Some(max)) => format!("between {} and {}", money(min), money(max)),
        (Some(min), None) => format!("from {}", money(min)),
        (None, Some(max)) => format!("under {}", money(max)),
        (None, None) => String::new(),
    }
}

/// `without the price limit`: how to say that a limit is given up.
pub(crate) fn without(constraint: Constraint) -> &'static str {
    match constraint {
        Constraint::Category => "in other categories",
        Constraint::Fabric => "in other fabrics",
        Constraint::Weave => "in other weaves",
        Constraint::Color => "in other colours",
        Constraint::Price => "at other prices",
        Constraint::Size => "in other sizes",
        Constraint::Occasion => "for other occasions",
    }
}

/// The answer about one aspect of a product, or an introduction when none was named.
pub(crate) fn product(facts: &ProductFacts, aspect: Option<Aspect>) -> String {
    let name = &facts.product.name;
    let known = |value: &str, sentence: String| {
        if value.trim().is_empty() { format!("I have no details on that for {name}.") } else { sentence }
    };
    match aspect {
        Some(Aspect::Price) => format!("{name} costs {}.", money(facts.product.price)),
        Some(Aspect::Reviews) => reviews(facts),
        Some(Aspect::Stock) => stock(facts),
        Some(Aspect::Care) => known(&facts.care, format!("Care for {name}: {}.", trimmed(&facts.care))),
        Some(Aspect::Material) => known(&facts.fabric, format!("{name} is made of {}.", trimmed(&facts.fabric))),
        Some(Aspect::Origin) => known(&facts.origin, format!("{name} comes from {}.", trimmed(&facts.origin))),
        Some(Aspect::Sizes) => {
            let sizes = list(&facts.sizes, "and");
            known(&sizes, format!("{name} comes in size {sizes}."))
        }
        Some(Aspect::Colors) => {
            let colors = list(&facts.colors, "and");
            known(&colors, format!("{name} comes in {colors}."))
        }
        Some(Aspect::Description) | None => {
            let description = shortened(&facts.description, SPOKEN_DESCRIPTION);
            let price = format!("{name} costs {}.", money(facts.product.price));
            [price, description, stock_in_short(facts)].join(" ").trim().to_owned()
        }
    }
}

fn trimmed(value: &str) -> &str {
    value.trim().trim_end_matches('.')
}

fn stock_in_short(facts: &ProductFacts) -> String {
    if facts.in_stock { "It is in stock.".to_owned() } else { "It is out of stock.".to_owned() }
}

fn stock(facts: &ProductFacts) -> String {
    let state = if facts.in_stock { "in stock" } else { "out of stock" };
    let name = &facts.product.name;
    if facts.in_stock && !facts.sizes.is_empty() {
        return format!("{name} is {state}, in size {}.", list(&facts.sizes, "and"));
    }
    format!("{name} is {state}.")
}

/// `4.8 of 5 stars in 124 reviews`, the rating in words.
fn reviews(facts: &ProductFacts) -> String {
    let name = &facts.product.name;
    if facts.reviews == 0 || !(0.0..=5.0).contains(&facts.rating) {
        return format!("{name} has no reviews yet.");
    }
    let tenths = (facts.rating * 10.0).round() as u64;
    let rating = match tenths % 10 {
        0 => number_words(tenths / 10),
        tenth => format!("{} point {}", number_words(tenths / 10), number_words(tenth)),
    };
    let reviews = if facts.reviews == 1 { "review" } else { "reviews" };
    format!("{name} has {rating} out of five stars in {} {reviews}.", facts.reviews)
}
