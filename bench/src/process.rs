//! What Linux says about a process: CPU time, memory, CPUs, open files.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// CPU time of all threads of process `pid`, user and kernel, with the scheduler's precision.
///
/// `/proc/<pid>/stat` counts in ticks of 10 ms; `schedstat` counts nanoseconds and is at most one
/// scheduler tick behind for a thread that is running now. A thread that ended is not counted:
/// both engines keep their threads for life.
pub(crate) fn cpu_time(pid: u32) -> Result<Duration> {
    let nanos = threads(pid)?.iter().map(|thread| thread.nanos).sum();
    ensure!(nanos > 0, "the kernel keeps no schedstat for process {pid}");
    Ok(Duration::from_nanos(nanos))
}

/// How often each thread of process `pid` was put on a CPU, by its number.
pub(crate) fn wake_ups(pid: u32) -> Result<BTreeMap<u32, u64>> {
    Ok(threads(pid)?.iter().map(|thread| (thread.id, thread.turns)).collect())
}

/// What the scheduler says of a thread.
struct Thread {
    id: u32,
    /// CPU time.
    nanos: u64,
    /// Times it was put on a CPU.
    turns: u64,
}

fn threads(pid: u32) -> Result<Vec<Thread>> {
    let mut threads = Vec::new();
    for task in fs::read_dir(format!("/proc/{pid}/task")).context("the server has ended")? {
        let task = task?;
        // A thread may end between the listing and the reading.
        let Ok(text) = fs::read_to_string(task.path().join("schedstat")) else { continue };
        let id = task.file_name().to_string_lossy().parse()?;
        // The number between them is the time it waited for a CPU.
        let fields: Vec<u64> =
            text.split_ascii_whitespace().map_while(|n| n.parse().ok()).collect();
        let &[nanos, _, turns] = &fields[..] else { bail!("a strange schedstat: {text}") };
        threads.push(Thread { id, nanos, turns });
    }
    Ok(threads)
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

/// The CPUs of a measurement: some for the server alone, one for the load generator.
#[derive(Clone, Debug)]
pub(crate) struct Cpus {
    pub(crate) server: Vec<usize>,
    pub(crate) generator: usize,
}

impl Cpus {
    /// Picks one more than `server` of the [`allowed_cpus`].
    pub(crate) fn pick(server: usize) -> Result<Self> {
        let mut cpus = allowed_cpus()?.into_iter();
        let generator = cpus.next().context("no CPU to run on")?;
        // CPU 0 tends to serve the machine's interrupts, so the server gets others.
        let picked: Vec<usize> = cpus.take(server).collect();
        ensure!(picked.len() == server, "this measurement needs {} CPUs", server + 1);
        Ok(Self { server: picked, generator })
    }

    /// Time the server's CPUs have been busy for anybody since boot.
    pub(crate) fn server_busy_time(&self) -> Result<Duration> {
        self.server.iter().map(|&cpu| busy_time(cpu)).sum()
    }
}

/// The CPUs this process may use.
pub(crate) fn allowed_cpus() -> Result<Vec<usize>> {
    let allowed = sched_getaffinity(None)?;
    Ok((0..CpuSet::MAX_CPU).filter(|&cpu| allowed.is_set(cpu)).collect())
}

/// Runs `start` with the calling thread on `cpus`, where a process it starts then stays for life.
pub(crate) fn on_cpus<T>(cpus: &[usize], start: impl FnOnce() -> T) -> Result<T> {
    let before = sched_getaffinity(None)?;
    let mut set = CpuSet::new();
    cpus.iter().for_each(|&cpu| set.set(cpu));
    sched_setaffinity(None, &set).with_context(|| format!("cannot run on CPUs {cpus:?}"))?;
    let result = start();
    sched_setaffinity(None, &before)?;
    Ok(result)
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
    fn a_thread_s_turns_on_a_cpu_are_counted_under_its_number() {
        let pid = std::process::id();
        let before = wake_ups(pid).unwrap();
        let (questions, asked) = std::sync::mpsc::channel();
        let (answers, answered) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            let id = rustix::thread::gettid().as_raw_nonzero().get();
            for () in asked {
                answers.send(id).unwrap();
            }
        });
        let ask = || {
            questions.send(()).unwrap();
            answered.recv().unwrap() as u32
        };
        let id = ask();
        let woken = wake_ups(pid).unwrap()[&id] - before.get(&id).unwrap_or(&0);
        assert!(woken > 0);
        drop(questions);
        thread.join().unwrap();
    }

    #[test]
    fn resident_memory_sees_a_touched_buffer() {
        let pid = std::process::id();
        let before = resident_bytes(pid).unwrap();
        // Far more than the tests beside this one in the same process can give back meanwhile.
        let buffer = std::hint::black_box(vec![1_u8; 256 << 20]);
        let after = resident_bytes(pid).unwrap();
        assert!(after >= before + (128 << 20), "{before} -> {after}");
        drop(buffer);
    }

    #[test]
    fn more_open_files_than_the_hard_limit_are_refused_with_the_number() {
        let error = allow_open_files(u64::MAX).unwrap_err().to_string();
        assert!(error.contains("hard limit"), "{error}");
    }
}
