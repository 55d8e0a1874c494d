//! Where we do not do what a line of `lines.txt` says, and why.

/// A line that does not hold, or not always. Its tests, if it has any, say what holds instead, or with which setting it does.
pub(super) struct Deviation {
    /// The line's number.
    pub(super) line: u16,
    /// The RFC says, we do, because.
    pub(super) because: &'static str,
}

pub(super) const DEVIATIONS: &[Deviation] = &[];
