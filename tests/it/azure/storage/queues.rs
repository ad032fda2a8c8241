//! Storage queues as others see them, and the local host over them.

use std::sync::Arc;
use std::time::Duration;

use pravis::adapters::events::{DOMAIN_EVENTS, QueuedEvents};
use pravis::adapters::queues::StorageQueues;
use pravis::app::{Application, build_at};
use pravis::containers::VOICE_JOBS;
use pravis::host::local::{EmbeddedStores, LocalHost, LocalStores};
use pravis::ports::blobs::{BlobName, PutOptions, whole};
use pravis::ports::clock::SystemClock;
use pravis::ports::events::{DomainEvent, EventBus};
use pravis::ports::queues::Queues;
use pravis::settings::Settings;
use pravis::types::{EventId, SampleId, TenantId, UserId};
use serde_json::json;
use tokio::sync::watch;
use ulid::Ulid;

use crate::support::azurite::{self, Azurite, Login};
use crate::support::process::eventually;
use crate::support::wire::Wire;

#[tokio::test]
async fn bodies_travel_in_base64() {
    let azurite = azurite::shared(Login::Key).await;
    let wire = Wire::to(azurite.queues()).await;
    let queues = StorageQueues::new(&azurite.account_between(azurite.blobs(), wire.address)).unwrap();
    let queue = format!("q-{}", Ulid::generate().to_string().to_lowercase());
    queues.send(&queue, vec!["लाल साड़ी".to_owned()]).await.unwrap();
    let heard = wire.heard();
    assert!(heard.contains("<MessageText>4KSy4KS+4KSyIOCkuOCkvuCkoeCkvOClgA==</MessageText>"), "{heard}");
}

/// The local host with no store that tells of changes, and its queues in Azure.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_local_host_fires_triggers_of_stores_that_tell_nothing() {
    // One of its own: the queue of the events has one name for all.
    let azurite = tokio::task::spawn_blocking(|| Azurite::start(Login::Key)).await.unwrap();
    let queues: Arc<dyn Queues> = Arc::new(StorageQueues::new(&azurite.account()).unwrap());
    let dir = tempfile::tempdir().unwrap();
    let settings = [("PRAVIS_DATA_DIR".to_owned(), dir.path().to_string_lossy().into_owned())].into();
    let settings = Settings::from_variables(&settings).unwrap();
    let Application { state, registry, stores } = build_at(settings, Arc::new(SystemClock)).await.unwrap();
    let stores = LocalStores { queues: queues.clone(), embedded: EmbeddedStores::default(), ..stores };
    let (stop, stopped) = watch::channel(false);
    let host = tokio::spawn(LocalHost::new(state.clone(), registry, stores).run(stopped));

    // A blob: the job of a sample that is gone removes its ticket.
    let owner = (TenantId::pravis(), UserId::generate(), SampleId::generate());
    let ticket = json!({ "tenantId": owner.0, "userId": owner.1, "sampleId": owner.2 });
    let path = format!("{}/{}.json", owner.0, owner.2);
    let name = BlobName::new(VOICE_JOBS, path);
    state.blobs.put(&name, whole(ticket.to_string()), PutOptions::default()).await.unwrap();

    // Messages: an event is projected, what is none goes to the poison queue.
    let event = DomainEvent {
        id: EventId::generate(),
        kind: "voice.interaction".to_owned(),
        tenant_id: TenantId::pravis(),
        subject: "int_1".to_owned(),
        occurred_at: chrono::Utc::now(),
        data: json!({ "intent": "search" }),
    };
    let bus = QueuedEvents::new(queues.clone());
    bus.publish(&[event]).await.unwrap();
    eventually("the queue is worked", async || (queues.len(DOMAIN_EVENTS).await.unwrap() == 0).then_some(())).await;
    eventually("the ticket is worked", async || state.blobs.properties(&name).await.unwrap().is_none().then_some(()))
        .await;
    queues.send(DOMAIN_EVENTS, vec!["no event".to_owned()]).await.unwrap();
    let poison = format!("{DOMAIN_EVENTS}-poison");
    let message = eventually("the poison message", async || {
        queues.receive(&poison, 1, Duration::from_secs(60)).await.unwrap().pop()
    });
    assert_eq!(message.await.body, "no event");
    assert_eq!(queues.len(DOMAIN_EVENTS).await.unwrap(), 0);
    stop.send_replace(true);
    host.await.unwrap();
}
