//! Storage queues as Azurite emulates them.

use std::sync::Arc;

use pravis::adapters::queues::StorageQueues;

use super::Subject;
use crate::support::azurite::{self, Login};

/// A queue of its own on the shared account.
pub(super) async fn subject(login: Login) -> Subject {
    let account = azurite::shared(login).await.account();
    Subject::new(Arc::new(StorageQueues::new(&account).unwrap()), None)
}
