//! What a shopper means by what they say: pure functions from a sentence and the conversation's
//! context to an intent with slots ([`understand`]), and from that and what the shop found to a
//! spoken reply ([`compose`]).
//!
//! English, Hindi and Telugu are understood, in their scripts, in Latin letters, and mixed. A
//! sentence runs through: `normalise` (words), `morphology` (endings), `sentence` (phrases of the
//! `lexicon`, `numbers`), `correction` (what is taken back), `price` and `slots` (values),
//! `reference` (which product), `intent` (one rule per intent, the strongest wins), `context`
//! (refinements), `certainty` (of each slot); `requests` cuts what asks for several things. What the
//! words mean is data (`lexicon/*.json`); the code knows only how they combine. Nothing here does
//! I/O, keeps state, or depends on the time, so equal input gives equal output.

mod certainty;
mod context;
mod correction;
mod fabric;
mod intent;
mod lexicon;
mod morphology;
mod normalise;
mod numbers;
mod price;
pub mod proposal;
mod reference;
pub mod reply;
mod requests;
mod sentence;
mod sentences;
mod slots;
mod sound;
mod terms;
mod wording;

#[cfg(test)]
mod golden;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use context::Context;
pub use fabric::{Fabric, WantedFabric, fabric_includes};
pub use intent::{CONFIDENT, Intent};
pub use lexicon::{canonical, spelled};
pub use reference::ProductReference;
pub use reply::{Action, Found, Reply, compose};
pub use requests::MOST as MOST_REQUESTS;
pub use sentences::{training_sentences, vocabulary};
pub use slots::Slots;
pub use terms::{Aspect, Page, PolicyTopic, Size, Sort};
pub use wording::{
    Concept, SearchWord, all_concepts, concepts, guessed, normalised, opened, search_words, sound_key, whole_concepts,
};

use intent::{Decision, Evidence, is_accounted};
use sentence::{Sense, Sentence};
use terms::{Bound, Cue};

use crate::types::Language;

/// Where the shopper wants to go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "to", rename_all = "camelCase")]
pub enum NavigationTarget {
    /// A page with a name.
    Page { page: Page },
    /// The shop, narrowed to the slots' category.
    Category { category: String },
    /// The page of the product that the sentence refers to.
    Product,
}

/// A sentence understood.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Understood {
    /// The language to answer in.
    pub language: Language,
    pub intent: Intent,
    /// From 0 (nothing understood) to 1.
    pub confidence: f64,
    pub slots: Slots,
    /// The product that is meant.
    pub reference: Option<ProductReference>,
    /// Where to go, when the intent is [`Intent::Navigate`].
    pub navigate_to: Option<NavigationTarget>,
    /// What was asked, when the intent is [`Intent::AnswerPolicy`].
    pub policy: Option<PolicyTopic>,
    /// What was asked about a product, when the intent is [`Intent::ReadProduct`].
    pub aspect: Option<Aspect>,
    /// By how many pieces to change the quantity, when no absolute one was named.
    pub quantity_change: Option<i32>,
    /// The words to search by: values in canonical form and the unknown words, in spoken order.
    pub query: String,
    /// Content words that found no place, as they were said.
    pub not_understood: Vec<String>,
    /// How sure each filled slot is, by its name on the wire, 0 to 1.
    pub slot_confidence: BTreeMap<String, f64>,
    /// What the sentence asks for behind the first request, in order, at most two.
    #[schema(no_recursion)]
    pub then: Vec<Request>,
}

/// A request that follows another one in the same sentence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Request {
    /// The part of the sentence that asks for it, as it was said.
    pub text: String,
    pub understood: Understood,
}

/// The confidence of a request that goes on from the last one.
const CONTINUED: f64 = 0.9;

/// Understands what is said: its first request, and those that follow in [`Understood::then`]. Text
/// beyond 200 words is ignored; any Unicode text is safe.
pub fn understand(text: &str, context: &Context) -> Understood {
    let sentence = Sentence::read(text);
    let mut requests = requests::of(&sentence, context, request).into_iter();
    let Some((_, mut first)) = requests.next() else { return interpret(sentence, text, context) };
    first.language = language(text);
    first.then = requests.map(|(text, understood)| Request { text: text.to_owned(), understood }).collect();
    first
}

/// Understands a text that asks for one thing.
fn request(text: &str, context: &Context) -> Understood {
    interpret(Sentence::read(text), text, context)
}

fn interpret(mut sentence: Sentence<'_>, text: &str, context: &Context) -> Understood {
    let corrects = correction::apply(&mut sentence);
    let slots = slots::extract(&mut sentence);
    let pointed = reference::extract(&mut sentence);
    let evidence = Evidence::gather(&sentence, &slots, pointed.as_ref(), context.slots.is_some());
    let mut decision = evidence.decide();
    if let Some(intent) = context::continued(&sentence, corrects, pointed.as_ref(), context.intent) {
        decision = Decision { intent, confidence: decision.confidence.max(CONTINUED) };
    }
    let intent = decision.intent;
    let (policy, aspect) = (evidence.topic(), evidence.aspect);
    let page = evidence.page();
    let mut query = reference::name_words(&sentence);
    let not_understood = not_understood(&sentence);
    let quantity_change = quantity_change(&sentence, &slots);
    let refined = context.slots.as_ref().filter(|_| intent == Intent::Search);
    let refined = refined.and_then(|last| context::refine(&sentence, corrects, &slots, last));
    if let Some(refined) = &refined {
        query = refined_query(refined, &reply::uncovered(&slots, &query));
    }
    let mut slots = refined.unwrap_or(slots);
    if intent == Intent::ReadProduct {
        // `does it have good reviews` asks about one product and orders nothing.
        slots.sort = None;
    }
    let navigate_to = (intent == Intent::Navigate).then(|| target(page, &sentence, &slots, pointed.is_some()));
    Understood {
        language: language(text),
        intent,
        confidence: decision.confidence.clamp(0.0, 1.0),
        reference: reference_for(intent, pointed, &query),
        navigate_to,
        policy: policy.filter(|_| intent == Intent::AnswerPolicy),
        aspect: aspect.filter(|_| intent == Intent::ReadProduct),
        quantity_change: quantity_change.filter(|_| intent == Intent::ChangeQuantity),
        then: Vec::new(),
        slot_confidence: certainty::by_slot(&sentence, &slots),
        slots,
        query,
        not_understood,
    }
}

/// What intents about one product refer to: what was pointed at, else the name, else what the
/// shopper looks at.
fn reference_for(intent: Intent, pointed: Option<ProductReference>, query: &str) -> Option<ProductReference> {
    let about_product =
        [Intent::AddToCart, Intent::RemoveFromCart, Intent::ChangeQuantity, Intent::ReadProduct].contains(&intent);
    if pointed.is_some() || !about_product {
        return pointed.filter(|_| about_product || intent == Intent::Navigate);
    }
    let named = !query.is_empty();
    Some(if named { ProductReference::Name { words: query.to_owned() } } else { ProductReference::Current })
}

/// The search words of a refined search: what was merged, then what is new and no slot covers.
fn refined_query(slots: &Slots, uncovered: &str) -> String {
    let lists = [&slots.colors, &slots.weave, &slots.fabric];
    let values = lists.into_iter().flatten().map(String::as_str);
    let category = slots.category.as_deref().map(reference::singular);
    let words: Vec<_> = values.chain(category).chain(Some(uncovered)).filter(|word| !word.is_empty()).collect();
    words.join(" ")
}

fn target(page: Option<Page>, sentence: &Sentence<'_>, slots: &Slots, points: bool) -> NavigationTarget {
    match (page, &slots.category) {
        (Some(page), _) => NavigationTarget::Page { page },
        (None, _) if sentence.has(Cue::Cart) => NavigationTarget::Page { page: Page::Cart },
        (None, _) if points => NavigationTarget::Product,
        (None, Some(category)) => NavigationTarget::Category { category: category.clone() },
        (None, None) => NavigationTarget::Page { page: Page::Shop },
    }
}

/// `increase by two`, `one less`: a step, unless `to` names the new quantity.
fn quantity_change(sentence: &Sentence<'_>, slots: &Slots) -> Option<i32> {
    let up = sentence.has(Cue::Increase) || (sentence.has(Cue::Add) && sentence.has(Cue::Quantity));
    let down = sentence.has(Cue::Decrease);
    if up == down || (slots.quantity.is_some() && sentence.has_word("to")) {
        return None;
    }
    let step = i32::try_from(slots.quantity.unwrap_or(1)).unwrap_or(1);
    Some(if up { step } else { -step })
}

/// The words that found no place; neighbours of one phrase stay together.
fn not_understood(sentence: &Sentence<'_>) -> Vec<String> {
    let unplaced = |index: &usize| {
        let item = &sentence.items[*index];
        !item.is_filler() && !is_accounted(item) && item.bound(&[Bound::Currency]).is_none()
    };
    let mut words: Vec<String> = Vec::new();
    let mut last_end = None;
    for index in (0..sentence.items.len()).filter(unplaced) {
        let end = sentence.tokens[sentence.items[index].tokens.end - 1].span.end;
        // Both words of a contraction share one span.
        if last_end != Some(end) || matches!(sentence.items[index].sense, Sense::Number(_)) {
            words.push(sentence.original(index).to_owned());
        }
        last_end = Some(end);
    }
    words
}

/// The language by its script: most letters decide.
fn language(text: &str) -> Language {
    let (mut hindi, mut telugu, mut other) = (0, 0, 0);
    for c in text.chars() {
        match c {
            '\u{0900}'..='\u{097F}' => hindi += 1,
            '\u{0C00}'..='\u{0C7F}' => telugu += 1,
            _ if c.is_alphabetic() => other += 1,
            _ => {}
        }
    }
    if hindi > telugu && hindi > other {
        Language::Hindi
    } else if telugu > other {
        Language::Telugu
    } else {
        Language::English
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_found_no_place_is_told_as_it_was_said() {
        let missed = |text: &str| understand(text, &Context::default()).not_understood;
        assert_eq!(missed("Show me Sarees like Deepika's in Padmaavat"), ["Deepika's", "Padmaavat"]);
        assert_eq!(missed("sarees but not Silk"), ["Silk"]);
        assert!(missed("could you please show me some red silk sarees for my sister under 5000 rupees").is_empty());
    }

    #[test]
    fn the_wire_form_is_the_documented_one() {
        let understood = understand("show me silk sarees under five thousand rupees", &Context::default());
        let slots = serde_json::to_value(&understood.slots).expect("slots serialise");
        let expected = serde_json::json!({
            "category": "sarees", "fabric": ["silk"], "weave": [], "colors": [], "notColors": [],
            "minPricePaise": null, "maxPricePaise": 500_000, "sizes": [], "occasion": null,
            "quantity": null, "sort": null
        });
        assert_eq!(slots, expected);
        assert_eq!(understood.query, "silk saree");
        assert!(understood.confidence > 0.9);
        let intent = understand("add the first one to my cart", &Context::default()).intent;
        assert_eq!(serde_json::to_value(intent).expect("intents serialise"), "addToCart");
    }

    #[test]
    fn steps_of_the_quantity_are_told_apart_from_its_value() {
        let change = |text: &str| {
            let understood = understand(text, &Context::default());
            (understood.slots.quantity, understood.quantity_change)
        };
        assert_eq!(change("increase the quantity by two"), (Some(2), Some(2)));
        assert_eq!(change("increase the quantity to two"), (Some(2), None));
        assert_eq!(change("decrease the quantity"), (None, Some(-1)));
    }

    #[test]
    fn the_language_follows_the_script() {
        let language = |text: &str| understand(text, &Context::default()).language;
        assert_eq!(language("लाल साड़ी दिखाओ"), Language::Hindi);
        assert_eq!(language("ఎర్ర చీర"), Language::Telugu);
        assert_eq!(language("red saree"), Language::English);
    }
}
