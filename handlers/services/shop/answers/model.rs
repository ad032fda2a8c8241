//! The answer as clients get it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::catalogue::Facets;
use crate::services::shop::cart::CartView;
use crate::types::{InteractionId, Language, Paise, ProductId};
use crate::understanding::reply::Question;
use crate::understanding::{Action, Intent, Slots};

/// A product in an answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AnswerProduct {
    #[schema(value_type = String)]
    pub id: ProductId,
    /// In the language of the answer.
    pub name: String,
    #[schema(value_type = u64)]
    pub price_paise: Paise,
    /// Rupees; computed from `pricePaise`.
    pub price: f64,
    pub currency: String,
    pub image: Option<String>,
    pub in_stock: bool,
}

/// The answer to what a shopper said.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    /// To be shown and spoken.
    pub text: String,
    /// The same as SSML.
    pub ssml: String,
    pub language: Language,
    pub intent: Intent,
    /// 0 to 1.
    pub confidence: f64,
    pub action: Action,
    pub slots: Slots,
    /// The products found, at most 50.
    pub products: Vec<AnswerProduct>,
    /// How many products fit in all.
    pub total: usize,
    /// How many of all that fit have each value.
    pub facets: Facets,
    /// What the shopper may say next.
    pub suggestions: Vec<String>,
    /// Words that found no place, as they were said.
    pub not_understood: Vec<String>,
    /// How sure each filled slot is, by its name, 0 to 1.
    #[serde(default)]
    pub slot_confidence: BTreeMap<String, f64>,
    /// What is asked back; `text` words it.
    #[serde(default)]
    pub question: Option<Question>,
    /// What else the sentence asked for, in order: to be done after `action`. `text` and `ssml` speak of it, too.
    #[serde(default)]
    pub then: Vec<FollowUp>,
    /// Whether the server has done to the cart what the actions say, as the request asked it to: the client does
    /// not do it again.
    #[serde(default)]
    pub applied: bool,
    /// The cart after that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cart: Option<CartView>,
    /// Whether a language model helped to understand the sentence.
    #[serde(default)]
    pub assisted: bool,
    /// What a guest sends along with the next sentence, so that it can go on from this one.
    #[serde(default)]
    pub conversation_id: Option<String>,
    #[schema(value_type = Option<String>)]
    pub interaction_id: Option<InteractionId>,
}

/// A further request of the same sentence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FollowUp {
    pub intent: Intent,
    /// 0 to 1.
    pub confidence: f64,
    pub action: Action,
    pub slots: Slots,
}

impl Answer {
    /// The intent as it is written on the wire.
    pub fn intent_name(&self) -> String {
        match serde_json::to_value(self.intent) {
            Ok(Value::String(name)) => name,
            _ => String::new(),
        }
    }

    /// Whether there was anything to act upon.
    pub fn is_understood(&self) -> bool {
        self.intent != Intent::Unknown
    }

    /// The answer under its interaction; without `words`, all that quotes the shopper is left out.
    pub fn for_interaction(mut self, id: Option<&InteractionId>, words: bool) -> Self {
        self.interaction_id = id.cloned();
        if !words {
            self.not_understood.clear();
        }
        self
    }
}
