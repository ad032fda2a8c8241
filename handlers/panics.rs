//! Panics of parsers, turned into values.
//!
//! Decoders of sound and pictures meet bytes chosen by strangers, and some of them assert. A panic below [`catch`]
//! becomes an `Err`; the panic hook, wrapped once per process, keeps quiet about it and goes on
//! reporting every other panic as before.

use std::any::Any;
use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

static WRAP_HOOK: Once = Once::new();

/// Runs `work`, or gives the message of its panic. `work` must own what it changes: after a panic
/// its values are dropped, never looked at.
pub fn catch<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    WRAP_HOOK.call_once(|| {
        let outer = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !QUIET.get() {
                outer(info);
            }
        }));
    });
    let before = QUIET.replace(true);
    let outcome = panic::catch_unwind(AssertUnwindSafe(work));
    QUIET.set(before);
    outcome.map_err(|payload| message(payload.as_ref()))
}

fn message(payload: &(dyn Any + Send)) -> String {
    payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "panic without a message".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_its_message_and_the_thread_is_loud_again() {
        let zero = std::hint::black_box(0_u32);
        assert!(catch(|| 1 / zero).unwrap_err().contains("divide by zero"));
        assert_eq!(catch(|| panic!("{}", "made up")), Err::<(), _>("made up".to_owned()));
        assert!(!QUIET.get());
        assert_eq!(catch(|| 7), Ok(7));
    }
}
