//! Keeps panics that a test provokes out of its output.

use std::panic::{PanicHookInfo, set_hook, take_hook};
use std::sync::Once;

/// What the message of a provoked panic contains.
pub const ON_PURPOSE: &str = "on purpose";

/// From now on, panics of this process whose message contains [`ON_PURPOSE`] or is that of an
/// [`InjectedFault`](crate::InjectedFault) print nothing: a thousand backtraces take seconds and
/// hide the one that matters.
pub fn silence_provoked_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = take_hook();
        set_hook(Box::new(move |panic| {
            if !is_provoked(panic) {
                before(panic);
            }
        }));
    });
}

fn is_provoked(panic: &PanicHookInfo<'_>) -> bool {
    let message = panic.payload_as_str().unwrap_or_default();
    message.contains(ON_PURPOSE) || message.starts_with("injected fault")
}
