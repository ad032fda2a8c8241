//! The reply: what Ask Pravi says, what the client does, and what the shopper may say next.
//! Decided and worded in English; `local` words it in Hindi and Telugu.

mod action;
mod describe;
mod found;
mod local;
mod speech;
mod words;

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use action::{Action, Removal};
pub use found::{CartLine, CartSummary, Constraint, Found, FoundProduct, ProductFacts, Relaxation};
pub use words::number_words;

pub(crate) use action::uncovered;
use action::{product_path, search_path};
use speech::Speech;
pub use speech::{join_ssml, ssml_of};
use words::{list, money};

use super::terms::Page;
use super::{Intent, NavigationTarget, ProductReference, Understood};
use crate::types::{Language, ProductId};

/// An answer to an understood sentence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Reply {
    /// What is shown and spoken.
    pub text: String,
    /// The same as SSML 1.1, escaped.
    pub ssml: String,
    pub action: Action,
    /// What the shopper may say next.
    pub suggestions: Vec<String>,
    /// What is asked back, when nothing can be done before it is answered.
    pub question: Option<Question>,
}

/// What a reply asks the shopper; `text` words it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum Question {
    /// Which product is meant.
    WhichProduct,
    /// How many pieces are wanted.
    HowMany,
    /// What was said, in other words.
    Rephrase,
    /// Whether the first suggestion is meant: the shopper says it, if so.
    Confirm,
}

impl Reply {
    fn new(speech: &Speech, action: Action, suggestions: &[&str]) -> Self {
        let suggestions = suggestions.iter().map(|&text| text.to_owned()).collect();
        Self { text: speech.text(), ssml: speech.ssml(), action, suggestions, question: None }
    }

    fn asking(self, question: Question) -> Self {
        Self { question: Some(question), ..self }
    }
}

/// How many products a reply names.
const NAMED: usize = 3;
/// The most cart lines that are read out.
const READ_LINES: usize = 5;

const EXAMPLES: [&str; 3] =
    ["show me silk sarees under five thousand rupees", "what is in my cart", "how long does delivery take"];

/// Composes the reply from what was understood and what the shop found. Product ids in the action
/// only ever come from `found`; the words are in the understood's language.
pub fn compose(understood: &Understood, found: &Found) -> Reply {
    local::spoken(decide(understood, found), understood, found)
}

fn decide(understood: &Understood, found: &Found) -> Reply {
    match understood.intent {
        Intent::Search => search(understood, found),
        Intent::Navigate => navigate(understood, found),
        Intent::AddToCart => add(understood, found),
        Intent::RemoveFromCart => remove(understood, found),
        Intent::ChangeQuantity => change(understood, found),
        Intent::ReadCart => read_cart(found),
        Intent::Checkout => checkout(found),
        Intent::ReadProduct => read_product(understood, found),
        Intent::AnswerPolicy => answer_policy(understood, found),
        Intent::Help => help(),
        Intent::Stop => Reply::new(&Speech::of("Okay."), Action::Stop, &[]),
        Intent::Unknown => not_understood(),
    }
}

fn search_action(understood: &Understood) -> Action {
    let path = search_path(&understood.slots, &understood.query);
    Action::Search { query: understood.query.clone(), path }
}

fn search(understood: &Understood, found: &Found) -> Reply {
    let action = search_action(understood);
    let what = describe::search(&understood.slots, found.total);
    if found.total == 0 {
        return Reply { suggestions: relaxed_suggestions(found), ..Reply::new(&nothing(&what, found), action, &[]) };
    }
    let names: Vec<_> = found.products.iter().take(NAMED).map(|product| product.name.as_str()).collect();
    let shown = match (names.len(), found.total) {
        (0, _) => String::new(),
        (1, 1) => format!("It is {}, for {}.", names[0], money(found.products[0].price)),
        (1, _) => format!("The first is {}.", names[0]),
        (count, total) if count as u64 == total => format!("They are {}.", list(&names, "and")),
        (count, _) => format!("The first {} are {}.", number_words(count as u64), list(&names, "and")),
    };
    let unknown = &understood.not_understood;
    let missed =
        if unknown.is_empty() { String::new() } else { format!("I did not understand {}.", list(unknown, "and")) };
    let speech = Speech::of(format!("I found {what}.")).then(shown).then(missed);
    let next: &[&str] = match found.total {
        1 => &["tell me more", "add it to my cart"],
        _ => &["tell me about the first one", "add the second one to my cart", "show me the cheapest first"],
    };
    Reply::new(&speech, action, next)
}

fn nothing(what: &str, found: &Found) -> Speech {
    let helps: Vec<_> = found
        .relaxations
        .iter()
        .filter(|relaxation| relaxation.total > 0)
        .take(NAMED)
        .map(|relaxation| format!("{} {}", relaxation.total, describe::without(relaxation.constraint)))
        .collect();
    let verb = if found.relaxations.iter().find(|r| r.total > 0).is_some_and(|r| r.total == 1) { "is" } else { "are" };
    let offer = if helps.is_empty() { String::new() } else { format!("There {verb} {}.", list(&helps, "or")) };
    Speech::of(format!("I found {what}.")).then(offer)
}

fn relaxed_suggestions(found: &Found) -> Vec<String> {
    let useful = found.relaxations.iter().filter(|relaxation| relaxation.total > 0).take(NAMED);
    useful.map(|relaxation| format!("show me {}", offer(relaxation.constraint))).collect()
}

fn offer(constraint: Constraint) -> &'static str {
    match constraint {
        Constraint::Category => "all products",
        Constraint::Fabric => "any fabric",
        Constraint::Weave => "any weave",
        Constraint::Color => "any colour",
        Constraint::Price => "any price",
        Constraint::Size => "any size",
        Constraint::Occasion => "any occasion",
    }
}

fn navigate(understood: &Understood, found: &Found) -> Reply {
    let page = |page: Page| {
        let speech = if page == Page::Back {
            Speech::of("Going back.")
        } else {
            Speech::of(format!("Opening {}.", page.spoken()))
        };
        Reply::new(&speech, Action::Navigate { path: page.path().to_owned() }, &[])
    };
    match &understood.navigate_to {
        Some(NavigationTarget::Page { page: target }) => page(*target),
        Some(NavigationTarget::Category { category }) => {
            let path = search_path(&understood.slots, "");
            Reply::new(&Speech::of(format!("Opening {category}.")), Action::Navigate { path }, &[])
        }
        Some(NavigationTarget::Product) => match &found.target {
            Some(product) => {
                let action = Action::Navigate { path: product_path(&product.id) };
                Reply::new(&Speech::of(format!("Opening {}.", product.name)), action, &["add it to my cart"])
            }
            None => which_product(understood, found),
        },
        None => page(Page::Shop),
    }
}

fn add(understood: &Understood, found: &Found) -> Reply {
    let Some(product) = &found.target else { return which_product(understood, found) };
    let quantity = understood.slots.quantity.unwrap_or(1).max(1);
    let what = counted(&product.name, quantity);
    let action = Action::AddToCart { product_id: product.id.clone(), quantity };
    Reply::new(&Speech::of(format!("Adding {what} to your cart.")), action, &["what is in my cart", "check out"])
}

fn counted(name: &str, quantity: u32) -> String {
    if quantity == 1 { name.to_owned() } else { format!("{} pieces of {name}", number_words(u64::from(quantity))) }
}

fn remove(understood: &Understood, found: &Found) -> Reply {
    if understood.reference == Some(ProductReference::All) {
        let action = Action::RemoveFromCart { removal: Removal::Everything { all: true } };
        return Reply::new(&Speech::of("Emptying your cart."), action, &["show me new arrivals"]);
    }
    let Some(product) = &found.target else { return which_product(understood, found) };
    let removal = Removal::Product { product_id: product.id.clone() };
    let speech = Speech::of(format!("Removing {} from your cart.", product.name));
    Reply::new(&speech, Action::RemoveFromCart { removal }, &["what is in my cart"])
}

/// The new quantity is named outright, or steps from that of the cart's line; at zero the line
/// goes.
fn change(understood: &Understood, found: &Found) -> Reply {
    let Some(product) = &found.target else { return which_product(understood, found) };
    let quantity = match understood.quantity_change {
        None => understood.slots.quantity,
        Some(step) => in_cart(found, &product.id).map(|now| now.saturating_add_signed(step)),
    };
    let product_id = product.id.clone();
    match quantity {
        None => Reply::new(&Speech::of("How many pieces do you want?"), Action::Unknown, &["make it two"])
            .asking(Question::HowMany),
        Some(0) => {
            let action = Action::RemoveFromCart { removal: Removal::Product { product_id } };
            Reply::new(&Speech::of(format!("Removing {} from your cart.", product.name)), action, &[])
        }
        Some(quantity) => {
            let speech = Speech::of(format!("Changing it to {}.", counted(&product.name, quantity)));
            Reply::new(&speech, Action::ChangeQuantity { product_id, quantity }, &["what is in my cart"])
        }
    }
}

fn in_cart(found: &Found, id: &ProductId) -> Option<u32> {
    let lines = &found.cart.as_ref()?.lines;
    lines.iter().find(|line| line.product.id == *id).map(|line| line.quantity)
}

fn read_cart(found: &Found) -> Reply {
    let speech = match &found.cart {
        None => Speech::of("Here is your cart."),
        Some(cart) if cart.lines.is_empty() => Speech::of("Your cart is empty."),
        Some(cart) => {
            let pieces: u64 = cart.lines.iter().map(|line| u64::from(line.quantity)).sum();
            let noun = if pieces == 1 { "item" } else { "items" };
            let mut lines: Vec<_> =
                cart.lines.iter().take(READ_LINES).map(|line| counted(&line.product.name, line.quantity)).collect();
            if cart.lines.len() > READ_LINES {
                lines.push(format!("{} more", cart.lines.len() - READ_LINES));
            }
            Speech::of(format!("Your cart has {pieces} {noun}: {}.", list(&lines, "and")))
                .then(format!("The total is {}.", money(cart.total)))
        }
    };
    Reply::new(&speech, Action::ReadCart, &["check out", "remove the last one"])
}

fn checkout(found: &Found) -> Reply {
    let empty = found.cart.as_ref().is_some_and(|cart| cart.lines.is_empty());
    let speech = if empty { Speech::of("Your cart is empty.") } else { Speech::of("Taking you to the checkout.") };
    Reply::new(&speech, Action::Checkout { path: Page::Checkout.path().to_owned() }, &[])
}

fn read_product(understood: &Understood, found: &Found) -> Reply {
    let Some(facts) = &found.facts else { return which_product(understood, found) };
    let speech = Speech::of(describe::product(facts, understood.aspect));
    let action = Action::ReadProduct { product_id: facts.product.id.clone() };
    Reply::new(&speech, action, &["add it to my cart", "what do the reviews say"])
}

fn answer_policy(understood: &Understood, found: &Found) -> Reply {
    let Some(topic) = understood.policy else { return not_understood() };
    let speech = match &found.policy {
        Some(answer) => Speech::of(answer.trim()),
        None => Speech::of("I have no answer to that. Please ask the boutique: say contact us."),
    };
    Reply::new(&speech, Action::AnswerPolicy { topic }, &["contact us"])
}

/// Asks which product is meant; names the candidates when the words fit several.
fn which_product(understood: &Understood, found: &Found) -> Reply {
    let names: Vec<_> = found.products.iter().take(NAMED).map(|product| product.name.as_str()).collect();
    let reply = match (&understood.reference, names.len()) {
        (Some(ProductReference::Name { .. }), 1..) => {
            let speech = Speech::of(format!("Which one do you mean: {}?", list(&names, "or")));
            Reply::new(&speech, search_action(understood), &["the first one", "the second one"])
        }
        (Some(ProductReference::Name { words }), 0) => {
            let speech = Speech::of(format!("I found no product called {words}."));
            Reply::new(&speech, Action::Unknown, &EXAMPLES)
        }
        _ => Reply::new(&Speech::of("Which product do you mean?"), Action::Unknown, &["the first one", "the last one"]),
    };
    reply.asking(Question::WhichProduct)
}

fn help() -> Reply {
    let speech = Speech::of("I am Pravi. I can find products, fill your cart and answer questions.")
        .then(format!("You can say: {}.", list(&EXAMPLES, "or")));
    Reply::new(&speech, Action::Help, &EXAMPLES)
}

/// Asks the shopper to say what was only guessed; `say` is in words that the rules understand.
pub fn ask_to_say(say: &str, language: Language) -> Reply {
    let speech = Speech::of("I am not sure what you want.").then(format!("If you mean it, please say: {say}."));
    local::asked(Reply::new(&speech, Action::Unknown, &[say]).asking(Question::Confirm), language)
}

fn not_understood() -> Reply {
    let speech = Speech::of("Sorry, I did not understand.").then(format!("You can say: {}.", list(&EXAMPLES, "or")));
    Reply::new(&speech, Action::Unknown, &EXAMPLES).asking(Question::Rephrase)
}
