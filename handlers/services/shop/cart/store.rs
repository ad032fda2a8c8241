//! Carts in documents: one for each owner, changed in the version that was read, so that no change is lost.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::guest::GuestCartId;
use crate::containers::{CUSTOMERS, customer};
use crate::error::{Code, Error, Result};
use crate::http::Request;
use crate::ordering::cart::{Cart, Choice};
use crate::ports::documents::{Document, NewDocument, Operation, PartitionKey, Ttl};
use crate::ports::{Condition, ETag, PortErrorKind};
use crate::state::AppState;
use crate::types::{OrderId, TenantId, UserId};

pub(super) const ID: &str = "cart";
/// How long a stranger's cart lives after its last change: 30 days.
const GUEST_LIFETIME: u32 = 30 * 86_400;
/// How often a change is put upon what others wrote meanwhile.
const TURNS: u32 = 20;
const TURN_PAUSE: Duration = Duration::from_millis(3);
/// The tag of a cart that nobody has put anything into.
const NOT_THERE: &str = "empty";

/// Whose cart it is.
#[derive(Clone, Debug)]
pub enum Owner {
    Customer {
        tenant: TenantId,
        user: UserId,
    },
    /// Whoever has the id.
    Guest {
        tenant: TenantId,
        id: GuestCartId,
    },
    /// A stranger who has no cart yet.
    Nobody {
        tenant: TenantId,
    },
}

impl Owner {
    /// Of a request: the account that is signed in, else the holder of the id that comes along.
    ///
    /// # Errors
    /// A field error for what is no id.
    pub fn of(request: &Request) -> Result<Self> {
        let tenant = request.caller.tenant().clone();
        if let Some(principal) = request.caller.principal().filter(|principal| principal.session().is_ok()) {
            return Ok(Self::Customer { tenant, user: principal.user.clone() });
        }
        match request.headers.get(GuestCartId::HEADER) {
            None => Ok(Self::Nobody { tenant }),
            Some(value) => {
                let id = value.to_str().unwrap_or_default().parse();
                let id = id.map_err(|expected: &str| Error::field("X-Cart-Id", expected))?;
                Ok(Self::Guest { tenant, id })
            }
        }
    }

    fn partition(&self) -> Option<PartitionKey> {
        match self {
            Self::Customer { tenant, user } => Some(customer(tenant, user.as_str())),
            Self::Guest { tenant, id } => Some(customer(tenant, &id.owner())),
            Self::Nobody { .. } => None,
        }
    }

    pub(super) fn guest(&self) -> Option<&GuestCartId> {
        match self {
            Self::Guest { id, .. } => Some(id),
            Self::Customer { .. } | Self::Nobody { .. } => None,
        }
    }
}

/// A cart with the version of its document, if there is one.
#[derive(Clone, Debug)]
pub struct Read {
    pub cart: Cart,
    pub version: Option<ETag>,
}

impl Read {
    fn none(now: DateTime<Utc>) -> Self {
        Self { cart: Cart::empty(OrderId::generate(), now), version: None }
    }

    /// Names the version.
    pub fn tag(&self) -> ETag {
        self.version.clone().unwrap_or_else(|| ETag(NOT_THERE.into()))
    }
}

/// The cart of an owner; an empty one where there is none. One point read.
///
/// # Errors
/// Those of the read.
pub async fn read(state: &AppState, owner: &Owner) -> Result<Read> {
    let now = state.clock.now();
    let Some(partition) = owner.partition() else { return Ok(Read::none(now)) };
    let Some(document) = state.documents.read(&CUSTOMERS, &partition, ID).await? else { return Ok(Read::none(now)) };
    let Document { etag, .. } = &document;
    let cart: Cart = document.read()?;
    // One that is on its way to an account is nobody's.
    Ok(if cart.taken_by.is_some() { Read::none(now) } else { Read { cart, version: Some(etag.clone()) } })
}

/// Changes the cart of an owner in the version that `condition` names, or else in whatever it is. A stranger
/// without a cart, or with the id of one that is gone, gets a new id.
///
/// # Errors
/// Those of `change`; [`Code::PreconditionFailed`] for another version.
pub async fn change(
    state: &AppState,
    owner: Owner,
    condition: &Condition,
    mut change: impl FnMut(&mut Cart) -> Result<()>,
) -> Result<(Owner, Read)> {
    let mut owner = owner;
    for turn in 0..TURNS {
        let mut found = read(state, &owner).await?;
        if matches!(condition, Condition::IfMatch(tag) if *tag != found.tag()) {
            return Err(Error::new(
                Code::PreconditionFailed,
                "The cart was changed meanwhile; read it again and repeat.",
            ));
        }
        let before = found.cart.lines.clone();
        change(&mut found.cart)?;
        if found.cart.lines != before {
            found.cart.next_order = OrderId::generate();
        }
        found.cart.updated_at = state.clock.now();
        let (tenant, ttl) = match &owner {
            Owner::Customer { tenant, .. } => (tenant, Ttl::Never),
            Owner::Guest { tenant, .. } | Owner::Nobody { tenant } => (tenant, Ttl::Seconds(GUEST_LIFETIME)),
        };
        if found.version.is_none() && !matches!(owner, Owner::Customer { .. }) {
            owner = Owner::Guest { tenant: tenant.clone(), id: GuestCartId::generate()? };
        }
        let Some(partition) = owner.partition() else { return Err(Error::not_found("There is no cart.")) };
        let document = NewDocument::new(ID, &found.cart)?.with_ttl(ttl);
        let written = match found.version.clone() {
            Some(version) => {
                state.documents.replace(&CUSTOMERS, &partition, document, Condition::IfMatch(version)).await
            }
            None => state.documents.create(&CUSTOMERS, &partition, document).await,
        };
        match written {
            Ok(document) => return Ok((owner, Read { version: Some(document.etag), ..found })),
            Err(error)
                if matches!(
                    error.kind(),
                    PortErrorKind::Conflict | PortErrorKind::PreconditionFailed | PortErrorKind::NotFound
                ) => {}
            Err(error) => return Err(error.into()),
        }
        tokio::time::sleep(TURN_PAUSE * (turn + 1)).await;
    }
    Err(busy())
}

pub(super) fn busy() -> Error {
    Error::new(Code::Unavailable, "The cart is changed all the time; please try again.")
        .with_retry_after(Duration::from_secs(1))
}

/// The operation that takes out of a customer's cart what is ordered; `None` where not all of it is there any
/// more.
///
/// # Errors
/// Those of reading the cart.
pub async fn take_out(
    state: &AppState,
    owner: &Owner,
    order: &OrderId,
    lines: &[(&Choice, u32)],
) -> Result<Option<Operation>> {
    let mut found = read(state, owner).await?;
    let Some(version) = found.version.take() else { return Ok(None) };
    match found.cart.ordered(order, lines, OrderId::generate()) {
        true => replacement(state, found.cart, version).map(Some),
        false => Ok(None),
    }
}

/// The operation after which another order is made of a customer's cart than this one; `None` where that is so.
///
/// # Errors
/// Those of reading the cart.
pub async fn give_up(state: &AppState, owner: &Owner, order: &OrderId) -> Result<Option<Operation>> {
    let mut found = read(state, owner).await?;
    let Some(version) = found.version.take().filter(|_| found.cart.next_order == *order) else { return Ok(None) };
    found.cart.next_order = OrderId::generate();
    replacement(state, found.cart, version).map(Some)
}

fn replacement(state: &AppState, cart: Cart, version: ETag) -> Result<Operation> {
    let cart = Cart { updated_at: state.clock.now(), ..cart };
    let document = NewDocument::new(ID, &cart)?.with_ttl(Ttl::Never);
    Ok(Operation::Replace(document, Condition::IfMatch(version)))
}
