//! Streams whose time is over, on real sockets and in injected time.

use std::io::Read;
use std::net::{Ipv4Addr, TcpListener, TcpStream};

use hairpin_turn::Transport;

use super::*;

/// One stream in its table, and its client.
struct Served {
    epoll: OwnedFd,
    streams: Streams,
    place: usize,
    tuple: FiveTuple,
    client: TcpStream,
}

const fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

impl Served {
    /// Opened at 100 s; its first frame has come.
    fn new() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let server = listener.local_addr().expect("bound");
        let client = TcpStream::connect(server).expect("it listens");
        let (socket, address) = listener.accept().expect("somebody connects");
        socket.set_nonblocking(true).expect("a plain option");
        let tuple = FiveTuple { transport: Transport::Tcp, client: address, server };
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).expect("a descriptor");
        let mut streams = Streams::default();
        let opened = streams.open(&epoll, Carrier::Tcp(socket), tuple, Held::default(), at(100));
        let place = opened.expect("it is watched");
        let mut served = Self { epoll, streams, place, tuple, client };
        served.stream().deadlines.frame(at(100));
        served
    }

    fn stream(&mut self) -> &mut Stream {
        self.streams.get_mut(self.place).expect("it is open")
    }

    /// Whether it is closed when its timer fires, which is at `now` at the latest.
    fn is_closed(&mut self, now: Duration, ends: Option<Duration>) -> bool {
        self.streams.handle_timeout(now, 10, |_| ends.filter(|ends| now < *ends));
        self.streams.next_doomed().is_some()
    }
}

#[test]
fn c190_a_stream_is_closed_when_its_allocation_expires_without_another_frame() {
    let mut served = Served::new();
    served.stream().deadlines.allocated(at(100));
    let ends = Some(at(700));
    for now in [at(110), at(160), at(699)] {
        assert!(!served.is_closed(now, ends));
    }
    assert_eq!(served.streams.next_timer(), Some(at(700)));
    assert!(served.is_closed(at(700), ends));
}

#[test]
fn c190_a_stream_whose_allocation_is_taken_away_is_looked_at_at_once() {
    let mut served = Served::new();
    served.stream().deadlines.allocated(at(100));
    assert!(!served.is_closed(at(300), Some(at(700))));
    let tuple = served.tuple;
    served.streams.look_now(&tuple, at(301));
    assert_eq!(served.streams.next_timer(), Some(at(301)));
    assert!(served.is_closed(at(301), None));
}

#[test]
fn c190_a_stranger_is_closed_however_much_it_says() {
    let mut served = Served::new();
    for now in [at(120), at(140), at(159)] {
        served.stream().deadlines.frame(now);
        assert!(!served.is_closed(now, None));
    }
    assert_eq!(served.streams.next_timer(), Some(at(160)));
    assert!(served.is_closed(at(160), None));
}

#[test]
fn a_client_that_takes_nothing_is_cut_off_and_one_that_reads_is_not() {
    let mut served = Served::new();
    served.stream().deadlines.allocated(at(100));
    let ends = Some(at(700));
    let tuple = served.tuple;
    // More than the kernel takes; a turn writes what it can.
    let fill = |served: &mut Served, now| {
        for _ in 0..200 {
            served.streams.send_answer(&tuple, &[0x5A; 8192]);
            served.streams.flush(&served.epoll, now);
            if served.stream().state.blocked {
                return;
            }
        }
        panic!("the send buffer is bounded");
    };
    fill(&mut served, at(200));
    assert!(!served.is_closed(at(219), ends));
    drain(&mut served.client);
    served.streams.write_later(served.place);
    served.streams.flush(&served.epoll, at(219));
    assert!(!served.is_closed(at(220), ends), "it has read");
    fill(&mut served, at(221));
    assert!(served.is_closed(at(242), ends));
}

/// Reads what has come and what is in the kernel's hands.
fn drain(client: &mut TcpStream) {
    client.set_read_timeout(Some(Duration::from_millis(200))).expect("a plain option");
    let mut read = vec![0; 64 << 10];
    while client.read(&mut read).is_ok_and(|read| read > 0) {}
}
