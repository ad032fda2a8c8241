//! What every adapter of the documents port must do.
//!
//! Each case stands alone and works in partitions of its own, so that the suite can run on a
//! service that others use at the same time. An adapter gives a [`Subject`] and one line,
//! `document_suite!(subject)`, for all cases.

mod batches;
mod changes;
mod cosmos;
mod crash;
mod lifetimes;
mod model;
mod pages;
mod queries;
mod races;
mod routed;
mod sqlite;
mod writes;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use pravis::ports::documents::{Container, Document, DocumentStore, Indexing, NewDocument, PartitionKey, Query, Scope};
use pravis::ports::{Page, PortErrorKind, PortResult};
use serde_json::{Value, json};
use ulid::Ulid;

/// Lets this many seconds pass for the store.
pub type Advance = Box<dyn Fn(u32) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// For one case, so that a listing without end fails instead of hanging.
pub const TIME_LIMIT: Duration = Duration::from_secs(120);

/// What the suite tests: a store that knows the [`CONTAINERS`].
pub struct Subject {
    pub store: Arc<dyn DocumentStore>,
    /// `None` where the service keeps documents past their lifetime (Cosmos DB's emulator): what
    /// needs time to pass is left out there.
    pub advance: Option<Advance>,
    /// Lives as long as the store: a folder, a server.
    pub _kept: Box<dyn std::any::Any + Send + Sync>,
}

pub static PEOPLE: Container = Container {
    name: "people",
    partition_key: &["tenantId", "userId"],
    default_ttl: None,
    indexing: Indexing::Everything,
};
pub static VISITS: Container =
    Container { name: "visits", partition_key: &["tenantId"], default_ttl: Some(60), indexing: Indexing::Everything };
pub static CLAIMS: Container =
    Container { name: "claims", partition_key: &["id"], default_ttl: None, indexing: Indexing::Everything };
pub static CONTAINERS: &[&Container] = &[&PEOPLE, &VISITS, &CLAIMS];

/// A test for each case, for one adapter: `subject` is an `async fn() -> Subject`.
macro_rules! document_suite {
    ($subject:expr) => {
        document_suite! { @cases $subject;
            writes:
                what_is_created_is_read,
                an_absent_document_is_none,
                a_taken_id_conflicts,
                one_id_in_two_partitions_is_two_documents,
                the_call_wins_over_the_body,
                replacing_what_is_absent_is_not_found,
                replacing_takes_the_present_version_only,
                upserting_creates_and_replaces,
                every_write_changes_the_etag,
                deleting_takes_the_present_version_only,
                deleting_what_is_absent_is_not_found,
                a_condition_of_absence_suits_creation_only,
                malformed_ids_are_refused,
                unusual_ids_are_kept_apart,
                unusual_partition_values_are_kept_apart,
                partition_keys_of_another_arity_are_refused,
                where_the_id_is_the_partition_key_they_agree,
                names_of_the_service_are_refused,
                large_bodies_pass_and_larger_ones_do_not;
            batches:
                a_batch_does_all_and_tells_what_it_wrote,
                a_failing_operation_undoes_the_batch_and_is_named,
                a_stale_version_in_a_batch_undoes_it,
                a_batch_may_touch_one_document_twice,
                a_batch_has_1_to_100_operations,
                a_batch_of_more_than_2_mb_is_too_large;
            lifetimes:
                documents_live_as_long_as_their_container_says,
                documents_live_as_long_as_they_say,
                a_write_renews_the_lifetime,
                an_expired_id_is_free,
                what_is_expired_is_seen_by_nothing,
                lifetimes_out_of_range_are_refused;
            queries:
                without_filters_all_come_by_id,
                equality_is_between_values_of_one_type,
                inequality_is_between_values_of_one_type,
                order_comparisons_are_between_values_of_one_type,
                in_takes_values_of_several_types,
                nested_fields_are_named_by_dots,
                prefixes_of_text_are_found,
                members_of_arrays_are_found,
                filters_are_all_to_hold,
                text_compares_by_code_point,
                hostile_values_are_only_values,
                hostile_fields_are_refused,
                comparisons_without_meaning_are_refused;
            pages:
                mixed_types_have_one_order,
                ties_are_broken_by_id,
                pages_of_every_size_make_the_same_list,
                pages_hold_while_documents_change,
                a_page_of_large_documents_may_be_short_but_nothing_is_lost,
                prefixes_of_the_partition_key_cover_its_partitions,
                a_container_is_queried_over_all_partitions,
                a_token_of_another_query_is_refused,
                page_sizes_out_of_range_are_refused;
            model:
                random_queries_answer_as_the_contract_reads;
            changes:
                changes_come_in_the_order_of_writing,
                changes_go_on_where_a_page_ended,
                overwritten_versions_and_deletions_are_not_shown,
                a_token_of_another_feed_is_refused,
                nothing_is_missed_under_concurrent_writers;
            races:
                one_of_fifty_creations_wins,
                fifty_increments_by_version_make_fifty,
                a_batch_is_never_seen_in_part;
        }
    };
    (@cases $subject:expr; $($group:ident: $($case:ident),*;)*) => {
        $($(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                let subject = $subject().await;
                let case = crate::conformance::documents::$group::$case(&subject);
                tokio::time::timeout(crate::conformance::documents::TIME_LIMIT, case).await.expect("a case that ends");
            }
        )*)*
    };
}
pub(crate) use document_suite;

/// A tenant that no other case uses.
pub fn tenant() -> String {
    format!("t{}", Ulid::generate())
}

/// A partition of [`PEOPLE`] that no other case uses.
pub fn person() -> PartitionKey {
    PartitionKey(vec![tenant(), "usr_1".into()])
}

pub fn document(id: &str, body: Value) -> NewDocument {
    NewDocument::new(id, &body).unwrap()
}

/// The field `n` of a document.
pub fn n_of(document: &Document) -> i64 {
    document.read::<Value>().unwrap()["n"].as_i64().unwrap()
}

pub fn ids(documents: &[Document]) -> Vec<&str> {
    documents.iter().map(|document| document.id.as_str()).collect()
}

#[track_caller]
pub fn assert_refused<T: std::fmt::Debug>(outcome: PortResult<T>, kind: PortErrorKind) {
    assert_eq!(outcome.unwrap_err().kind(), kind);
}

impl Subject {
    /// Creates documents `{ "v": value }` in a new partition of [`PEOPLE`].
    pub async fn with_values(&self, values: &[(&str, Value)]) -> PartitionKey {
        let partition = person();
        for (id, value) in values {
            let created = self.store.create(&PEOPLE, &partition, document(id, json!({ "v": value }))).await;
            created.unwrap_or_else(|error| panic!("{id}: {error:?}"));
        }
        partition
    }

    /// All pages of a query.
    pub async fn all(&self, container: &'static Container, scope: Scope<'_>, query: Query) -> Vec<Document> {
        let mut found = Vec::new();
        let mut continuation = None;
        loop {
            let query = Query { continuation, ..query.clone() };
            let page: Page<Document> = self.store.query(container, scope.clone(), query).await.unwrap();
            found.extend(page.items);
            match page.next {
                Some(next) => continuation = Some(next),
                None => return found,
            }
        }
    }
}
