//! What the shopper wants done. Every intent has one rule that weighs the evidence in the
//! sentence; the strongest rule wins, the earlier one at a tie.
//!
//! Confidence = strength of the rule × (0.35 + 0.65 × share of the content that was accounted
//! for). Where a garment, a weave or a policy is named outright, the square root of the share
//! counts, since unknown words beside it change little. Below [`CONFIDENT`] the intent is `unknown`, so that
//! a sentence that merely mentions a colour does not become a search.

mod product;
mod rules;
mod search;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::reference::{ProductReference, names_product};
use super::sentence::{Item, Sense, Sentence};
use super::slots::Slots;
use super::terms::{Aspect, Bound, Meaning, Page, PolicyTopic};

/// The least confidence with which an intent is acted upon.
pub const CONFIDENT: f64 = 0.5;

/// What the shopper wants; the action of the reply bears the same name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum Intent {
    Navigate,
    Search,
    AddToCart,
    RemoveFromCart,
    ChangeQuantity,
    ReadCart,
    Checkout,
    ReadProduct,
    AnswerPolicy,
    Help,
    Stop,
    #[default]
    Unknown,
}

impl Intent {
    /// Every intent, in the order in which ties are decided.
    pub const ALL: [Intent; 12] = [
        Self::Stop,
        Self::AnswerPolicy,
        Self::Help,
        Self::Checkout,
        Self::RemoveFromCart,
        Self::ChangeQuantity,
        Self::AddToCart,
        Self::ReadCart,
        Self::Navigate,
        Self::ReadProduct,
        Self::Search,
        Self::Unknown,
    ];
}

/// Everything that the rules look at, gathered once.
pub(crate) struct Evidence<'s, 't> {
    sentence: &'s Sentence<'t>,
    slots: &'s Slots,
    reference: Option<&'s ProductReference>,
    /// Whether an earlier search can be refined.
    in_dialogue: bool,
    policy: Option<(PolicyTopic, usize)>,
    page: Option<Page>,
    pub(crate) aspect: Option<Aspect>,
    content: usize,
    accounted: usize,
}

/// What the rules decided.
pub(crate) struct Decision {
    pub intent: Intent,
    pub confidence: f64,
}

impl<'s, 't> Evidence<'s, 't> {
    pub(crate) fn gather(
        sentence: &'s Sentence<'t>,
        slots: &'s Slots,
        reference: Option<&'s ProductReference>,
        in_dialogue: bool,
    ) -> Self {
        let policy = sentence.items.iter().filter_map(|item| {
            let topic = item.find(|meaning| if let Meaning::Policy(topic) = meaning { Some(topic) } else { None })?;
            Some((topic, item.tokens.len()))
        });
        let priced = slots.min_price_paise.is_some() || slots.max_price_paise.is_some();
        let mut aspects = sentence.items.iter().filter_map(|item| {
            item.find(|meaning| if let Meaning::Aspect(aspect) = meaning { Some(aspect) } else { None })
        });
        let content = sentence.items.iter().filter(|item| !item.is_filler());
        Self {
            sentence,
            slots,
            reference,
            in_dialogue,
            policy: policy.rev().max_by_key(|(_, length)| *length),
            page: sentence
                .items
                .iter()
                .find_map(|item| item.find(|m| if let Meaning::Page(page) = m { Some(page) } else { None })),
            // The last aspect is what is asked for: `price` in `the price range` is none.
            aspect: aspects.rfind(|aspect| !(priced && *aspect == Aspect::Price)),
            content: content.clone().count(),
            accounted: content.filter(|item| is_accounted(item)).count(),
        }
    }

    /// The topic of a policy question.
    pub(crate) fn topic(&self) -> Option<PolicyTopic> {
        self.policy.map(|(topic, _)| topic)
    }

    pub(crate) fn page(&self) -> Option<Page> {
        self.page
    }

    /// Weighs all rules.
    pub(crate) fn decide(&self) -> Decision {
        let mut best = Decision { intent: Intent::Unknown, confidence: 0.0 };
        if self.is_elsewhere() {
            return best;
        }
        for intent in Intent::ALL {
            let confidence = self.strength(intent) * self.coverage(intent);
            if confidence > best.confidence {
                best = Decision { intent, confidence };
            }
        }
        if best.confidence < CONFIDENT {
            best.intent = Intent::Unknown;
        }
        best
    }

    fn coverage(&self, intent: Intent) -> f64 {
        if self.content == 0 {
            return 1.0;
        }
        let share = self.accounted as f64 / self.content as f64;
        let about_products = !matches!(intent, Intent::Stop | Intent::Help | Intent::Unknown);
        let asked = intent == Intent::AnswerPolicy && self.policy.is_some_and(|(_, length)| length > 1);
        let named = asked || (about_products && names_product(self.sentence));
        0.35 + 0.65 * if named { share.sqrt() } else { share }
    }
}

/// Whether the item found its place: a used value, or a phrase that the grammar knows. Numbers
/// that nothing took and refused values did not.
pub(crate) fn is_accounted(item: &Item) -> bool {
    match item.sense {
        Sense::Unknown | Sense::Number(_) | Sense::Ordinal(_) => item.used,
        Sense::Known(_) => !item.refused || item.bound(&[Bound::Currency]).is_some(),
    }
}
