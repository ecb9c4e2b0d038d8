//! The plans of SQLite.

use super::*;
use crate::store::sql::{SqlSession, SqlValue};
use crate::store::suite::plans::{Dialect, Explains, QueryPlan, TableRead, filling, unbounded};

const DIALECT: Dialect = [
    ("{gone}", "CAST(printf('g%015d', n) AS BLOB)"),
    ("{key}", "CAST(printf('k%015d', n) AS BLOB)"),
    ("{sub}", "CAST(printf('s%015d', n) AS BLOB)"),
    ("{id}", "CAST(printf('a%015d', n) AS BLOB)"),
    ("{text}", "printf('%07d', n)"),
];

impl Explains for SqliteSession {
    async fn fill(&mut self) -> Result<(), StoreError> {
        self.batch(&filling(&DIALECT))
    }

    async fn plans(
        &mut self,
        sql: &str,
        values: &[SqlValue<'_>],
    ) -> Result<Vec<QueryPlan>, StoreError> {
        let explain = format!("EXPLAIN QUERY PLAN {sql}");
        let steps = self.query(&explain, values, |row| Ok(row.text(3)?.unwrap_or("").to_owned()));
        let mut plan = QueryPlan { limited: sql.contains(" LIMIT "), ..QueryPlan::default() };
        for step in steps.await? {
            plan.sorts |= step.starts_with("USE TEMP B-TREE");
            plan.reads.extend(read(&step));
        }
        Ok(vec![plan])
    }
}

/// Reads a step such as "SEARCH objects USING INDEX objects_name (kind=? AND name>?)".
fn read(step: &str) -> Option<TableRead> {
    let mut words = step.split_whitespace();
    let (what, table) = (words.next()?, words.next()?);
    // rows of another step
    if !matches!(what, "SEARCH" | "SCAN") || table.starts_with('(') || table == "CONSTANT" {
        return None;
    }
    let made_for_this = step.contains("AUTOMATIC");
    let conditions = step.split_once(" (").map_or("", |(_, own)| own.trim_end_matches(')'));
    let found_by = conditions.split(" AND ").filter_map(|one| {
        let operator = one.find(['=', '<', '>'])?;
        let (column, by) = one.split_at(operator);
        Some((column.to_owned(), by.trim_end_matches('?').to_owned()))
    });
    Some(TableRead {
        name: table.to_owned(),
        found_by: found_by.filter(|_| !made_for_this).collect(),
        only_end: what == "SEARCH" && words.next().is_none(),
    })
}

#[test]
fn every_statement_is_bounded_by_an_index() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("portcullis.db")).unwrap();
    let found = store.work_long(|session| now(unbounded(session)));
    let (faults, number) = runtime().block_on(found).unwrap();
    assert!(faults.is_empty(), "{}", faults.join("\n\n"));
    assert!(number > 50, "{number} statements were looked at");
}
