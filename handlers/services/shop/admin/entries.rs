//! What the catalogue holds beside products, as it is written: categories and policies, each a document under its
//! own name, written with its event.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::fields::is_slug;
use super::shelf::{Shelf, TURNS, Written, busy};
use crate::containers::CATALOGUE;
use crate::error::{Code, Error, FieldError, Result};
use crate::http::Request;
use crate::http::conditional::if_match;
use crate::ports::documents::{Document, NewDocument, Operation};
use crate::ports::{Condition, ETag};
use crate::services::shop::store;
use crate::state::AppState;

/// A kind of such documents.
pub trait Kind: Serialize + DeserializeOwned + PartialEq {
    /// The partition, beside the tenant.
    const PARTITION: &'static str;
    /// The event that tells of a write.
    const EVENT: &'static str;
    /// How many a tenant may have.
    const MOST: usize;
    /// What is told when there is none of that name.
    const MISSING: &'static str;

    /// Reads the form of the one that is named `id`.
    ///
    /// # Errors
    /// All that is wrong with it, field by field.
    fn read(id: &str, form: Map<String, Value>) -> Result<Self, Vec<FieldError>>;
}

/// All of a tenant, by id.
///
/// # Errors
/// Those of the queries.
pub async fn all<K: Kind>(state: &AppState, request: &Request) -> Result<Vec<K>> {
    let documents = store::entries(state.documents.as_ref(), request.caller.tenant(), K::PARTITION).await?;
    documents.iter().map(|document| Ok(document.read()?)).collect()
}

/// The one that the address names, with its version.
///
/// # Errors
/// [`Code::NotFound`].
pub async fn one<K: Kind>(state: &AppState, request: &Request) -> Result<(K, ETag)> {
    let document = find(state, request, K::PARTITION, &name(request)?).await?;
    let document = document.ok_or_else(|| Error::not_found(K::MISSING))?;
    Ok((document.read()?, document.etag))
}

/// Writes the one that the address names: a new one, or one in the place of the version that `If-Match` names.
/// Gives whether it is new, and its version.
///
/// # Errors
/// [`Code::ValidationFailed`]; [`Code::PreconditionRequired`] and [`Code::PreconditionFailed`] where there is one;
/// [`Code::Conflict`] when there is no room.
pub async fn put<K: Kind>(state: &AppState, request: &Request) -> Result<(bool, K, ETag)> {
    let id = name(request)?;
    let form: Map<String, Value> = request.json()?;
    let entry = K::read(&id, form).map_err(Error::fields)?;
    let shelf = Shelf::of(state, request)?;
    let demanded = request.header("if-match").map(|_| if_match(request)).transpose()?;
    let changed = || Error::new(Code::PreconditionFailed, "It was changed meanwhile; read it again and repeat.");
    for _ in 0..TURNS {
        let document = NewDocument::new(id.as_str(), &entry)?;
        let there = find(state, request, K::PARTITION, &id).await?;
        let operation = match (&there, &demanded) {
            (None, Some(_)) => return Err(changed()),
            (Some(_), None) => {
                let detail =
                    "There is one; send in If-Match the entity tag that it was read with, or * to replace any.";
                return Err(Error::new(Code::PreconditionRequired, detail));
            }
            (Some(there), Some(Condition::IfMatch(version))) if there.etag != *version => return Err(changed()),
            (Some(there), Some(_)) if there.read::<K>()? == entry => return Ok((false, entry, there.etag.clone())),
            (Some(there), Some(_)) => Operation::Replace(document, Condition::IfMatch(there.etag.clone())),
            (None, None) => {
                if store::entries(state.documents.as_ref(), shelf.tenant(), K::PARTITION).await?.len() >= K::MOST {
                    return Err(Error::new(
                        Code::Conflict,
                        format!("There are {} already, as many as can be.", K::MOST),
                    ));
                }
                Operation::Create(document)
            }
        };
        let event = shelf.event(K::EVENT, &id, json!({}))?;
        let partition = store::partition(shelf.tenant(), K::PARTITION);
        if let Written::Done(written) = shelf.write(&partition, vec![operation, event]).await? {
            let etag = written.first().and_then(Option::as_ref).map(|document| document.etag.clone());
            return Ok((there.is_none(), entry, etag.ok_or_else(busy)?));
        }
    }
    Err(busy())
}

async fn find(state: &AppState, request: &Request, kind: &str, id: &str) -> Result<Option<Document>> {
    let partition = store::partition(request.caller.tenant(), kind);
    Ok(state.documents.read(&CATALOGUE, &partition, id).await?)
}

/// The name in the address; another one names nothing.
fn name(request: &Request) -> Result<String> {
    let name: String = request.param("id")?;
    match is_slug(&name) {
        true => Ok(name),
        false => Err(Error::not_found("There is nothing under this address.")),
    }
}
