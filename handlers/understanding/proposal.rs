//! What somebody else (a language model) made of a sentence that the rules did not understand: a form of
//! closed vocabularies and bounded numbers, judged before anything is made of it.
//!
//! A proposal holds no free text, no price to pay and no id. It goes the same way as what the rules
//! understood, but with less confidence, and it changes neither cart nor order: what would is asked back
//! ([`Accepted::Confirm`]), in words that the rules understand when the shopper says them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::lexicon::LEXICON;
use super::terms::{Aspect, Page, PolicyTopic, Size, Sort};
use super::{Context, Intent, NavigationTarget, ProductReference, Slots, Understood, refined_query};
use crate::types::Paise;

/// How sure an understanding is that rests on a proposal.
pub const PROPOSED: f64 = 0.6;

/// Values of one slot that are believed.
const MAX_VALUES: usize = 8;
/// The greatest price to search by, in rupees.
const MAX_RUPEES: i64 = 10_000_000;
const MAX_QUANTITY: i64 = 99;
const MAX_POSITION: i64 = 99;

/// The form.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Proposal {
    pub intent: Intent,
    pub category: Option<String>,
    pub fabric: Vec<String>,
    pub weave: Vec<String>,
    pub colors: Vec<String>,
    pub not_colors: Vec<String>,
    pub min_price_rupees: Option<i64>,
    pub max_price_rupees: Option<i64>,
    pub sizes: Vec<Size>,
    pub occasion: Option<String>,
    pub quantity: Option<i64>,
    pub sort: Option<Sort>,
    /// Which product is meant.
    pub reference: Option<Pointer>,
    /// Counted from 1 among what was shown, with [`Pointer::Position`].
    pub position: Option<i64>,
    pub page: Option<Page>,
    pub topic: Option<PolicyTopic>,
    pub aspect: Option<Aspect>,
}

/// How a product is pointed at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pointer {
    Position,
    Last,
    Current,
    /// By its values: category, weave, fabric, colour.
    Named,
    /// Everything in the cart.
    All,
}

/// What becomes of a proposal.
#[derive(Clone, Debug, PartialEq)]
pub enum Accepted {
    /// It is answered like what the rules understood.
    Understood(Box<Understood>),
    /// It would change the cart or begin an order: the shopper is asked to say this.
    Confirm(String),
    /// There is nothing in it.
    Nothing,
}

/// The closed vocabularies of slots, as the lexicon has them.
static VOCABULARY: LazyLock<BTreeMap<&'static str, BTreeSet<&'static str>>> = LazyLock::new(|| {
    let values = |kind: &'static str| (kind, LEXICON.of_kind(kind).map(|entry| entry.value).collect());
    ["category", "fabric", "weave", "color", "occasion"].map(values).into_iter().collect()
});

fn known(kind: &str, value: &str) -> bool {
    VOCABULARY.get(kind).is_some_and(|values| values.contains(value))
}

/// The JSON schema of the form, in the part of JSON Schema that models are held to.
pub fn schema() -> Value {
    let values = |kind: &str| VOCABULARY.get(kind).map(|values| json!(values)).unwrap_or_default();
    let listed = |kind: &str| json!({ "type": "array", "items": { "type": "string", "enum": values(kind) } });
    let maybe = |mut values: Value| {
        if let Value::Array(values) = &mut values {
            values.push(Value::Null);
        }
        json!({ "type": ["string", "null"], "enum": values })
    };
    let number = || json!({ "type": ["integer", "null"] });
    let properties = json!({
        "intent": { "type": "string", "enum": Intent::ALL },
        "category": maybe(values("category")),
        "fabric": listed("fabric"),
        "weave": listed("weave"),
        "colors": listed("color"),
        "notColors": listed("color"),
        "minPriceRupees": number(),
        "maxPriceRupees": number(),
        "sizes": { "type": "array", "items": { "type": "string", "enum": Size::ALL } },
        "occasion": maybe(values("occasion")),
        "quantity": number(),
        "sort": maybe(json!([Sort::Newest, Sort::PriceLow, Sort::PriceHigh, Sort::Popular, Sort::Rating])),
        "reference": maybe(json!([Pointer::Position, Pointer::Last, Pointer::Current, Pointer::Named, Pointer::All])),
        "position": number(),
        "page": maybe(json!([
            Page::Home, Page::Shop, Page::Cart, Page::Contact, Page::Privacy, Page::Terms, Page::Account,
            Page::AccountPrivacy, Page::Back
        ])),
        "topic": maybe(json!(PolicyTopic::ALL)),
        "aspect": maybe(json!([
            Aspect::Price, Aspect::Reviews, Aspect::Stock, Aspect::Care, Aspect::Material, Aspect::Sizes,
            Aspect::Colors, Aspect::Origin, Aspect::Description
        ])),
    });
    let required: Vec<&String> = properties.as_object().into_iter().flat_map(|properties| properties.keys()).collect();
    json!({ "type": "object", "additionalProperties": false, "required": required, "properties": properties })
}

impl Proposal {
    /// Reads a form as it came.
    ///
    /// # Errors
    /// When it is none: a field is missing, unknown, or of another type, or a word is no word of a list that
    /// never grows (intents, sizes, sorts, pages).
    pub fn read(text: &str) -> Result<Self, serde_json::Error> {
        Ok(serde_json::from_str::<Self>(text)?.judged())
    }

    /// Without values that the vocabularies do not have, and numbers that mean nothing.
    fn judged(mut self) -> Self {
        for (kind, values) in [
            ("fabric", &mut self.fabric),
            ("weave", &mut self.weave),
            ("color", &mut self.colors),
            ("color", &mut self.not_colors),
        ] {
            let mut seen = BTreeSet::new();
            values.retain(|value| known(kind, value) && seen.insert(value.clone()));
            values.truncate(MAX_VALUES);
        }
        self.not_colors.retain(|color| !self.colors.contains(color));
        self.category.take_if(|value| !known("category", value));
        self.occasion.take_if(|value| !known("occasion", value));
        self.sizes.sort();
        self.sizes.dedup();
        let out_of = |value: &mut i64, most: i64| !(1..=most).contains(value);
        self.min_price_rupees.take_if(|price| out_of(price, MAX_RUPEES));
        self.max_price_rupees.take_if(|price| out_of(price, MAX_RUPEES));
        if let (Some(min), Some(max)) = (self.min_price_rupees, self.max_price_rupees)
            && min > max
        {
            (self.min_price_rupees, self.max_price_rupees) = (None, None);
        }
        self.quantity.take_if(|quantity| out_of(quantity, MAX_QUANTITY));
        self.position.take_if(|position| out_of(position, MAX_POSITION));
        self
    }

    fn slots(&self) -> Slots {
        let paise = |rupees: i64| u32::try_from(rupees).ok().map(|rupees| Paise::from_rupees(rupees.into()));
        Slots {
            category: self.category.clone(),
            fabric: self.fabric.clone(),
            weave: self.weave.clone(),
            colors: self.colors.clone(),
            not_colors: self.not_colors.clone(),
            min_price_paise: self.min_price_rupees.and_then(paise),
            max_price_paise: self.max_price_rupees.and_then(paise),
            sizes: self.sizes.clone(),
            occasion: self.occasion.clone(),
            quantity: self.quantity.and_then(|quantity| u32::try_from(quantity).ok()),
            sort: self.sort,
        }
    }

    /// The product that is meant; a position that was not shown means none.
    fn pointed(&self, slots: &Slots, context: &Context) -> Option<ProductReference> {
        match self.reference? {
            Pointer::Position => {
                let position = u8::try_from(self.position?).ok()?;
                let shown = usize::from(position) <= context.products.len();
                shown.then_some(ProductReference::Position { position })
            }
            Pointer::Last => (!context.products.is_empty()).then_some(ProductReference::Last),
            Pointer::Current => Some(ProductReference::Current),
            Pointer::Named => {
                let words = refined_query(slots, "");
                (!words.is_empty()).then_some(ProductReference::Name { words })
            }
            Pointer::All => Some(ProductReference::All),
        }
    }

    /// What it means for a sentence of which the rules made `unknown`: language and words that found no place
    /// stay as they are.
    pub fn accept(self, unknown: &Understood, context: &Context) -> Accepted {
        let slots = self.slots();
        let pointed = self.pointed(&slots, context);
        let navigate_to = match (self.intent, self.page, &slots.category) {
            (Intent::Navigate, Some(Page::Checkout), _) => return Accepted::Confirm("check out".into()),
            (Intent::Navigate, Some(page), _) => Some(NavigationTarget::Page { page }),
            (Intent::Navigate, None, _) if pointed.is_some() => Some(NavigationTarget::Product),
            (Intent::Navigate, None, Some(category)) => Some(NavigationTarget::Category { category: category.clone() }),
            _ => None,
        };
        let complete = match self.intent {
            Intent::AddToCart | Intent::RemoveFromCart | Intent::ChangeQuantity | Intent::Checkout => {
                return self.confirm(pointed.as_ref(), &slots).map_or(Accepted::Nothing, Accepted::Confirm);
            }
            Intent::Search => !slots.is_empty(),
            Intent::Navigate => navigate_to.is_some(),
            Intent::AnswerPolicy => self.topic.is_some(),
            Intent::ReadProduct => pointed.as_ref().is_some_and(|pointed| *pointed != ProductReference::All),
            Intent::ReadCart | Intent::Help | Intent::Stop => true,
            Intent::Unknown => false,
        };
        if !complete {
            return Accepted::Nothing;
        }
        // What does not belong to the intent would only confuse the answer.
        let slots = match self.intent {
            Intent::Search | Intent::ReadProduct => slots,
            Intent::Navigate => Slots { category: slots.category, ..Slots::default() },
            _ => Slots::default(),
        };
        let about_product = matches!(self.intent, Intent::ReadProduct | Intent::Navigate);
        Accepted::Understood(Box::new(Understood {
            language: unknown.language,
            intent: self.intent,
            confidence: PROPOSED,
            reference: pointed.filter(|_| about_product),
            navigate_to,
            policy: self.topic.filter(|_| self.intent == Intent::AnswerPolicy),
            aspect: self.aspect.filter(|_| self.intent == Intent::ReadProduct),
            quantity_change: None,
            query: if self.intent == Intent::Search { refined_query(&slots, "") } else { String::new() },
            not_understood: unknown.not_understood.clone(),
            slot_confidence: slots.filled().into_iter().map(|slot| (slot.to_owned(), PROPOSED)).collect(),
            slots,
            then: Vec::new(),
        }))
    }

    /// What the shopper is to say, in words that the rules understand.
    fn confirm(&self, pointed: Option<&ProductReference>, slots: &Slots) -> Option<String> {
        let which = match pointed {
            Some(ProductReference::Position { position }) => Some(format!("number {position}")),
            Some(ProductReference::Last) => Some("the last one".to_owned()),
            Some(ProductReference::Current) => Some("it".to_owned()),
            Some(ProductReference::Name { words }) => Some(format!("the {words}")),
            Some(ProductReference::All) | None => None,
        };
        match (self.intent, which, slots.quantity) {
            (Intent::Checkout, ..) => Some("check out".to_owned()),
            (Intent::AddToCart, Some(which), Some(quantity)) if quantity > 1 => {
                Some(format!("add {quantity} pieces of {which} to my cart"))
            }
            (Intent::AddToCart, Some(which), _) => Some(format!("add {which} to my cart")),
            (Intent::RemoveFromCart, ..) if pointed == Some(&ProductReference::All) => Some("empty my cart".to_owned()),
            (Intent::RemoveFromCart, Some(which), _) => Some(format!("remove {which} from my cart")),
            (Intent::ChangeQuantity, which, Some(quantity)) => {
                let which = which.unwrap_or_else(|| "it".to_owned());
                Some(format!("change the quantity of {which} to {quantity}"))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
