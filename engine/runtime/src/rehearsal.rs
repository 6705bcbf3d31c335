//! What tests of the real program may do to it: move its clock, and kill it at a point that has a name.
//!
//! Without the feature `rehearsal`, which only the tests of the program turn on, nothing of it is compiled in.

#[cfg(feature = "rehearsal")]
mod switched {
    #![expect(clippy::disallowed_methods, reason = "tests talk to the program by its environment")]

    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    /// How often the point at which to die was passed.
    static PASSED: AtomicU64 = AtomicU64::new(0);

    /// The point at which to die, and at which passing.
    fn fatal() -> Option<&'static (String, u64)> {
        static FATAL: OnceLock<Option<(String, u64)>> = OnceLock::new();
        let read = || {
            let said = std::env::var("HOLDFAST_REHEARSAL_KILL").ok()?;
            let (name, number) = said.split_once(':')?;
            Some((name.to_owned(), number.parse().ok()?))
        };
        FATAL.get_or_init(read).as_ref()
    }

    pub(crate) fn point(name: &str) {
        let Some((fatal, number)) = fatal() else { return };
        if fatal == name && PASSED.fetch_add(1, Ordering::SeqCst) + 1 == *number {
            let own = rustix::process::getpid();
            // Nothing is left to do about a death that fails.
            rustix::process::kill_process(own, rustix::process::Signal::KILL).unwrap_or_default();
        }
    }

    /// By how many microseconds the clock is wrong: what the file says that tests write.
    pub(crate) fn shift() -> i64 {
        static FILE: OnceLock<Option<String>> = OnceLock::new();
        let file = FILE.get_or_init(|| std::env::var("HOLDFAST_REHEARSAL_CLOCK").ok());
        let read = file.as_ref().and_then(|path| std::fs::read_to_string(path).ok());
        read.and_then(|text| text.trim().parse().ok()).unwrap_or(0)
    }

    /// Whether tests move the clock.
    pub(crate) fn moves_the_clock() -> bool {
        std::env::var("HOLDFAST_REHEARSAL_CLOCK").is_ok()
    }
}

/// Dies here if a test wants it.
#[cfg(feature = "rehearsal")]
pub(crate) use switched::{moves_the_clock, point, shift};

/// Nothing: this program is no rehearsal.
#[cfg(not(feature = "rehearsal"))]
pub(crate) const fn point(_name: &str) {}
