//! What Storage queues accept, checked before anything is sent, so that what works on the embedded queues
//! works on Azure (<https://learn.microsoft.com/rest/api/storageservices/naming-queues-and-metadata>).

use std::time::Duration;

use chrono::TimeDelta;

use crate::ports::queues::{MAX_BATCH, MAX_BODY_BYTES, MAX_DELIVERY, POISON_SUFFIX};
use crate::ports::{PortError, PortErrorKind, PortResult};

/// The longest invisibility.
const MAX_VISIBILITY: TimeDelta = TimeDelta::days(7);

/// Gives a name that a queue can have.
pub fn valid_name(queue: &str) -> PortResult<&str> {
    let characters = queue.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    let hyphens = !queue.starts_with('-') && !queue.ends_with('-') && !queue.contains("--");
    if (3..=63).contains(&queue.len()) && characters && hyphens {
        Ok(queue)
    } else {
        Err(PortError::invalid(format!("{queue:?} cannot name a queue")))
    }
}

/// The name of a queue's poison queue.
pub fn poison_name(queue: &str) -> PortResult<String> {
    valid_name(&format!("{queue}{POISON_SUFFIX}")).map(str::to_owned)
}

/// Refuses more messages than are sent at once, and larger ones.
pub fn check_bodies(bodies: &[String]) -> PortResult<()> {
    if bodies.len() > MAX_BATCH {
        return Err(PortError::invalid(format!("at most {MAX_BATCH} messages are sent at once")));
    }
    if bodies.iter().any(|body| body.len() > MAX_BODY_BYTES) {
        return Err(PortError::new(PortErrorKind::TooLarge, format!("a message takes {MAX_BODY_BYTES} bytes")));
    }
    Ok(())
}

/// Refuses to receive too many messages, or to hide none.
pub fn check_delivery(max: usize, visibility: Duration) -> PortResult<()> {
    if !(1..=MAX_DELIVERY).contains(&max) {
        return Err(PortError::invalid(format!("1 to {MAX_DELIVERY} messages are received at once")));
    }
    if visibility.is_zero() {
        return Err(PortError::invalid("a received message must be invisible for a while"));
    }
    Ok(())
}

/// A time of invisibility within the limit.
pub fn visibility(time: Duration) -> PortResult<TimeDelta> {
    TimeDelta::from_std(time)
        .ok()
        .filter(|time| *time <= MAX_VISIBILITY)
        .ok_or_else(|| PortError::invalid("a message is invisible for at most 7 days"))
}
