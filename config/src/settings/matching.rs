//! Whom people meet.

use std::sync::Arc;

use hairpin_matcher::Rules;
use hairpin_signaling::Declaration;

use crate::attribute::{attribute, pool};
use crate::check::Violations;
use crate::error::Invalid;
use crate::parser::Parser;
use crate::setting::{Group, Many, Setting};
use crate::types::Config;

pub(crate) const POOL: Setting<Arc<str>, Many> = Setting::many("pool", "NAME", Parser::Text(pool))
    .help("A `matchMode` of its own beside `global`, `buddies_first` and `buddies`");

pub(crate) const ATTRIBUTE: Setting<Declaration, Many> =
    Setting::many("attribute", "NAME=KIND[:OPTION]...", Parser::Text(attribute))
        .at_most(Rules::MOST_ATTRIBUTES)
        .help(
            "What users may say of themselves and seek in others: `gender=choice:woman/man`, \
             `interests=tags:widen=10`, `timezone=number:within=3:around=24`",
        );

pub(super) const GROUP: Group =
    Group { title: "Whom one meets", settings: &[POOL.about(), ATTRIBUTE.about()] };

pub(crate) fn check(config: &Config, violations: &mut Violations) {
    let declared = &config.signaling.attributes.0;
    if declared.len() > Rules::MOST_ATTRIBUTES {
        let fix = format!("declare {} or fewer", Rules::MOST_ATTRIBUTES);
        violations.reject(&ATTRIBUTE, Invalid::new("has too many attributes", fix));
    }
    let twice = |at: usize| declared[..at].iter().any(|earlier| earlier.name == declared[at].name);
    if let Some(at) = (0..declared.len()).find(|at| twice(*at)) {
        let what = format!("declares {} twice", declared[at].name);
        violations.reject(&ATTRIBUTE, Invalid::new(what, "declare it once"));
    }
    for name in &config.signaling.pools {
        if let Err(invalid) = POOL.parse(name) {
            violations.reject(&POOL, invalid);
        }
    }
}
