//! A cable that a thread of the test carries packets through, for kernels without `netem`: it has a length, it loses, it can be cut.
//!
//! Each end is a TAP device in a namespace. `socat` opens it, since that takes a system call that safe Rust does not have, and
//! passes its frames through a pair of sockets, one datagram a frame.

use std::collections::VecDeque;
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::netns::{Host, ip};

/// The largest Ethernet frame and some more.
const FRAME: usize = 2048;

/// What becomes of a frame, either way.
#[derive(Clone, Copy, Default)]
pub(super) struct Quality {
    /// From one end to the other; a round trip takes twice that.
    pub(super) delay: Duration,
    /// The share of frames that are lost: 1.0 is a cable that was cut.
    pub(super) loss: f64,
}

/// Carries frames as long as it lives.
pub(super) struct Cable {
    quality: Arc<Mutex<Quality>>,
    ends: [UnixDatagram; 2],
    taps: [Child; 2],
}

impl Cable {
    /// Makes both devices and joins them. They have no addresses yet.
    pub(super) fn between(one: (&Host, &str), other: (&Host, &str)) -> Self {
        let quality = Arc::new(Mutex::new(Quality::default()));
        let ((left, left_tap), (right, right_tap)) = (tap(one), tap(other));
        let clone = |end: &UnixDatagram| end.try_clone().expect("a socket can be shared");
        for (from, to) in [(&left, &right), (&right, &left)] {
            let (from, to, quality) = (clone(from), clone(to), quality.clone());
            thread::spawn(move || carry(&from, &to, &quality));
        }
        Self { quality, ends: [left, right], taps: [left_tap, right_tap] }
    }

    /// From now on it is like this.
    pub(super) fn becomes(&self, quality: Quality) {
        *self.quality.lock().unwrap_or_else(PoisonError::into_inner) = quality;
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        // First who would complain of the other's end.
        for tap in &mut self.taps {
            let _gone_already = tap.kill();
            let _reaped = tap.wait();
        }
        for end in &self.ends {
            let _ends_its_thread = end.shutdown(Shutdown::Both);
        }
    }
}

/// A TAP device, and the socket its frames come from and go to.
fn tap((host, device): (&Host, &str)) -> (UnixDatagram, Child) {
    ip(&["-n", &host.namespace, "tuntap", "add", "dev", device, "mode", "tap"])
        .expect("whoever may make namespaces may make devices in them, with /dev/net/tun there");
    let (ours, its) = UnixDatagram::pair().expect("sockets can be made");
    let process = host
        .command("socat")
        .arg(format!("TUN,tun-name={device},tun-type=tap,iff-no-pi"))
        .arg("FD:0")
        .stdin(Stdio::from(OwnedFd::from(its)))
        .spawn()
        .expect("ip netns could be used to make the namespace");
    (ours, process)
}

/// One direction. Ends when the cable is dropped.
fn carry(from: &UnixDatagram, to: &UnixDatagram, quality: &Mutex<Quality>) {
    let mut under_way: VecDeque<(Instant, Vec<u8>)> = VecDeque::new();
    let mut buffer = [0; FRAME];
    loop {
        while under_way.front().is_some_and(|(due, _)| *due <= Instant::now()) {
            let Some((_, frame)) = under_way.pop_front() else { break };
            if to.send(&frame).is_err() {
                return;
            }
        }
        let wait = under_way.front().map(|(due, _)| {
            due.saturating_duration_since(Instant::now()).max(Duration::from_micros(100))
        });
        from.set_read_timeout(wait).expect("it is not zero");
        let Ok(length) = from.recv(&mut buffer) else { continue };
        if length == 0 {
            return;
        }
        let Quality { delay, loss } = *quality.lock().unwrap_or_else(PoisonError::into_inner);
        if rand::random::<f64>() >= loss {
            under_way.push_back((Instant::now() + delay, buffer[..length].to_vec()));
        }
    }
}
