//! Work that can wait: reading a million keys again, and freeing the former ones, takes seconds of
//! a core, and the workers need all cores.
//!
//! Decides nothing. Each piece of work has a thread of its own, in the class for idle work for a
//! moment.

use std::time::Duration;

use tokio::sync::oneshot;

use crate::niceness;

/// The longest time in the class for idle work. On a machine without idle time the work goes on as
/// a nice thread afterwards.
const IDLE_FOR: Duration = Duration::from_millis(500);

/// Does the work at a lower priority than the workers and waits for it. Returns `None` if it
/// panicked, which its thread has reported, or if the system has no more threads.
pub(super) async fn done<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    begin(work)?.await.ok()
}

/// Starts the work on a thread that ends with it, without waiting. If there is no thread, nothing
/// is done.
pub(super) fn begin<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<oneshot::Receiver<T>> {
    let (done, result) = oneshot::channel();
    let thread = std::thread::Builder::new().name("background".to_owned()).spawn(move || {
        let _idle = niceness::give_way_idle(IDLE_FOR);
        let _ = done.send(work());
    });
    thread.ok().map(|_| result)
}

/// Frees something large. If there is no thread, it is freed here.
pub(super) fn free<T: Send + 'static>(large: T) {
    drop(begin(move || drop(large)));
}

#[cfg(test)]
mod tests {
    use rustix::process::getpriority_process;

    use super::*;
    use crate::niceness::NICE;

    #[tokio::test]
    async fn the_work_is_nice_and_its_owner_is_not() {
        let before = getpriority_process(None).unwrap();
        let nice = done(|| getpriority_process(None).unwrap()).await;
        assert_eq!(nice, Some(before.max(NICE)));
        assert_eq!(getpriority_process(None).unwrap(), before);
    }

    #[tokio::test]
    async fn work_that_panics_is_missed() {
        assert_eq!(done(|| -> u32 { panic!("on purpose") }).await, None);
    }
}
