//! The plans of PostgreSQL.

use super::*;
use crate::store::sql::SqlValue;
use crate::store::suite::plans::{Dialect, Explains, QueryPlan, TableRead, filling, unbounded};

const DIALECT: Dialect = [
    ("{gone}", "CAST('d' || lpad(CAST(n AS TEXT), 31, '0') AS UUID)"),
    ("{key}", "CAST('c' || lpad(CAST(n AS TEXT), 31, '0') AS UUID)"),
    ("{sub}", "CAST('b' || lpad(CAST(n AS TEXT), 31, '0') AS UUID)"),
    ("{id}", "CAST('a' || lpad(CAST(n AS TEXT), 31, '0') AS UUID)"),
    ("{text}", "lpad(CAST(n AS TEXT), 7, '0')"),
];

/// A small table is read as a whole where an index would do: plans are read without that.
const SETTINGS: &str = "ANALYZE; SET LOCAL enable_seqscan = off; \
                        SET LOCAL plan_cache_mode = force_generic_plan";

impl Explains for PostgresSession {
    async fn fill(&mut self) -> Result<(), StoreError> {
        self.batch(&filling(&DIALECT)).await?;
        self.batch(SETTINGS).await
    }

    async fn plans(
        &mut self,
        sql: &str,
        values: &[SqlValue<'_>],
    ) -> Result<Vec<QueryPlan>, StoreError> {
        // with these values, and as the server plans for all after some calls
        let explain = format!("EXPLAIN (COSTS OFF) {sql}");
        let with_these = self.query(&explain, values, line).await?;
        self.batch(&format!("PREPARE explained AS {sql}")).await?;
        let nothing = vec!["NULL"; values.len()].join(", ");
        let nothing = if values.is_empty() { String::new() } else { format!("({nothing})") };
        let explain = format!("EXPLAIN (COSTS OFF) EXECUTE explained{nothing}");
        let with_any = self.query(&explain, &[], line).await?;
        self.batch("DEALLOCATE explained").await?;
        Ok(vec![read(&with_these), read(&with_any)])
    }
}

fn line(row: &dyn sql::SqlRow) -> Result<String, StoreError> {
    Ok(row.text(0)?.unwrap_or_default().to_owned())
}

fn read(lines: &[String]) -> QueryPlan {
    let mut plan = QueryPlan::default();
    for line in lines {
        let step = line.trim_start().trim_start_matches("->").trim();
        plan.sorts |= matches!(step, "Sort" | "Incremental Sort");
        plan.limited |= step == "Limit";
        let scan = step.find("Scan ").filter(|_| !step.starts_with("Bitmap Heap"));
        if let Some(conditions) = step.strip_prefix("Index Cond: ") {
            if let Some(last) = plan.reads.last_mut() {
                last.found_by.extend(found_by(conditions));
            }
        } else if scan.is_some()
            && let Some(name) = step.split_once(" using ").or_else(|| step.split_once(" on "))
        {
            let name = name.1.split(' ').next().unwrap_or_default().to_owned();
            plan.reads.push(TableRead { name, ..TableRead::default() });
        }
    }
    plan
}

/// Reads conditions such as "((kind = $1) AND (name >= $2))".
fn found_by(conditions: &str) -> impl Iterator<Item = (String, String)> {
    conditions.split(" AND ").filter_map(|one| {
        let mut words = one.trim_start_matches('(').split(' ');
        Some((words.next()?.to_owned(), words.next()?.to_owned()))
    })
}

#[test]
fn every_statement_is_bounded_by_an_index() {
    let server = PostgresProcess::start();
    let url = server.database("plans");
    let (faults, number) = runtime().block_on(async {
        let store = PostgresStore::new(&settings(url), None).unwrap();
        let mut lease = store.pool.lease().await.unwrap();
        unbounded(lease.begin(WRITE).await.unwrap()).await.unwrap()
    });
    assert!(faults.is_empty(), "{}", faults.join("\n\n"));
    assert!(number > 50, "{number} statements were looked at");
}
