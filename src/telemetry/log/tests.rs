//! The operators' log, line by line.

use std::io::Write;
use std::sync::{Arc, Mutex};

use serde_json::Value;

use super::*;

#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl Captured {
    fn take(&self) -> String {
        String::from_utf8(std::mem::take(&mut *self.0.lock().unwrap())).unwrap()
    }
}

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Captured {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

fn with_log(
    level: LogLevel,
    format: LogFormat,
    color: Color,
    events: impl FnOnce(&Captured, &LogHandle),
) {
    let captured = Captured::default();
    let (subscriber, handle) = subscriber(Log { level, format }, color, captured.clone());
    tracing::subscriber::with_default(subscriber, || events(&captured, &handle));
}

const ATTACK: &str = "x\n2026-01-01T00:00:00Z ERROR forged\r\u{1b}[2J\u{9b}2J\u{7}\u{202e}";

#[test]
fn an_event_is_one_json_object_with_its_fields_on_top() {
    with_log(LogLevel::Info, LogFormat::Json, Color::Plain, |captured, _| {
        tracing::warn!(key_manager = "is7", detail = %ATTACK, "no keys");
        let text = captured.take();
        assert_eq!(text.lines().count(), 1);
        let event: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(event["level"], "WARN");
        assert_eq!(event["message"], "no keys");
        assert_eq!(event["key_manager"], "is7");
        assert_eq!(event["detail"], ATTACK);
        assert!(event["timestamp"].as_str().unwrap().ends_with('Z'));
    });
}

#[test]
fn a_text_event_is_one_line_without_control_characters() {
    with_log(LogLevel::Info, LogFormat::Text, Color::Plain, |captured, _| {
        tracing::warn!(display = %ATTACK, debug = ?ATTACK, text = ATTACK, "{ATTACK}");
        let text = captured.take();
        let body = text.strip_suffix('\n').unwrap();
        assert!(
            !body.chars().any(|character| character.is_control() || character == '\u{202e}'),
            "{body:?}"
        );
        assert!(body.contains("WARN"));
    });
}

#[test]
fn colors_are_the_formatters_own_only() {
    with_log(LogLevel::Info, LogFormat::Text, Color::Ansi, |captured, _| {
        tracing::warn!(display = %ATTACK, "{ATTACK}");
        let text = captured.take();
        assert!(text.contains("\u{1b}[33m"), "{text:?}");
        assert!(!text.contains("\u{1b}[2J") && !text.contains('\u{9b}'), "{text:?}");
        assert_eq!(text.matches('\n').count(), 1);
    });
}

#[test]
fn the_level_holds_and_can_be_changed() {
    with_log(LogLevel::Warn, LogFormat::Text, Color::Plain, |captured, level| {
        let speak = || {
            tracing::info!("informed");
            tracing::debug!("debugged");
        };
        speak();
        assert_eq!(captured.take(), "");
        level.set(Log { level: LogLevel::Debug, format: LogFormat::Text }).unwrap();
        speak();
        assert_eq!(captured.take().lines().count(), 2);
        level.set(Log { level: LogLevel::Error, format: LogFormat::Text }).unwrap();
        speak();
        tracing::warn!("warned");
        tracing::error!("failed");
        assert!(captured.take().contains("failed"));
        assert_eq!(captured.take(), "");
    });
}

#[test]
fn libraries_stay_quiet_below_warnings_whatever_the_level() {
    with_log(LogLevel::Trace, LogFormat::Text, Color::Plain, |captured, _| {
        tracing::trace!("ours");
        tracing::info!(target: "h2::codec", "authorization: Bearer secret");
        tracing::warn!(target: "h2::server", "theirs");
        let text = captured.take();
        assert!(
            text.contains("ours") && text.contains("theirs") && !text.contains("secret"),
            "{text}"
        );
    });
}

#[test]
fn the_format_holds_and_can_be_changed() {
    with_log(LogLevel::Info, LogFormat::Json, Color::Plain, |captured, log| {
        let line = || {
            tracing::info!("informed");
            captured.take()
        };
        assert!(line().starts_with('{'));
        log.set(Log { level: LogLevel::Info, format: LogFormat::Text }).unwrap();
        let text = line();
        assert!(!text.starts_with('{') && text.contains("INFO"), "{text}");
        log.set(Log { level: LogLevel::Info, format: LogFormat::Json }).unwrap();
        assert!(line().starts_with('{'));
    });
}
