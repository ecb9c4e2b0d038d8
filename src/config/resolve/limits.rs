//! Reads `[limits]`.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::config::reader::Table;
use crate::config::resolve::root_tables::RootTables;
use crate::model::gateway::{ByteLimit, ClientLimits};
use crate::model::rate::Rate;

pub(super) fn limits(roots: &RootTables<'_>) -> ClientLimits {
    let mut limits = ClientLimits {
        header_timeout: Duration::from_secs(10),
        idle_timeout: Duration::from_mins(1),
        max_header_bytes: 32 * 1024,
        max_headers: 100,
        max_body_bytes: ByteLimit::None,
        body_stall_timeout: Duration::from_secs(30),
        max_token_bytes: 16 * 1024,
        max_forged_tokens: NonZeroU32::new(FORGED_TOKENS),
        unknown_tokens: UNKNOWN_TOKENS,
        max_streams: 100,
        max_loop_delay: Some(Duration::from_secs(1)),
    };
    let Some(table) = roots.once("limits") else { return limits };
    let bytes = |key, range, default: usize| {
        usize::try_from(table.bytes(key, range, default as u64)).unwrap_or(default)
    };
    limits.header_timeout = table.time("header_timeout", limits.header_timeout);
    limits.idle_timeout = table.time("idle_timeout", limits.idle_timeout);
    limits.max_header_bytes =
        bytes("max_header_bytes", 1024..=1024 * 1024, limits.max_header_bytes);
    limits.max_headers =
        usize::try_from(table.integer("max_headers", 8..=1000, 100)).unwrap_or(100);
    limits.max_body_bytes =
        table.size("max_body_bytes").map_or(limits.max_body_bytes, |found| found.value);
    limits.body_stall_timeout = table.time("body_stall_timeout", limits.body_stall_timeout);
    limits.max_streams =
        u32::try_from(table.integer("max_streams", 1..=10_000, 100)).unwrap_or(100);
    limits.max_loop_delay = table.optional_time("max_loop_delay", limits.max_loop_delay);
    limits.max_forged_tokens = forged_tokens(&table, limits.max_forged_tokens);
    limits.unknown_tokens = unknown_tokens(&table).unwrap_or(UNKNOWN_TOKENS);
    limits.max_token_bytes = bytes("max_token_bytes", 256..=1024 * 1024, limits.max_token_bytes);
    limits
}

fn unknown_tokens(table: &Table<'_>) -> Option<Rate> {
    let rate = table.table("unknown_tokens")?;
    let (requests, per) =
        (rate.integer("requests", 1..=1_000_000, 20), rate.time("per", UNKNOWN_TOKENS.per));
    if per > LONGEST_PER {
        let hint = Some(
            "a longer budget would still lock a client out when nobody remembers the reason"
                .to_owned(),
        );
        rate.error("per", format!("`{}` must be at most one hour", rate.path("per")), hint);
    }
    let requests = u32::try_from(requests).ok().and_then(NonZeroU32::new)?;
    Some(Rate { requests, per: per.min(LONGEST_PER) })
}

fn forged_tokens(table: &Table<'_>, default: Option<NonZeroU32>) -> Option<NonZeroU32> {
    let Some(written) = table.integer_or_text("max_forged_tokens") else { return default };
    let count = match written.value {
        Err("none") => return None,
        Ok(number) => u32::try_from(number)
            .ok()
            .filter(|number| *number <= 1_000_000)
            .and_then(NonZeroU32::new),
        Err(_) => None,
    };
    if count.is_none() {
        let hint = Some("\"none\" turns the limit off".to_owned());
        table.problems().error(
            written.at,
            "`limits.max_forged_tokens` must be from 1 to 1000000, or \"none\"".to_owned(),
            hint,
        );
    }
    count.or(default)
}

/// The default of `max_forged_tokens`: one signature a second.
const FORGED_TOKENS: u32 = 60;

/// The default of `unknown_tokens`: two a second, and enough at once for a page that opens with
/// many requests.
const UNKNOWN_TOKENS: Rate =
    Rate { requests: NonZeroU32::MIN.saturating_add(19), per: Duration::from_secs(10) };

const LONGEST_PER: Duration = Duration::from_hours(1);
