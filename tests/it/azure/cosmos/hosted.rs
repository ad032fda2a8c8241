//! The service behind HTTP, met by a store made from settings.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use pravis::adapters::documents::CosmosDocuments;
use pravis::ports::documents::{DocumentStore, Operation, Query, Scope};
use pravis::ports::secrets::{Secret, SecretRef, SecretSource, Secrets};
use pravis::ports::{Condition, PortErrorKind, PortResult};
use serde_json::json;
use url::Url;

use super::{CONTAINERS, PEOPLE, document, person};
use crate::support::cosmos::hosted::{Answers, Hosted};
use crate::support::cosmos::{KEY, documents, key};

const OTHER_KEY: &str = "b3RoZXJrZXlvdGhlcmtleW90aGVya2V5b3RoZXJrZXlvdGhlcmtleW90aGVya2V5b3RoZXJrZXlvdGhlcmtleQ==";

/// Secrets that a test replaces.
struct Vault(Mutex<String>);

#[async_trait]
impl Secrets for Vault {
    async fn get(&self, name: &str) -> PortResult<Option<Secret>> {
        Ok((name == "cosmos-key").then(|| Secret::new(self.0.lock().unwrap().clone())))
    }
}

fn store(hosted: &Hosted) -> CosmosDocuments {
    documents(&hosted.settings(), Some(key()), CONTAINERS).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_made_from_settings_works_over_http() {
    let hosted = Hosted::start(CONTAINERS, 3);
    let store = store(&hosted);
    let ana = person("ana");
    // Every path of the signature: an id that is escaped in addresses, too.
    for id in ["a", "साड़ी 100% 'x'"] {
        let created = store.create(&PEOPLE, &ana, document(id, json!({ "n": 1 }))).await.unwrap();
        let read = store.read(&PEOPLE, &ana, id).await.unwrap().unwrap();
        assert_eq!((read.etag.clone(), read.id.as_str()), (created.etag, id));
        let version = Condition::IfMatch(read.etag);
        store.replace(&PEOPLE, &ana, document(id, json!({ "n": 2 })), version).await.unwrap();
    }
    let operations =
        vec![Operation::Delete("a".into(), Condition::None), Operation::Create(document("b", json!({ "n": 3 })))];
    store.batch(&PEOPLE, &ana, operations).await.unwrap();
    let listed = store.query(&PEOPLE, Scope::Container, Query::default()).await.unwrap();
    assert_eq!(listed.items.iter().map(|found| found.id.as_str()).collect::<Vec<_>>(), ["b", "साड़ी 100% 'x'"]);
    let mut changed = Vec::new();
    let mut continuation = None;
    for _ in 0..3 {
        let page = store.changes(&PEOPLE, continuation, 1).await.unwrap();
        changed.push(page.items.into_iter().map(|document| document.id).collect::<Vec<_>>());
        continuation = page.next;
    }
    assert_eq!(changed, [vec!["साड़ी 100% 'x'"], vec!["b"], vec![]]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replaced_key_is_taken_up() {
    let hosted = Hosted::start(CONTAINERS, 1);
    let vault = Arc::new(Vault(Mutex::new(KEY.to_owned())));
    let source = SecretSource::new(SecretRef::Named("cosmos-key".into()), vault.clone());
    let store = documents(&hosted.settings(), Some(source), CONTAINERS).unwrap();
    let ana = person("ana");
    store.create(&PEOPLE, &ana, document("a", json!({}))).await.unwrap();

    hosted.take_keys(&[OTHER_KEY]);
    let refused = store.read(&PEOPLE, &ana, "a").await.unwrap_err();
    assert_eq!(refused.kind(), PortErrorKind::Unavailable);
    assert!(!format!("{refused:?}").contains(KEY));

    *vault.0.lock().unwrap() = OTHER_KEY.to_owned();
    let reads = (0..20).map(|_| store.read(&PEOPLE, &ana, "a"));
    for read in futures_util::future::join_all(reads).await {
        assert!(read.unwrap().is_some());
    }
    store.create(&PEOPLE, &ana, document("b", json!({}))).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_key_at_first_can_be_put_right() {
    let hosted = Hosted::start(CONTAINERS, 1);
    let vault = Arc::new(Vault(Mutex::new(OTHER_KEY.to_owned())));
    let source = SecretSource::new(SecretRef::Named("cosmos-key".into()), vault.clone());
    let store = documents(&hosted.settings(), Some(source), CONTAINERS).unwrap();
    let ana = person("ana");
    assert_eq!(store.read(&PEOPLE, &ana, "a").await.unwrap_err().kind(), PortErrorKind::Unavailable);
    *vault.0.lock().unwrap() = KEY.to_owned();
    assert!(store.read(&PEOPLE, &ana, "a").await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_does_not_answer_is_not_waited_for() {
    let hosted = Hosted::start(CONTAINERS, 1);
    let store = store(&hosted);
    let ana = person("ana");
    store.create(&PEOPLE, &ana, document("a", json!({}))).await.unwrap();
    for (answers, expected) in [(Answers::Late, PortErrorKind::TimedOut), (Answers::Never, PortErrorKind::Unavailable)]
    {
        hosted.answer(answers);
        let started = Instant::now();
        let failed = store.read(&PEOPLE, &ana, "a").await.unwrap_err();
        assert_eq!(failed.kind(), expected, "{answers:?}: {failed}");
        assert!(started.elapsed() < Duration::from_secs(6), "{answers:?} took {:?}", started.elapsed());
        hosted.answer(Answers::Always);
        let again =
            crate::support::process::eventually("an answer", async || store.read(&PEOPLE, &ana, "a").await.ok());
        assert!(again.await.is_some());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_comes_later_is_found() {
    let hosted = Hosted::start(CONTAINERS, 1);
    hosted.answer(Answers::Never);
    let store = store(&hosted);
    let ana = person("ana");
    let started = Instant::now();
    let failed = store.read(&PEOPLE, &ana, "a").await.unwrap_err();
    assert!(matches!(failed.kind(), PortErrorKind::Unavailable | PortErrorKind::TimedOut), "{failed}");
    assert!(started.elapsed() < Duration::from_secs(6));
    hosted.answer(Answers::Always);
    let found = async || store.read(&PEOPLE, &ana, "a").await.ok();
    assert!(crate::support::process::eventually("the service", found).await.is_none());
}

#[test]
fn settings_that_cannot_work_are_told_without_their_values() {
    let settings = |endpoint: &str, regions: &[&str]| {
        let mut settings = Hosted::start(&[], 1).settings();
        settings.endpoint = Url::parse(endpoint).unwrap();
        settings.regions = regions.iter().map(|&region| region.to_owned()).collect();
        documents(&settings, Some(key()), CONTAINERS).err().map(|error| error.name)
    };
    assert_eq!(settings("https://boutique.documents.azure.com/", &["Central India"]), None);
    assert_eq!(settings("http://boutique.documents.azure.com/", &[]).as_deref(), Some("COSMOS_ENDPOINT"));
    assert_eq!(settings("https://boutique.documents.azure.com/", &["Atlantis"]).as_deref(), Some("COSMOS_REGIONS"));
}
