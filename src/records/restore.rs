//! What the last run left behind.

use std::time::Duration;

use rusqlite::{Result, Row, params};

use super::store::Store;
use super::{Lost, Restored, SavedReport, SavedWebhook};
use crate::clock::Clock;

/// How many reports are given back to the hub, the latest.
const REPORTS: usize = 100_000;

/// How many webhooks, the latest.
const WEBHOOKS: usize = 100_000;

impl Store {
    /// Reads what the next run needs, and closes the sessions that the last one left open. Before a run begins.
    pub(super) fn restore(&mut self, now: Duration, keep: Duration) -> Result<Restored> {
        let lost = self.close_lost(now)?;
        let now_text = Clock::text(now);
        let blocks = self.rows("SELECT blocker, blocked FROM blocks", params![], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?;
        let bars = format!("SELECT user, {} FROM bars WHERE until > ?1", millis("until"));
        let bars = self.rows(&bars, params![now_text], |row| Ok((row.get(0)?, time(row, 1)?)))?;
        let reports = format!(
            "SELECT {}, reporter, reported FROM reports WHERE at > ?1 ORDER BY id DESC LIMIT {REPORTS}",
            millis("at")
        );
        let since = Clock::text(now.saturating_sub(keep));
        let mut reports = self.rows(&reports, params![since], |row| {
            Ok(SavedReport { at: time(row, 0)?, by: row.get(1)?, about: row.get(2)? })
        })?;
        reports.reverse();
        let webhooks = format!(
            "SELECT {}, id, endpoint, body FROM webhooks ORDER BY number DESC LIMIT {WEBHOOKS}",
            millis("created_at")
        );
        let mut webhooks = self.rows(&webhooks, params![], |row| {
            let (created, id, endpoint) = (time(row, 0)?, row.get(1)?, row.get(2)?);
            Ok(SavedWebhook { id, endpoint, created, body: row.get(3)? })
        })?;
        webhooks.reverse();
        Ok(Restored { blocks, bars, reports, lost, webhooks })
    }

    fn close_lost(&mut self, now: Duration) -> Result<Vec<Lost>> {
        let last = format!(
            "SELECT stopped_at IS NOT NULL, {} FROM runs ORDER BY id DESC LIMIT 1",
            millis("seen_at")
        );
        let last = self.rows(&last, params![], |row| Ok((row.get(0)?, time(row, 1)?)))?.pop();
        let (stopped, seen) = last.unwrap_or((false, now));
        let reason = if stopped { "stopped" } else { "lost" };
        let open = format!(
            "SELECT id, user_a, user_b, {} FROM sessions WHERE ended_at IS NULL",
            millis("started_at")
        );
        let lost = self.rows(&open, params![], |row| {
            let lasted = seen.saturating_sub(time(row, 3)?);
            let users = [row.get(1)?, row.get(2)?];
            Ok(Lost { session: row.get(0)?, users, reason, lasted })
        })?;
        // One that began after the last sign of life ended when it began.
        let close = format!(
            "UPDATE sessions SET ended_at = max(started_at, ?1), reason = ?2, duration_ms = max(0, ?3 - {})
             WHERE ended_at IS NULL",
            millis("started_at")
        );
        let seen_millis = i64::try_from(seen.as_millis()).unwrap_or(i64::MAX);
        self.connection.execute(&close, params![Clock::text(seen), reason, seen_millis])?;
        Ok(lost)
    }

    fn rows<T>(
        &self,
        sql: &str,
        params: &[&dyn rusqlite::ToSql],
        read: impl FnMut(&Row<'_>) -> Result<T>,
    ) -> Result<Vec<T>> {
        let mut statement = self.connection.prepare(sql)?;
        statement.query_map(params, read)?.collect()
    }
}

/// A column of time in milliseconds since 1970.
fn millis(column: &str) -> String {
    format!("CAST(round(unixepoch({column}, 'subsec') * 1000) AS INTEGER)")
}

fn time(row: &Row<'_>, column: usize) -> Result<Duration> {
    // Whoever has edited the file by hand may have written anything.
    let millis: Option<i64> = row.get(column)?;
    Ok(Duration::from_millis(millis.unwrap_or_default().max(0).unsigned_abs()))
}
