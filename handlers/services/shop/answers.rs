//! What Ask Pravi answers: the words are understood, the catalogue is asked, the reply is composed. Prices
//! and products come from the catalogue alone.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::cart::CartView;
use super::snapshot;
use crate::catalogue::{Dimension, Facets, Matches, Product, ProductFilter, Search, Snapshot, Wording};
use crate::error::Result;
use crate::ordering::totals::Totals;
use crate::state::AppState;
use crate::types::{InteractionId, Language, Paise, ProductId};
use crate::understanding::proposal::Accepted;
use crate::understanding::reply::{
    self, CartLine, CartSummary, Constraint, Found, FoundProduct, ProductFacts, Question, Relaxation, Removal, Reply,
    join_ssml, uncovered,
};
use crate::understanding::{
    Action, CONFIDENT, Context, Intent, ProductReference, Slots, Understood, compose, understand,
};

mod fallback;

pub use fallback::{Asker, Who};

/// Products an answer carries at most; `total` tells of all.
const MAX_PRODUCTS: usize = 50;
/// Candidates for a name that fits several products.
const MAX_CANDIDATES: usize = 5;

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
    let shown: Vec<&Product> = match understood.intent {
        Intent::Search => matches.iter().take(MAX_PRODUCTS).copied().collect(),
        _ => found.products.iter().chain(&found.target).filter_map(|product| catalogue.get(&product.id)).collect(),
    };
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

fn card(product: &Product, language: Language) -> AnswerProduct {
    AnswerProduct {
        id: product.id.clone(),
        name: product.name.get(language).to_owned(),
        price_paise: product.price_paise,
        price: product.price_paise.rupees(),
        currency: "INR".into(),
        image: product.image(),
        in_stock: product.stock > 0,
    }
}

/// The products that fit the slots and the free words, and their facets; free words that fit nothing are given
/// up.
fn search<'a>(catalogue: &'a Snapshot, understood: &Understood) -> (Vec<&'a Product>, Facets) {
    let slots = &understood.slots;
    let words = uncovered(slots, &understood.query);
    let filter = ProductFilter::of_slots(slots);
    let mut search = Search { filter, words, wording: Wording::Understood, sort: slots.sort };
    let mut found = catalogue.search(&search);
    if found.products.is_empty() && !search.words.is_empty() {
        search.words.clear();
        found = catalogue.search(&search);
    }
    let Matches { products, facets, .. } = found;
    (products, facets)
}

/// What the reply needs of the catalogue.
fn find(
    catalogue: &Snapshot,
    understood: &Understood,
    context: &Context,
    matches: &[&Product],
    language: Language,
) -> Found {
    let named = |product: &&Product| FoundProduct {
        id: product.id.clone(),
        name: product.name.get(language).to_owned(),
        price: product.price_paise,
    };
    let mut found = Found::default();
    match understood.intent {
        Intent::Search => {
            found.total = matches.len() as u64;
            found.products = matches.iter().take(MAX_PRODUCTS).map(named).collect();
            if matches.is_empty() {
                found.relaxations = relaxations(catalogue, &understood.slots);
            }
        }
        Intent::AnswerPolicy => {
            let policy = understood.policy.and_then(|topic| catalogue.policy(topic.as_str()));
            found.policy = policy.map(|policy| policy.summary.get(language).to_owned());
        }
        _ => {
            let candidates = referred(catalogue, understood, context);
            match candidates.as_slice() {
                [product] => {
                    found.facts = Some(facts(product, language));
                    found.target = Some(named(product));
                }
                several => found.products = several.iter().take(MAX_CANDIDATES).map(named).collect(),
            }
        }
    }
    found
}

/// The products that a reference can mean: one where it is plain, several where a name fits several.
fn referred<'a>(catalogue: &'a Snapshot, understood: &Understood, context: &Context) -> Vec<&'a Product> {
    match &understood.reference {
        None => Vec::new(),
        Some(ProductReference::Name { words }) => {
            let search = Search { words: words.clone(), wording: Wording::Understood, ..Search::default() };
            let found = catalogue.search(&search).of_all_words();
            // What was just shown is meant before what was not.
            let shown: Vec<&Product> =
                found.iter().filter(|product| context.products.contains(&product.id)).copied().collect();
            if shown.is_empty() { found } else { shown }
        }
        Some(reference) => reference.resolve(context).and_then(|id| catalogue.get(&id)).into_iter().collect(),
    }
}

fn facts(product: &Product, language: Language) -> ProductFacts {
    ProductFacts {
        product: FoundProduct {
            id: product.id.clone(),
            name: product.name.get(language).to_owned(),
            price: product.price_paise,
        },
        description: product.description.get(language).to_owned(),
        fabric: product.fabric.clone(),
        origin: format!("{}, {}", product.origin.place, product.origin.state),
        care: product.care.join(". "),
        colors: product.colors.clone(),
        sizes: product.sizes.clone(),
        in_stock: product.stock > 0,
        rating: f64::from(product.rating),
        reviews: u64::from(product.review_count),
    }
}

/// How many products there would be without each of the limits that are set, the most first.
fn relaxations(catalogue: &Snapshot, slots: &Slots) -> Vec<Relaxation> {
    let all = [
        (Constraint::Price, Dimension::Price),
        (Constraint::Color, Dimension::Color),
        (Constraint::Size, Dimension::Size),
        (Constraint::Occasion, Dimension::Occasion),
        (Constraint::Weave, Dimension::Weave),
        (Constraint::Fabric, Dimension::Fabric),
        (Constraint::Category, Dimension::Category),
    ];
    let near = catalogue.near_misses(&ProductFilter::of_slots(slots));
    let total = |wanted| near.iter().find(|(dimension, _)| *dimension == wanted).map_or(0, |(_, count)| *count as u64);
    let relaxed = all.into_iter().map(|(constraint, dimension)| Relaxation { constraint, total: total(dimension) });
    let mut found: Vec<Relaxation> = relaxed.filter(|relaxation| relaxation.total > 0).collect();
    found.sort_by_key(|relaxation| std::cmp::Reverse(relaxation.total));
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::services::shop::sample_catalogue;

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
