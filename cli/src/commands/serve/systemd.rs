//! What the service manager is told, if one asked: ready, reloading, alive, stopping.

use std::time::Duration;

use holdfast_kernel::id::Millis;
use holdfast_runtime::handle::Handle;
use holdfast_runtime::{clock, tasks};
use sd_notify::NotifyState;

/// It serves, and goes by what its files say.
pub(super) fn ready() {
    tell(&[NotifyState::Ready]);
}

/// It reads its files anew.
pub(super) fn reloading() {
    if let Ok(now) = NotifyState::monotonic_usec_now() {
        tell(&[NotifyState::Reloading, now]);
    }
}

/// It is about to end.
pub(super) fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// Says that the executor answers, twice as often as is asked for, as long as it does: one that hangs is started anew.
/// Nothing if nobody wants to hear it.
pub(super) fn alive(handle: Handle) {
    if let Some(within) = sd_notify::watchdog_enabled() {
        tasks::spawn(tell_alive(handle, within / 2));
    }
}

async fn tell_alive(handle: Handle, every: Duration) {
    let every = Millis(u64::try_from(every.as_millis()).unwrap_or(u64::MAX).max(1));
    // It has a task of its own: whatever else is waited for keeps nobody from hearing it.
    while handle.obstacles().await.is_ok() {
        tell(&[NotifyState::Watchdog]);
        clock::wait(every).await;
    }
}

fn tell(state: &[NotifyState<'_>]) {
    // A manager that does not listen is no reason to end.
    sd_notify::notify(state).unwrap_or_default();
}
