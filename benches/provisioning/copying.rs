//! Fills PostgreSQL with the rows of a SQLite store. The two have the same tables, and to write a million applications
//! into PostgreSQL one after the other takes an hour.

use std::fmt::Write as _;
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags};
use uuid::Uuid;

use crate::postgres::{PASSWORD, PostgresProcess};

const TABLES: [&str; 7] =
    ["objects", "memberships", "name_blocks", "tallies", "removals", "audit", "meta"];

/// Replaces what the tables of a new database have.
pub(crate) fn copy(from: &Path, server: &PostgresProcess, database: &str) {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE;
    let from = Connection::open_with_flags(from, flags).expect("a store");
    // indexes are made of all rows at once
    let others = "schemaname = 'public' AND indexname NOT LIKE '%_pkey'";
    let made = server.sql(database, &format!("SELECT indexdef FROM pg_indexes WHERE {others}"));
    let names = server.sql(database, &format!("SELECT indexname FROM pg_indexes WHERE {others}"));
    for name in names.lines() {
        server.sql(database, &format!("DROP INDEX {name}"));
    }
    for table in TABLES {
        server.sql(database, &format!("DELETE FROM {table}"));
        rows(&from, table, &server.address(database));
    }
    for index in made.lines() {
        server.sql(database, index);
    }
    // what the server does by itself within a minute
    server.sql(database, "VACUUM ANALYZE");
}

fn rows(from: &Connection, table: &str, address: &str) {
    let mut statement = from.prepare(&format!("SELECT * FROM {table}")).expect("a table");
    let columns = statement.column_names().collect::<Vec<_>>().join(", ");
    let mut psql = Command::new("psql")
        .args([address, "-X", "-q", "-v", "ON_ERROR_STOP=1", "-c"])
        .arg(format!("COPY {table} ({columns}) FROM STDIN"))
        .env("PGPASSWORD", PASSWORD)
        .stdin(Stdio::piped())
        .spawn()
        .expect("psql");
    let mut to = BufWriter::new(psql.stdin.take().expect("piped"));
    let count = statement.column_count();
    let mut found = statement.query([]).expect("rows");
    let mut line = String::new();
    while let Some(row) = found.next().expect("a row") {
        line.clear();
        for column in 0..count {
            line.push_str(if column == 0 { "" } else { "\t" });
            field(&mut line, row.get_ref(column).expect("a value"));
        }
        line.push('\n');
        to.write_all(line.as_bytes()).expect("written");
    }
    drop(to);
    assert!(psql.wait().expect("psql").success(), "{table}");
}

/// Adds a value in the text form of `COPY`.
fn field(line: &mut String, value: ValueRef<'_>) {
    match value {
        ValueRef::Null => line.push_str("\\N"),
        ValueRef::Integer(number) => write!(line, "{number}").expect("memory"),
        ValueRef::Real(number) => write!(line, "{number}").expect("memory"),
        ValueRef::Text(text) => {
            for letter in std::str::from_utf8(text).expect("UTF-8").chars() {
                match letter {
                    '\\' => line.push_str("\\\\"),
                    '\n' => line.push_str("\\n"),
                    '\r' => line.push_str("\\r"),
                    '\t' => line.push_str("\\t"),
                    letter => line.push(letter),
                }
            }
        }
        ValueRef::Blob(bytes) => match Uuid::from_slice(bytes) {
            Ok(id) => write!(line, "{id}").expect("memory"),
            Err(_) => {
                line.push_str("\\\\x");
                for byte in bytes {
                    write!(line, "{byte:02x}").expect("memory");
                }
            }
        },
    }
}
