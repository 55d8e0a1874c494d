//! A browser, whichever it is.

use std::path::Path;

use serde_json::Value;

use super::cdp::Chromium;
use super::marionette::Firefox;
use super::netns::Host;

/// Which one.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Chromium,
    Firefox,
}

/// Ends with its value.
pub(super) enum Browser {
    Chromium(Chromium),
    Firefox(Firefox),
}

impl Browser {
    /// Starts Chromium on `host` with an empty tab. `extra` is appended to the flags.
    pub(super) async fn launch(host: &Host, extra: &[&str]) -> Self {
        Self::Chromium(Chromium::launch(host, extra).await)
    }

    /// Starts either on `host` with an empty tab.
    pub(super) async fn start(kind: Kind, host: &Host) -> Self {
        match kind {
            Kind::Chromium => Self::launch(host, &[]).await,
            Kind::Firefox => Self::Firefox(Firefox::launch(host).await),
        }
    }

    /// Opens `url` and waits until it has loaded.
    pub(super) async fn open(&mut self, url: &str) {
        match self {
            Self::Chromium(browser) => browser.open(url).await,
            Self::Firefox(browser) => browser.open(url).await,
        }
    }

    /// The value of a JavaScript expression, as if a person had just clicked; a promise is awaited.
    pub(super) async fn eval(&mut self, expression: &str) -> Value {
        match self {
            Self::Chromium(browser) => browser.eval(expression).await,
            Self::Firefox(browser) => browser.eval(expression).await,
        }
    }

    /// Whether a JavaScript expression is true.
    pub(super) async fn holds(&mut self, expression: &str) -> bool {
        self.eval(expression).await == true
    }

    /// Writes what the tab shows to `path`, as PNG.
    pub(super) async fn screenshot(&mut self, path: &Path) {
        match self {
            Self::Chromium(browser) => browser.screenshot(path).await,
            Self::Firefox(browser) => browser.screenshot(path).await,
        }
    }

    /// For what only Chromium can be made to do.
    pub(super) fn chromium(&mut self) -> &mut Chromium {
        match self {
            Self::Chromium(browser) => browser,
            Self::Firefox(_) => panic!("this scenario is for Chromium"),
        }
    }
}
