use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;

use super::{LocalHost, backoff, changed};
use crate::error::Result;
use crate::function::{Function, QueueMessage, Trigger};
use crate::host::invoke::observed;
use crate::ports::queues::QueueMessage as Received;

/// Messages that are taken and worked at once (`batchSize`).
const BATCH: usize = 16;
/// Deliveries after which a message goes to the poison queue (`maxDequeueCount`).
const MAX_DELIVERIES: u32 = 5;
/// How long a message is hidden from others; renewed while it is worked. What a process held that was
/// killed comes again after this time.
const VISIBILITY: Duration = Duration::from_secs(10);
/// How often an empty queue is looked at when no notice comes.
const POLL_INTERVAL: Duration = Duration::from_secs(2);

/// Runs one queue function.
pub async fn run(host: Arc<LocalHost>, index: usize, mut stop: watch::Receiver<bool>) {
    let mut arrivals = host.stores.queues.arrivals();
    loop {
        if let Some(arrivals) = &mut arrivals {
            arrivals.borrow_and_update();
        }
        let delivered = match step(&host, index).await {
            Ok(delivered) => delivered,
            Err(error) => {
                tracing::warn!(error = %error.chain(), "queue not read");
                0
            }
        };
        if *stop.borrow() {
            return;
        }
        if delivered > 0 {
            continue;
        }
        tokio::select! {
            () = changed(&mut arrivals) => {}
            () = tokio::time::sleep(POLL_INTERVAL) => {}
            told = stop.changed() => if told.is_err() || *stop.borrow() { return },
        }
    }
}

/// Takes a batch of messages and works them; gives their number.
async fn step(host: &Arc<LocalHost>, index: usize) -> Result<usize> {
    let Trigger::Queue { queue, .. } = &host.registry.functions()[index].trigger else { return Ok(0) };
    let queue = *queue;
    let messages = host.stores.queues.receive(queue, BATCH, VISIBILITY).await?;
    let count = messages.len();
    let mut running = JoinSet::new();
    for message in messages {
        let host = host.clone();
        running.spawn(async move {
            let function = &host.registry.functions()[index];
            if let Err(error) = deliver(&host, function, queue, message).await {
                tracing::warn!(error = %error.chain(), queue, "message not settled; it comes again");
            }
        });
    }
    while running.join_next().await.is_some() {}
    Ok(count)
}

async fn deliver(host: &LocalHost, function: &Function, queue: &str, mut message: Received) -> Result<()> {
    let Trigger::Queue { handler, .. } = &function.trigger else { return Ok(()) };
    let input = QueueMessage { text: message.body.clone() };
    let queues = &host.stores.queues;
    let mut work = std::pin::pin!(observed(function, handler(host.state.clone(), input)));
    let outcome = loop {
        tokio::select! {
            outcome = &mut work => break outcome,
            () = tokio::time::sleep(VISIBILITY / 2) => {
                message.pop_receipt = queues.extend(queue, &message, VISIBILITY).await?;
            }
        }
    };
    match outcome {
        Ok(_) => queues.delete(queue, &message).await?,
        Err(_) if message.dequeue_count >= MAX_DELIVERIES => queues.move_to_poison(queue, &message).await?,
        Err(_) => queues.release(queue, &message, backoff(message.dequeue_count)).await?,
    }
    Ok(())
}
