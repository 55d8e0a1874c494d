//! docs/protocol.md, held to the code.

use std::collections::BTreeSet;

use hairpin_signaling::{
    CloseCode, Config, EndReason, ErrorCode, MAX_POOL_LEN, MAX_USER_LEN, MessageKind, Rate,
};

use crate::checked_in;
use crate::documented::{self, CLIENT, SERVER};

const PAGE: &str = include_str!("../../docs/protocol.md");

fn rows() -> impl Iterator<Item = Vec<String>> {
    let row = |line: &str| -> Vec<String> {
        line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()
    };
    PAGE.lines().filter(|line| line.starts_with('|')).map(row)
}

fn has_row(cells: &[&str]) -> bool {
    rows().any(|row| {
        row.first().map(String::as_str) == cells.first().copied()
            && cells.iter().all(|cell| row.iter().any(|found| found == cell))
    })
}

#[test]
fn every_message_to_a_client_is_in_its_table() {
    for kind in MessageKind::ALL {
        assert!(has_row(&[&format!("`{}`", kind.as_str())]), "{kind:?}");
    }
}

/// What is in a message, by its schema and by the page.
fn fields(direction: &str, content: &str, header: [&str; 2], kind: &str) -> [BTreeSet<String>; 2] {
    let schema = if direction == "client" { &*CLIENT } else { &*SERVER };
    let inside = &schema["$defs"][kind]["properties"][content];
    let inside = match inside["$ref"].as_str() {
        Some(to) => schema.pointer(&to[1..]).expect("it is there"),
        None => inside,
    };
    let names = inside["properties"].as_object();
    let by_schema = names.into_iter().flat_map(serde_json::Map::keys).cloned().collect();

    let mut table = rows()
        .skip_while(|row| row.first().is_none_or(|cell| cell != header[0]) || row[1] != header[1]);
    let row = table
        .find(|row| row[0] == format!("`{kind}`"))
        .unwrap_or_else(|| panic!("{kind} has no row"));
    let names = row[1].split('`').skip(1).step_by(2).map(str::to_owned);
    let by_page = names.flat_map(|name| match &*name {
        "match_found" => fields(direction, content, header, "match_found")[1].clone(),
        _ => [name].into(),
    });
    [by_schema, by_page.collect()]
}

#[test]
fn the_tables_have_the_fields_that_the_schemas_have() {
    for kind in MessageKind::ALL {
        let [schema, page] = fields("server", "payload", ["type", "payload"], kind.as_str());
        assert_eq!(schema, page, "{kind:?}");
    }
    for kind in documented::kinds(&CLIENT) {
        let [schema, mut page] = fields("client", "data", ["type", "data"], kind);
        // Old clients say them, and they are not looked at.
        match kind {
            "signal" => assert!(page.remove("targetUserId")),
            "leave_queue" => assert!(page.remove("userId")),
            _ => {}
        }
        assert_eq!(schema, page, "{kind}");
    }
}

#[test]
fn every_error_is_in_its_table() {
    for code in ErrorCode::ALL {
        let name = format!("`{}`", code.as_str());
        assert!(has_row(&[&name, &code.temporary().to_string()]), "{code:?}");
    }
}

#[test]
fn every_close_code_is_in_its_table() {
    for code in CloseCode::ALL {
        let again = if code.reconnect() { "yes" } else { "no" };
        assert!(has_row(&[&code.code().to_string(), again]), "{code:?}");
    }
}

#[test]
fn every_reason_a_partner_can_hear_is_in_its_table() {
    for reason in [
        EndReason::Skipped,
        EndReason::Ended,
        EndReason::Disconnected,
        EndReason::Replaced,
        EndReason::Expired,
    ] {
        assert!(has_row(&[&format!("`{}`", reason.as_str())]), "{reason:?}");
    }
}

#[test]
fn the_limits_are_the_defaults() {
    let Config {
        queue_timeout,
        session_lifetime,
        heartbeat_interval,
        heartbeat_timeout,
        max_message_bytes,
        messages,
        bytes,
        joins,
        skips,
        ice_requests,
        resume_window,
        pools: _,
        attributes: _,
        partner_messages,
        wrong_codes,
        blocks,
        reports_to_bar: _,
        report_window: _,
        bar_time: _,
        room_lifetime,
        naming: _,
        tokens,
    } = Config::default();
    assert_eq!(max_message_bytes, 65_536);
    assert_eq!((messages, bytes), (Rate::new(50, 250), Rate::new(64 << 10, 512 << 10)));
    assert_eq!((joins, skips), (Rate::per_minute(10), Rate::per_minute(30)));
    assert_eq!((ice_requests, tokens), (Rate::per_minute(20), Rate::per_minute(10)));
    assert_eq!((partner_messages, wrong_codes), (Rate::new(1, 20), Rate::per_minute(10)));
    assert_eq!(blocks, Rate::per_minute(200));
    let (minutes, hours) = (queue_timeout.as_secs() / 60, session_lifetime.as_secs() / 3600);
    let (every, after) = (heartbeat_interval.as_secs(), heartbeat_timeout.as_secs());
    for (what, limit) in [
        ("a message", "65,536 bytes; more closes with 1009".to_owned()),
        ("messages of a connection", "50 a second, 250 at once; more closes with 4501".to_owned()),
        (
            "bytes of a connection",
            "64 KiB a second, 512 KiB at once; more closes with 4501".to_owned(),
        ),
        ("`join_queue` of a user", "10 a minute; more gets `too_often`".to_owned()),
        ("`skip` of a user", "30 a minute; more gets `too_often`".to_owned()),
        ("`ice_servers` of a user", "20 a minute; more gets `too_often`".to_owned()),
        ("tokens of a user", "10 a minute; more gets `too_often`".to_owned()),
        ("a seat without a connection", format!("{} seconds", resume_window.as_secs())),
        ("waiting for a partner", format!("{minutes} minutes")),
        ("a session", format!("{hours} hours")),
        ("a room", format!("{} minutes", room_lifetime.as_secs() / 60)),
        ("`message` of a user", "60 a minute, 20 at once; more gets `too_often`".to_owned()),
        ("`join_room` with a wrong code", "10 a minute; more gets `too_often`".to_owned()),
        ("new blocks of a user", "200 a minute, 200 altogether".to_owned()),
    ] {
        assert!(has_row(&[what, &limit]), "{what}: {limit}");
    }
    assert!(PAGE.contains(&format!("pings every {every} seconds and gives up after {after}")));
    assert!(PAGE.contains(&format!("string of 1 to {MAX_USER_LEN} bytes")));
    assert!(PAGE.contains(&format!("string of at most {MAX_POOL_LEN} bytes")));
}

#[test]
fn every_file_of_the_protocol_is_on_the_page() {
    let files = |folder: &str| -> Vec<String> {
        let all = std::fs::read_dir(checked_in::protocol(folder)).expect("it is checked in");
        let names = all.map(|file| file.expect("it is readable").file_name());
        names.map(|name| format!("{folder}{}", name.to_string_lossy())).collect()
    };
    let all = [files(""), files("golden/")].concat();
    assert!(all.len() > 8);
    for file in all.iter().filter(|file| *file != "golden") {
        assert!(PAGE.contains(&format!("](protocol/{file})")), "{file}");
    }
}
