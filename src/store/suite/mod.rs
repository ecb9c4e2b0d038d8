//! One suite for every database: each function takes an empty store.

pub(in crate::store) mod lists;
pub(in crate::store) mod plans;
pub(in crate::store) mod state;
pub(in crate::store) mod writes;

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::Poll;

use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::model::clock::{Clock, UnixSeconds};
use crate::store::{
    Author, Change, Kind, Record, Store, StoreError, StoreHead, Write, WriteCondition, Written,
};

/// A clock that tests set.
#[derive(Debug, Default)]
pub(in crate::store) struct SetClock(pub(in crate::store) Mutex<u64>);

impl Clock for SetClock {
    fn now(&self) -> UnixSeconds {
        UnixSeconds(*self.0.lock().unwrap())
    }
}

/// An empty store, and the clock that it reads.
pub(in crate::store) struct Given<'s> {
    pub(in crate::store) store: &'s dyn Store,
    pub(in crate::store) clock: Arc<SetClock>,
}

/// Hands the names of all functions to another macro.
macro_rules! every_function {
    ($then:ident $($given:tt)*) => {
        $then! { $($given)*
            writes::a_write_gets_the_next_revision_and_its_records_come_back,
            writes::names_and_places_are_unique_and_free_again_when_deleted,
            writes::two_callers_cannot_take_one_name,
            writes::a_refused_write_leaves_nothing_behind,
            writes::an_expected_revision_is_compared,
            writes::conditions_are_checked_in_the_transaction,
            writes::a_write_of_the_same_kind_overtakes,
            writes::odd_texts_are_kept_as_they_are_or_refused,
            writes::every_change_is_in_the_audit_log_without_secrets,
            writes::a_note_is_in_the_audit_log_and_nowhere_else,
            writes::the_audit_log_is_narrowed_and_paged,
            writes::many_writes_at_once_get_revisions_of_their_own,
            lists::pages_are_sorted_and_counted,
            lists::prefixes_are_taken_by_the_letter,
            lists::owners_groups_parents_and_targets_narrow_a_list,
            lists::counts_stay_right_through_blocks_and_changes,
            lists::many_are_found_at_once,
            lists::holders_of_a_policy_are_counted_and_keep_it,
            lists::a_place_in_a_list_is_found_for_what_is_not_in_it,
            state::changes_follow_a_revision_each_once,
            state::a_revision_comes_whole,
            state::everything_is_read_with_applications_last,
            state::what_is_served_is_read_as_lines,
            state::the_checksum_is_that_of_the_objects,
            state::gateways_report_and_are_forgotten,
            state::last_uses_only_grow,
            state::a_write_nudges,
        }
    };
}

pub(in crate::store) use every_function;

pub(in crate::store) fn record(kind: Kind, name: &str) -> Record {
    Record::new(kind, Uuid::new_v4(), name)
}

pub(in crate::store) fn map(value: Value) -> Map<String, Value> {
    serde_json::from_value(value).expect("an object")
}

pub(in crate::store) fn application(name: &str, owner: &str) -> Record {
    let mut record = record(Kind::Application, name);
    record.owner = Some(owner.to_owned());
    record.declared = map(json!({"name": name, "owner": owner}));
    record
}

/// Two applications with the policy "Gold", one with none, and one with what is no policy.
pub(in crate::store) fn with_policies() -> [Record; 4] {
    [json!("Gold"), json!("Gold"), Value::Null, json!(7)].map(|policy| {
        let mut record = application(&Uuid::new_v4().to_string(), "anna");
        if !policy.is_null() {
            record.declared.insert("policy".to_owned(), policy);
        }
        record
    })
}

pub(in crate::store) fn key(application: &Record, key_manager: &str, consumer_key: &str) -> Record {
    let mut record = record(Kind::Key, &Record::key_name(key_manager, consumer_key));
    record.place = Some(Record::key_place(application.id, key_manager, "production"));
    record.parent = Some(application.id);
    record.target = Some(key_manager.to_owned());
    record.declared = map(json!({
        "type": "production", "key_manager": key_manager, "consumer_key": consumer_key
    }));
    record
}

pub(in crate::store) fn subscription(application: &Record, api: &str) -> Record {
    let mut record = record(Kind::Subscription, &Record::subscription_name(application.id, api));
    record.parent = Some(application.id);
    record.target = Some(api.to_owned());
    record.declared = map(json!({"api": api}));
    record
}

pub(crate) fn write_of(changes: Vec<Change>) -> Write {
    let author = Author { name: "anna".to_owned(), address: Some([192, 0, 2, 7].into()) };
    Write { author, action: "test", changes, conditions: Vec::new(), notes: Vec::new() }
}

/// Reads everything of some kinds.
pub(in crate::store) async fn read_all(
    store: &dyn Store,
    kinds: &[Kind],
) -> (StoreHead, Vec<Record>) {
    let (told, read) = std::sync::mpsc::channel();
    let each = Box::new(move |record| told.send(record).unwrap());
    let head = store.read_all(kinds, each).await.unwrap();
    (head, read.into_iter().collect())
}

/// Waits for all of them; they run at the same time.
pub(in crate::store) async fn join_all<T>(
    futures: impl Iterator<Item = impl Future<Output = T>>,
) -> Vec<T> {
    let mut waiting: Vec<(Pin<Box<_>>, Option<T>)> =
        futures.map(|future| (Box::pin(future), None)).collect();
    poll_fn(|context| {
        for (future, done) in &mut waiting {
            if done.is_none()
                && let Poll::Ready(answer) = future.as_mut().poll(context)
            {
                *done = Some(answer);
            }
        }
        let all = waiting.iter().all(|(_, done)| done.is_some());
        if all { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    waiting.into_iter().filter_map(|(_, done)| done).collect()
}

impl Given<'_> {
    pub(in crate::store) async fn write(
        &self,
        changes: Vec<Change>,
    ) -> Result<Written, StoreError> {
        self.store.write(write_of(changes)).await
    }

    pub(in crate::store) async fn create(&self, records: &[&Record]) -> Written {
        let changes = records.iter().map(|record| Change::Create((*record).clone())).collect();
        self.write(changes).await.expect("created")
    }

    pub(in crate::store) async fn update(&self, record: &Record) -> Result<Written, StoreError> {
        self.write(vec![Change::Update { record: record.clone(), expected: None }]).await
    }

    pub(in crate::store) async fn delete(&self, record: &Record) -> Result<Written, StoreError> {
        let Record { kind, id, .. } = *record;
        self.write(vec![Change::Delete { kind, id, expected: None }]).await
    }

    pub(in crate::store) async fn write_if(
        &self,
        condition: WriteCondition,
        changes: Vec<Change>,
    ) -> Result<Written, StoreError> {
        self.store.write(Write { conditions: vec![condition], ..write_of(changes) }).await
    }

    pub(in crate::store) fn set_time(&self, seconds: u64) {
        *self.clock.0.lock().unwrap() = seconds;
    }
}
