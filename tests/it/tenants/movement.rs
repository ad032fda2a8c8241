//! Moving a tenant: what arrives, what is left, and what becomes of it when it is interrupted.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use pravis::containers::{CUSTOMERS, EVENTS, TENANTS, customer};
use pravis::ports::PortErrorKind;
use pravis::ports::documents::{DocumentStore, NewDocument, PartitionKey, Query, Scope, Ttl};
use pravis::services::tenants::{MoveError, Mover};
use pravis::tenants::{Step, TenantStatus};
use pravis::types::{Placement, TenantId};
use serde_json::{Value, json};

use super::stores::{Deployment, Forgetful, dedicated};

/// No process believes what it read.
const AT_ONCE: Duration = Duration::from_millis(1);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_moved_tenant_has_all_its_documents_in_the_other_database() {
    there_and_back(Deployment::on_sqlite()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_moves_between_databases_of_cosmos_db() {
    there_and_back(Deployment::on_cosmos().await).await;
}

async fn there_and_back(deployment: Deployment) {
    let (tenant, neighbour) = (deployment.tenant("gadwal").await, deployment.tenant("gadwal2").await);
    for id in [&tenant, &neighbour] {
        deployment.fill(id, 120).await;
    }
    let original = deployment.held(&Placement::Shared, &tenant).await;
    assert_eq!(original.len(), 122);
    let mover = deployment.mover();
    mover.run(&tenant, &dedicated()).await.unwrap();

    assert_eq!(deployment.held(&dedicated(), &tenant).await, original);
    let record = deployment.record(&tenant).await;
    assert_eq!((record.status(), &record.placement), (TenantStatus::Active, &dedicated()));
    assert!(deployment.held(&dedicated(), &neighbour).await.is_empty());
    assert_eq!(deployment.held(&Placement::Shared, &tenant).await.len(), 122, "the original is left for a while");

    assert_eq!(mover.purge(&tenant).await.unwrap(), 122);
    assert!(deployment.held(&Placement::Shared, &tenant).await.is_empty());
    assert_eq!(deployment.held(&Placement::Shared, &neighbour).await.len(), 122);
    assert_eq!(mover.purge(&tenant).await.unwrap(), 0, "once is enough");

    mover.run(&tenant, &Placement::Shared).await.unwrap();
    assert_eq!(deployment.held(&Placement::Shared, &tenant).await, original);
    mover.run(&tenant, &Placement::Shared).await.unwrap();
    let events: Vec<String> = outbox(&deployment, &tenant).await;
    assert_eq!(events, ["tenant.moving", "tenant.moved", "tenant.moving", "tenant.moved"]);
}

/// The kinds of the events that tell of a tenant, in their order.
async fn outbox(deployment: &Deployment, tenant: &TenantId) -> Vec<String> {
    let partition = pravis::containers::tenant(tenant);
    let found = deployment.shared.query(&TENANTS, Scope::Partition(&partition), Query::default()).await.unwrap();
    let bodies = found.items.iter().map(|document| document.read::<Value>().unwrap());
    bodies.filter_map(|body| Some(body["event"]["type"].as_str()?.to_owned())).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn documents_live_on_as_long_as_they_would_have() {
    let deployment = Deployment::on_sqlite();
    let tenant = deployment.tenant("gadwal").await;
    let partition = customer(&tenant, "usr_1");
    for (id, ttl) in
        [("brief", Ttl::Seconds(30)), ("long", Ttl::Seconds(10_000)), ("plain", Ttl::Default), ("ever", Ttl::Never)]
    {
        let document = NewDocument::new(id, &json!({})).unwrap().with_ttl(ttl);
        deployment.shared.create(&CUSTOMERS, &partition, document).await.unwrap();
    }
    let hour = PartitionKey::of([tenant.as_str(), "hour"]);
    deployment.shared.create(&EVENTS, &hour, NewDocument::new("event", &json!({})).unwrap()).await.unwrap();
    deployment.clock.advance(TimeDelta::seconds(4000));
    deployment.mover().run(&tenant, &dedicated()).await.unwrap();
    let store = deployment.store(&dedicated()).await;
    let there = async |id| store.read(&CUSTOMERS, &partition, id).await.unwrap().is_some();
    assert!(!there("brief").await, "its life was over");
    assert!(there("long").await && there("plain").await && there("ever").await);
    deployment.clock.advance(TimeDelta::seconds(5999));
    assert!(there("long").await);
    deployment.clock.advance(TimeDelta::seconds(1));
    assert!(!there("long").await);
    // 90 days of its container, less what had passed before it was copied.
    deployment.clock.advance(TimeDelta::days(90) - TimeDelta::seconds(10_001));
    assert!(store.read(&EVENTS, &hour, "event").await.unwrap().is_some());
    deployment.clock.advance(TimeDelta::seconds(1));
    assert!(store.read(&EVENTS, &hour, "event").await.unwrap().is_none());
    assert!(there("plain").await && there("ever").await);
}

/// Killed at every single call: what the tenant has can be read at any time, and the movement comes to the
/// same end when it is told again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_movement_that_is_killed_anywhere_goes_on() {
    let mut deaths = 0;
    for calls in 0.. {
        let deployment = Deployment::on_sqlite();
        let tenant = deployment.tenant("gadwal").await;
        deployment.fill(&tenant, 6).await;
        let original = deployment.held(&Placement::Shared, &tenant).await;
        let move_and_purge = async |mover: Mover| -> Result<(), MoveError> {
            mover.run(&tenant, &dedicated()).await?;
            mover.purge(&tenant).await.map(drop)
        };
        let outcome = move_and_purge(deployment.mortal_mover(calls)).await;
        let read = deployment.process(AT_ONCE);
        for n in 0..6 {
            let partition = customer(&tenant, &format!("usr_{}", n % 3));
            let found = read.read(&CUSTOMERS, &partition, &format!("doc-{n:03}")).await.unwrap();
            assert!(found.is_some(), "{n} after {calls} calls");
        }
        if outcome.is_ok() {
            break;
        }
        deaths += 1;
        // Nobody knows that the process is dead, until it gives no sign of life.
        deployment.clock.advance(TimeDelta::seconds(61));
        move_and_purge(deployment.mover()).await.unwrap_or_else(|error| panic!("after {calls} calls: {error:?}"));
        assert_eq!(deployment.held(&dedicated(), &tenant).await, original, "after {calls} calls");
        assert!(deployment.held(&Placement::Shared, &tenant).await.is_empty(), "after {calls} calls");
        let record = deployment.record(&tenant).await;
        assert_eq!((record.status(), record.left_behind), (TenantStatus::Active, None), "after {calls} calls");
    }
    assert!(deaths > 50, "{deaths} deaths");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_do_not_move_one_tenant_at_once() {
    let deployment = Deployment::on_sqlite();
    let tenant = deployment.tenant("gadwal").await;
    deployment.fill(&tenant, 5).await;
    // The first one stops in the middle of it.
    assert!(deployment.mortal_mover(8).run(&tenant, &dedicated()).await.is_err());
    assert_eq!(deployment.record(&tenant).await.status(), TenantStatus::Moving);
    let refused = deployment.mover().run(&tenant, &dedicated()).await.unwrap_err();
    assert!(matches!(&refused, MoveError::Refused(why) if why.contains("another process")), "{refused}");
    let purged = deployment.mover().purge(&tenant).await.unwrap_err();
    assert!(matches!(purged, MoveError::Refused(_)), "{purged}");
    deployment.clock.advance(TimeDelta::seconds(61));
    deployment.mover().run(&tenant, &dedicated()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_movement_can_be_given_up_until_the_switch() {
    let deployment = Deployment::on_sqlite();
    let tenant = deployment.tenant("gadwal").await;
    deployment.fill(&tenant, 5).await;
    assert!(deployment.mortal_mover(14).run(&tenant, &dedicated()).await.is_err());
    let movement = deployment.record(&tenant).await.movement.unwrap();
    assert!(matches!(movement.step, Step::Copying { .. }), "{movement:?}");
    assert!(!deployment.held(&dedicated(), &tenant).await.is_empty());
    let write = async || {
        let document = NewDocument::new("new", &json!({})).unwrap();
        deployment.process(AT_ONCE).upsert(&CUSTOMERS, &customer(&tenant, "usr_1"), document).await
    };
    assert_eq!(write().await.unwrap_err().kind(), PortErrorKind::Unavailable);

    deployment.clock.advance(TimeDelta::seconds(61));
    let elsewhere: Placement = "dedicated:silk".parse().unwrap();
    assert!(matches!(deployment.mover().run(&tenant, &elsewhere).await.unwrap_err(), MoveError::Refused(_)));
    deployment.clock.advance(TimeDelta::seconds(61));
    deployment.mover().run(&tenant, &Placement::Shared).await.unwrap();
    assert_eq!(deployment.record(&tenant).await.status(), TenantStatus::Active);
    write().await.unwrap();
    assert!(deployment.mover().purge(&tenant).await.unwrap() > 0);
    assert!(deployment.held(&dedicated(), &tenant).await.is_empty());
    assert_eq!(deployment.held(&Placement::Shared, &tenant).await.len(), 8);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_lies_in_the_target_already_is_put_right() {
    let deployment = Deployment::on_sqlite();
    let tenant = deployment.tenant("gadwal").await;
    deployment.fill(&tenant, 5).await;
    deployment.databases.prepare(dedicated().database().unwrap()).await.unwrap();
    let target = deployment.store(&dedicated()).await;
    let stale = NewDocument::new("doc-000", &json!({ "n": "of an earlier time" })).unwrap();
    target.create(&CUSTOMERS, &customer(&tenant, "usr_0"), stale).await.unwrap();
    let stray = NewDocument::new("deleted-since", &json!({})).unwrap();
    target.create(&CUSTOMERS, &customer(&tenant, "usr_9"), stray).await.unwrap();
    deployment.mover().run(&tenant, &dedicated()).await.unwrap();
    assert_eq!(deployment.held(&dedicated(), &tenant).await, deployment.held(&Placement::Shared, &tenant).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_that_is_not_like_the_original_is_not_switched_to() {
    let deployment = Deployment::on_sqlite();
    let tenant = deployment.tenant("gadwal").await;
    deployment.fill(&tenant, 5).await;
    let databases = Arc::new(Forgetful { databases: deployment.databases.clone(), forgotten: "doc-003" });
    let failed = Mover { databases, ..deployment.mover() }.run(&tenant, &dedicated()).await.unwrap_err();
    assert!(matches!(failed, MoveError::Different { container: "customers", .. }), "{failed}");
    assert_eq!(deployment.record(&tenant).await.placement, Placement::Shared);
    deployment.clock.advance(TimeDelta::seconds(61));
    deployment.mover().run(&tenant, &dedicated()).await.unwrap();
    assert_eq!(deployment.record(&tenant).await.placement, dedicated());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_written_behind_after_the_copy_is_not_removed() {
    let deployment = Deployment::on_sqlite();
    let tenant = deployment.tenant("gadwal").await;
    deployment.fill(&tenant, 5).await;
    deployment.mover().run(&tenant, &dedicated()).await.unwrap();
    deployment.clock.advance(TimeDelta::seconds(2));
    let late = NewDocument::new("late", &json!({})).unwrap();
    deployment.shared.create(&CUSTOMERS, &customer(&tenant, "usr_1"), late).await.unwrap();
    let refused = deployment.mover().purge(&tenant).await.unwrap_err();
    assert!(matches!(&refused, MoveError::Refused(why) if why.contains("late")), "{refused}");
    assert_eq!(deployment.held(&Placement::Shared, &tenant).await.len(), 8);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_without_a_record_is_not_moved() {
    let deployment = Deployment::on_sqlite();
    let failed = deployment.mover().run(&"nobody".parse().unwrap(), &dedicated()).await.unwrap_err();
    assert!(matches!(failed, MoveError::NoTenant(_)), "{failed}");
}
