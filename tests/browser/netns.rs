//! Small internets out of network namespaces: a wan bridge with the server on it; what else hangs on it is in `household` and `front`.
//!
//! Every name starts with `hp<pid>`, so a run never meets another one's, and what a killed run left behind is found and removed.

use std::fs::{self, File};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::os::fd::AsFd as _;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use std::{io, thread};

use rustix::process::{Pid, Signal, kill_process};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use tempfile::TempDir;

/// Where the server lives on every test's wan; a documentation prefix that no policy denies.
pub(super) const SERVER: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 10);

/// The same in IPv6, where a test wants it.
pub(super) const SERVER_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xa, 0, 0, 0, 0, 0x10);

/// Longer than any path of a test needs, also when a packet is lost on it.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

static NETWORKS: AtomicU32 = AtomicU32::new(0);

/// One wan with whatever hangs on it. Dropping it ends every process inside and removes it.
pub(super) struct Network {
    prefix: String,
    namespaces: Vec<String>,
    // Removed after the processes that write to it.
    homes: TempDir,
}

/// A machine on the network.
pub(super) struct Host {
    pub(super) namespace: String,
    /// A folder of its own, which goes with the network.
    pub(super) home: PathBuf,
}

impl Network {
    /// A wan with nothing but the server's namespace on it; the reason when this machine does not permit one.
    pub(super) fn new() -> Result<Self, String> {
        remove_leftovers();
        let prefix =
            format!("hp{}-{}", std::process::id(), NETWORKS.fetch_add(1, Ordering::Relaxed));
        let homes = TempDir::with_prefix_in("network-", env!("CARGO_TARGET_TMPDIR"))
            .expect("cargo's folder for tests is writable");
        let mut network = Self { prefix, namespaces: Vec::new(), homes };
        let wan = network.namespace("wan")?;
        ip(&["-n", &wan, "link", "add", "br0", "type", "bridge"])?;
        ip(&["-n", &wan, "address", "add", "203.0.113.1/24", "dev", "br0"])?;
        ip(&["-n", &wan, "link", "set", "br0", "up"])?;
        network.on_wan("server", SERVER)?;
        Ok(network)
    }

    /// Where the server runs.
    pub(super) fn server(&self) -> Host {
        self.host("server")
    }

    /// A client with a public address and nothing in between.
    pub(super) fn open_client(&mut self, name: &str, last_octet: u8) -> Host {
        let made = self.on_wan(name, Ipv4Addr::new(203, 0, 113, last_octet));
        made.expect("the first namespace could be made, so can this");
        self.host(name)
    }

    /// Gives the wan and the server IPv6 addresses as well.
    pub(super) fn speaks_v6(&self) {
        const POSSIBLE: &str = "a kernel with IPv6";
        let address = |name: &str, address: &str, device: &str| {
            ip(&["-n", name, "address", "add", address, "dev", device, "nodad"]).expect(POSSIBLE);
        };
        address(&self.name("wan"), "2001:db8:a::1/64", "br0");
        address(&self.name("server"), &format!("{SERVER_V6}/64"), "eth0");
    }

    /// A client on the wan with an IPv6 address and no other.
    pub(super) fn v6_client(&mut self, name: &str, last: u8) -> Host {
        let octet = Ipv4Addr::new(203, 0, 113, last);
        self.on_wan(name, octet).expect("the first namespace could be made, so can this");
        let namespace = self.name(name);
        for command in [
            ["-4", "address", "flush", "dev", "eth0"].as_slice(),
            &["address", "add", &format!("2001:db8:a::{last}/64"), "dev", "eth0", "nodad"],
            &["-6", "route", "add", "default", "via", "2001:db8:a::1"],
        ] {
            ip(&[&["-n", &namespace], command].concat()).expect("a kernel with IPv6");
        }
        self.host(name)
    }

    pub(super) fn host(&self, part: &str) -> Host {
        let home = self.homes.path().join(part);
        fs::create_dir_all(&home).expect("cargo's folder for tests is writable");
        Host { namespace: self.name(part), home }
    }

    pub(super) fn name(&self, part: &str) -> String {
        format!("{}-{part}", self.prefix)
    }

    pub(super) fn namespace(&mut self, part: &str) -> Result<String, String> {
        let name = self.name(part);
        ip(&["netns", "add", &name])?;
        self.namespaces.push(name.clone());
        ip(&["-n", &name, "link", "set", "lo", "up"])?;
        Ok(name)
    }

    /// A namespace with one leg, `eth0`, on the wan's bridge.
    pub(super) fn on_wan(&mut self, part: &str, address: Ipv4Addr) -> Result<String, String> {
        let name = self.namespace(part)?;
        let (wan, port) = (self.name("wan"), format!("to-{part}"));
        ip(&[
            "link", "add", &port, "netns", &wan, "type", "veth", "peer", "name", "eth0", "netns",
            &name,
        ])?;
        ip(&["-n", &wan, "link", "set", &port, "master", "br0", "up"])?;
        attach(&name, "eth0", &format!("{address}/24"))?;
        ip(&["-n", &name, "route", "add", "default", "via", "203.0.113.1"])?;
        Ok(name)
    }
}

impl Host {
    /// A TCP connection that starts on this host.
    pub(super) fn connect(&self, to: SocketAddr) -> io::Result<TcpStream> {
        self.run(move || TcpStream::connect_timeout(&to, CONNECT_TIMEOUT))
    }

    /// Makes a socket on this host: it stays in the namespace it was made in, whoever uses it.
    pub(super) fn run<T: Send + 'static>(
        &self,
        make: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let namespace = File::open(format!("/run/netns/{}", self.namespace))?;
        let make = move || {
            move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))?;
            make()
        };
        thread::spawn(make).join().expect("the thread does not panic")
    }

    /// Gives nftables these rules.
    pub(super) fn filter(&self, rules: &str) {
        ip(&["netns", "exec", &self.namespace, "nft", rules]).expect("the host knows nftables");
    }

    /// Makes a router of it.
    pub(super) fn forwards(&self) -> Result<(), String> {
        ip(&["netns", "exec", &self.namespace, "sysctl", "-qw", "net.ipv4.ip_forward=1"])
    }

    /// From now on commands that are started on this host find `name` at `address`, and are told at once that there are
    /// no other names but this machine's: whoever asks the machine's name server from here waits in vain, a long time.
    pub(super) fn knows(&self, name: &str, address: IpAddr) {
        let machine = fs::read_to_string("/etc/hosts").expect("every system has this file");
        let names = self.names();
        fs::create_dir_all(&names).expect("a host's home is writable");
        for (file, text) in [
            ("hosts", format!("{machine}\n{address} {name}\n")),
            ("resolv.conf", "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n".to_owned()),
        ] {
            fs::write(names.join(file), text).expect("a host's home is writable");
        }
    }

    fn names(&self) -> PathBuf {
        self.home.join("names")
    }

    /// A command that runs on this host.
    pub(super) fn command(&self, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.namespace]).env("HOME", &self.home);
        if self.names().exists() {
            // What `ip netns exec` runs has mounts of its own.
            const BIND: &str = r#"for file in hosts resolv.conf; do
                mount --bind "$0/$file" "/etc/$file" || exit
            done; exec "$@""#;
            command.args(["sh", "-c", BIND]).arg(self.names());
        }
        command.arg(program);
        command
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        self.namespaces.iter().rev().for_each(|name| remove(name));
    }
}

pub(super) fn attach(namespace: &str, device: &str, address: &str) -> Result<(), String> {
    ip(&["-n", namespace, "address", "add", address, "dev", device])?;
    ip(&["-n", namespace, "link", "set", device, "up"])
}

/// Removes the namespaces of test processes that are gone.
fn remove_leftovers() {
    let Ok(entries) = fs::read_dir("/run/netns") else { return };
    for name in entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()) {
        let pid = name
            .strip_prefix("hp")
            .and_then(|rest| rest.split_once('-'))
            .and_then(|(pid, _)| pid.parse::<u32>().ok());
        if pid.is_some_and(|pid| !fs::exists(format!("/proc/{pid}")).unwrap_or(true)) {
            remove(&name);
        }
    }
}

fn remove(namespace: &str) {
    // What is killed may just have started something else, so until there is nothing left.
    for _ in 0..100 {
        let pids = Command::new("ip")
            .args(["netns", "pids", namespace])
            .output()
            .map(|output| output.stdout)
            .unwrap_or_default();
        if pids.is_empty() {
            break;
        }
        for pid in String::from_utf8_lossy(&pids)
            .lines()
            .filter_map(|line| line.parse().ok())
            .filter_map(Pid::from_raw)
        {
            let _gone_already = kill_process(pid, Signal::KILL);
        }
    }
    let _reported_by_the_next_run = ip(&["netns", "del", namespace]);
}

/// Runs iproute2's `ip`; the error is what it said.
pub(super) fn ip(arguments: &[&str]) -> Result<(), String> {
    let output =
        Command::new("ip").args(arguments).output().map_err(|error| format!("ip: {error}"))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(format!(
            "ip {}: {}",
            arguments.join(" "),
            String::from_utf8_lossy(&output.stderr).trim()
        )),
    }
}
