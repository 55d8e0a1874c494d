//! Every setting, declared once, and from there to what it means: each file holds a subject's settings, reads them,
//! and says what is wrong or odd about what they come to.

pub(crate) mod backend;
pub(crate) mod http;
pub(crate) mod ice;
pub(crate) mod identity;
pub(crate) mod matching;
pub(crate) mod process;
pub(crate) mod relay;
pub(crate) mod signaling;
pub(crate) mod sockets;
pub(crate) mod tls;
pub(crate) mod turn;

use crate::setting::{AnySetting, Group};

/// Every setting, by subject.
pub const GROUPS: &[Group] = &[
    sockets::GROUP,
    relay::GROUP,
    turn::GROUP,
    tls::GROUP,
    http::GROUP,
    identity::GROUP,
    ice::GROUP,
    matching::GROUP,
    signaling::GROUP,
    backend::GROUP,
    process::GROUP,
];

/// Every setting, in the order of the documentation.
pub fn settings() -> impl Iterator<Item = &'static AnySetting> {
    GROUPS.iter().flat_map(|group| group.settings).copied()
}

/// The setting of this name.
pub(crate) fn find(name: &str) -> Option<&'static AnySetting> {
    settings().find(|setting| setting.name == name)
}

/// The setting whose name is most like `name`, if any is like it enough to be what was meant.
pub(crate) fn nearest(name: &str) -> Option<&'static AnySetting> {
    const ALIKE: f64 = 0.75;
    settings()
        .map(|setting| (strsim::jaro_winkler(name, setting.name), setting))
        .filter(|(likeness, _)| *likeness > ALIKE)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, setting)| setting)
}

/// Each item once, where it is first.
fn without_repetition<T: PartialEq>(items: Vec<T>) -> Vec<T> {
    let mut once = Vec::with_capacity(items.len());
    for item in items {
        if !once.contains(&item) {
            once.push(item);
        }
    }
    once
}
