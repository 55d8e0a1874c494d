//! The documentation's Rust, compiled: each block stands here as it is printed there.

use std::time::Duration;

use super::all;

type Outcome = Result<(), Box<dyn std::error::Error>>;

#[test]
fn every_block_stands_in_this_file() {
    let one_line = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let here = one_line(include_str!("rust.rs"));
    let blocks = all("rust");
    assert_eq!(blocks.len(), 2);
    for (page, block) in blocks {
        assert!(here.contains(&one_line(&block)), "{page} has, and this file has not:\n{block}");
    }
}

#[expect(dead_code, reason = "it would bind the default ports")]
async fn readme() -> Outcome {
    let config = hairpin::Config {
        rules: hairpin::Rules { realm: "example.org".into(), ..Default::default() },
        ..Default::default()
    };
    let listeners = hairpin::Listeners::bind(&config)?; // or sockets that you have bound
    let server = hairpin::Server::start(config, listeners)?;
    println!("TURN at {:?}", server.addresses().turn_udp);
    server.shutdown().await; // dropping it stops it too, at once
    Ok(())
}

#[expect(dead_code, reason = "it would bind the default ports")]
async fn configuration() -> Outcome {
    let config = hairpin::Config {
        rules: hairpin::Rules { realm: "example".into(), ..Default::default() },
        shutdown_timeout: Duration::from_secs(30),
        ..Default::default()
    };
    let listeners = hairpin::Listeners::bind(&config)?;
    let server = hairpin::Server::start(config, listeners)?;
    drop(server);
    Ok(())
}
