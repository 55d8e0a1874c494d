//! Names of rooms, to be read out and typed in.

use std::hash::Hasher;

use siphasher::sip::SipHasher24;

/// What nobody takes for another: no 0 and O, no 1, I and L, and no U, which is a V in some hands.
const SYMBOLS: &[u8; 30] = b"23456789ABCDEFGHJKMNPQRSTVWXYZ";
const LEN: usize = 8;

/// A room's name: 30^8 there are, so guessing one takes a while even where ten thousand are open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::hub) struct Code([u8; LEN]);

impl Code {
    /// Reads it as people write: in any case, with spaces and hyphens.
    pub(in crate::hub) fn parse(text: &str) -> Option<Self> {
        let mut code = [0; LEN];
        let mut len = 0;
        for byte in text.bytes().filter(|byte| !matches!(byte, b' ' | b'-' | b'_')) {
            let symbol = byte.to_ascii_uppercase();
            *code.get_mut(len)? = symbol;
            len += 1;
            SYMBOLS.contains(&symbol).then_some(())?;
        }
        (len == LEN).then_some(Self(code))
    }

    pub(in crate::hub) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("the symbols are ASCII")
    }
}

/// Makes codes: a keyed pseudorandom function over a counter.
#[derive(Debug)]
pub(super) struct Codes {
    key: [u64; 2],
    made: u64,
}

impl Codes {
    pub(super) fn new(key: [u64; 2]) -> Self {
        Self { key, made: 0 }
    }

    pub(super) fn next(&mut self) -> Code {
        self.made += 1;
        let mut hasher = SipHasher24::new_with_keys(self.key[0], self.key[1]);
        hasher.write_u64(self.made);
        let mut number = hasher.finish();
        let many = SYMBOLS.len() as u64;
        Code(std::array::from_fn(|_| {
            let symbol = SYMBOLS[(number % many) as usize];
            number /= many;
            symbol
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_read_however_people_write_it() {
        let code = Codes::new([1, 2]).next();
        let text = code.as_str();
        let (front, back) = text.split_at(4);
        for written in [
            text.to_owned(),
            text.to_lowercase(),
            format!("{front}-{back}"),
            format!(" {front} {back} "),
            text.chars().flat_map(|symbol| [symbol, '-']).collect(),
        ] {
            assert_eq!(Code::parse(&written), Some(code), "{written}");
        }
    }

    #[test]
    fn nothing_else_is_a_code() {
        let text = Codes::new([1, 2]).next().as_str().to_owned();
        for wrong in
            ["", "--------", &text[1..], &format!("{text}2"), "0OOOOOOO", "ÄÄÄÄ", "UUUUUUUU"]
        {
            assert_eq!(Code::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn codes_differ_and_use_every_symbol_at_every_place() {
        let mut codes = Codes::new([1, 2]);
        let made: std::collections::BTreeSet<Code> = (0..10_000).map(|_| codes.next()).collect();
        assert_eq!(made.len(), 10_000);
        for place in 0..LEN {
            let used: std::collections::BTreeSet<u8> =
                made.iter().map(|code| code.0[place]).collect();
            assert_eq!(used.len(), SYMBOLS.len(), "{place}");
        }
    }
}
