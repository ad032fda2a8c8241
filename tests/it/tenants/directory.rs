//! What a process knows of tenants, and what it does when it cannot know.

use std::time::Duration;

use pravis::ports::PortErrorKind;
use pravis::ports::documents::{Homes, Writes};
use pravis::tenants::TenantDirectory;
use pravis::types::Placement;

use super::stores::{Deployment, dedicated};

const LONG: Duration = Duration::from_secs(3600);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_are_read_once_in_their_life() {
    let deployment = Deployment::on_sqlite();
    let id = deployment.tenant("gadwal").await;
    // The second question would fail.
    let directory = TenantDirectory::new(deployment.mortal_store(2), LONG);
    let asking = (0..200).map(|_| directory.of(id.as_str()));
    for home in futures_util::future::join_all(asking).await {
        assert_eq!(home.unwrap().writes, Writes::Allowed);
    }
    assert_eq!(directory.count().await, 1);
    assert_eq!(directory.of("nobody").await.unwrap().placement, Placement::Shared);
    assert_eq!(directory.of("not/a tenant").await.unwrap().placement, Placement::Shared);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_told_to_have_changed_is_read_again() {
    let deployment = Deployment::on_sqlite();
    let id = deployment.tenant("gadwal").await;
    let directory = TenantDirectory::new(deployment.shared.clone(), LONG);
    assert_eq!(directory.of(id.as_str()).await.unwrap().placement, Placement::Shared);
    deployment.mover().run(&id, &dedicated()).await.unwrap();
    assert_eq!(directory.of(id.as_str()).await.unwrap().placement, Placement::Shared, "nobody told");
    directory.forget();
    assert_eq!(directory.of(id.as_str()).await.unwrap().placement, dedicated());
    assert_eq!(directory.dedicated().await.unwrap(), [dedicated().database().unwrap().clone()]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_records_cannot_be_read_documents_are_read_where_they_were_and_not_written() {
    let deployment = Deployment::on_sqlite();
    let id = deployment.tenant("gadwal").await;
    deployment.mover().run(&id, &dedicated()).await.unwrap();
    let directory = TenantDirectory::new(deployment.mortal_store(2), LONG);
    assert_eq!(directory.of(id.as_str()).await.unwrap().writes, Writes::Allowed);
    directory.forget();
    let home = directory.of(id.as_str()).await.unwrap();
    assert_eq!((home.placement, home.writes), (dedicated(), Writes::Uncertain));
    assert!(directory.tenant(&id).await.is_some(), "the last known record counts");
    assert!(directory.dedicated().await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_never_read_the_records_knows_no_home() {
    let deployment = Deployment::on_sqlite();
    let id = deployment.tenant("gadwal").await;
    let directory = TenantDirectory::new(deployment.mortal_store(0), LONG);
    assert_eq!(directory.of(id.as_str()).await.unwrap_err().kind(), PortErrorKind::Unavailable);
    assert!(directory.tenant(&id).await.is_none());
    assert!(directory.at_host("gadwal.example").await.is_none());
}
