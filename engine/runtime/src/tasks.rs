//! The only door to `tokio::spawn`.

#![expect(clippy::disallowed_methods, reason = "this is the door to spawned tasks")]

use tokio::task::JoinHandle;

/// Starts a task.
pub fn spawn<T: Send + 'static>(task: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
    tokio::spawn(task)
}

/// Starts blocking work on the pool that is for it.
pub fn spawn_blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> JoinHandle<T> {
    tokio::task::spawn_blocking(work)
}
