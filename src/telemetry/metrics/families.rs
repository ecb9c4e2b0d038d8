//! Every metric's name, help, labels and size: the only file that names one.

use super::family::Combine::{Max, Min, Sum};
use super::family::MetricKind::{Counter, Gauge, Histogram};
use super::family::Scale::{
    Apis, Applications, Certificates, Exchanges, Families, Fetches, Fixed, Judges, KeyManagers,
    KeyStates, Listeners, Observed, Organizations, Policies, Questions, Servers, Skips, Waits,
};

use super::family::{FamilyDefinition, family};
use super::listener::{RefusedConnection, TlsFailure};
use crate::model::reason::Reason;

macro_rules! families {
    ($(
        $constant:ident = $name:literal, $kind:expr, $labels:expr, $scale:expr, $help:literal;
    )*) => {
        $(
            pub(super) static $constant: FamilyDefinition =
                family($name, $kind, &$labels, $scale, $help);
        )*

        /// All families, in the order of a scrape.
        pub(super) static ALL: &[&FamilyDefinition] = &[$(&$constant,)*];
    };
}

families! {
    REQUESTS = "portcullis_requests_total",
        Counter, ["api", "version", "operation", "method", "status", "reason"], Exchanges,
        "Exchanges that ended, by decision reason. Empty api: no API was found; empty operation: \
         the API has none for the request.";
    APPLICATION_REQUESTS = "portcullis_application_requests_total",
        Counter, ["application", "owner", "reason"], Applications,
        "Exchanges of a known application that ended, by decision reason.";
    OBSERVED_REFUSALS = "portcullis_observed_refusals_total", Counter, ["api", "version", "reason"],
        Observed,
        "Requests that were forwarded although a rule refuses them, because of observe = true.";
    QUARANTINED = "portcullis_quarantined", Gauge(Sum), [], Fixed(1),
        "APIs, key managers and application files that a reload left out because they are broken.";
    OBSERVING = "portcullis_observing", Gauge(Sum), [], Fixed(1),
        "APIs, operations, key managers and policies whose refusals are only observed.";
    STATISTICS_PAIRS = "portcullis_statistics_pairs", Gauge(Sum), [], Fixed(1),
        "Pairs of an application and an API whose statistics are kept apart.";
    STATISTICS_UNCOUNTED = "portcullis_statistics_uncounted_requests_total", Counter, [], Fixed(1),
        "Requests of pairs that found no place among the statistics.";
    REQUEST_DURATION = "portcullis_request_duration_seconds", Histogram, ["api", "version"], Apis,
        "Time from the request head to the end of the answer.";
    BACKEND_DURATION = "portcullis_backend_duration_seconds", Histogram, ["api", "version"], Apis,
        "Time that a request waited for its backend.";
    REQUEST_BYTES = "portcullis_request_bytes_total", Counter, ["api", "version"], Apis,
        "Bytes of request bodies received from clients.";
    RESPONSE_BYTES = "portcullis_response_bytes_total", Counter, ["api", "version"], Apis,
        "Bytes of response bodies sent to clients.";
    REQUESTS_IN_FLIGHT = "portcullis_requests_in_flight", Gauge(Sum), [], Fixed(1),
        "Exchanges that have begun and not ended.";
    TRUNCATED_RESPONSES = "portcullis_truncated_responses_total", Counter, [], Fixed(1),
        "Responses whose backend ended the body early; the client saw the truncation.";
    PANICS = "portcullis_panics_total", Counter, [], Fixed(1),
        "Panics caught: each ended one request or connection. Any is a bug.";
    CONNECTIONS = "portcullis_connections", Gauge(Sum), ["listener"], Listeners(1),
        "Client connections that are open.";
    CONNECTIONS_LIMIT = "portcullis_connections_limit", Gauge(Sum), ["listener"], Listeners(1),
        "The most connections that may be open: max_connections.";
    CONNECTIONS_TOTAL = "portcullis_connections_accepted_total",
        Counter, ["listener"], Listeners(1),
        "Client connections that were accepted.";
    CONNECTIONS_REFUSED = "portcullis_connections_refused_total",
        Counter, ["listener", "reason"], Listeners(RefusedConnection::ALL.len()),
        "Client connections that were not served.";
    TLS_FAILURES = "portcullis_tls_handshake_failures_total",
        Counter, ["listener", "reason"], Listeners(TlsFailure::ALL.len()),
        "TLS handshakes of clients that did not finish.";
    TOKEN_CACHE_HITS = "portcullis_token_cache_hits_total", Counter, [], Fixed(1),
        "Tokens whose verdict was known.";
    TOKEN_CACHE_MISSES = "portcullis_token_cache_misses_total", Counter, [], Fixed(1),
        "Tokens that had to be verified.";
    TOKEN_CACHE_EVICTIONS = "portcullis_token_cache_evictions_total", Counter, [], Fixed(1),
        "Verdicts that made room for others.";
    TOKEN_CACHE_ENTRIES = "portcullis_token_cache_entries", Gauge(Sum), [], Fixed(1),
        "Verdicts that are kept.";
    TOKEN_CACHE_BYTES = "portcullis_token_cache_bytes", Gauge(Sum), [], Fixed(1),
        "Memory that kept verdicts take, about.";
    FORGED_TOKENS = "portcullis_forged_tokens_total", Counter, ["found"], Fixed(2),
        "Tokens with a bad signature: found by checking it, or known from before.";
    FORGING_SOURCES = "portcullis_forging_sources", Gauge(Sum), [], Fixed(1),
        "Client addresses that have sent forged tokens of late.";
    FORGING_SOURCES_FORGOTTEN = "portcullis_forging_sources_forgotten_total", Counter, [], Fixed(1),
        "Client addresses that were forgotten for others because too many had sent forged tokens.";
    BUDGET_SOURCES = "portcullis_budget_sources", Gauge(Sum), ["budget"], Fixed(3),
        "Client addresses that have used a part of their budget of late.";
    BUDGET_FORGOTTEN = "portcullis_budget_sources_forgotten_total", Counter, ["budget"], Fixed(3),
        "Client addresses that were forgotten because too many had used a part of their budget.";
    BUDGET_REFUSED = "portcullis_budget_refused_total", Counter, ["budget"], Fixed(3),
        "Requests that were refused because their client address had used its budget up.";
    UNLISTED_PROXY_REFUSALS = "portcullis_unlisted_proxy_refused_total", Counter, [], Fixed(1),
        "Requests that were refused for the budget of an address which sends X-Forwarded-For and \
         is not in trusted_proxies.";
    REMEMBERED_REFUSALS = "portcullis_remembered_refusals", Gauge(Sum), [], Fixed(1),
        "Refusals of the last hour that `explain --denial` can tell about.";
    REMEMBERED_REFUSAL_BYTES = "portcullis_remembered_refusal_bytes", Gauge(Sum), [], Fixed(1),
        "What they take.";
    SERVER_CERTIFICATE_NOT_AFTER = "portcullis_server_certificate_not_after_timestamp_seconds",
        Gauge(Min), ["role", "server"], Servers,
        "When the certificate expires that a server has shown, in seconds since 1970.";
    ORGANIZATIONS = "portcullis_organizations",
        Gauge(Sum), ["key_manager", "state"], Organizations(3),
        "Organizations that nobody listed: live, on trial, or closed because their server does \
         not know them.";
    ORGANIZATION_EVENTS = "portcullis_organization_events_total",
        Counter, ["key_manager", "event"], Organizations(6),
        "Organizations that nobody listed: what came of opening them, and which were let go.";
    BACKEND_CONNECTIONS = "portcullis_backend_connections_total", Counter, ["result"], Fixed(2),
        "Connections to backends that were tried, by result.";
    BACKEND_REUSES = "portcullis_backend_connection_reuses_total", Counter, [], Fixed(1),
        "Requests that took an idle backend connection.";
    BACKEND_IDLE = "portcullis_backend_idle_connections", Gauge(Sum), [], Fixed(1),
        "Backend connections that wait for a request.";
    BACKEND_STREAM_WAITS = "portcullis_backend_stream_waits_total", Counter, [], Fixed(1),
        "Times that a request waited for a stream of an HTTP/2 backend, because all were taken.";
    BACKEND_RETRIES = "portcullis_backend_retries_total", Counter, [], Fixed(1),
        "Requests that were sent to a backend once more.";
    BACKEND_EJECTIONS = "portcullis_backend_ejections_total", Counter, [], Fixed(1),
        "Targets that were taken out for failures in a row.";
    HEALTH_CHECKS = "portcullis_backend_health_checks_total", Counter, ["result"], Fixed(2),
        "Active health checks of backends, by result.";
    ACCESS_LOG_DROPPED = "portcullis_access_log_dropped_total", Counter, [], Fixed(1),
        "Access log lines that were lost because the target was full, failing or too slow.";
    MANAGEMENT_SIGN_INS = "portcullis_management_sign_ins_total", Counter, ["result"], Fixed(3),
        "Credentials shown to the management listener, by result.";
    MANAGEMENT_SIGN_UPS = "portcullis_management_sign_ups_total", Counter, ["result"], Fixed(2),
        "Accounts that somebody asked for through the REST API, by result.";
    MANAGEMENT_TOKENS = "portcullis_management_tokens", Gauge(Sum), [], Fixed(1),
        "Access and refresh tokens of the REST API that this process keeps.";
    MANAGEMENT_ERRANDS = "portcullis_management_errands", Gauge(Sum), [], Fixed(1),
        "Calls of the REST API to authorization servers that have not ended.";
    MANAGEMENT_ERRANDS_REFUSED = "portcullis_management_errands_refused_total",
        Counter, [], Fixed(1), "Calls of the REST API that found no place among those.";
    MANAGEMENT_CHANGES = "portcullis_management_changes_total",
        Counter, ["change", "result"], Fixed(10),
        "Changes that somebody was let in for on the management listener, by kind and result.";
    LOG_DROPPED = "portcullis_log_dropped_total", Counter, [], Fixed(1),
        "Events of the operators' log that were lost because standard error was not read.";
    KEY_SET_AGE = "portcullis_key_set_age_seconds", Gauge(Max), ["key_manager"], KeyManagers,
        "Time since the key set was last fetched or confirmed.";
    KEY_SET_KEEP_STALE = "portcullis_key_set_keep_stale_seconds", Gauge(Min), ["key_manager"],
        KeyManagers,
        "The age at which the last good keys are given up: jwks_keep_stale.";
    KEY_SET_KEYS = "portcullis_key_set_keys", Gauge(Sum), ["key_manager"], KeyManagers,
        "Usable keys of the key manager.";
    KEY_SET_USABLE = "portcullis_key_set_usable", Gauge(Min), ["key_manager"], KeyManagers,
        "1 if tokens of the key manager can be verified now, else 0.";
    KEY_SET_GENERATION = "portcullis_key_set_generation", Gauge(Max), ["key_manager"], KeyManagers,
        "Grows whenever the usable keys change.";
    KEY_SET_FETCHES = "portcullis_key_set_fetches_total",
        Counter, ["key_manager", "result"], Fetches,
        "Fetches of the key set, by result.";
    KEY_SET_SKIPPED = "portcullis_key_set_skipped_keys_total",
        Counter, ["key_manager", "reason"], Skips,
        "Keys of fetched key sets that cannot be used, by reason.";
    KEY_SET_WAITING = "portcullis_key_set_waiting_requests",
        Gauge(Sum), ["key_manager"], KeyManagers,
        "Requests that wait for newer keys; a thousand at most for each key manager.";
    KEY_SET_WAITS = "portcullis_key_set_waits_total", Counter, ["key_manager", "result"], Waits,
        "Requests that asked for newer keys, by what came of it: changed, unchanged, failed, \
         timed_out, too_late (no fetch is allowed in time) or crowded (too many wait).";
    KEY_SET_ROTATION = "portcullis_key_set_rotation_keys",
        Gauge(Sum), ["key_manager", "state"], KeyStates,
        "Keys in a rotation: announced (no token uses it yet), retiring (a newer one is in use) or \
         withdrawn (gone while tokens of it are valid).";
    KEY_MANAGER_REQUESTS = "portcullis_key_manager_requests_total",
        Counter, ["key_manager", "reason"], Judges(Reason::COUNT),
        "Exchanges whose token the key manager judged, by decision reason.";
    FOREIGN_CONSUMER_KEYS = "portcullis_foreign_consumer_keys_total",
        Counter, ["key_manager"], Judges(1),
        "Requests whose consumer key is known only under another key manager.";
    ISSUER_CLOCK_LEAD = "portcullis_issuer_clock_lead_seconds",
        Gauge(Max), ["key_manager"], Judges(1),
        "Seconds by which the issuer's clock is ahead at least, from tokens verified of late.";
    INTROSPECTIONS = "portcullis_introspections_total",
        Counter, ["key_manager", "result"], Questions,
        "Questions to the key manager's server about a token, by result.";
    INTROSPECTION_DURATION = "portcullis_introspection_duration_seconds",
        Histogram, ["key_manager"], KeyManagers,
        "Time that a question about a token took, the wait for a place among it.";
    INTROSPECTIONS_IN_FLIGHT = "portcullis_introspections_in_flight",
        Gauge(Sum), ["key_manager"], KeyManagers,
        "Questions about tokens that are under way.";
    INTROSPECTION_CACHE_HITS = "portcullis_introspection_cache_hits_total",
        Counter, ["key_manager"], KeyManagers,
        "Tokens whose answer was remembered.";
    INTROSPECTION_BREAKER_OPEN = "portcullis_introspection_breaker_open",
        Gauge(Max), ["key_manager"], KeyManagers,
        "1 while the server fails again and again and questions to it are refused at once, else 0.";
    INTROSPECTION_BREAKER_OPENINGS = "portcullis_introspection_breaker_openings_total",
        Counter, ["key_manager"], KeyManagers,
        "Times that the circuit breaker of the key manager's server opened.";
    INTROSPECTION_BREAKER_REFUSED = "portcullis_introspection_breaker_refused_total",
        Counter, ["key_manager"], KeyManagers,
        "Questions that were refused because the circuit breaker was open.";
    INTROSPECTION_ODD_MEMBERS = "portcullis_introspection_odd_members_total",
        Counter, ["key_manager"], KeyManagers,
        "Members of introspection answers that were not in the form of RFC 7662 and were \
         understood, or left out.";
    REVOCATIONS = "portcullis_revocations", Gauge(Sum), ["kind"], Fixed(2),
        "Revocations that are kept: of one token, or of all that a client or a subject got before \
         a moment.";
    REVOCATIONS_APPLIED = "portcullis_revocations_applied_total",
        Counter, ["kind", "source"], Fixed(6),
        "Revocations that were news, by kind and by where they came from.";
    REVOCATION_BYTES = "portcullis_revocation_bytes", Gauge(Sum), [], Fixed(1),
        "Memory that revocations take.";
    REVOCATIONS_EXPIRED = "portcullis_revocations_expired_total", Counter, [], Fixed(1),
        "Revocations that were forgotten because their tokens have expired.";
    REVOCATIONS_FULL = "portcullis_revocations_refused_full_total", Counter, [], Fixed(1),
        "Revocations that were not taken because too many are kept. Any is an emergency.";
    REVOCATION_JOURNAL_FAILURES = "portcullis_revocation_journal_failures_total",
        Counter, [], Fixed(1),
        "Times that revocations could not be written to state_dir; they hold until a restart.";
    REVOCATION_JOURNAL_DAMAGES = "portcullis_revocation_journal_damages_total",
        Counter, [], Fixed(1),
        "Times that the journal of revocations was found damaged, emptied, replaced or gone; the \
         log says what was lost. Any needs an operator.";
    REVOCATIONS_LIFTED = "portcullis_revocations_lifted_total", Counter, [], Fixed(1),
        "Revocations that were taken back, here or on another gateway.";
    REVOCATION_CHANNEL_UP = "portcullis_revocation_channel_up", Gauge(Min), [], Fixed(1),
        "1 while revocations go to and come from other gateways, else 0. Absent without \
         revocation.channel.";
    REVOCATION_CHANNEL_FAILURES = "portcullis_revocation_channel_failures_total",
        Counter, [], Fixed(1),
        "Times that the channel could not be reached, was lost or refused.";
    REVOCATION_CHANNEL_PUBLISHED = "portcullis_revocation_channel_published_total",
        Counter, [], Fixed(1),
        "Revocations that this gateway added to the channel.";
    REVOCATION_CHANNEL_OVERFLOWS = "portcullis_revocation_channel_overflows_total",
        Counter, [], Fixed(1),
        "Revocations that found no place in the queue to the channel and went with a comparison.";
    REVOCATION_CHANNEL_COMPARISONS = "portcullis_revocation_channel_comparisons_total",
        Counter, [], Fixed(1),
        "Times that everything was compared with the channel.";
    DPOP_PROOF_CLAIMS = "portcullis_dpop_proof_claims_total", Counter, ["result"], Fixed(3),
        "DPoP proofs by the channel's word: first used here, taken before (refused), unanswered \
         (this gateway's memory counts).";
    REVOCATION_CHANNEL_MESSAGES = "portcullis_revocation_channel_messages_total",
        Counter, ["result"], Fixed(2),
        "Entries of the channel that were read, and those that are unreadable and were skipped.";
    THROTTLED = "portcullis_throttled_total", Counter, ["policy", "level", "outcome"], Policies(3),
        "Requests beyond a throttling policy: refused, let through and marked, or only observed.";
    THROTTLE_COUNTERS = "portcullis_throttle_counters", Gauge(Sum), [], Fixed(1),
        "Counters of limits that exist.";
    THROTTLE_COUNTERS_LIMIT = "portcullis_throttle_counters_limit", Gauge(Max), [], Fixed(1),
        "The most counters that may exist: throttling.max_counters.";
    THROTTLE_SHARED = "portcullis_throttle_shared_requests_total", Counter, [], Fixed(1),
        "Times that a request was counted together with others of its policy, because all \
         counters were taken.";
    THROTTLE_STATE_FAILURES = "portcullis_throttle_state_failures_total", Counter, [], Fixed(1),
        "Times that counts could not be written to state_dir; a restart would forget them.";
    SHARED_COUNTERS_UP = "portcullis_shared_counters_up", Gauge(Min), [], Fixed(1),
        "1 while the servers that count for all gateways answer in time, 0 while this gateway counts alone.";
    SHARED_COUNTERS_KNOWN = "portcullis_shared_counters", Gauge(Sum), [], Fixed(1),
        "Counters that these servers are known to hold.";
    SHARED_COUNTERS_TOLD = "portcullis_shared_counters_told_total", Counter, [], Fixed(1),
        "Counters that these servers were told of, each once for each comparison.";
    SHARED_COUNTERS_ROUNDS = "portcullis_shared_counters_rounds_total", Counter, ["result"], Fixed(2),
        "Calls to these servers that were answered, and that failed.";
    SHARED_COUNTERS_REQUESTS = "portcullis_shared_counters_requests_total", Counter, ["decision"], Fixed(3),
        "Requests in mode exact: decided by the servers, alone because they are away, or here because they were late.";
    SHARED_COUNTERS_ROUND_SECONDS = "portcullis_shared_counters_round_seconds", Gauge(Max), [], Fixed(1),
        "The time that these servers took for their last answer.";
    SNAPSHOT_GENERATION = "portcullis_snapshot_generation", Gauge(Max), [], Fixed(1),
        "The number of the configuration in use; grows with each that takes effect.";
    RELOAD_SUCCESS = "portcullis_config_last_reload_success", Gauge(Min), [], Fixed(1),
        "1 if the last attempt to load the configuration took effect, else 0.";
    RELOAD_TIMESTAMP = "portcullis_config_last_reload_timestamp_seconds", Gauge(Max), [], Fixed(1),
        "When the configuration in use took effect, in seconds since 1970.";
    STORE_UP = "portcullis_store_up", Gauge(Min), [], Fixed(1),
        "1 if the store answers and all that it says is in force.";
    STORE_REVISION = "portcullis_store_revision", Gauge(Min), [], Fixed(1),
        "The revision of the store that is in force.";
    STORE_LAG = "portcullis_store_lag_seconds", Gauge(Max), [], Fixed(1),
        "The time since all that the store says was last known to be in force.";
    STORE_OBJECTS = "portcullis_store_objects", Gauge(Max), ["kind"], Fixed(13),
        "Objects of the store, by kind.";
    RELOADS = "portcullis_config_reloads_total", Counter, ["result"], Fixed(2),
        "Attempts to reload the configuration, by result.";
    TRACE_SPANS_EXPORTED = "portcullis_trace_spans_exported_total", Counter, [], Fixed(1),
        "Spans that the collector of traces accepted.";
    TRACE_SPANS_DROPPED = "portcullis_trace_spans_dropped_total", Counter, ["reason"], Fixed(3),
        "Spans that were lost: the queue was full, the collector unreachable, or it refused them.";
    TRACE_COLLECTOR_UP = "portcullis_trace_collector_up", Gauge(Min), [], Fixed(1),
        "1 while the collector of traces accepts spans, else 0.";
    CLOCK_JUMPS = "portcullis_clock_jumps_total", Counter, ["direction"], Fixed(2),
        "Times that the system's clock jumped by more than a second.";
    WORKER_RESTARTS = "portcullis_worker_restarts_total", Counter, [], Fixed(1),
        "Worker threads that ended and were started again. Any is a bug.";
    CERTIFICATE_NOT_AFTER = "portcullis_certificate_not_after_timestamp_seconds",
        Gauge(Min), ["role", "file"], Certificates,
        "When the certificates of a file expire, in seconds since 1970: the first of a chain, the \
         last of a list of authorities.";
    APPLICATIONS = "portcullis_applications", Gauge(Sum), [], Fixed(1),
        "Applications of the configuration in use.";
    CONSUMER_KEYS = "portcullis_consumer_keys", Gauge(Sum), [], Fixed(1),
        "Consumer keys of the configuration in use.";
    SUBSCRIPTIONS = "portcullis_subscriptions", Gauge(Sum), [], Fixed(1),
        "Subscriptions of the configuration in use.";
    BUILD_INFO = "portcullis_build_info", Gauge(Max), ["version", "revision", "architecture"],
        Fixed(1),
        "Always 1; the labels say which build runs.";
    PROCESS_CPU = "process_cpu_seconds_total", Counter, [], Fixed(1),
        "Total user and system CPU time spent in seconds.";
    PROCESS_RESIDENT = "process_resident_memory_bytes", Gauge(Sum), [], Fixed(1),
        "Resident memory size in bytes.";
    PROCESS_VIRTUAL = "process_virtual_memory_bytes", Gauge(Sum), [], Fixed(1),
        "Virtual memory size in bytes.";
    PROCESS_VIRTUAL_MAX = "process_virtual_memory_max_bytes", Gauge(Sum), [], Fixed(1),
        "Maximum amount of virtual memory available in bytes.";
    PROCESS_THREADS = "process_threads", Gauge(Sum), [], Fixed(1),
        "Number of OS threads in the process.";
    PROCESS_OPEN_FDS = "process_open_fds", Gauge(Sum), [], Fixed(1),
        "Number of open file descriptors.";
    PROCESS_MAX_FDS = "process_max_fds", Gauge(Sum), [], Fixed(1),
        "Maximum number of open file descriptors.";
    PROCESS_START = "process_start_time_seconds", Gauge(Max), [], Fixed(1),
        "Start time of the process since unix epoch in seconds.";
    SERIES_OVERFLOW = "portcullis_metrics_series_overflow_total", Counter, ["family"], Families,
        "Series that exceeded telemetry.metrics.max_series and are counted under \"other\".";
}
