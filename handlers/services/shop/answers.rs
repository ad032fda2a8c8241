//! What Ask Pravi answers: the words are understood, the catalogue is asked, the reply is composed. Prices
//! and products come from the catalogue alone.

use std::collections::BTreeMap;

use super::snapshot;
use crate::catalogue::Snapshot;
use crate::error::Result;
use crate::ordering::totals::Totals;
use crate::state::AppState;
use crate::types::Language;
use crate::understanding::proposal::Accepted;
use crate::understanding::reply::{self, CartLine, CartSummary, FoundProduct, Removal, Reply, join_ssml, uncovered};
use crate::understanding::{
    Action, CONFIDENT, Context, Intent, ProductReference, Slots, Understood, compose, understand,
};

mod fallback;
mod found;
mod model;

pub use fallback::{Asker, Who};
pub use model::{Answer, AnswerProduct, FollowUp};

use found::{card, find, search, shown};

/// What a shopper says.
#[derive(Clone, Copy, Debug)]
pub struct Utterance<'a> {
    pub text: &'a str,
    /// How sure it is that this was said, 0 to 1; 1 for what was typed.
    pub certainty: f64,
    /// What the shopper saw and asked for last.
    pub context: &'a Context,
    /// The language to answer in; that of the text where nothing is said.
    pub language: Option<Language>,
}

/// Answers an utterance in a boutique.
///
/// # Errors
/// Those of reading the catalogue.
pub async fn answer(
    state: &AppState,
    asker: Asker<'_>,
    utterance: Utterance<'_>,
    cart: Option<CartSummary>,
) -> Result<Answer> {
    let catalogue = snapshot(state, asker.tenant).await?;
    Ok(assisted(state, asker, &catalogue, utterance, cart, |understood| understood).await)
}

/// Answers as [`answer`] does, but repeats no word that is not the shop's own: for shoppers who let us keep
/// none of theirs.
///
/// # Errors
/// Those of reading the catalogue.
pub async fn answer_unquoted(
    state: &AppState,
    asker: Asker<'_>,
    utterance: Utterance<'_>,
    cart: Option<CartSummary>,
) -> Result<Answer> {
    let catalogue = snapshot(state, asker.tenant).await?;
    Ok(assisted(state, asker, &catalogue, utterance, cart, unquoted).await)
}

/// Whether the words may be about the cart, so that it is worth knowing.
pub fn concerns_cart(text: &str, context: &Context) -> bool {
    let concerned = |intent| {
        matches!(
            intent,
            Intent::AddToCart | Intent::RemoveFromCart | Intent::ChangeQuantity | Intent::ReadCart | Intent::Checkout
        )
    };
    let understood = understand(text, context);
    // What follows another request is understood only after its answer.
    concerned(understood.intent) || !understood.then.is_empty()
}

/// Answers by rule, with the help of the language model where one is set and the rules do not understand.
async fn assisted(
    state: &AppState,
    asker: Asker<'_>,
    catalogue: &Snapshot,
    utterance: Utterance<'_>,
    cart: Option<CartSummary>,
    told: fn(Understood) -> Understood,
) -> Answer {
    let by_rule = by_rule(utterance);
    match fallback::accepted(state, asker, utterance, &by_rule).await {
        Accepted::Nothing => assemble(catalogue, utterance, by_rule, cart, told),
        Accepted::Understood(understood) => {
            let answer = assemble(catalogue, utterance, *understood, cart, told);
            Answer { assisted: true, ..answer }
        }
        Accepted::Confirm(say) => {
            let answer = assemble(catalogue, utterance, by_rule, cart, told);
            let Reply { text, ssml, suggestions, question, .. } = reply::ask_to_say(&say, answer.language);
            Answer { text, ssml, suggestions, question, assisted: true, ..answer }
        }
    }
}

/// Answers an utterance from a catalogue in memory: pure, and fast enough for an async thread.
pub fn answer_from(catalogue: &Snapshot, utterance: Utterance<'_>) -> Answer {
    assemble(catalogue, utterance, by_rule(utterance), None, |understood| understood)
}

/// What the rules make of an utterance.
fn by_rule(utterance: Utterance<'_>) -> Understood {
    doubted(understand(utterance.text, utterance.context), utterance.certainty)
}

/// What was understood, without the shopper's free words.
fn unquoted(mut understood: Understood) -> Understood {
    let free = uncovered(&understood.slots, &understood.query);
    let free: Vec<&str> = free.split_whitespace().collect();
    let kept: Vec<&str> = understood.query.split_whitespace().filter(|word| !free.contains(word)).collect();
    understood.query = kept.join(" ");
    understood.not_understood.clear();
    understood.reference.take_if(|reference| matches!(reference, ProductReference::Name { .. }));
    understood
}

/// Composes the answer to what was `understood`; `told` gives what of it may be told once the catalogue was asked.
fn assemble(
    catalogue: &Snapshot,
    utterance: Utterance<'_>,
    mut understood: Understood,
    mut cart: Option<CartSummary>,
    told: fn(Understood) -> Understood,
) -> Answer {
    let Utterance { certainty, context, language, .. } = utterance;
    let language = language.unwrap_or(understood.language);
    let requests = std::mem::take(&mut understood.then);
    let mut answer = respond(catalogue, understood, context, language, cart.as_ref(), told);
    carry_out(&answer.action, catalogue, language, &mut cart);
    let mut context = following(&answer, context);
    for request in requests {
        // What comes after a question waits for its answer.
        if answer.question.is_some() {
            break;
        }
        let understood = doubted(understand(&request.text, &context), certainty);
        if understood.intent == Intent::Unknown {
            continue;
        }
        let next = respond(catalogue, understood, &context, language, cart.as_ref(), told);
        carry_out(&next.action, catalogue, language, &mut cart);
        context = following(&next, &context);
        answer.text = format!("{} {}", answer.text, next.text);
        answer.ssml = join_ssml(&answer.ssml, &next.ssml);
        answer.question = next.question;
        answer.suggestions = next.suggestions;
        let Answer { intent, confidence, action, slots, .. } = next;
        answer.then.push(FollowUp { intent, confidence, action, slots });
    }
    answer
}

/// The context of what is said behind an answer that was given in the context `before`.
pub fn following(answer: &Answer, before: &Context) -> Context {
    let mut context = Context { intent: Some(answer.intent), ..before.clone() };
    let shown = || answer.products.iter().map(|product| product.id.clone());
    if answer.intent == Intent::Search {
        context.products = shown().collect();
        context.slots = Some(answer.slots.clone());
        context.current_product = None;
    } else if let [_] = answer.products.as_slice() {
        context.current_product = shown().next();
    }
    context
}

/// Answers one request.
fn respond(
    catalogue: &Snapshot,
    understood: Understood,
    context: &Context,
    language: Language,
    cart: Option<&CartSummary>,
    told: fn(Understood) -> Understood,
) -> Answer {
    let (matches, facets) = match understood.intent {
        Intent::Search => search(catalogue, &understood),
        _ => Default::default(),
    };
    let mut found = find(catalogue, &understood, context, &matches, language);
    found.cart = cart.cloned();
    let understood = Understood { language, ..told(understood) };
    let reply = compose(&understood, &found);
    let shown = shown(catalogue, understood.intent, &matches, &found);
    Answer {
        text: reply.text,
        ssml: reply.ssml,
        language,
        intent: understood.intent,
        confidence: understood.confidence,
        action: reply.action,
        slots: understood.slots,
        total: matches.len().max(shown.len()),
        products: shown.iter().map(|product| card(product, language)).collect(),
        facets,
        suggestions: reply.suggestions,
        not_understood: understood.not_understood,
        slot_confidence: understood.slot_confidence,
        question: reply.question,
        then: Vec::new(),
        applied: false,
        cart: None,
        assisted: false,
        conversation_id: None,
        interaction_id: None,
    }
}

/// The cart as it will be when an action is done: a later request of the same sentence may ask for it.
fn carry_out(action: &Action, catalogue: &Snapshot, language: Language, cart: &mut Option<CartSummary>) {
    let Some(cart) = cart else { return };
    let lines = &mut cart.lines;
    match action {
        Action::AddToCart { product_id, quantity } => {
            if let Some(line) = lines.iter_mut().find(|line| line.product.id == *product_id) {
                line.quantity = line.quantity.saturating_add(*quantity);
            } else if let Some(product) = catalogue.get(product_id) {
                let name = product.name.get(language).to_owned();
                let product = FoundProduct { id: product.id.clone(), name, price: product.price_paise };
                lines.push(CartLine { product, quantity: *quantity });
            }
        }
        Action::ChangeQuantity { product_id, quantity } => {
            if let Some(line) = lines.iter_mut().find(|line| line.product.id == *product_id) {
                line.quantity = *quantity;
            }
        }
        Action::RemoveFromCart { removal: Removal::Product { product_id } } => {
            lines.retain(|line| line.product.id != *product_id);
        }
        Action::RemoveFromCart { removal: Removal::Everything { .. } } => lines.clear(),
        _ => return,
    }
    cart.total = Totals::of(lines.iter().map(|line| (line.product.price, line.quantity))).total;
}

/// What remains of an understanding when it is not sure that the words were said: a recogniser forces
/// foreign speech into the shop's words, and a wrong action is worse than a question.
fn doubted(understood: Understood, certainty: f64) -> Understood {
    let confidence = understood.confidence.min(certainty);
    if confidence >= CONFIDENT || understood.intent == Intent::Unknown {
        return Understood { confidence, ..understood };
    }
    Understood {
        intent: Intent::Unknown,
        confidence,
        slots: Slots::default(),
        reference: None,
        navigate_to: None,
        policy: None,
        aspect: None,
        quantity_change: None,
        slot_confidence: BTreeMap::new(),
        then: Vec::new(),
        ..understood
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::services::shop::sample_catalogue;
    use crate::types::{Paise, ProductId};

    fn ask(text: &str, certainty: f64, context: &Context) -> Answer {
        answer_from(&sample_catalogue().unwrap(), Utterance { text, certainty, context, language: None })
    }

    #[test]
    fn the_products_are_exactly_those_for_which_the_words_are_true() {
        let catalogue = sample_catalogue().unwrap();
        let answer = ask("silk sarees under five thousand rupees", 1.0, &Context::default());
        let mut expected: Vec<&ProductId> = catalogue
            .products()
            .iter()
            .filter(|product| product.category == "sarees" && product.fabric.contains("silk"))
            .filter(|product| product.price_paise <= Paise::from_rupees(5000))
            .map(|product| &product.id)
            .collect();
        let mut found: Vec<&ProductId> = answer.products.iter().map(|product| &product.id).collect();
        expected.sort();
        found.sort();
        assert!(expected.len() > 5);
        assert_eq!(found, expected);
        assert_eq!(answer.total, expected.len());
        assert_eq!(answer.facets.category.get("sarees"), Some(&expected.len()));
    }

    #[test]
    fn what_was_hardly_heard_is_asked_again_instead_of_done() {
        let answer = ask("add the first one to my cart", 0.3, &Context::default());
        assert_eq!(answer.intent, Intent::Unknown);
        assert_eq!(answer.action, Action::Unknown);
        assert!(answer.confidence <= 0.3);
    }

    #[test]
    fn a_position_means_the_product_that_was_shown_there() {
        let catalogue = sample_catalogue().unwrap();
        let shown: Vec<ProductId> = catalogue.products().iter().take(3).map(|product| product.id.clone()).collect();
        let context = Context { products: shown.clone(), ..Context::default() };
        let answer = ask("add two of the second one to my cart", 1.0, &context);
        assert_eq!(answer.action, Action::AddToCart { product_id: shown[1].clone(), quantity: 2 });
        assert_eq!(answer.products[0].id, shown[1]);
    }

    #[test]
    fn a_product_that_does_not_exist_is_never_put_into_an_action() {
        let context = Context { products: vec![ProductId::generate()], ..Context::default() };
        let answer = ask("add the first one to my cart", 1.0, &context);
        assert_eq!(answer.intent, Intent::AddToCart);
        assert!(!matches!(answer.action, Action::AddToCart { .. }), "{:?}", answer.action);
    }

    #[test]
    fn when_nothing_fits_the_answer_says_what_to_give_up() {
        let answer = ask("pashmina shawls under fifty rupees", 1.0, &Context::default());
        assert_eq!((answer.total, answer.products.len()), (0, 0));
        assert!(!answer.suggestions.is_empty(), "{answer:?}");
    }

    #[test]
    fn policies_are_answered_from_the_catalogue() {
        let catalogue = sample_catalogue().unwrap();
        let answer = ask("how long does delivery take", 1.0, &Context::default());
        assert_eq!(answer.intent, Intent::AnswerPolicy);
        assert!(answer.text.starts_with(catalogue.policy("shipping").unwrap().summary.get(Language::English)));
    }

    #[test]
    fn an_unquoted_answer_repeats_no_word_of_the_shopper() {
        let catalogue = sample_catalogue().unwrap();
        let context = Context::default();
        for text in ["show me zanzibari sarees", "add the zanzibari katanga saree to my cart", "zanzibari red silk"] {
            let utterance = Utterance { text, certainty: 1.0, context: &context, language: None };
            let told = |answer: Answer| serde_json::to_string(&answer).unwrap();
            let quoting = told(answer_from(&catalogue, utterance));
            assert!(quoting.contains("zanzibar"), "{text}: {quoting}");
            let unquoting = told(assemble(&catalogue, utterance, by_rule(utterance), None, unquoted));
            assert!(!unquoting.contains("zanzibar"), "{text}: {unquoting}");
        }
    }
}
