//! The change feed, in latest-version mode
//! (<https://learn.microsoft.com/azure/cosmos-db/change-feed-modes>).
//!
//! Each physical partition has a feed of its own. A position holds one for each range of the container; a
//! page comes from one of them, and the next page from the next one, so that a busy range does not
//! keep the others waiting. When a partition was split or merged, ranges are read apart, from the positions that
//! cover them.

use azure_data_cosmos::clients::ContainerClient;
use azure_data_cosmos::error::CosmosError;
use azure_data_cosmos::feed::{ContinuationToken, FeedRange, FeedScope};
use azure_data_cosmos::models::ChangeFeedItem;
use azure_data_cosmos::options::{ChangeFeedOptions, ChangeFeedStartFrom};
use futures_util::StreamExt;
use serde::{Deserialize, Serialize};

use super::super::token;
use super::connection::Account;
use super::item::Stored;
use super::options::page_of;
use crate::ports::documents::{Container, Document};
use crate::ports::{Continuation, Page, PortResult};

/// Where the feed of a container goes on.
#[derive(Clone, Default, Serialize, Deserialize)]
struct Position {
    /// In the order of the ranges; together they cover the container.
    ranges: Vec<RangePosition>,
    /// The range that is asked first.
    turn: usize,
}

#[derive(Clone, Serialize, Deserialize)]
struct RangePosition {
    range: FeedRange,
    /// The client's token; the beginning without one.
    after: Option<ContinuationToken>,
}

/// One page of the feed; an empty one once every range had nothing more.
///
/// The service never parts the documents of one batch, so a page that ends within one is longer than `limit`.
pub(super) async fn page(
    account: &Account,
    container: &'static Container,
    continuation: Option<Continuation>,
    limit: usize,
) -> PortResult<Page<Document>> {
    let name = format!("changes of {}", container.name);
    let position: Position = match &continuation {
        Some(given) => token::decode(&name, given)?,
        None => Position::default(),
    };
    let read = account.with_container("changes", container, |client| {
        let mut position = position.clone();
        async move { position.advance(&client, limit).await.map(|found| (found, position)) }
    });
    let (found, position) = read.await?;
    let items = found.into_iter().map(|stored| stored.into_document(container)).collect::<PortResult<_>>()?;
    Ok(Page { items, next: Some(token::encode(&name, &position)?) })
}

impl Position {
    /// Reads the ranges by turns until one has changes or none has.
    async fn advance(&mut self, client: &ContainerClient, limit: usize) -> Result<Vec<Stored>, CosmosError> {
        let mut present = client.read_feed_ranges(None).await?;
        loop {
            self.divide(&present);
            for _ in 0..self.ranges.len() {
                let place = self.turn % self.ranges.len();
                self.turn = place + 1;
                if let Some(range) = self.ranges.get_mut(place) {
                    let found = range.advance(client, limit).await?;
                    if !found.is_empty() {
                        return Ok(found);
                    }
                }
            }
            // A range that was split meanwhile may have been read in part only.
            let now = client.read_feed_ranges(None).await?;
            if now.len() == present.len() {
                return Ok(Vec::new());
            }
            present = now;
        }
    }

    /// Makes every range lie within one of `present`. Ranges of splits and merges are nested, so that of two
    /// that overlap one holds the other.
    fn divide(&mut self, present: &[FeedRange]) {
        if self.ranges.is_empty() {
            self.ranges = present.iter().map(|range| RangePosition { range: range.clone(), after: None }).collect();
            return;
        }
        let parts = |held: &RangePosition| {
            let inner = |range: &&FeedRange| range.is_subset_of(&held.range);
            let within: Vec<&FeedRange> = present.iter().filter(inner).collect();
            let of = |range: FeedRange| RangePosition { range, after: held.after.clone() };
            match within.is_empty() {
                true => vec![of(held.range.clone())],
                false => within.into_iter().cloned().map(of).collect(),
            }
        };
        self.ranges = self.ranges.iter().flat_map(parts).collect();
    }
}

impl RangePosition {
    /// The next changes of the range; none when it has no more, for now.
    async fn advance(&mut self, client: &ContainerClient, limit: usize) -> Result<Vec<Stored>, CosmosError> {
        let mut options = ChangeFeedOptions::default().with_max_item_count(page_of(limit));
        if let Some(after) = &self.after {
            options = options.with_continuation_token(after.clone());
        }
        let scope = FeedScope::range(self.range.clone());
        let mut pages =
            client.query_change_feed::<Stored>(scope, ChangeFeedStartFrom::Beginning, Some(options)).await?;
        let Some(page) = pages.next().await else { return Ok(Vec::new()) };
        let page = page?;
        self.after = Some(pages.to_continuation_token()?);
        let current = |change: ChangeFeedItem<Stored>| change.current().cloned();
        Ok(page.into_items().into_iter().filter_map(current).collect())
    }
}
