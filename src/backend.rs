//! What an app's backend has of a server: the file of records, and webhooks.

use std::sync::Arc;
use std::time::Duration;

use hairpin_config::BackendSettings;
use hairpin_signaling as signaling;
use tokio::time::Instant;

use crate::clock::Clock;
use crate::error::StartError;
use crate::metrics::Metrics;
use crate::records::{INTERVAL, Records, Restored};
use crate::signaling::Observer;
use crate::supervisor::Supervisor;
use crate::webhooks::{WebhookSetup, Webhooks};

/// How long a server that stops waits for webhooks to arrive, where they are kept for the next start, and where they
/// are not.
const FAREWELL: [Duration; 2] = [Duration::from_secs(2), Duration::from_secs(5)];

const DAY: Duration = Duration::from_secs(24 * 3600);

/// Both, as far as they are wanted.
#[derive(Debug)]
pub(crate) struct Backend {
    records: Option<Records>,
    webhooks: Option<Webhooks>,
}

impl Backend {
    /// Opens the file, begins to write and to deliver. What the last run left behind is for the hub.
    pub(crate) fn start(
        settings: &BackendSettings,
        metrics: &Arc<Metrics>,
        clock: Clock,
        supervisor: &Supervisor,
    ) -> Result<(Self, signaling::Restored), StartError> {
        let keep = DAY * settings.records_days;
        let records = settings.records.as_deref().map(|path| {
            Records::start(path, keep, metrics.clone(), supervisor).map_err(StartError::records)
        });
        let (records, restored) = records.transpose()?.unzip();
        let restored = restored.unwrap_or_default();
        let webhooks = (!settings.webhook_urls.is_empty()).then(|| {
            let setup = WebhookSetup {
                urls: &settings.webhook_urls,
                secrets: &settings.webhook_secrets,
                recorder: records.as_ref().map(Records::recorder),
                restored: &restored,
                metrics: metrics.clone(),
                clock,
                supervisor,
            };
            Webhooks::start(setup).map_err(|error| StartError::Webhooks(error.to_string()))
        });
        let webhooks = webhooks.transpose()?;
        Ok((Self { records, webhooks }, for_the_hub(restored)))
    }

    /// Hears what the hub says of what happens. `None`: nobody wants to know.
    pub(crate) fn observer(&self) -> Option<Observer> {
        let (recorder, webhooks) =
            (self.records.as_ref().map(Records::recorder), self.webhooks.clone());
        if recorder.is_none() && webhooks.is_none() {
            return None;
        }
        Some(Box::new(move |at, record| {
            if let Some(webhooks) = &webhooks {
                webhooks.tell(at, &record);
            }
            if let Some(recorder) = &recorder {
                recorder.record(crate::records::Entry::Happened { at, record });
            }
        }))
    }

    /// For the summary: what each line is about, and what it says. No secrets.
    pub(crate) fn lines(settings: &BackendSettings) -> Vec<(&'static str, String)> {
        let BackendSettings { records, records_days, webhook_urls, admin_tokens, .. } = settings;
        let mut lines = Vec::new();
        if let Some(path) = records {
            let (path, millis) = (path.display(), INTERVAL.as_millis());
            let text = format!("{path}, for {records_days} days, written every {millis} ms");
            lines.push(("records", text));
        }
        if !webhook_urls.is_empty() {
            let urls: Vec<String> = webhook_urls.iter().map(ToString::to_string).collect();
            lines.push(("webhooks", urls.join(", ")));
        }
        if !admin_tokens.is_empty() {
            lines.push(("admin API", format!("under /v1/, {} tokens", admin_tokens.len())));
        }
        lines
    }

    /// Delivers and writes what there is.
    pub(crate) async fn finish(&mut self) {
        if let Some(webhooks) = &self.webhooks {
            let kept = self.records.is_some();
            let [farewell, longer] = FAREWELL;
            let time = if kept { farewell } else { longer };
            let left = webhooks.finish(Instant::now() + time).await;
            if left > 0 && kept {
                tracing::info!(
                    left,
                    "webhooks that have not arrived are sent after the next start"
                );
            } else if left > 0 {
                tracing::error!(
                    left,
                    "webhooks that have not arrived are lost: there are no records"
                );
            }
        }
        if let Some(mut records) = self.records.take() {
            // It waits for a disk.
            let _ = tokio::task::spawn_blocking(move || records.finish()).await;
        }
    }
}

fn for_the_hub(restored: Restored) -> signaling::Restored {
    let reports = restored.reports.into_iter().map(|report| signaling::PastReport {
        about: report.about,
        by: report.by,
        at: report.at,
    });
    let reports = reports.collect();
    signaling::Restored { blocks: restored.blocks, bars: restored.bars, reports }
}
