//! Lifetimes.

use pravis::ports::documents::{Operation, PartitionKey, Query, Scope, Ttl};
use pravis::ports::{Condition, PortErrorKind};
use serde_json::json;

use super::{PEOPLE, Subject, VISITS, assert_refused, document, ids, n_of, person, tenant};

pub async fn documents_live_as_long_as_their_container_says(Subject { store, advance, .. }: &Subject) {
    let Some(advance) = advance else { return };
    let (visits, people) = (PartitionKey(vec![tenant()]), person());
    store.create(&VISITS, &visits, document("default", json!({}))).await.unwrap();
    store.create(&VISITS, &visits, document("never", json!({})).with_ttl(Ttl::Never)).await.unwrap();
    store.create(&PEOPLE, &people, document("default", json!({}))).await.unwrap();
    advance(55).await;
    assert!(store.read(&VISITS, &visits, "default").await.unwrap().is_some());
    advance(10).await;
    assert!(store.read(&VISITS, &visits, "default").await.unwrap().is_none());
    assert!(store.read(&VISITS, &visits, "never").await.unwrap().is_some());
    assert!(store.read(&PEOPLE, &people, "default").await.unwrap().is_some());
}

pub async fn documents_live_as_long_as_they_say(Subject { store, advance, .. }: &Subject) {
    let Some(advance) = advance else { return };
    let (visits, people) = (PartitionKey(vec![tenant()]), person());
    for (container, partition) in [(&VISITS, &visits), (&PEOPLE, &people)] {
        store.create(container, partition, document("brief", json!({})).with_ttl(Ttl::Seconds(5))).await.unwrap();
        store.create(container, partition, document("long", json!({})).with_ttl(Ttl::Seconds(500))).await.unwrap();
    }
    advance(65).await;
    for (container, partition) in [(&VISITS, &visits), (&PEOPLE, &people)] {
        assert!(store.read(container, partition, "brief").await.unwrap().is_none());
        assert!(store.read(container, partition, "long").await.unwrap().is_some());
    }
}

pub async fn a_write_renews_the_lifetime(Subject { store, advance, .. }: &Subject) {
    let Some(advance) = advance else { return };
    let partition = person();
    let brief = |n: i64| document("a", json!({ "n": n })).with_ttl(Ttl::Seconds(10));
    store.create(&PEOPLE, &partition, brief(1)).await.unwrap();
    advance(6).await;
    store.replace(&PEOPLE, &partition, brief(2), Condition::None).await.unwrap();
    advance(6).await;
    assert_eq!(n_of(&store.read(&PEOPLE, &partition, "a").await.unwrap().unwrap()), 2);
    store.upsert(&PEOPLE, &partition, document("a", json!({ "n": 3 }))).await.unwrap();
    advance(20).await;
    assert_eq!(n_of(&store.read(&PEOPLE, &partition, "a").await.unwrap().unwrap()), 3, "the default holds again");
}

pub async fn an_expired_id_is_free(Subject { store, advance, .. }: &Subject) {
    let Some(advance) = advance else { return };
    let partition = person();
    let brief = |id| document(id, json!({ "n": 1 })).with_ttl(Ttl::Seconds(5));
    let first = store.create(&PEOPLE, &partition, brief("a")).await.unwrap();
    store.create(&PEOPLE, &partition, brief("b")).await.unwrap();
    advance(10).await;
    let version = Condition::IfMatch(first.etag.clone());
    let replaced = store.replace(&PEOPLE, &partition, document("a", json!({})), version).await;
    assert_refused(replaced, PortErrorKind::NotFound);
    assert_refused(store.delete(&PEOPLE, &partition, "a", Condition::None).await, PortErrorKind::NotFound);
    let second = store.create(&PEOPLE, &partition, document("a", json!({ "n": 2 }))).await.unwrap();
    assert_ne!(first.etag, second.etag);
    let anew = Operation::Create(document("b", json!({ "n": 2 })));
    store.batch(&PEOPLE, &partition, vec![anew]).await.unwrap();
    assert_eq!(n_of(&store.read(&PEOPLE, &partition, "b").await.unwrap().unwrap()), 2);
}

pub async fn what_is_expired_is_seen_by_nothing(subject: &Subject) {
    let Some(advance) = &subject.advance else { return };
    let (store, partition) = (&subject.store, person());
    let start = subject.end_of_feed(&PEOPLE).await;
    store.create(&PEOPLE, &partition, document("a", json!({})).with_ttl(Ttl::Seconds(5))).await.unwrap();
    store.create(&PEOPLE, &partition, document("b", json!({}))).await.unwrap();
    store.create(&PEOPLE, &partition, document("c", json!({})).with_ttl(Ttl::Seconds(5))).await.unwrap();
    advance(10).await;
    let tenant = &partition.0[..1];
    for scope in [Scope::Partition(&partition), Scope::Prefix(tenant)] {
        assert_eq!(ids(&subject.all(&PEOPLE, scope, Query::default()).await), ["b"]);
    }
    let (changed, _) = subject.changes_of(&PEOPLE, &partition, Some(start)).await;
    assert_eq!(ids(&changed), ["b"]);
}

pub async fn lifetimes_out_of_range_are_refused(Subject { store, .. }: &Subject) {
    for seconds in [0, 1 << 31] {
        let created = store.create(&PEOPLE, &person(), document("a", json!({})).with_ttl(Ttl::Seconds(seconds))).await;
        assert_refused(created, PortErrorKind::InvalidRequest);
    }
}
