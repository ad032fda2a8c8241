//! What one request spends at the services behind the ports: time, calls, request units.
//!
//! The adapters book it, whoever answers the request reads it. It travels with the task; work that a
//! request leaves to another task is not its own.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What went to one service.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Spent {
    pub calls: u32,
    /// The sum over all calls, also those that ran side by side.
    pub time: Duration,
    /// Cosmos DB's price of the calls (<https://learn.microsoft.com/azure/cosmos-db/request-units>); 0
    /// for services without one.
    pub request_units: f64,
}

type Book = Arc<Mutex<BTreeMap<&'static str, Spent>>>;

tokio::task_local! {
    static BOOK: Book;
}

/// Runs `work` and gives what it spent, by service.
pub async fn counted<T>(work: impl Future<Output = T>) -> (T, BTreeMap<&'static str, Spent>) {
    let book = Book::default();
    let outcome = BOOK.scope(book.clone(), work).await;
    let spent = std::mem::take(&mut *book.lock().unwrap_or_else(PoisonError::into_inner));
    (outcome, spent)
}

/// Books a call to a service.
pub fn call(service: &'static str, time: Duration) {
    entry(service, |spent| {
        spent.calls += 1;
        spent.time += time;
    });
}

/// Books the price of a call.
pub fn request_units(service: &'static str, charge: f64) {
    entry(service, |spent| spent.request_units += charge);
}

/// Outside of [`counted`] nobody asks.
fn entry(service: &'static str, add: impl FnOnce(&mut Spent)) {
    let _ = BOOK.try_with(|book| {
        add(book.lock().unwrap_or_else(PoisonError::into_inner).entry(service).or_default());
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn each_piece_of_work_has_its_own_book() {
        let work = |charge: f64| async move {
            call("documents", Duration::from_millis(2));
            tokio::task::yield_now().await;
            request_units("documents", charge);
        };
        let (((), first), ((), second)) = tokio::join!(counted(work(1.0)), counted(work(2.5)));
        let of = |charge| Spent { calls: 1, time: Duration::from_millis(2), request_units: charge };
        assert_eq!(first, BTreeMap::from([("documents", of(1.0))]));
        assert_eq!(second, BTreeMap::from([("documents", of(2.5))]));
        call("documents", Duration::ZERO);
    }
}
