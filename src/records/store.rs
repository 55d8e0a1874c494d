//! The file as SQLite has it: what happened goes into its rows.

use std::path::Path;
use std::time::Duration;

use hairpin_signaling::Record;
use rusqlite::{Connection, OpenFlags, Result, Transaction, params};

use super::Entry;
use super::inbox::LeftOut;
use super::schema::{self, Unfit};
use crate::clock::Clock;

/// How long a write waits for another program's to end.
const PATIENCE: Duration = Duration::from_secs(2);

/// How many rows are deleted at a time, so that what happens meanwhile need not wait for long.
const STEP: usize = 500;

/// An open file with the present tables.
#[derive(Debug)]
pub(super) struct Store {
    pub(super) connection: Connection,
}

impl Store {
    pub(super) fn open(path: &Path) -> std::result::Result<Self, Unfit> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(PATIENCE)?;
        connection.set_prepared_statement_cache_capacity(32);
        // A log beside the file, so that who reads hinders nobody. It is not forced to the disk at every commit: a process
        // that is killed loses nothing it has committed, and a machine without power its last seconds, but never the file.
        connection.pragma_update(None, "journal_mode", "wal")?;
        connection.pragma_update(None, "synchronous", "normal")?;
        // What a long transaction of a reader has made it grow to is given back.
        connection.pragma_update(None, "journal_size_limit", 16 << 20)?;
        schema::bring_up_to_date(&mut connection)?;
        Ok(Self { connection })
    }

    /// A run begins; the one before has ended. Answers its number.
    pub(super) fn begin_run(&self, now: Duration) -> Result<i64> {
        let now = Clock::text(now);
        let run = params![env!("CARGO_PKG_VERSION"), now];
        self.connection
            .execute("INSERT INTO runs (version, started_at, seen_at) VALUES (?1, ?2, ?2)", run)?;
        Ok(self.connection.last_insert_rowid())
    }

    /// Writes all of this, or nothing. `left_out` there was no room for.
    pub(super) fn write(
        &mut self,
        run: i64,
        now: Duration,
        entries: &[Entry],
        left_out: LeftOut,
    ) -> Result<()> {
        let change = self.connection.transaction()?;
        for entry in entries {
            match entry {
                Entry::Happened { at, record } => happened(&change, *at, record)?,
                Entry::Owed(webhook) => {
                    let mut insert = change.prepare_cached(
                        "INSERT OR IGNORE INTO webhooks (id, endpoint, created_at, body)
                         VALUES (?1, ?2, ?3, ?4)",
                    )?;
                    let created = Clock::text(webhook.created);
                    insert.execute(params![webhook.id, webhook.endpoint, created, webhook.body])?;
                }
                Entry::Settled { id, endpoint } => {
                    let sql = "DELETE FROM webhooks WHERE id = ?1 AND endpoint = ?2";
                    change.prepare_cached(sql)?.execute(params![id, endpoint])?;
                }
            }
        }
        let now = Clock::text(now);
        if left_out.count > 0 {
            let count = i64::try_from(left_out.count).unwrap_or(i64::MAX);
            let loss = params![Clock::text(left_out.since), now, count];
            change
                .execute("INSERT INTO losses (since, until, entries) VALUES (?1, ?2, ?3)", loss)?;
        }
        let seen = "UPDATE runs SET seen_at = ?2 WHERE id = ?1";
        change.prepare_cached(seen)?.execute(params![run, now])?;
        change.commit()
    }

    /// The run ends as it should.
    pub(super) fn end_run(&self, run: i64, now: Duration) -> Result<()> {
        let end = params![run, Clock::text(now)];
        self.connection
            .execute("UPDATE runs SET stopped_at = ?2, seen_at = ?2 WHERE id = ?1", end)?;
        Ok(())
    }

    /// Deletes some of what ended before this, and says whether there may be more.
    pub(super) fn prune(&self, before: Duration) -> Result<bool> {
        let before = Clock::text(before);
        let mut more = false;
        for (table, which) in [
            // One that goes on is kept, however long it does.
            ("sessions", "started_at < ?1 AND ended_at IS NOT NULL"),
            ("reports", "at < ?1"),
            ("losses", "until < ?1"),
            ("bars", "until < ?1"),
            ("runs", "seen_at < ?1"),
        ] {
            let key = if table == "bars" { "user" } else { "rowid" };
            let sql = format!(
                "DELETE FROM {table} WHERE {key} IN (SELECT {key} FROM {table} WHERE {which} LIMIT {STEP})"
            );
            more |= self.connection.prepare_cached(&sql)?.execute([&before])? == STEP;
        }
        Ok(more)
    }
}

fn happened(change: &Transaction<'_>, at: Duration, record: &Record) -> Result<()> {
    let when = Clock::text(at);
    let execute = |sql, params: &[&dyn rusqlite::ToSql]| -> Result<()> {
        change.prepare_cached(sql)?.execute(params)?;
        Ok(())
    };
    match record {
        // A session may be put together again after a restart: then it goes on under its id.
        Record::SessionStarted { session, users: [a, b] } => execute(
            "INSERT INTO sessions (id, user_a, user_b, started_at) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (id) DO UPDATE SET ended_at = NULL, duration_ms = NULL, reason = NULL, ended_by = NULL",
            params![session.to_string(), a, b, when],
        ),
        Record::SessionEnded { session, users: [a, b], reason, by, lasted, relayed } => {
            let started = Clock::text(at.saturating_sub(*lasted));
            let millis = i64::try_from(lasted.as_millis()).unwrap_or(i64::MAX);
            execute(
                "INSERT INTO sessions (id, user_a, user_b, started_at, ended_at, duration_ms, reason, ended_by, relayed)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
                 ON CONFLICT (id) DO UPDATE SET ended_at = ?5, duration_ms = ?6, reason = ?7, ended_by = ?8, relayed = ?9",
                params![session.to_string(), a, b, started, when, millis, reason.as_str(), by, relayed],
            )
        }
        Record::Report { session, by, about, reason } => {
            let session = session.to_string();
            execute("UPDATE sessions SET reports = reports + 1 WHERE id = ?1", params![session])?;
            execute(
                "INSERT INTO reports (at, session, reporter, reported, reason) VALUES (?1, ?2, ?3, ?4, ?5)",
                params![when, session, by, about, reason],
            )
        }
        Record::Barred { user, until } => execute(
            "INSERT INTO bars (user, since, until) VALUES (?1, ?2, ?3)
             ON CONFLICT (user) DO UPDATE SET until = ?3",
            params![user, when, Clock::text(*until)],
        ),
        Record::Unbarred { user } => execute("DELETE FROM bars WHERE user = ?1", params![user]),
        Record::Blocked { by, whom } => execute(
            "INSERT OR IGNORE INTO blocks (blocker, blocked, since) VALUES (?1, ?2, ?3)",
            params![by, whom, when],
        ),
        Record::Unblocked { by, whom } => {
            execute("DELETE FROM blocks WHERE blocker = ?1 AND blocked = ?2", params![by, whom])
        }
        // A later hub may say more.
        _ => Ok(()),
    }
}
