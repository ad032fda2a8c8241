//! What the server is told to do wrong.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The longest that a held statement waits for its release.
const HELD_AT_MOST: Duration = Duration::from_secs(30);

/// What happens to a request.
#[derive(Clone, Debug)]
pub enum Fault {
    /// It is refused with this number.
    Refuse(u32),
    /// The connection is closed before anything is done.
    Drop,
    /// It is done, and the connection is closed in the middle of the answer.
    DropInAnswer,
    /// It is done, and the connection is closed without an answer.
    DropAfter,
    /// It waits until [`Faults::release`].
    Hold,
    /// The client is sent to another server (only of a login).
    Redirect(String, u16),
}

struct Rule {
    request: &'static str,
    fault: Fault,
    times: usize,
}

#[derive(Default)]
struct State {
    rules: Vec<Rule>,
    held: usize,
    releases: usize,
    stopped: bool,
}

#[derive(Default)]
pub struct Faults {
    state: Mutex<State>,
    changed: Condvar,
}

impl Faults {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next `times` requests that begin with `request` meet `fault`: a statement, or `LOGIN`, `BEGIN`,
    /// `COMMIT`, `ROLLBACK`, `BULK`.
    pub fn add(&self, request: &'static str, times: usize, fault: Fault) {
        self.state().rules.push(Rule { request, fault, times });
    }

    /// Forgets the faults that are yet to come.
    pub fn clear(&self) {
        self.state().rules.clear();
    }

    /// The fault of this request, used up.
    pub fn take(&self, request: &str) -> Option<Fault> {
        let mut state = self.state();
        let rule = state.rules.iter_mut().find(|rule| rule.times > 0 && request.starts_with(rule.request))?;
        rule.times -= 1;
        Some(rule.fault.clone())
    }

    /// How many requests are held.
    pub fn held(&self) -> usize {
        self.state().held
    }

    pub fn hold(&self) {
        let deadline = Instant::now() + HELD_AT_MOST;
        let mut state = self.state();
        state.held += 1;
        let release = state.releases;
        while state.releases == release && !state.stopped && Instant::now() < deadline {
            state =
                self.changed.wait_timeout(state, Duration::from_millis(100)).unwrap_or_else(PoisonError::into_inner).0;
        }
        state.held -= 1;
    }

    /// Lets all go on that are held.
    pub fn release(&self) {
        self.state().releases += 1;
        self.changed.notify_all();
    }

    pub fn stop(&self) {
        self.state().stopped = true;
        self.changed.notify_all();
    }
}
