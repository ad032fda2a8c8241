//! The suite on Azure Cosmos DB, as its emulator plays it.

use std::sync::Arc;

use super::{CONTAINERS, Subject, document_suite};
use crate::support::cosmos::Emulator;

document_suite!(subject);

async fn subject() -> Subject {
    let emulator = Emulator::with(CONTAINERS);
    let store = emulator.documents(CONTAINERS).await;
    Subject { store: Arc::new(store), advance: None, _kept: Box::new(emulator) }
}
