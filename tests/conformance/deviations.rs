//! Where we do not do what a line of `lines.txt` says, and why.

/// A line that does not hold, or not always. Its tests, if it has any, say what holds instead, or with which setting it does.
pub(super) struct Deviation {
    /// The line's number.
    pub(super) line: u16,
    /// The RFC says, we do, because.
    pub(super) because: &'static str,
}

pub(super) const DEVIATIONS: &[Deviation] = &[
    Deviation {
        line: 92,
        because: "there is no policy on clients that have proven who they are, so no Allocate is refused by one: who shall not \
                  allocate gets no credentials (401), and who holds too much has a quota (486); the policy on peers is that of \
                  permissions and channels (403)",
    },
    Deviation {
        line: 137,
        because: "by default 0x5000-0x7FFF are channel numbers as well, as in RFC 5766, because old clients and coturn's own tools draw \
                  them, and nobody else uses those first bytes on our ports; `--coturn-channel-numbers false` refuses them",
    },
    Deviation {
        line: 148,
        because: "by default ChannelData begins with 64 to 127, for the same reason; with `--coturn-channel-numbers false` with 64 to 79",
    },
];
