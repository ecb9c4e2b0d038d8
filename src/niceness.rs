//! Threads whose work can wait give way to the workers.
//!
//! Decides nothing. A thread can lower its priority but not raise it again, so work that gives way
//! has a thread of its own.

use std::sync::LazyLock;
use std::sync::mpsc::{self, RecvTimeoutError, Sender, TryRecvError};
use std::thread;
use std::time::Duration;

use rustix::process::setpriority_process;
use uapi::c::{SCHED_IDLE, SCHED_OTHER, c_int, pid_t, sched_param};

/// The niceness of work that can wait: about a tenth of a worker's share of a core that both want,
/// and the whole core if no worker wants it.
pub const NICE: i32 = 10;

/// Whether a thread of this process can leave the class for idle work again. The kernel lets those
/// who may set this niceness (`RLIMIT_NICE`), and privileged processes.
static CAN_LEAVE: LazyLock<bool> = LazyLock::new(|| {
    let tried = thread::spawn(|| {
        give_way();
        move_to(0, SCHED_IDLE) && move_to(0, SCHED_OTHER)
    });
    tried.join().unwrap_or(false)
});

/// A time in the scheduler's class for idle work (`SCHED_IDLE`). A thread in it has the processors
/// that nobody else wants, and any other thread that wakes up takes one from it at once.
#[derive(Debug)]
pub struct IdleTime {
    /// Ends the thread that moves this one.
    _ended: Sender<()>,
}

/// Makes this thread give way to the others for the rest of its life.
pub fn give_way() {
    // no more than a slower answer of others if it fails
    let _ = setpriority_process(None, NICE);
}

/// Makes this thread give way for the rest of its life, and have idle processors alone for a time.
/// On a machine without idle time its work would not end: so a process that may not take a thread
/// out of the class again puts none into it.
pub fn give_way_idle(time: Duration) -> IdleTime {
    let thread = uapi::gettid();
    let (ended, end) = mpsc::channel::<()>();
    let in_and_out = move || {
        let ends = end.try_recv() == Err(TryRecvError::Disconnected);
        if !ends
            && move_to(thread, SCHED_IDLE)
            && end.recv_timeout(time) == Err(RecvTimeoutError::Timeout)
        {
            move_to(thread, SCHED_OTHER);
        }
    };
    give_way();
    if *CAN_LEAVE {
        // without it this thread is nice, and no more
        let _ = thread::Builder::new().name("idle-time".to_owned()).spawn(in_and_out);
    }
    IdleTime { _ended: ended }
}

/// Moves a thread to a class of the scheduler; 0 is the calling one.
fn move_to(thread: pid_t, class: c_int) -> bool {
    uapi::sched_setscheduler(thread, class, &sched_param { sched_priority: 0 }).is_ok()
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use rustix::process::{Pid, getpriority_process};

    use super::*;

    /// Starts a thread that gives way, and waits until it is in a class of the scheduler and has
    /// given way for long enough. It is asked from here: in that class it may never have a turn.
    fn gives_way(time: Duration, class: c_int, at_least: Duration) {
        let ((told, thread), (ends, end)) = (mpsc::channel(), mpsc::channel::<()>());
        thread::spawn(move || {
            told.send(uapi::gettid()).unwrap();
            let idle = give_way_idle(time);
            let _ = end.recv();
            drop(idle);
        });
        let (thread, began) = (thread.recv().unwrap(), Instant::now());
        let niceness = getpriority_process(None).unwrap().max(NICE);
        let state = || {
            let own = getpriority_process(Pid::from_raw(thread)).unwrap();
            (uapi::sched_getscheduler(thread).unwrap(), own)
        };
        while state() != (class, niceness) || began.elapsed() < at_least {
            assert!(began.elapsed() < Duration::from_mins(1), "it is {:?}", state());
            thread::sleep(Duration::from_millis(1));
        }
        drop(ends);
    }

    #[test]
    fn a_thread_is_taken_out_of_the_idle_class_and_gives_way_all_the_same() {
        // where a process may not leave the class, no thread is ever in it
        let long = if *CAN_LEAVE { SCHED_IDLE } else { SCHED_OTHER };
        gives_way(Duration::from_secs(20), long, Duration::ZERO);
        gives_way(Duration::from_millis(10), SCHED_OTHER, Duration::from_millis(200));
    }
}
