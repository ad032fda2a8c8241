//! What Ask Pravi does to a cart, when a request asks the server to. Products are those that the answer found,
//! prices the catalogue's.

use super::api::is_done;
use super::explain;
use super::store::{self, Owner, Read};
use super::view::{summary_of, view_of};
use crate::catalogue::{Product, Snapshot};
use crate::error::{Code, Error, Result};
use crate::ordering::cart::{Cart, Choice, Done};
use crate::ports::Condition;
use crate::services::shop::answers::{self, Answer, Utterance};
use crate::services::shop::snapshot;
use crate::state::AppState;
use crate::types::{ProductId, TenantId};
use crate::understanding::reply::{CartSummary, Removal, ssml_of};
use crate::understanding::{Action, Slots};

/// The cart that an utterance may be about; `None` when it is about something else, or there is none. One
/// point read where it may be.
///
/// # Errors
/// Those of reading cart and catalogue.
pub async fn known(
    state: &AppState,
    tenant: &TenantId,
    owner: &Owner,
    utterance: &Utterance<'_>,
) -> Result<Option<CartSummary>> {
    if matches!(owner, Owner::Nobody { .. }) || !answers::concerns_cart(utterance.text, utterance.context) {
        return Ok(None);
    }
    let Read { cart, version } = store::read(state, owner).await?;
    // A client may keep its cart itself; only what is here is known.
    if version.is_none() {
        return Ok(None);
    }
    let catalogue = snapshot(state, tenant).await?;
    Ok(Some(summary_of(&cart, &catalogue, utterance.language.unwrap_or_default())))
}

/// Does to the cart what an answer says, all or nothing, and once for each `done`. Where the cart's rules refuse
/// it, the answer says that instead.
///
/// # Errors
/// Where it cannot be done now.
pub async fn apply(
    state: &AppState,
    tenant: &TenantId,
    owner: Owner,
    done: Option<&Done>,
    mut answer: Answer,
) -> Result<Answer> {
    let catalogue = snapshot(state, tenant).await?;
    let first = std::iter::once((&answer.action, &answer.slots));
    let all = first.chain(answer.then.iter().map(|next| (&next.action, &next.slots)));
    let changes: Vec<Change> = all.filter_map(|(action, slots)| Change::of(action, slots, &catalogue)).collect();
    if changes.is_empty() {
        return Ok(answer);
    }
    let changed = store::change(state, owner, &Condition::None, |cart| {
        if let Some(done) = done {
            if is_done(cart, done)? {
                return Ok(());
            }
            cart.remember(done.clone());
        }
        changes.iter().try_for_each(|change| change.make(cart))
    });
    match changed.await {
        Ok((owner, read)) => {
            let mut view = view_of(&read.cart, &catalogue, answer.language);
            view.guest_cart_id = owner.guest().map(|id| id.text().to_owned());
            answer.applied = true;
            answer.cart = Some(view);
            Ok(answer)
        }
        Err(error) if matches!(error.code(), Code::ValidationFailed | Code::Conflict | Code::NotFound) => {
            answer.text = words(&error);
            answer.ssml = ssml_of(&answer.text);
            Ok(answer)
        }
        Err(error) => Err(error),
    }
}

/// What is said of a refusal.
fn words(error: &Error) -> String {
    match error.field_errors() {
        [] => error.detail().to_owned(),
        [first, ..] => format!("That does not go: {}.", first.message),
    }
}

/// One change of a cart.
enum Change<'a> {
    Add { product: &'a Product, choice: Choice, quantity: u32 },
    Set { product: &'a Product, choice: Choice, quantity: u32 },
    Remove(ProductId),
    Clear,
}

impl<'a> Change<'a> {
    fn of(action: &Action, slots: &Slots, catalogue: &'a Snapshot) -> Option<Self> {
        let chosen = |id: &ProductId| {
            let product = catalogue.get(id)?;
            Some((product, choice(product, slots)))
        };
        match action {
            Action::AddToCart { product_id, quantity } => {
                let (product, choice) = chosen(product_id)?;
                Some(Self::Add { product, choice, quantity: *quantity })
            }
            Action::ChangeQuantity { product_id, quantity } => {
                let (product, choice) = chosen(product_id)?;
                Some(Self::Set { product, choice, quantity: *quantity })
            }
            Action::RemoveFromCart { removal: Removal::Product { product_id } } => {
                Some(Self::Remove(product_id.clone()))
            }
            Action::RemoveFromCart { removal: Removal::Everything { .. } } => Some(Self::Clear),
            _ => None,
        }
    }

    fn make(&self, cart: &mut Cart) -> Result<()> {
        match self {
            Self::Add { product, choice, quantity } => {
                cart.add(choice.clone(), *quantity, product.price_paise).map_err(explain)
            }
            Self::Set { product, choice, quantity } => {
                // The line that was put in last, when there are several of the product.
                let line = cart.lines.iter().rev().find(|line| line.choice.product_id == product.id);
                match line.map(|line| line.choice.line_id()) {
                    Some(id) => cart.set_quantity(&id, *quantity).map_err(explain),
                    None => cart.add(choice.clone(), *quantity, product.price_paise).map_err(explain),
                }
            }
            Self::Remove(product) => {
                cart.lines.retain(|line| line.choice.product_id != *product);
                Ok(())
            }
            Self::Clear => {
                cart.clear();
                Ok(())
            }
        }
    }
}

/// The size and colour that were said, where the product comes in them.
fn choice(product: &Product, slots: &Slots) -> Choice {
    let said = |spoken: Option<&str>, offered: &[String]| {
        let found = offered.iter().find(|offered| spoken.is_some_and(|spoken| offered.eq_ignore_ascii_case(spoken)));
        match (found, offered) {
            (Some(found), _) => Some(found.clone()),
            (None, [only]) => Some(only.clone()),
            (None, _) => None,
        }
    };
    Choice {
        product_id: product.id.clone(),
        size: said(slots.sizes.first().map(|size| size.as_str()), &product.sizes),
        color: said(slots.colors.first().map(String::as_str), &product.colors),
    }
}
