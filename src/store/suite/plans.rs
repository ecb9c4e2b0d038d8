//! Every statement finds its rows by an index that bounds them.
//!
//! A statement that reads all objects of a kind, or sorts them, answers quickly in every other test
//! and takes seconds with a million of them. So the plans of all statements are read, with enough
//! rows that a planner has a choice.

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::store::audit::AuditQuery;
use crate::store::error::StoreError;
use crate::store::fleet::{GatewayState, LastUse};
use crate::store::query::{Query, SortBy, SortOrder};
use crate::store::sql::{self, ReadRow, SqlSession, SqlValue, StoreReading};
use crate::store::suite::{application, key, subscription, write_of};
use crate::store::write::{Change, Write, WriteCondition};
use crate::store::{Kind, Record};

/// The revision of what is there: old removals are forgotten at the second write.
const REVISION: u64 = 48;

/// Tables with a few rows, however many applications there are: one row alone, one for each
/// gateway, one for some thousand names.
const SMALL: [&str; 3] = ["meta", "gateways", "name_blocks"];

/// Columns that many rows have in common: to be found by these alone is to be found by none.
const COMMON: [&str; 2] = ["kind", "facet"];

/// Statements that are bounded by more than their plans show, with the reason.
const BOUNDED_OTHERWISE: [(&str, &str); 3] = [
    (
        "SELECT revision, at, author, address, action, kind, id, name, fields FROM audit \
         WHERE at >= $1 AND entry >= $2",
        "fewer than 10,000 entries are so new",
    ),
    ("DELETE FROM audit WHERE entry < $1", "twice as many entries as the write added, at most"),
    (
        "SELECT CAST(coalesce(sum(n), 0) AS BIGINT) FROM tallies",
        "a row for each owner, not for each application",
    ),
];

/// Statements that add 20,000 applications, more than are sorted for one page, with a key and a
/// subscription each, and as much of everything else. Words in braces are of a database's dialect.
const FILL: [&str; 10] = [
    "CREATE TEMPORARY TABLE numbers AS WITH RECURSIVE counted(n) AS (SELECT CAST(0 AS BIGINT) \
     UNION ALL SELECT n + 1 FROM counted WHERE n < 109999) SELECT n FROM counted",
    "INSERT INTO objects (seq, kind, id, name, owner, declared, extra, created_at, updated_at, \
     revision) SELECT (n + 1) * 1048576, 'application', {id}, 'application-' || {text}, \
     'owner-' || (n % 100), '{}', '{}', n, n, 1 + n / 500 FROM numbers WHERE n < 20000",
    "INSERT INTO objects (seq, kind, id, name, place, parent, target, declared, extra, created_at, \
     updated_at, revision) SELECT (n + 1) * 1048576 + 1, 'key', {key}, 'is consumer-' || {text}, \
     'place-' || {text}, {id}, 'is', '{}', '{}', n, n, 1 + n / 500 FROM numbers WHERE n < 20000",
    "INSERT INTO objects (seq, kind, id, name, parent, target, declared, extra, created_at, \
     updated_at, revision) SELECT (n + 1) * 1048576 + 2, 'subscription', {sub}, \
     'orders-' || {text}, {id}, 'orders:1', '{}', '{}', n, n, 1 + n / 500 FROM numbers \
     WHERE n < 20000",
    "INSERT INTO name_blocks VALUES ('application', '', 20000), ('key', '', 20000), \
     ('subscription', '', 20000)",
    "INSERT INTO tallies SELECT 'application', 'owner', 'owner-' || {text}, 1 FROM numbers \
     WHERE n < 20000",
    "INSERT INTO memberships SELECT 'group-' || (n % 1000), (n + 1) * 1048576 FROM numbers \
     WHERE n < 20000",
    "INSERT INTO removals SELECT 'key', {gone}, 'is gone-' || {text}, NULL, 1 + n / 2500 \
     FROM numbers",
    "INSERT INTO audit SELECT n + 1, 1 + n / 500, n, 'author-' || (n % 100), NULL, 'create', \
     'application', {id}, 'application-' || {text}, '[]' FROM numbers WHERE n < 20000",
    "INSERT INTO last_uses SELECT {id}, 'orders:1', 1 FROM numbers WHERE n < 20000",
];

/// The words of a database for those of [`FILL`].
pub(in crate::store) type Dialect = [(&'static str, &'static str); 5];

/// Returns the statements that fill a database.
pub(in crate::store) fn filling(dialect: &Dialect) -> String {
    let mut text = FILL.join(";\n");
    for (word, own) in dialect {
        text = text.replace(word, own);
    }
    format!("{text};\nUPDATE meta SET revision = {REVISION}, next_group = 30000;")
}

/// A session that can tell how it would run a statement.
pub(in crate::store) trait Explains: SqlSession {
    /// Runs what [`filling`] returns.
    fn fill(&mut self) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Returns the plans of a statement: with these values, and with any if that is another one.
    fn plans(
        &mut self,
        sql: &str,
        values: &[SqlValue<'_>],
    ) -> impl Future<Output = Result<Vec<QueryPlan>, StoreError>> + Send;
}

/// The steps of a plan that read tables.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::store) struct QueryPlan {
    pub(in crate::store) reads: Vec<TableRead>,
    /// Everything that was found is sorted before the first row is passed on.
    pub(in crate::store) sorts: bool,
    pub(in crate::store) limited: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::store) struct TableRead {
    /// A table, or one of its indexes.
    pub(in crate::store) name: String,
    /// A column and an operator such as `=` or `<=`, for each condition by which rows are found.
    pub(in crate::store) found_by: Vec<(String, String)>,
    /// One end of an index alone.
    pub(in crate::store) only_end: bool,
}

impl QueryPlan {
    fn is_bounded(&self) -> bool {
        self.reads.iter().all(|read| {
            let is_small = SMALL.iter().any(|table| read.name.starts_with(table));
            is_small || read.only_end || read.is_narrow() || (self.limited && !self.sorts)
        })
    }
}

impl TableRead {
    /// Tells whether rows are found by a value that few of them have, or between two ends.
    fn is_narrow(&self) -> bool {
        let has = |column: &str, operator: &str| {
            self.found_by.iter().any(|(own, by)| own == column && by.starts_with(operator))
        };
        let columns = self.found_by.iter().map(|(column, _)| column.as_str());
        let mut telling = columns.filter(|column| !COMMON.contains(column));
        telling.any(|column| has(column, "=") || (has(column, "<") && has(column, ">")))
    }
}

/// Passes statements on, and reads their plans before.
struct Explained<'s, S> {
    session: &'s mut S,
    plans: BTreeMap<String, Vec<QueryPlan>>,
}

impl<S: Explains> Explained<'_, S> {
    async fn explain(&mut self, sql: &str, values: &[SqlValue<'_>]) -> Result<(), StoreError> {
        let plans = self.session.plans(sql, values).await?;
        self.plans.entry(sql.to_owned()).or_default().extend(plans);
        Ok(())
    }
}

impl<S: Explains> SqlSession for Explained<'_, S> {
    async fn query<T: Send>(
        &mut self,
        sql: &str,
        values: &[SqlValue<'_>],
        read: ReadRow<T>,
    ) -> Result<Vec<T>, StoreError> {
        self.explain(sql, values).await?;
        self.session.query(sql, values, read).await
    }

    async fn run(&mut self, sql: &str, values: &[SqlValue<'_>]) -> Result<(), StoreError> {
        self.explain(sql, values).await?;
        self.session.run(sql, values).await
    }

    fn objects_by_place() -> &'static str {
        S::objects_by_place()
    }

    fn by_index(table: &'static str, index: &'static str) -> String {
        S::by_index(table, index)
    }

    async fn exclude(&mut self) -> Result<(), StoreError> {
        self.session.exclude().await
    }

    async fn announce(&mut self, revision: i64) -> Result<(), StoreError> {
        self.session.announce(revision).await
    }
}

/// Runs every function that a gateway calls, and returns the statements that no index bounds, with
/// their plans; and the number of all statements.
pub(in crate::store) async fn unbounded(
    session: &mut impl Explains,
) -> Result<(Vec<String>, usize), StoreError> {
    session.fill().await?;
    let mut own = Explained { session, plans: BTreeMap::new() };
    lists(&mut own).await?;
    lookups(&mut own).await?;
    histories(&mut own).await?;
    writes(&mut own).await?;
    let number = own.plans.len();
    let mut faults = Vec::new();
    for (sql, plans) in own.plans {
        if BOUNDED_OTHERWISE.iter().any(|(known, _)| sql.starts_with(known)) {
            continue;
        }
        let unbounded = plans.iter().filter(|plan| !plan.is_bounded());
        faults.extend(unbounded.map(|plan| format!("{sql}\n{plan:#?}")));
    }
    Ok((faults, number))
}

/// All lists that the REST API can ask for.
async fn lists(session: &mut impl SqlSession) -> Result<(), StoreError> {
    let applications = Query::of(Kind::Application);
    let owner = || Some("owner-7".to_owned());
    let prefix = || Some("application-0012".to_owned());
    let groups = || vec!["one".to_owned(), "two".to_owned()];
    let parent = first(session).await?.id;
    let parts = |kind| Query { parent: Some(parent), ..Query::of(kind) };
    let to = |kind, target: &str| Query { target: Some(target.to_owned()), ..Query::of(kind) };
    let narrowed = [
        applications.clone(),
        Query { prefix: prefix(), ..applications.clone() },
        Query { owner: owner(), ..applications.clone() },
        Query { owner: owner(), prefix: prefix(), ..applications.clone() },
        Query { groups: groups(), ..applications.clone() },
        Query { groups: groups(), owner: owner(), ..applications.clone() },
        Query { groups: groups(), owner: owner(), prefix: prefix(), ..applications },
    ];
    for query in narrowed {
        for sort_by in [SortBy::Name, SortBy::Owner, SortBy::CreatedAt, SortBy::UpdatedAt] {
            for order in [SortOrder::Ascending, SortOrder::Descending] {
                // in the order of owners, a page from the middle is walked to, or sorted out
                let middle = if sort_by == SortBy::Owner { 50 } else { 9_000 };
                for offset in [0, 5, middle] {
                    let query = Query { sort_by, order, offset, ..query.clone() };
                    sql::list(session, &query).await?;
                }
            }
            let query = Query { sort_by, ..query.clone() };
            sql::rank_in(session, &query, "owner-8", "application-0012345").await?;
        }
    }
    for query in [
        parts(Kind::Key),
        parts(Kind::Subscription),
        to(Kind::Key, "is"),
        to(Kind::Subscription, "orders:1"),
        Query { target: Some("orders:1".to_owned()), ..parts(Kind::Subscription) },
        Query::of(Kind::Api),
    ] {
        sql::list(session, &query).await?;
        sql::rank_in(session, &query, "", "x").await?;
    }
    Ok(())
}

async fn first(session: &mut impl SqlSession) -> Result<Record, StoreError> {
    let query = Query { limit: 1, ..Query::of(Kind::Application) };
    let found = sql::list(session, &query).await?.items.into_iter().next();
    found.ok_or_else(|| StoreError::Unavailable("it is filled".to_owned()))
}

async fn lookups(session: &mut impl SqlSession) -> Result<(), StoreError> {
    let id = first(session).await?.id;
    sql::get(session, Kind::Application, id).await?;
    sql::named(session, Kind::Application, "application-0000007").await?;
    for some in [3, 100] {
        let ids: Vec<_> = (0..some).map(|_| Uuid::new_v4()).chain([id]).collect();
        let names: Vec<_> = (0..some).map(|n| format!("application-{n:07}")).collect();
        sql::get_all(session, Kind::Application, &ids).await?;
        sql::named_all(session, Kind::Application, &names).await?;
        sql::applications(session, &ids).await?;
        sql::child_counts(session, Kind::Subscription, &ids).await?;
    }
    sql::holders(session, Kind::Application, "Gold").await?;
    sql::counts(session).await?;
    Ok(())
}

/// Changes, whole states, the audit log, gateways.
async fn histories(session: &mut impl SqlSession) -> Result<(), StoreError> {
    for after in [0, REVISION - 1] {
        sql::changes(session, after, 1000).await?;
    }
    sql::checksum(session).await?;
    sql::FullReading::new(&Kind::ALL).next(session).await?;
    let mut served = sql::ServedReading::new(&[Kind::Api]);
    served.next(session).await?;
    let all = AuditQuery { limit: 25, ..AuditQuery::default() };
    for query in [
        all.clone(),
        AuditQuery { offset: 1000, ..all.clone() },
        AuditQuery { author: Some("anna".to_owned()), ..all.clone() },
        AuditQuery { kind: Some(Kind::Application), ..all.clone() },
        AuditQuery { id: Some(Uuid::nil()), ..all.clone() },
        AuditQuery { since: Some(0), ..all.clone() },
        AuditQuery { since: Some(i64::MAX), ..all.clone() },
        AuditQuery { since: Some(0), author: Some("anna".to_owned()), ..all },
    ] {
        sql::audit(session, &query).await?;
    }
    let gateway = GatewayState {
        name: "one".to_owned(),
        version: "1".to_owned(),
        revision: 1,
        started_at: 0,
        seen_at: 0,
    };
    sql::report(session, &gateway, 0).await?;
    sql::gateways(session, 0).await?;
    let application = Uuid::new_v4();
    sql::note_uses(session, &[LastUse { application, api: "orders:1".to_owned(), day: 1 }]).await?;
    sql::last_uses(session, application).await?;
    Ok(())
}

/// Writes of every kind, under every condition.
async fn writes(session: &mut impl SqlSession) -> Result<(), StoreError> {
    let mut app = application("new", "anna");
    app.extra.insert("groups".to_owned(), serde_json::json!(["one"]));
    let parts = [key(&app, "is", "new"), subscription(&app, "orders:1")];
    let created = parts.iter().chain([&app]).cloned().map(Change::Create).rev().collect();
    sql::apply(session, &write_of(created), 0).await?;
    let mut changed = app.clone();
    changed.name = "newer".to_owned();
    changed.extra.clear();
    let update = Change::Update { record: changed, expected: None };
    let conditions = vec![
        WriteCondition::Exists { kind: Kind::Application, id: app.id },
        WriteCondition::Untargeted { kind: Kind::Key, target: "nothing".to_owned() },
        WriteCondition::Childless { kind: Kind::Key, parent: Uuid::new_v4() },
        WriteCondition::Unheld { kind: Kind::Application, policy: "nobody's".to_owned() },
    ];
    sql::apply(session, &Write { conditions, ..write_of(vec![update]) }, 0).await?;
    let changes = sql::changes(session, REVISION, 1000).await?;
    sql::follow(session, changes).await?;
    let gone = parts.iter().chain([&app]);
    let gone = gone.map(|own| Change::Delete { kind: own.kind, id: own.id, expected: None });
    sql::apply(session, &write_of(gone.collect()), 0).await?;
    Ok(())
}

#[test]
fn a_plan_that_reads_a_whole_kind_is_not_bounded() {
    let by = |conditions: &[(&str, &str)]| TableRead {
        name: "objects".to_owned(),
        found_by: conditions
            .iter()
            .map(|(one, two)| ((*one).to_owned(), (*two).to_owned()))
            .collect(),
        only_end: false,
    };
    let plan = |read: TableRead| QueryPlan { reads: vec![read], ..QueryPlan::default() };
    assert!(!plan(by(&[])).is_bounded());
    assert!(!plan(by(&[("kind", "=")])).is_bounded());
    assert!(!plan(by(&[("kind", "="), ("name", ">=")])).is_bounded());
    assert!(plan(by(&[("kind", "="), ("name", "=")])).is_bounded());
    assert!(plan(by(&[("kind", "="), ("name", ">="), ("name", "<")])).is_bounded());
    let page = QueryPlan { limited: true, ..plan(by(&[("kind", "=")])) };
    assert!(page.is_bounded());
    assert!(!QueryPlan { sorts: true, ..page }.is_bounded());
}
