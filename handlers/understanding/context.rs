//! What the conversation adds to a sentence. The context comes with the request, so it is
//! bounded here and only ever used to point at products and to refine a search.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::sentence::Sentence;
use super::slots::Slots;
use super::terms::Cue;
use crate::types::ProductId;

/// The most products of a context that positions can point at.
const MAX_PRODUCTS: usize = 100;
/// The most values of one slot that are carried on.
const MAX_VALUES: usize = 16;
/// The longest value, in bytes, that is carried on.
const MAX_VALUE_LENGTH: usize = 40;

/// What the shopper saw and asked for last.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Context {
    /// The products shown last, in order.
    #[schema(value_type = Vec<String>)]
    pub products: Vec<ProductId>,
    /// The product whose page is open or that was read out last.
    #[schema(value_type = Option<String>)]
    pub current_product: Option<ProductId>,
    /// The slots of the last search.
    pub slots: Option<Slots>,
}

impl Context {
    /// The same context without what no honest client sends: overlong lists and values.
    pub fn bounded(mut self) -> Self {
        self.products.truncate(MAX_PRODUCTS);
        if let Some(slots) = &mut self.slots {
            for values in [&mut slots.fabric, &mut slots.weave, &mut slots.colors, &mut slots.not_colors] {
                values.retain(|value| value.len() <= MAX_VALUE_LENGTH);
                values.truncate(MAX_VALUES);
            }
            slots.sizes.truncate(MAX_VALUES);
            for value in [&mut slots.category, &mut slots.occasion] {
                value.take_if(|value| value.len() > MAX_VALUE_LENGTH);
            }
        }
        self
    }
}

/// The slots of a refining sentence laid over those of the search before. `None` if the sentence
/// begins a search of its own: it names a category without words that tie it to the last one.
pub(crate) fn refine(sentence: &Sentence<'_>, new: &Slots, last: &Slots) -> Option<Slots> {
    let ties = sentence.has(Cue::Refine) || sentence.has(Cue::One);
    let same_category = new.category.is_some() && new.category == last.category && sentence.has(Cue::More);
    if new.category.is_some() && !ties && !same_category {
        return None;
    }
    let adds = sentence.has_word("also");
    let mut merged = last.clone();
    if new.category.is_some() {
        merged.category.clone_from(&new.category);
    }
    lay_over(&mut merged.fabric, &new.fabric, adds);
    lay_over(&mut merged.weave, &new.weave, adds);
    lay_over(&mut merged.colors, &new.colors, adds);
    for color in &new.not_colors {
        merged.colors.retain(|kept| kept != color);
        if !merged.not_colors.contains(color) {
            merged.not_colors.push(color.clone());
        }
    }
    merged.not_colors.retain(|color| !new.colors.contains(color));
    if !new.sizes.is_empty() {
        merged.sizes.clone_from(&new.sizes);
    }
    if new.occasion.is_some() {
        merged.occasion.clone_from(&new.occasion);
    }
    prices(&mut merged, new);
    merged.sort = new.sort.or(merged.sort);
    merged.quantity = new.quantity;
    Some(merged)
}

fn lay_over(kept: &mut Vec<String>, new: &[String], adds: bool) {
    if new.is_empty() {
        return;
    }
    if !adds {
        kept.clear();
    }
    for value in new {
        if !kept.contains(value) {
            kept.push(value.clone());
        }
    }
}

/// A new limit replaces its like; the other one stays while both can hold.
fn prices(merged: &mut Slots, new: &Slots) {
    let (min, max) = (new.min_price_paise, new.max_price_paise);
    match (min, max) {
        (None, None) => {}
        (Some(_), Some(_)) => (merged.min_price_paise, merged.max_price_paise) = (min, max),
        (Some(low), None) => {
            merged.min_price_paise = min;
            merged.max_price_paise.take_if(|high| *high < low);
        }
        (None, Some(high)) => {
            merged.max_price_paise = max;
            merged.min_price_paise.take_if(|low| *low > high);
        }
    }
}
