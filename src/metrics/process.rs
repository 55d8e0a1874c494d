//! What the kernel says of this process, under the names that every Prometheus client library has for it.

use std::fs;
use std::time::Duration;

use prometheus::proto::MetricFamily;
use rustix::param::{clock_ticks_per_second, page_size};
use rustix::process::{Resource, getrlimit};

use super::family::{gauge, info, seconds, seconds_counter};

/// The families; without those that the kernel tells nothing of, as where /proc is not mounted.
pub(super) fn gather() -> Vec<MetricFamily> {
    let stat = fs::read_to_string("/proc/self/stat").ok().and_then(|stat| Stat::parse(&stat));
    let boot = fs::read_to_string("/proc/stat").ok().and_then(|stat| boot_time(&stat));
    // The descriptor by which they are listed is one of them.
    let open = fs::read_dir("/proc/self/fd").ok().map(|open| open.count().saturating_sub(1));
    let most = getrlimit(Resource::Nofile).current;
    let families = [
        Some(info(
            "hairpin_build_info",
            "Which hairpin this is; always 1",
            "version",
            env!("CARGO_PKG_VERSION"),
        )),
        stat.map(|stat| {
            let spent = stat.cpu.as_secs_f64();
            seconds_counter("process_cpu_seconds_total", "Processor time of all threads", spent)
        }),
        stat.map(|stat| {
            let bytes = stat.resident_pages * page_size() as u64;
            gauge("process_resident_memory_bytes", "Memory that is in RAM", bytes)
        }),
        stat.map(|stat| {
            let bytes = stat.virtual_bytes;
            gauge("process_virtual_memory_bytes", "Address space in use", bytes)
        }),
        stat.map(|stat| gauge("process_threads", "Threads", stat.threads)),
        stat.zip(boot).map(|(stat, boot)| {
            let at = (boot + stat.started).as_secs_f64();
            seconds("process_start_time_seconds", "When the process started, since 1970", at)
        }),
        open.map(|open| gauge("process_open_fds", "Open file descriptors", open as u64)),
        most.map(|most| gauge("process_max_fds", "How many of them there may be", most)),
    ];
    families.into_iter().flatten().flatten().collect()
}

/// What is used of /proc/self/stat (proc(5)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stat {
    cpu: Duration,
    threads: u64,
    /// Since the machine booted.
    started: Duration,
    virtual_bytes: u64,
    resident_pages: u64,
}

impl Stat {
    fn parse(text: &str) -> Option<Self> {
        // The command comes before, in parentheses, and may hold spaces and parentheses itself.
        let (_, rest) = text.rsplit_once(')')?;
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        // Fields are numbered from 1, and the first one here is the third.
        let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
        Some(Self {
            cpu: ticks(field(14)? + field(15)?),
            threads: field(20)?,
            started: ticks(field(22)?),
            virtual_bytes: field(23)?,
            resident_pages: field(24)?,
        })
    }
}

fn ticks(count: u64) -> Duration {
    Duration::from_secs_f64(count as f64 / clock_ticks_per_second() as f64)
}

/// When the machine booted, since 1970.
fn boot_time(stat: &str) -> Option<Duration> {
    let seconds = stat.lines().find_map(|line| line.strip_prefix("btime "))?;
    seconds.trim().parse().ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_with_spaces_and_parentheses_moves_no_field() {
        let text = "7 (a) b) S 1 1 1 0 -1 4194560 10 0 0 0 300 100 0 0 20 0 9 0 500 8192 3 99";
        let stat = Stat::parse(text).expect("all fields are there");
        assert_eq!((stat.threads, stat.virtual_bytes, stat.resident_pages), (9, 8192, 3));
        assert_eq!((stat.cpu, stat.started), (ticks(400), ticks(500)));
        assert_eq!(Stat::parse("7 (cut short) S 1"), None);
    }

    #[test]
    fn this_process_has_started_and_uses_something() {
        let families = gather();
        let value = |name: &str| {
            let family = families.iter().find(|family| family.name() == name).expect(name);
            let metric = &family.get_metric()[0];
            metric.get_gauge().get_value() + metric.get_counter().get_value()
        };
        let now = crate::clock::Clock::unix() as f64;
        let started = value("process_start_time_seconds");
        assert!((now - 86_400.0..=now + 1.0).contains(&started), "{started} of {now}");
        assert!(value("process_open_fds") >= 3.0);
        assert!(value("process_max_fds") >= value("process_open_fds"));
        assert!(value("process_resident_memory_bytes") > 100_000.0);
        assert!(value("process_threads") >= 1.0);
        assert_eq!(value("hairpin_build_info"), 1.0);
    }
}
