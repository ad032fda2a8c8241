//! What the subscribers of one process hear, within bounds.

use futures_util::stream::{self, BoxStream};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use crate::ports::cache::Heard;

/// Everything that is sent from now on, and a gap in place of what was too much at once.
pub(super) fn listen(receiver: broadcast::Receiver<Heard>) -> BoxStream<'static, Heard> {
    Box::pin(stream::unfold(receiver, |mut receiver| async move {
        match receiver.recv().await {
            Ok(heard) => Some((heard, receiver)),
            Err(RecvError::Lagged(_)) => Some((Heard::Gap, receiver)),
            Err(RecvError::Closed) => None,
        }
    }))
}
