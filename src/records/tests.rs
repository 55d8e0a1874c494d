//! The queue and the thread that writes, without a server around them.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hairpin_signaling::Record;
use rusqlite::Connection;

use super::inbox::{Inbox, LeftOut, More};
use super::{Entry, Records, Restored, SavedWebhook};
use crate::metrics::Metrics;
use crate::supervisor::Supervisor;

const AT: Duration = Duration::from_millis(1_700_000_000_123);

fn block(number: usize) -> Entry {
    let record = Record::Blocked { by: format!("u{number}").into(), whom: "ann".into() };
    Entry::Happened { at: AT, record }
}

fn start(path: &Path) -> (Records, Restored) {
    let supervisor = Supervisor::default();
    supervisor.stop();
    let keep = Duration::from_secs(36_500 * 86_400);
    let metrics = Arc::new(Metrics::new(0));
    Records::start(path, keep, metrics, &supervisor).expect("a folder of our own")
}

fn count(path: &Path, sql: &str) -> i64 {
    let connection = Connection::open(path).expect("it is there");
    connection.query_row(sql, [], |row| row.get(0)).expect(sql)
}

#[test]
fn what_finds_no_room_is_counted_and_the_rest_stays_in_order() {
    let inbox = Inbox::new(5);
    let taken = (0..8).filter(|number| inbox.push(block(*number), AT)).count();
    assert_eq!((taken, inbox.len()), (5, 5));
    inbox.close();
    let mut batch = Vec::new();
    let (left_out, more) = inbox.take(&mut batch, Duration::ZERO);
    assert_eq!((left_out, more), (LeftOut { count: 3, since: AT }, More::Never));
    let names: Vec<String> = batch.iter().map(|entry| format!("{entry:?}")).collect();
    assert!((0..5).all(|number| names[number].contains(&format!("\"u{number}\""))));
    assert_eq!(inbox.take(&mut batch, Duration::ZERO).0.count, 0, "it is said once");
}

#[test]
fn a_row_says_what_was_left_out() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("records.db");
    let (_file, mut store) = super::open::open(&path).expect("a folder of our own");
    let run = store.begin_run(AT).expect("it can be written");
    let left_out = LeftOut { count: 7, since: AT };
    store
        .write(run, AT + Duration::from_secs(1), &[block(0)], left_out)
        .expect("it can be written");
    assert_eq!(count(&path, "SELECT entries FROM losses"), 7);
    let since = "SELECT since = '2023-11-14T22:13:20.123Z' AND until > since FROM losses";
    assert_eq!(count(&path, since), 1);
}

#[test]
fn a_batch_is_written_whole_or_not_at_all() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("records.db");
    let (_file, mut store) = super::open::open(&path).expect("a folder of our own");
    let run = store.begin_run(AT).expect("it can be written");
    let pages: i64 = store
        .connection
        .pragma_query_value(None, "page_count", |row| row.get(0))
        .expect("a number");
    store.connection.pragma_update(None, "max_page_count", pages + 2).expect("a limit");
    let many: Vec<Entry> = (0..10_000).map(block).collect();
    let error = store.write(run, AT, &many, LeftOut::default()).expect_err("it is full");
    assert_eq!(error.sqlite_error_code(), Some(rusqlite::ErrorCode::DiskFull));
    assert_eq!(count(&path, "SELECT count(*) FROM blocks"), 0);
    store.connection.pragma_update(None, "max_page_count", 1_000_000).expect("a limit");
    store.write(run, AT, &many, LeftOut::default()).expect("there is room");
    assert_eq!(count(&path, "SELECT count(*) FROM blocks"), 10_000);
}

#[test]
fn what_is_handed_over_is_written_before_the_end_and_read_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("records.db");
    let (records, restored) = start(&path);
    assert_eq!(restored, Restored::default());
    let recorder = records.recorder();
    (0..3000).for_each(|number| recorder.record(block(number)));
    let until = Duration::from_millis(4_000_000_000_120);
    let record = Record::Barred { user: "mallory".into(), until };
    recorder.record(Entry::Happened { at: AT, record });
    let webhook = |id: &str| SavedWebhook {
        id: id.into(),
        endpoint: "there".into(),
        created: AT,
        body: "{}".into(),
    };
    for id in ["first", "second", "third"] {
        recorder.record(Entry::Owed(Arc::new(webhook(id))));
    }
    recorder.record(Entry::Settled { id: "second".into(), endpoint: "there".into() });
    recorder.record(Entry::Settled { id: "third".into(), endpoint: "elsewhere".into() });
    drop(records);
    let (_records, restored) = start(&path);
    assert_eq!(restored.blocks.len(), 3000);
    // To the millisecond, as it was.
    assert_eq!(restored.bars, [("mallory".into(), until)]);
    assert_eq!(restored.webhooks, [webhook("first"), webhook("third")]);
}
