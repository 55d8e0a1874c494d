//! The file's tables, and how an older file gets them.

use rusqlite::Connection;

/// What each version adds to the one before; `PRAGMA user_version` says which one a file has.
pub(super) const VERSIONS: [&str; 1] = [VERSION_1];

/// In the file's header, so that nobody writes into another program's: "hpin".
pub(super) const APPLICATION_ID: i32 = 0x6870_696e;

/// Times are text in UTC, such as `2026-11-21T22:03:34.120Z`, which sorts as it reads.
const VERSION_1: &str = "
    CREATE TABLE runs (
        id INTEGER PRIMARY KEY,
        version TEXT NOT NULL,
        started_at TEXT NOT NULL,
        seen_at TEXT NOT NULL,
        stopped_at TEXT
    );
    CREATE TABLE sessions (
        id TEXT NOT NULL PRIMARY KEY,
        user_a TEXT NOT NULL,
        user_b TEXT NOT NULL,
        started_at TEXT NOT NULL,
        ended_at TEXT,
        duration_ms INTEGER,
        reason TEXT,
        ended_by TEXT,
        relayed INTEGER,
        reports INTEGER NOT NULL DEFAULT 0
    );
    CREATE INDEX sessions_by_start ON sessions (started_at);
    CREATE INDEX sessions_of_user_a ON sessions (user_a, started_at);
    CREATE INDEX sessions_of_user_b ON sessions (user_b, started_at);
    CREATE INDEX sessions_open ON sessions (id) WHERE ended_at IS NULL;
    CREATE TABLE reports (
        id INTEGER PRIMARY KEY,
        at TEXT NOT NULL,
        session TEXT NOT NULL,
        reporter TEXT NOT NULL,
        reported TEXT NOT NULL,
        reason TEXT NOT NULL
    );
    CREATE INDEX reports_by_time ON reports (at);
    CREATE INDEX reports_about ON reports (reported, at);
    CREATE TABLE blocks (
        blocker TEXT NOT NULL,
        blocked TEXT NOT NULL,
        since TEXT NOT NULL,
        PRIMARY KEY (blocker, blocked)
    ) WITHOUT ROWID;
    CREATE TABLE bars (
        user TEXT NOT NULL PRIMARY KEY,
        since TEXT NOT NULL,
        until TEXT NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE webhooks (
        number INTEGER PRIMARY KEY,
        id TEXT NOT NULL,
        endpoint TEXT NOT NULL,
        created_at TEXT NOT NULL,
        body TEXT NOT NULL,
        UNIQUE (id, endpoint)
    );
    CREATE TABLE losses (
        since TEXT NOT NULL,
        until TEXT NOT NULL,
        entries INTEGER NOT NULL
    );
";

/// Why a file cannot be made ours.
#[derive(Debug)]
pub(super) enum Unfit {
    /// Another program's.
    Foreign,
    /// Of a later version than this program knows.
    Newer(i64),
    Sqlite(rusqlite::Error),
}

impl From<rusqlite::Error> for Unfit {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

/// Brings a file to the present version, in one transaction.
pub(super) fn bring_up_to_date(connection: &mut Connection) -> Result<(), Unfit> {
    let change = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    let version: i64 = change.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let id: i32 = change.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let tables: i64 =
        change.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if id != APPLICATION_ID && (id != 0 || version != 0 || tables != 0) {
        return Err(Unfit::Foreign);
    }
    let step = usize::try_from(version).ok().filter(|step| *step <= VERSIONS.len());
    let Some(step) = step else { return Err(Unfit::Newer(version)) };
    for addition in &VERSIONS[step..] {
        change.execute_batch(addition)?;
    }
    if step < VERSIONS.len() {
        change.pragma_update(None, "application_id", APPLICATION_ID)?;
        change.pragma_update(None, "user_version", VERSIONS.len() as i64)?;
    }
    Ok(change.commit()?)
}
