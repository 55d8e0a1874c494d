//! `docs/matching.md`: what it shows is understood by a server that is set up as it says.

use serde_json::Value;

use super::app::Place;
use crate::documentation::blocks;

const PAGE: &str = "docs/matching.md";

#[tokio::test]
async fn what_the_page_shows_is_understood() {
    let [file] = &blocks(PAGE, "toml")[..] else { panic!("one file of settings") };
    let settings: toml::Table = file.parse().expect("TOML");
    let settings: Vec<(&str, &str)> = settings
        .iter()
        .flat_map(|(name, values)| values.as_array().into_iter().flatten().map(move |v| (name, v)))
        .map(|(name, value)| (&**name, value.as_str().expect("text")))
        .collect();
    assert_eq!(settings.len(), 6);
    let [command, ..] = &blocks(PAGE, "sh")[..] else { panic!("a command") };
    let flags = command.split("--").skip(1).map(|flag| flag.trim().trim_end_matches(" \\"));
    let mut flags: Vec<&str> = flags.collect();
    let mut lines: Vec<_> =
        settings.iter().map(|(name, value)| format!("{name} {value}")).collect();
    flags.sort_unstable();
    lines.sort_unstable();
    assert_eq!(flags, lines);

    let place = Place::open(&settings).await;
    let texts = blocks(PAGE, "text");
    let messages = texts.iter().flat_map(|block| block.lines());
    let messages: Vec<Value> =
        messages.map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let (joins, others): (Vec<_>, Vec<_>) =
        messages.into_iter().partition(|message| message["type"] == "join_queue");
    assert_eq!((joins.len(), others.len()), (6, 1));
    for join in joins {
        let mut app = place.app().await;
        app.says(join.clone()).await;
        let told = app.is_queued().await;
        // The one that shows what is told has nothing that is not.
        let shown = others[0]["payload"].as_object().expect("an object");
        assert!(
            told.as_object().expect("an object").keys().all(|name| shown.contains_key(name)),
            "{told}"
        );
        app.leaves().await;
    }
}
