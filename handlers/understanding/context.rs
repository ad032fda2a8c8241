//! What the conversation adds to a sentence. The context comes with the request, so it is
//! bounded here and only ever used to point at products and to refine a search.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::reference::ProductReference;
use super::sentence::Sentence;
use super::slots::Slots;
use super::terms::Cue;
use super::{Intent, is_accounted};
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
    /// What was understood last: `no, the second one` does the same to another product.
    pub intent: Option<Intent>,
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

/// The intent that a sentence goes on with: it only points at another product, and corrects the
/// last request (`no, the second one`) or extends it (`the third one too`).
pub(crate) fn continued(
    sentence: &Sentence<'_>,
    corrects: bool,
    reference: Option<&ProductReference>,
    last: Option<Intent>,
) -> Option<Intent> {
    let about_product = [Intent::AddToCart, Intent::RemoveFromCart, Intent::ReadProduct];
    let last = last.filter(|last| about_product.contains(last))?;
    let goes_on = corrects || sentence.has(Cue::Also);
    let pointing = [Cue::One, Cue::This, Cue::Last, Cue::Item, Cue::Correct, Cue::ColorNoun, Cue::Not, Cue::NotAfter];
    let only_points = sentence.items.iter().all(|item| {
        item.is_filler()
            || item.describes_products()
            || pointing.iter().any(|&cue| item.is(cue))
            || (item.used && is_accounted(item))
    });
    let named = sentence.has(Cue::One) && sentence.items.iter().any(|item| item.describes_products());
    (goes_on && only_points && (reference.is_some() || named)).then_some(last)
}

/// The slots of a refining sentence laid over those of the search before. `None` if the sentence
/// begins a search of its own: it names a category without words that tie it to the last one.
pub(crate) fn refine(sentence: &Sentence<'_>, corrects: bool, new: &Slots, last: &Slots) -> Option<Slots> {
    // `no, kurtas` takes back the garment alone.
    let replaced = corrects && new.filled() == ["category"];
    let ties = replaced || sentence.has(Cue::Refine) || sentence.has(Cue::One);
    let same_category = new.category.is_some() && new.category == last.category && sentence.has(Cue::More);
    if new.category.is_some() && !ties && !same_category {
        return None;
    }
    let adds = sentence.has(Cue::Also);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Paise;
    use crate::understanding::terms::Sort;
    use crate::understanding::{Intent, ProductReference, understand};

    fn after(last: &str, say: &str) -> Slots {
        let slots = Some(understand(last, &Context::default()).slots);
        let understood = understand(say, &Context { slots, ..Context::default() });
        assert_eq!(understood.intent, Intent::Search, "{say}");
        understood.slots
    }

    const LAST: &str = "red silk sarees under five thousand";

    #[test]
    fn refinements_keep_what_they_do_not_mention() {
        let slots = after(LAST, "show me that in blue");
        assert_eq!((slots.category.as_deref(), slots.colors), (Some("sarees"), vec!["blue".to_owned()]));
        assert_eq!(slots.max_price_paise, Some(Paise::from_rupees(5_000)));
        let slots = after(LAST, "cheaper ones");
        assert_eq!((slots.fabric, slots.sort), (vec!["silk".to_owned()], Some(Sort::PriceLow)));
        let slots = after(LAST, "not red");
        assert_eq!((slots.colors, slots.not_colors), (vec![], vec!["red".to_owned()]));
        let slots = after(LAST, "over six thousand");
        assert_eq!((slots.min_price_paise, slots.max_price_paise), (Some(Paise::from_rupees(6_000)), None));
        let slots = after(LAST, "what about kurtas");
        assert_eq!((slots.category.as_deref(), slots.colors), (Some("kurtas"), vec!["red".to_owned()]));
    }

    #[test]
    fn a_new_garment_begins_a_new_search() {
        assert_eq!(after(LAST, "show me cotton kurtas"), after("show me cotton kurtas", "show me cotton kurtas"));
        assert!(after(LAST, "show me cotton kurtas").colors.is_empty());
    }

    #[test]
    fn a_refined_search_is_searched_for_as_a_whole() {
        let slots = Some(understand(LAST, &Context::default()).slots);
        let understood = understand("in blue with a peacock motif", &Context { slots, ..Context::default() });
        assert_eq!(understood.query, "blue silk saree peacock motif");
    }

    #[test]
    fn positions_point_at_what_was_shown() {
        let products: Vec<_> = (0..3).map(|_| ProductId::generate()).collect();
        let current = ProductId::generate();
        let context =
            Context { products: products.clone(), current_product: Some(current.clone()), ..Context::default() };
        let resolved = |say: &str| understand(say, &context).reference.and_then(|it| it.resolve(&context));
        assert_eq!(resolved("add the second one to my cart"), Some(products[1].clone()));
        assert_eq!(resolved("tell me about number three"), Some(products[2].clone()));
        assert_eq!(resolved("remove the last one"), Some(products[2].clone()));
        assert_eq!(resolved("how much is it"), Some(current));
        assert_eq!(resolved("add the fourth one"), None);
        let by_name = understand("add the banarasi silk saree to my cart", &context).reference;
        assert_eq!(by_name, Some(ProductReference::Name { words: "banarasi silk saree".to_owned() }));
    }

    #[test]
    fn an_outsized_context_is_cut() {
        let slots = Slots {
            category: Some("x".repeat(1_000)),
            colors: vec!["red".to_owned(); 1_000],
            fabric: vec!["y".repeat(1_000)],
            ..Slots::default()
        };
        let products = (0..500).map(|_| ProductId::generate()).collect();
        let context = Context { products, slots: Some(slots), ..Context::default() }.bounded();
        assert_eq!(context.products.len(), 100);
        let slots = context.slots.expect("the slots stay");
        assert_eq!((slots.category, slots.colors.len(), slots.fabric.len()), (None, 16, 0));
    }
}
