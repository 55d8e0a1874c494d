//! What Linux says about a process: CPU time, memory, CPUs, open files.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// CPU time of all threads of process `pid`, user and kernel, with the scheduler's precision.
///
/// `/proc/<pid>/stat` counts in ticks of 10 ms; `schedstat` counts nanoseconds and is at most one
/// scheduler tick behind for a thread that is running now. A thread that ended is not counted:
/// both engines keep their threads for life.
pub(crate) fn cpu_time(pid: u32) -> Result<Duration> {
    let mut nanos = 0;
    for task in fs::read_dir(format!("/proc/{pid}/task")).context("the server has ended")? {
        let path = task?.path().join("schedstat");
        // A thread may end between the listing and the reading.
        let Ok(text) = fs::read_to_string(&path) else { continue };
        let first = text.split_ascii_whitespace().next().context("empty schedstat")?;
        nanos += first.parse::<u64>()?;
    }
    ensure!(nanos > 0, "the kernel keeps no schedstat for process {pid}");
    Ok(Duration::from_nanos(nanos))
}

/// Resident memory of process `pid` in bytes. Socket buffers belong to the kernel and are not in it.
pub(crate) fn resident_bytes(pid: u32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")).context("no VmRSS")?;
    Ok(kib.trim().parse::<u64>()? * 1024)
}

/// Time CPU number `cpu` has been busy for anybody since boot, in steps of 10 ms.
pub(crate) fn busy_time(cpu: usize) -> Result<Duration> {
    let stat = fs::read_to_string("/proc/stat")?;
    let name = format!("cpu{cpu} ");
    let line = stat.lines().find_map(|line| line.strip_prefix(&name)).context("no such CPU")?;
    let ticks = line.split_ascii_whitespace().map(str::parse).collect::<Result<Vec<u64>, _>>()?;
    // user nice system idle iowait irq softirq steal; guest time is already in user time.
    let busy: u64 = ticks.iter().take(8).sum::<u64>() - ticks[3] - ticks[4];
    Ok(Duration::from_millis(busy * 10))
}

/// The two CPUs of a measurement: one for the server alone, one for the load generator.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cpus {
    pub(crate) server: usize,
    pub(crate) generator: usize,
}

impl Cpus {
    /// Picks two of the CPUs this process may use.
    pub(crate) fn pick() -> Result<Self> {
        let allowed = sched_getaffinity(None)?;
        let mut cpus = (0..CpuSet::MAX_CPU).filter(|&cpu| allowed.is_set(cpu));
        let generator = cpus.next().context("no CPU to run on")?;
        // CPU 0 tends to serve the machine's interrupts, so the server gets another one.
        let server = cpus.next().context("a measurement of CPU per packet needs two CPUs")?;
        Ok(Self { server, generator })
    }
}

/// Runs `start` with the calling thread on CPU `cpu`, where a process it starts then stays for life.
pub(crate) fn on_cpu<T>(cpu: usize, start: impl FnOnce() -> T) -> Result<T> {
    let before = sched_getaffinity(None)?;
    pin_this_thread(cpu)?;
    let result = start();
    sched_setaffinity(None, &before)?;
    Ok(result)
}

/// Keeps the calling thread on CPU `cpu`.
pub(crate) fn pin_this_thread(cpu: usize) -> Result<()> {
    let mut set = CpuSet::new();
    set.set(cpu);
    sched_setaffinity(None, &set).with_context(|| format!("cannot run on CPU {cpu}"))
}

/// Lifts the limit of open files as far as the system lets us, for us and for servers we start,
/// and checks that `needed` files fit.
pub(crate) fn allow_open_files(needed: u64) -> Result<()> {
    let hard = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: hard, maximum: hard })?;
    if let Some(hard) = hard {
        ensure!(
            needed <= hard,
            "{needed} open files needed, the hard limit (ulimit -Hn) is {hard}"
        );
    }
    Ok(())
}

/// One line about the machine: processor, CPUs, memory, kernel.
pub(crate) fn machine() -> Result<String> {
    let info = fs::read_to_string("/proc/cpuinfo")?;
    let field = |name: &str| {
        let line = info.lines().find(|line| line.starts_with(name))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let memory = fs::read_to_string("/proc/meminfo")?;
    let kib: u64 =
        memory.split_ascii_whitespace().nth(1).context("/proc/meminfo has no total")?.parse()?;
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    Ok(format!(
        "{} ({} MHz), {} CPUs, {} GiB, Linux {}",
        field("model name").unwrap_or_default(),
        field("cpu MHz").unwrap_or_default(),
        info.lines().filter(|line| line.starts_with("processor")).count(),
        (kib + (1 << 19)) >> 20,
        kernel.trim(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_grows_with_work() {
        let pid = std::process::id();
        let before = cpu_time(pid).unwrap();
        let mut value = 1_u64;
        while cpu_time(pid).unwrap() < before + Duration::from_millis(20) {
            value = std::hint::black_box(value.wrapping_mul(31) + 7);
        }
        assert!(cpu_time(pid).unwrap() > before);
    }

    #[test]
    fn resident_memory_sees_a_touched_buffer() {
        let pid = std::process::id();
        let before = resident_bytes(pid).unwrap();
        let buffer = std::hint::black_box(vec![1_u8; 64 << 20]);
        let after = resident_bytes(pid).unwrap();
        assert!(after >= before + (60 << 20), "{before} -> {after}");
        drop(buffer);
    }

    #[test]
    fn more_open_files_than_the_hard_limit_are_refused_with_the_number() {
        let error = allow_open_files(u64::MAX).unwrap_err().to_string();
        assert!(error.contains("hard limit"), "{error}");
    }
}
