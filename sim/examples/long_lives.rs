//! The server beside a model of RFC 8656, for as long as one likes: `cargo run --release -p hairpin-sim --example long_lives -- [DAYS [PEOPLE [SEED [SHARDS]]]]`,
//! by default 30 days of 300 people.

use std::env;
use std::num::ParseIntError;
use std::time::{Duration, Instant};

use hairpin_sim::lives::Lives;

fn main() -> Result<(), ParseIntError> {
    let mut arguments = env::args().skip(1);
    let mut number = |default: u64| arguments.next().map_or(Ok(default), |word| word.parse());
    let time = Duration::from_secs(number(30)? * 86_400);
    let people = number(300)? as usize;
    let lives = Lives { time, people, seed: number(1)?, shards: number(4)? as usize };
    let began = Instant::now();
    println!("{lives:?}: {:#?} in {:.1} s", lives.pass(), began.elapsed().as_secs_f64());
    Ok(())
}
