//! A whole evening in virtual time: prints how long people waited, and draws it.
//!
//! `cargo run --release -p hairpin-sim --example evening -- [PEOPLE [SEED [PICTURE]]]`, by default
//! 10,000 people and docs/evening.svg.

use std::time::Instant;
use std::{env, fs, io};

use hairpin_sim::evening::Evening;

fn main() -> io::Result<()> {
    let mut arguments = env::args().skip(1);
    let mut number = |default| match arguments.next().map(|word| word.parse()) {
        None => Ok(default),
        Some(number) => number.map_err(io::Error::other),
    };
    let evening = Evening { people: number(Evening::WHOLE.people)?, seed: number(1)? as u64 };
    let picture = arguments.next().unwrap_or("docs/evening.svg".into());
    let began = Instant::now();
    let outcome = evening.pass();
    println!("{}{:?}", outcome.figures.table(), outcome.checks);
    fs::write(&picture, outcome.chart())?;
    println!("{picture} in {:.1} s", began.elapsed().as_secs_f64());
    Ok(())
}
