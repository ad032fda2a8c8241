use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::BoxStream;
use tokio::sync::broadcast;

use super::compact;
use crate::adapters::cache::heard::listen;
use crate::adapters::cache::rules::{BACKLOG, check_message};
use crate::ports::PortResult;
use crate::ports::cache::{Heard, Invalidations};

/// Publish and subscribe within this process.
pub struct MemoryInvalidations {
    heard: broadcast::Sender<Heard>,
}

impl MemoryInvalidations {
    pub fn new() -> Self {
        Self { heard: broadcast::Sender::new(BACKLOG) }
    }
}

impl Default for MemoryInvalidations {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Invalidations for MemoryInvalidations {
    async fn publish(&self, message: Bytes) -> PortResult<()> {
        check_message(&message)?;
        // Fails only when there is no subscriber, which is nobody's loss.
        let _ = self.heard.send(Heard::Message(compact(message)));
        Ok(())
    }

    async fn subscribe(&self) -> PortResult<BoxStream<'static, Heard>> {
        Ok(listen(self.heard.subscribe()))
    }
}
