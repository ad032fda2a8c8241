//! Questions to the boutique by WhatsApp: links that open a chat with the first sentence written
//! (<https://faq.whatsapp.com/5913398998672934>). Without a number there are none.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::ordering::order::Order;
use crate::settings::Settings;
use crate::types::Paise;

/// A question about a product.
pub fn about_product(settings: &Settings, name: &str, price: Paise) -> Option<String> {
    link(settings, &format!("Hello, I would like to ask about {name}, {} rupees.", price.rupees()))
}

/// A question about an order.
pub fn about_order(settings: &Settings, order: &Order) -> Option<String> {
    let total = order.totals.total.rupees();
    link(settings, &format!("Hello, I would like to ask about my order {}, {total} rupees.", order.id))
}

fn link(settings: &Settings, text: &str) -> Option<String> {
    let number = settings.whatsapp_number.as_ref()?;
    Some(format!("https://wa.me/{number}?text={}", utf8_percent_encode(text, NON_ALPHANUMERIC)))
}
