//! The change feeds of several databases as one.
//!
//! A page comes from one database, and the next page from the next one, so that a busy database does not keep
//! the others waiting. Documents are shown whichever database they lie in: those of a tenant that was moved
//! come again, in the feed of the other database.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::super::{rules, token};
use super::Member;
use crate::ports::documents::{Container, Document};
use crate::ports::{Continuation, Page, PortResult};

/// Where the feed goes on.
#[derive(Default, Serialize, Deserialize)]
struct Position {
    /// By database; from the beginning for one that is not here. Databases that are no longer in use stay,
    /// for they may be used again.
    databases: BTreeMap<String, Continuation>,
    /// The database that is asked first.
    turn: usize,
}

/// The next page: an empty one once no database has more. Fails when one is away and the others have
/// nothing more.
pub(super) async fn page(
    members: Vec<Member>,
    container: &'static Container,
    continuation: Option<Continuation>,
    limit: usize,
) -> PortResult<Page<Document>> {
    let limit = rules::page_size(limit)?;
    let name = format!("changes of {} everywhere", container.name);
    let mut position: Position = match &continuation {
        Some(given) => token::decode(&name, given)?,
        None => Position::default(),
    };
    let mut failure = None;
    for step in 0..members.len() {
        let place = position.turn.wrapping_add(step) % members.len();
        let Some(Member { placement, store }) = members.get(place) else { continue };
        let database = placement.to_string();
        let after = position.databases.get(&database).cloned();
        let read = match store {
            Ok(store) => store.changes(container, after, limit).await,
            Err(error) => Err(error.again()),
        };
        match read {
            Ok(page) => {
                position.databases.extend(page.next.map(|next| (database, next)));
                if !page.items.is_empty() {
                    position.turn = place + 1;
                    return Ok(Page { items: page.items, next: Some(token::encode(&name, &position)?) });
                }
            }
            Err(error) => {
                tracing::warn!(%database, container = container.name, %error, "changes not read; the others go on");
                failure = Some(error);
            }
        }
    }
    match failure {
        Some(error) => Err(error),
        None => Ok(Page { items: Vec::new(), next: Some(token::encode(&name, &position)?) }),
    }
}
