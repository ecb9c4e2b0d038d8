//! Counts of a worker beside exchanges and connections. The worker's own thread is the only writer.

use super::cell::{Cell, OpenCount};

/// The counters of one worker. Only its own thread may call these, except
/// [`WorkerCounters::panicked`].
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct WorkerCounters {
    pub(super) requests: OpenCount,
    pub(super) panics: Cell,
    pub(super) truncated_responses: Cell,
    pub(super) token_cache_hits: Cell,
    pub(super) token_cache_misses: Cell,
    pub(super) token_cache_evictions: Cell,
    pub(super) token_cache_entries: Cell,
    pub(super) token_cache_bytes: Cell,
    pub(super) forged_tokens: [Cell; 2],
    pub(super) backend_opened: Cell,
    pub(super) backend_failed: Cell,
    pub(super) backend_reused: Cell,
    pub(super) backend_idle: Cell,
    pub(super) backend_retries: Cell,
    pub(super) backend_stream_waits: Cell,
    pub(super) backend_ejections: Cell,
    pub(super) health_checks: [Cell; 2],
}

impl WorkerCounters {
    pub fn request_began(&self) {
        self.requests.began.add(1);
    }

    /// Counts the end of a request, also if the client hung up.
    pub fn request_ended(&self) {
        self.requests.ended.add(1);
    }

    /// Counts a response whose backend ended the body early.
    pub fn response_truncated(&self) {
        self.truncated_responses.add(1);
    }

    pub fn token_cache_hit(&self) {
        self.token_cache_hits.add(1);
    }

    pub fn token_cache_missed(&self) {
        self.token_cache_misses.add(1);
    }

    pub fn token_cache_evicted(&self, verdicts: u64) {
        self.token_cache_evictions.add(verdicts);
    }

    /// The cache as it stands now.
    pub fn token_cache_holds(&self, entries: u64, bytes: u64) {
        self.token_cache_entries.set(entries);
        self.token_cache_bytes.set(bytes);
    }

    /// A token with a bad signature: found by checking it, or known from before.
    pub fn forged_token(&self, known: bool) {
        let [checked, repeated] = &self.forged_tokens;
        if known { repeated.add(1) } else { checked.add(1) }
    }

    pub fn backend_connection_opened(&self) {
        self.backend_opened.add(1);
    }

    pub fn backend_connection_failed(&self) {
        self.backend_failed.add(1);
    }

    pub fn backend_connection_reused(&self) {
        self.backend_reused.add(1);
    }

    /// Counts a request that waits because all streams of an HTTP/2 backend are taken.
    pub fn backend_stream_awaited(&self) {
        self.backend_stream_waits.add(1);
    }

    /// A request is sent once more.
    pub fn backend_retried(&self) {
        self.backend_retries.add(1);
    }

    /// Counts the ejection of a target for its failures.
    pub fn backend_ejected(&self) {
        self.backend_ejections.add(1);
    }

    pub fn health_checked(&self, good: bool) {
        let [bad_checks, good_checks] = &self.health_checks;
        if good { good_checks.add(1) } else { bad_checks.add(1) }
    }

    /// Sets the present number of idle backend connections.
    pub fn backend_connections_idle(&self, connections: u64) {
        self.backend_idle.set(connections);
    }

    /// Counts a panic, from any thread, since a panic hook runs on the thread of the panic.
    pub fn panicked(&self) {
        self.panics.add_shared(1);
    }

    /// Exchanges of this worker that have begun and not ended.
    pub fn requests_in_flight(&self) -> u64 {
        self.requests.open()
    }
}
