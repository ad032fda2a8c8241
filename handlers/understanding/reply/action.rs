//! What the client is to do, and the storefront paths that go with it.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::types::{Paise, ProductId};
use crate::understanding::reference::singular;
use crate::understanding::slots::Slots;
use crate::understanding::terms::{PolicyTopic, Size};

/// An instruction for the client. It never carries a price: prices come from the catalogue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Action {
    /// Open a route of the storefront; `back` is the browser's history.
    Navigate {
        path: String,
    },
    /// Show a list of products.
    Search {
        query: String,
        path: String,
    },
    AddToCart {
        #[schema(rename = "productId", value_type = String)]
        product_id: ProductId,
        quantity: u32,
    },
    RemoveFromCart {
        #[serde(flatten)]
        removal: Removal,
    },
    /// Set the quantity of a cart line.
    ChangeQuantity {
        #[schema(rename = "productId", value_type = String)]
        product_id: ProductId,
        quantity: u32,
    },
    ReadCart,
    Checkout {
        path: String,
    },
    ReadProduct {
        #[schema(rename = "productId", value_type = String)]
        product_id: ProductId,
    },
    AnswerPolicy {
        topic: PolicyTopic,
    },
    Help,
    Stop,
    /// Nothing to do but to speak the reply.
    Unknown,
}

/// What leaves the cart: one product, or everything (`"all": true`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged, rename_all_fields = "camelCase")]
pub enum Removal {
    Product {
        #[schema(rename = "productId", value_type = String)]
        product_id: ProductId,
    },
    Everything {
        all: bool,
    },
}

/// What may stand in a query value as it is: RFC 3986's unreserved characters, and the comma that
/// separates alternatives.
const VALUE: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b',');

/// The route of a product's page.
pub(crate) fn product_path(id: &ProductId) -> String {
    format!("/shop/product/{id}")
}

/// The shop's route for a search. Keys stand in a fixed order, prices are in rupees, alternatives
/// are joined by commas; `q` carries the words that no filter covers.
pub(crate) fn search_path(slots: &Slots, query: &str) -> String {
    let sizes: Vec<_> = slots.sizes.iter().map(|size: &Size| size.as_str()).collect();
    let pairs = [
        ("category", slots.category.clone().unwrap_or_default()),
        ("fabric", slots.fabric.join(",")),
        ("weave", slots.weave.join(",")),
        ("color", slots.colors.join(",")),
        ("notColor", slots.not_colors.join(",")),
        ("minPrice", slots.min_price_paise.map(rupees).unwrap_or_default()),
        ("maxPrice", slots.max_price_paise.map(rupees).unwrap_or_default()),
        ("size", sizes.join(",")),
        ("occasion", slots.occasion.clone().unwrap_or_default()),
        ("sort", slots.sort.map(|sort| sort.as_str().to_owned()).unwrap_or_default()),
        ("q", uncovered(slots, query)),
    ];
    let parts: Vec<_> = pairs
        .iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(key, value)| format!("{key}={}", utf8_percent_encode(value, VALUE)))
        .collect();
    if parts.is_empty() { "/shop".to_owned() } else { format!("/shop?{}", parts.join("&")) }
}

fn rupees(amount: Paise) -> String {
    match amount.0 % 100 {
        0 => (amount.0 / 100).to_string(),
        paise => format!("{}.{paise:02}", amount.0 / 100),
    }
}

/// The words of the query that are not the value of a slot.
pub(crate) fn uncovered(slots: &Slots, query: &str) -> String {
    let lists = [&slots.fabric, &slots.weave, &slots.colors];
    let values = lists.into_iter().flatten().map(String::as_str).chain(slots.category.as_deref().map(singular));
    let covered: Vec<&str> = values.flat_map(str::split_whitespace).collect();
    let words: Vec<_> = query.split_whitespace().filter(|word| !covered.contains(word)).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_have_a_fixed_order_and_are_encoded() {
        let slots = Slots {
            category: Some("sarees".into()),
            fabric: vec!["silk".into()],
            max_price_paise: Some(Paise::from_rupees(5_000)),
            ..Slots::default()
        };
        assert_eq!(search_path(&slots, "silk saree"), "/shop?category=sarees&fabric=silk&maxPrice=5000");
        assert_eq!(search_path(&Slots::default(), ""), "/shop");
        let odd = Slots {
            weave: vec!["kota doria".into(), "a&b=c".into()],
            min_price_paise: Some(Paise(49_950)),
            ..Slots::default()
        };
        assert_eq!(
            search_path(&odd, "kota doria peacock"),
            "/shop?weave=kota%20doria,a%26b%3Dc&minPrice=499.50&q=peacock"
        );
    }

    #[test]
    fn actions_are_tagged_by_type() {
        let id = ProductId::generate();
        let json = |action: &Action| serde_json::to_value(action).expect("actions serialise");
        let remove = Action::RemoveFromCart { removal: Removal::Product { product_id: id.clone() } };
        assert_eq!(json(&remove), serde_json::json!({"type": "removeFromCart", "productId": id}));
        let clear = Action::RemoveFromCart { removal: Removal::Everything { all: true } };
        assert_eq!(json(&clear), serde_json::json!({"type": "removeFromCart", "all": true}));
        assert_eq!(json(&Action::ReadCart), serde_json::json!({"type": "readCart"}));
        for action in [remove, clear, Action::AddToCart { product_id: id, quantity: 2 }] {
            assert_eq!(serde_json::from_value::<Action>(json(&action)).expect("actions deserialise"), action);
        }
    }
}
