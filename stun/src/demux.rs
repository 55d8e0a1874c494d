//! Telling protocols on one UDP port apart by the first byte (RFC 7983 s7, RFC 8656 s12).

/// What a datagram is, judged by its first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FirstByte {
    /// 0 to 3
    Stun,
    /// 20 to 63
    Dtls,
    /// 64 to 79
    ChannelData,
    /// 80 to 127: ChannelData too, where channels have the numbers of RFC 5766 (s11).
    OldChannelData,
    /// Nothing a TURN server has a use for.
    Other,
}

impl FirstByte {
    /// Which range the byte lies in.
    pub const fn of(byte: u8) -> Self {
        match byte {
            0..=3 => Self::Stun,
            20..=63 => Self::Dtls,
            64..=79 => Self::ChannelData,
            80..=127 => Self::OldChannelData,
            _ => Self::Other,
        }
    }
}
