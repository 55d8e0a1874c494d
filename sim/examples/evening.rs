fn main() {
    let mut args = std::env::args().skip(1).map(|a| a.parse::<u64>().unwrap());
    let people = args.next().unwrap_or(200) as usize;
    let seed = args.next().unwrap_or(1);
    let outcome = hairpin_sim::evening::Evening { people, seed }.pass();
    println!("{}{:?}", outcome.figures.table(), outcome.checks);
}
