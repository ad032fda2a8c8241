//! A query over several databases as one listing.
//!
//! Each database is asked for its next page; the pages are merged, and of each database as many documents are
//! taken as come first in the order. Where that is a part of its page, the database is asked again for just
//! that part: so its own continuation stands after what was taken, and nothing is shown twice or left out when
//! documents change meanwhile.
//!
//! Documents of a tenant that lie in another database than the tenant's (copies that are being made, or were
//! not removed yet) are left out.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::{StreamExt, stream};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::super::{rules, token};
use super::Member;
use crate::ports::documents::{Container, Document, Homes, Order, Query, Scope};
use crate::ports::{Continuation, Page, PortError, PortResult};

/// Databases that are asked at the same time.
const AT_ONCE: usize = 8;

/// How far each database was listed; from the beginning for one that is not here.
#[derive(Default, Serialize, Deserialize)]
struct Position(BTreeMap<String, Reached>);

#[derive(Clone, Serialize, Deserialize)]
enum Reached {
    After(Continuation),
    End,
}

/// A page of one database.
struct Part {
    member: Arc<Member>,
    items: Vec<Keyed>,
    next: Option<Continuation>,
}

/// A document with what it is sorted by.
struct Keyed {
    value: SortValue,
    document: Document,
}

pub(super) async fn page(
    homes: &dyn Homes,
    members: Vec<Arc<Member>>,
    container: &'static Container,
    query: Query,
) -> PortResult<Page<Document>> {
    let limit = rules::page_size(query.limit)?;
    rules::check_query(container, &Scope::Container, &query)?;
    let name = format!("{} everywhere {:?} {:?}", container.name, query.filters, query.order);
    let mut position: Position = match &query.continuation {
        Some(given) => token::decode(&name, given)?,
        None => Position::default(),
    };
    let pending: Vec<_> = members.iter().filter(|member| position.is_pending(member)).map(|it| (it, limit)).collect();
    let (parts, mut failure) = ask(&pending, container, &query, &position).await;
    let wanted = taken(&parts, query.order, limit);
    let (whole, in_part): (Vec<_>, Vec<_>) =
        parts.into_iter().zip(wanted).partition(|(part, count)| *count == part.items.len());
    let mut shown: Vec<Part> = whole.into_iter().map(|(part, _)| part).collect();
    let again: Vec<_> = in_part.iter().filter(|(_, count)| *count > 0).map(|(part, n)| (&part.member, *n)).collect();
    let (cut, failed) = ask(&again, container, &query, &position).await;
    shown.extend(cut);
    failure = failure.or(failed);

    for part in &shown {
        let reached = part.next.clone().map_or(Reached::End, Reached::After);
        position.0.insert(part.member.placement.to_string(), reached);
    }
    let moved_on = !shown.is_empty();
    let items = at_home(homes, merged(shown, query.order)).await?;
    let is_over = !members.iter().any(|member| position.is_pending(member));
    match failure {
        // Whoever asks again gets what is left, or this.
        Some(error) if !moved_on => Err(error),
        _ if is_over => Ok(Page { items, next: None }),
        _ => Ok(Page { items, next: Some(token::encode(&name, &position)?) }),
    }
}

impl Position {
    fn is_pending(&self, member: &Member) -> bool {
        !matches!(self.0.get(&member.placement.to_string()), Some(Reached::End))
    }

    fn after(&self, member: &Member) -> Option<Continuation> {
        match self.0.get(&member.placement.to_string()) {
            Some(Reached::After(continuation)) => Some(continuation.clone()),
            Some(Reached::End) | None => None,
        }
    }
}

/// Asks databases for so many of their next documents each; gives the pages, and the failure of one that
/// gave none.
async fn ask(
    members: &[(&Arc<Member>, usize)],
    container: &'static Container,
    query: &Query,
    position: &Position,
) -> (Vec<Part>, Option<PortError>) {
    let mut calls = Vec::with_capacity(members.len());
    for (member, limit) in members {
        let query = Query { continuation: position.after(member), limit: *limit, ..query.clone() };
        calls.push(ask_one(Arc::clone(member), container, query));
    }
    let answers: Vec<PortResult<Part>> = stream::iter(calls).buffered(AT_ONCE).collect().await;
    let mut parts = Vec::with_capacity(answers.len());
    let mut failure = None;
    for answer in answers {
        match answer {
            Ok(part) => parts.push(part),
            Err(error) => failure = Some(error),
        }
    }
    (parts, failure)
}

async fn ask_one(member: Arc<Member>, container: &'static Container, query: Query) -> PortResult<Part> {
    let order = query.order;
    let page = match &member.store {
        Ok(store) => store.query(container, Scope::Container, query).await,
        Err(error) => Err(error.again()),
    };
    match page {
        Ok(Page { items, next }) => {
            let items = items.into_iter().map(|document| Keyed::of(document, order)).collect();
            Ok(Part { member, items, next })
        }
        Err(error) => {
            let database = &member.placement;
            tracing::warn!(%database, container = container.name, %error, "not listed; the others go on");
            Err(error)
        }
    }
}

/// How many documents of each page are among the first `limit` of all. Ends where a page does that is
/// not the last one: what follows in that database is not known.
fn taken(parts: &[Part], order: Option<Order>, limit: usize) -> Vec<usize> {
    let mut counts = vec![0; parts.len()];
    for _ in 0..limit {
        let exhausted = |(part, count): (&Part, &usize)| *count == part.items.len() && part.next.is_some();
        if parts.iter().zip(&counts).any(exhausted) {
            break;
        }
        let heads = parts.iter().enumerate().filter_map(|(n, part)| Some((n, part.items.get(counts[n])?)));
        let Some((first, _)) = heads.min_by(|(_, one), (_, other)| one.compare(other, order)) else { break };
        counts[first] += 1;
    }
    counts
}

/// The documents of all pages in one order, each with its database.
fn merged(parts: Vec<Part>, order: Option<Order>) -> Vec<(Arc<Member>, Document)> {
    let of = |part: Part| part.items.into_iter().map(move |item| (part.member.clone(), item));
    let mut items: Vec<(Arc<Member>, Keyed)> = parts.into_iter().flat_map(of).collect();
    items.sort_by(|(_, one), (_, other)| one.compare(other, order));
    items.into_iter().map(|(member, item)| (member, item.document)).collect()
}

/// Leaves out documents that lie elsewhere than their tenant.
async fn at_home(homes: &dyn Homes, items: Vec<(Arc<Member>, Document)>) -> PortResult<Vec<Document>> {
    let mut kept = Vec::with_capacity(items.len());
    for (member, document) in items {
        let tenant = document.partition.0.first().map(String::as_str).unwrap_or_default();
        if homes.of(tenant).await?.placement == member.placement {
            kept.push(document);
        }
    }
    Ok(kept)
}

/// A sort field's value in the order of [`Order`].
#[derive(Debug)]
enum SortValue {
    Absent,
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
    /// An array or an object: all alike.
    Composite,
}

impl SortValue {
    fn of(document: &Document, field: &str) -> Self {
        let body: Value = serde_json::from_str(document.body.get()).unwrap_or_default();
        let found = field.split('.').try_fold(&body, |value, name| value.get(name));
        match found {
            None => Self::Absent,
            Some(Value::Null) => Self::Null,
            Some(Value::Bool(value)) => Self::Bool(*value),
            Some(Value::Number(number)) => Self::Number(number.as_f64().unwrap_or_default()),
            Some(Value::String(text)) => Self::Text(text.clone()),
            Some(Value::Array(_) | Value::Object(_)) => Self::Composite,
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Self::Absent => 0,
            Self::Null => 1,
            Self::Bool(_) => 2,
            Self::Number(_) => 3,
            Self::Text(_) => 4,
            Self::Composite => 5,
        }
    }

    fn compare(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Bool(one), Self::Bool(other)) => one.cmp(other),
            (Self::Number(one), Self::Number(other)) => one.partial_cmp(other).unwrap_or(Ordering::Equal),
            (Self::Text(one), Self::Text(other)) => one.cmp(other),
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

impl Keyed {
    fn of(document: Document, order: Option<Order>) -> Self {
        let value = match order {
            None => SortValue::Absent,
            Some(Order::Ascending(field) | Order::Descending(field)) => SortValue::of(&document, field),
        };
        Self { value, document }
    }

    fn compare(&self, other: &Self, order: Option<Order>) -> Ordering {
        let (one, two) = (&self.document, &other.document);
        let ties = || one.id.cmp(&two.id).then_with(|| one.partition.cmp(&two.partition));
        let ascending = self.value.compare(&other.value).then_with(ties);
        match order {
            Some(Order::Descending(_)) => ascending.reverse(),
            Some(Order::Ascending(_)) | None => ascending,
        }
    }
}
