//! The suite on two databases as one store, and what only that promises.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use chrono::TimeDelta;
use pravis::adapters::documents::{RoutedDocuments, SqliteDatabases, SqliteDocuments};
use pravis::ports::documents::{
    Databases, DedicatedFeeds, Document, DocumentStore, Filter, Home, Homes, Operation, Order, PartitionKey, Query,
    Scope, Writes,
};
use pravis::ports::{Condition, Continuation, PortError, PortErrorKind, PortResult};
use pravis::types::{DatabaseName, Placement};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Advance, CLAIMS, CONTAINERS, PEOPLE, Subject, assert_refused, document, ids, n_of, tenant};
use crate::support::clock::ManualClock;
use crate::support::cosmos::Emulator;

mod over_sqlite {
    use super::document_suite;

    document_suite!(super::over_sqlite);
}

mod over_cosmos {
    use super::document_suite;

    document_suite!(super::over_cosmos);
}

use super::document_suite;

fn weaves() -> DatabaseName {
    "weaves".parse().unwrap()
}

fn dedicated() -> Placement {
    Placement::Dedicated { database: weaves() }
}

/// Every other tenant is in a dedicated database, so that each case meets both.
struct EveryOther;

#[async_trait]
impl Homes for EveryOther {
    async fn of(&self, tenant: &str) -> PortResult<Home> {
        let sum: u32 = tenant.bytes().map(u32::from).sum();
        let placement = if sum.is_multiple_of(2) { Placement::Shared } else { dedicated() };
        Ok(Home { placement, writes: Writes::Allowed })
    }

    async fn dedicated(&self) -> PortResult<Vec<DatabaseName>> {
        Ok(vec![weaves()])
    }
}

async fn over_sqlite() -> Subject {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::new());
    let shared = SqliteDocuments::open(&folder.path().join("documents.db"), CONTAINERS, clock.clone()).unwrap();
    let databases = SqliteDatabases::new(folder.path(), CONTAINERS, clock.clone());
    databases.prepare(&weaves()).await.unwrap();
    let store = RoutedDocuments::new(Arc::new(shared), databases, Arc::new(EveryOther));
    let advance: Advance = Box::new(move |seconds| {
        clock.advance(TimeDelta::seconds(i64::from(seconds)));
        Box::pin(std::future::ready(()))
    });
    Subject { store: Arc::new(store), advance: Some(advance), _kept: Box::new(folder) }
}

async fn over_cosmos() -> Subject {
    let emulator = Emulator::with(CONTAINERS);
    let shared = emulator.documents(CONTAINERS).await;
    let databases = emulator.databases(CONTAINERS).await;
    databases.prepare(&weaves()).await.unwrap();
    let store = RoutedDocuments::new(Arc::new(shared), Arc::new(databases), Arc::new(EveryOther));
    Subject { store: Arc::new(store), advance: None, _kept: Box::new(emulator) }
}

/// Homes and databases that a test changes.
struct Deployment {
    store: RoutedDocuments,
    shared: Arc<SqliteDocuments>,
    world: Arc<World>,
    _folder: TempDir,
}

struct World {
    homes: Mutex<BTreeMap<String, Home>>,
    databases: Arc<SqliteDatabases>,
    away: Mutex<bool>,
}

#[async_trait]
impl Homes for World {
    async fn of(&self, tenant: &str) -> PortResult<Home> {
        let home = self.homes.lock().unwrap().get(tenant).cloned();
        Ok(home.unwrap_or(Home { placement: Placement::Shared, writes: Writes::Allowed }))
    }

    async fn dedicated(&self) -> PortResult<Vec<DatabaseName>> {
        Ok(vec![weaves()])
    }
}

#[async_trait]
impl Databases for World {
    async fn open(&self, name: &DatabaseName) -> PortResult<Arc<dyn DocumentStore>> {
        let away = *self.away.lock().unwrap();
        match away {
            true => Err(PortError::unavailable("the database is away")),
            false => self.databases.open(name).await,
        }
    }

    async fn prepare(&self, name: &DatabaseName) -> PortResult<()> {
        self.databases.prepare(name).await
    }
}

impl Deployment {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::new());
        let shared =
            Arc::new(SqliteDocuments::open(&folder.path().join("documents.db"), CONTAINERS, clock.clone()).unwrap());
        let databases = SqliteDatabases::new(folder.path(), CONTAINERS, clock);
        databases.prepare(&weaves()).await.unwrap();
        let world = Arc::new(World { homes: Mutex::default(), databases, away: Mutex::new(false) });
        let store = RoutedDocuments::new(shared.clone(), world.clone(), world.clone());
        Self { store, shared, world, _folder: folder }
    }

    fn place(&self, tenant: &str, placement: Placement, writes: Writes) {
        self.world.homes.lock().unwrap().insert(tenant.to_owned(), Home { placement, writes });
    }

    /// A tenant in each database: the shared one, the dedicated one.
    fn two_tenants(&self) -> (String, String) {
        let (one, two) = (tenant(), tenant());
        self.place(&two, dedicated(), Writes::Allowed);
        (one, two)
    }

    fn set_away(&self, away: bool) {
        *self.world.away.lock().unwrap() = away;
    }

    async fn weaves(&self) -> Arc<dyn DocumentStore> {
        self.world.databases.open(&weaves()).await.unwrap()
    }

    /// All pages of all partitions, and how the listing ended.
    async fn listed(&self, order: Option<Order>, limit: usize) -> (Vec<Document>, PortResult<()>) {
        let (mut found, mut continuation) = (Vec::new(), None);
        loop {
            let query = Query { order, limit, continuation, ..Query::default() };
            match self.store.query(&PEOPLE, Scope::Container, query).await {
                Ok(page) => {
                    assert!(page.items.len() <= limit);
                    found.extend(page.items);
                    continuation = page.next;
                }
                Err(error) => return (found, Err(error)),
            }
            if continuation.is_none() {
                return (found, Ok(()));
            }
        }
    }
}

fn person_of(tenant: &str, user: &str) -> PartitionKey {
    PartitionKey::of([tenant, user])
}

#[tokio::test]
async fn documents_are_in_the_database_of_their_tenant_and_nowhere_else() {
    let deployment = Deployment::new().await;
    let (one, two) = deployment.two_tenants();
    let store = &deployment.store;
    for tenant in [&one, &two] {
        let partition = person_of(tenant, "u");
        store.create(&PEOPLE, &partition, document("a", json!({ "n": 1 }))).await.unwrap();
        store.batch(&PEOPLE, &partition, vec![Operation::Create(document("b", json!({})))]).await.unwrap();
        store.upsert(&PEOPLE, &partition, document("c", json!({}))).await.unwrap();
        store.replace(&PEOPLE, &partition, document("c", json!({ "n": 2 })), Condition::None).await.unwrap();
        store.delete(&PEOPLE, &partition, "a", Condition::None).await.unwrap();
    }
    let weaves = deployment.weaves().await;
    for (tenant, here, there) in
        [(&one, &*deployment.shared as &dyn DocumentStore, &*weaves), (&two, &*weaves, &*deployment.shared)]
    {
        let prefix = [tenant.clone()];
        let found = here.query(&PEOPLE, Scope::Prefix(&prefix), Query::default()).await.unwrap().items;
        assert_eq!(ids(&found), ["b", "c"]);
        assert_eq!(n_of(&found[1]), 2);
        assert!(there.query(&PEOPLE, Scope::Prefix(&prefix), Query::default()).await.unwrap().items.is_empty());
        let routed = store.query(&PEOPLE, Scope::Prefix(&prefix), Query::default()).await.unwrap().items;
        assert_eq!(ids(&routed), ["b", "c"]);
    }
    // What belongs to no tenant is shared, even when its key reads like one that is placed elsewhere.
    store.create(&CLAIMS, &PartitionKey::of([&two]), document(&two, json!({}))).await.unwrap();
    assert!(deployment.shared.read(&CLAIMS, &PartitionKey::of([&two]), &two).await.unwrap().is_some());
}

#[tokio::test]
async fn while_documents_are_moved_they_are_read_and_not_written() {
    let deployment = Deployment::new().await;
    let (_, two) = deployment.two_tenants();
    let (store, partition) = (&deployment.store, person_of(&two, "u"));
    store.create(&PEOPLE, &partition, document("a", json!({ "n": 1 }))).await.unwrap();
    for writes in [Writes::Moving, Writes::Uncertain] {
        deployment.place(&two, dedicated(), writes);
        let refused = [
            store.create(&PEOPLE, &partition, document("b", json!({}))).await.map(drop),
            store.upsert(&PEOPLE, &partition, document("a", json!({}))).await.map(drop),
            store.replace(&PEOPLE, &partition, document("a", json!({})), Condition::None).await.map(drop),
            store.delete(&PEOPLE, &partition, "a", Condition::None).await,
            store
                .batch(&PEOPLE, &partition, vec![Operation::Upsert(document("a", json!({})))])
                .await
                .map(drop)
                .map_err(|failed| failed.error),
        ];
        for outcome in refused {
            let error = outcome.unwrap_err();
            assert_eq!(error.kind(), PortErrorKind::Unavailable);
            assert!(error.retry_after().is_some());
        }
        assert_eq!(n_of(&store.read(&PEOPLE, &partition, "a").await.unwrap().unwrap()), 1);
        let all = store.query(&PEOPLE, Scope::Partition(&partition), Query::default()).await.unwrap();
        assert_eq!(ids(&all.items), ["a"]);
    }
}

/// The values of `v` over both databases: an order of all types, with ties across the databases.
async fn mixed(deployment: &Deployment) {
    let (one, two) = deployment.two_tenants();
    let values = [json!(null), json!(false), json!(true), json!(-1), json!(2.5), json!("a"), json!("b"), json!([1])];
    for (n, value) in values.iter().enumerate() {
        for (tenant, kind) in [(&one, "x"), (&two, "y")] {
            let body = json!({ "v": value });
            let id = format!("{kind}{n}");
            deployment.store.create(&PEOPLE, &person_of(tenant, &id), document(&id, body)).await.unwrap();
        }
    }
    for (tenant, id) in [(&one, "x-none"), (&two, "y-none")] {
        deployment.store.create(&PEOPLE, &person_of(tenant, "u"), document(id, json!({}))).await.unwrap();
    }
}

#[tokio::test]
async fn a_listing_of_all_databases_has_one_order_whatever_the_size_of_its_pages() {
    let deployment = Deployment::new().await;
    mixed(&deployment).await;
    let mut by_value = vec!["x-none".to_owned(), "y-none".to_owned()];
    by_value.extend((0..8).flat_map(|n| [format!("x{n}"), format!("y{n}")]));
    let mut by_id = by_value.clone();
    by_id.sort();
    let backwards: Vec<String> = by_value.iter().rev().cloned().collect();
    for limit in [1, 2, 3, 5, 18, 100] {
        for (order, expected) in
            [(Some(Order::Ascending("v")), &by_value), (Some(Order::Descending("v")), &backwards), (None, &by_id)]
        {
            let (found, ended) = deployment.listed(order, limit).await;
            ended.unwrap();
            assert_eq!(ids(&found), *expected, "{order:?} by {limit}");
        }
    }
}

#[tokio::test]
async fn filters_hold_in_all_databases() {
    let deployment = Deployment::new().await;
    mixed(&deployment).await;
    let filters = vec![Filter::Greater("v", json!(0))];
    let query = Query { filters, ..Query::default() };
    let page = deployment.store.query(&PEOPLE, Scope::Container, query).await.unwrap();
    assert_eq!((ids(&page.items), page.next), (vec!["x4", "y4"], None));
}

/// What was there throughout and never changed is shown once, while others come and go.
#[tokio::test]
async fn a_listing_of_all_databases_holds_while_documents_change() {
    let deployment = Deployment::new().await;
    let (one, two) = deployment.two_tenants();
    let store = &deployment.store;
    let place = |n: usize| person_of(if n.is_multiple_of(2) { &one } else { &two }, "u");
    for n in 0..40 {
        store.create(&PEOPLE, &place(n), document(&format!("{n:03}"), json!({ "stays": true }))).await.unwrap();
    }
    let (mut shown, mut continuation) = (Vec::new(), None);
    for round in 0.. {
        let page =
            store.query(&PEOPLE, Scope::Container, Query { limit: 7, continuation, ..Query::default() }).await.unwrap();
        shown.extend(page.items.into_iter().filter(|found| found.read::<Value>().unwrap()["stays"] == true));
        continuation = page.next;
        if continuation.is_none() {
            break;
        }
        for n in 0..4 {
            let id = format!("{:03}-{round}", (round * 11 + n * 9) % 40);
            store.create(&PEOPLE, &place(n), document(&id, json!({}))).await.unwrap();
            if n > 1 {
                store.delete(&PEOPLE, &place(n), &id, Condition::None).await.unwrap();
            }
        }
    }
    let expected: Vec<String> = (0..40).map(|n| format!("{n:03}")).collect();
    assert_eq!(ids(&shown), expected);
}

#[tokio::test]
async fn copies_that_lie_elsewhere_than_their_tenant_are_not_listed() {
    let deployment = Deployment::new().await;
    let (one, two) = deployment.two_tenants();
    let weaves = deployment.weaves().await;
    for (id, tenant) in [("a", &one), ("b", &two)] {
        let partition = person_of(tenant, "u");
        deployment.shared.create(&PEOPLE, &partition, document(id, json!({}))).await.unwrap();
        weaves.create(&PEOPLE, &partition, document(id, json!({}))).await.unwrap();
    }
    for limit in [1, 10] {
        let (found, ended) = deployment.listed(None, limit).await;
        ended.unwrap();
        assert_eq!(ids(&found), ["a", "b"], "by {limit}");
    }
}

#[tokio::test]
async fn a_database_that_is_away_harms_its_own_tenants_only() {
    let deployment = Deployment::new().await;
    let (one, two) = deployment.two_tenants();
    let store = &deployment.store;
    for (tenant, kind) in [(&one, "x"), (&two, "y")] {
        for n in 0..5 {
            let id = format!("{kind}{n}");
            store.create(&PEOPLE, &person_of(tenant, "u"), document(&id, json!({ "n": n }))).await.unwrap();
        }
    }
    deployment.set_away(true);
    let away = PortErrorKind::Unavailable;
    assert_refused(store.read(&PEOPLE, &person_of(&two, "u"), "y0").await, away);
    assert_refused(store.create(&PEOPLE, &person_of(&two, "u"), document("z", json!({}))).await, away);
    assert!(store.read(&PEOPLE, &person_of(&one, "u"), "x0").await.unwrap().is_some());
    store.create(&PEOPLE, &person_of(&one, "u"), document("x5", json!({ "n": 5 }))).await.unwrap();

    let (found, ended) = deployment.listed(None, 2).await;
    assert_eq!(ids(&found), ["x0", "x1", "x2", "x3", "x4", "x5"], "what can be had is shown");
    assert_refused(ended, away);

    let mut position: Option<Continuation> = None;
    let mut changed = Vec::new();
    let failure = loop {
        match store.changes(&PEOPLE, position.clone(), 4).await {
            Ok(page) => {
                assert!(!page.items.is_empty(), "an empty page would say that nothing is left");
                changed.extend(page.items);
                position = page.next;
            }
            Err(error) => break error,
        }
    };
    assert_eq!(failure.kind(), away);
    assert_eq!(ids(&changed), ["x0", "x1", "x2", "x3", "x4", "x5"]);

    deployment.set_away(false);
    let rest = store.changes(&PEOPLE, position, 100).await.unwrap();
    assert_eq!(ids(&rest.items), ["y0", "y1", "y2", "y3", "y4"]);
    assert_eq!(deployment.listed(None, 100).await.0.len(), 11);
}

#[tokio::test]
async fn the_feed_of_the_dedicated_databases_leaves_the_shared_one_out() {
    let deployment = Deployment::new().await;
    let (one, two) = deployment.two_tenants();
    for (tenant, id) in [(&one, "x"), (&two, "y")] {
        deployment.store.create(&PEOPLE, &person_of(tenant, "u"), document(id, json!({}))).await.unwrap();
        let partition = PartitionKey::of([id]);
        deployment.store.create(&CLAIMS, &partition, document(id, json!({}))).await.unwrap();
    }
    let page = deployment.store.dedicated_changes(&PEOPLE, None, 100).await.unwrap();
    assert_eq!(ids(&page.items), ["y"]);
    let end = deployment.store.dedicated_changes(&PEOPLE, page.next, 100).await.unwrap();
    assert!(end.items.is_empty() && end.next.is_some());
    assert!(deployment.store.dedicated_changes(&CLAIMS, None, 100).await.unwrap().items.is_empty());
}

#[tokio::test]
async fn a_database_is_made_by_preparing_it_and_by_nothing_else() {
    let deployment = Deployment::new().await;
    let silk: DatabaseName = "silk".parse().unwrap();
    let opened = deployment.world.databases.open(&silk).await.map(drop);
    assert_refused(opened, PortErrorKind::Unavailable);
    deployment.world.databases.prepare(&silk).await.unwrap();
    let opened = deployment.world.databases.open(&silk).await.unwrap();
    let again = deployment.world.databases.open(&silk).await.unwrap();
    assert!(Arc::ptr_eq(&opened, &again));
}
