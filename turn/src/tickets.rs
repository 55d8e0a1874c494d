//! MOBILITY-TICKET (RFC 8016 s3.1.2): what a client shows to be found again from elsewhere.

use core::num::NonZeroU32;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

/// Bytes of a ticket.
pub(crate) const TICKET_LEN: usize = 32;

/// A ticket as clients have it: the shard, the mover, which of its tickets it is, and a MAC of all that. None of it is a
/// secret; nobody else can make one.
pub(crate) type Ticket = [u8; TICKET_LEN];

const MAC: usize = 16;

/// Makes and recognises the tickets of a shard.
pub(crate) struct Tickets {
    key: Hmac<Sha256>,
    shard: u32,
    shards: NonZeroU32,
}

impl Tickets {
    /// Of the only shard. `seed` is its secret.
    pub(crate) fn new(seed: u64) -> Self {
        let mut key = keyed(&seed.to_be_bytes());
        key.update(b"hairpin mobility tickets 1");
        let key = keyed(&key.finalize().into_bytes());
        Self { key, shard: 0, shards: NonZeroU32::MIN }
    }

    /// From now on they are those of one of so many shards.
    pub(crate) fn set_shard(&mut self, shard: u32, shards: NonZeroU32) {
        self.shard = shard;
        self.shards = shards;
    }

    /// The ticket of a mover that has had so many before.
    pub(crate) fn seal(&self, mover: u64, serial: u32) -> Ticket {
        let mut ticket = [0; TICKET_LEN];
        ticket[..4].copy_from_slice(&self.shard.to_be_bytes());
        ticket[4..12].copy_from_slice(&mover.to_be_bytes());
        ticket[12..16].copy_from_slice(&serial.to_be_bytes());
        let mut mac = self.key.clone();
        mac.update(&ticket[..MAC]);
        ticket[MAC..].copy_from_slice(&mac.finalize().into_bytes()[..MAC]);
        ticket
    }

    /// The mover and the number of a ticket that this shard has made.
    pub(crate) fn open(&self, ticket: &[u8]) -> Option<(u64, u32)> {
        let mover = u64::from_be_bytes(*ticket.get(4..)?.first_chunk()?);
        let serial = u32::from_be_bytes(*ticket.get(12..)?.first_chunk()?);
        let ours = self.seal(mover, serial).as_slice().ct_eq(ticket).into();
        Some((mover, serial)).filter(|_| ours)
    }

    /// The shard that a ticket says has made it, if that is another one. Whether it did is known there.
    pub(crate) fn elsewhere(&self, ticket: &[u8]) -> Option<usize> {
        let ticket: &Ticket = ticket.try_into().ok()?;
        let shard = u32::from_be_bytes(*ticket.first_chunk()?);
        (shard != self.shard && shard < self.shards.get()).then_some(shard as usize)
    }
}

fn keyed(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes keys of any length")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_is_its_makers_and_every_bit_of_it_counts() {
        let two = NonZeroU32::new(2).expect("2");
        let mut tickets = Tickets::new(7);
        tickets.set_shard(1, two);
        let ticket = tickets.seal(1 << 40, 3);
        assert_eq!(tickets.open(&ticket), Some((1 << 40, 3)));
        assert_eq!(tickets.elsewhere(&ticket), None);
        for bit in 0..8 * TICKET_LEN {
            let mut other = ticket;
            other[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(tickets.open(&other), None, "{bit}");
        }
        for len in 0..TICKET_LEN {
            assert_eq!(tickets.open(&ticket[..len]), None);
        }
        let mut other = Tickets::new(8);
        other.set_shard(0, two);
        assert_eq!(other.open(&ticket), None);
        assert_eq!(other.elsewhere(&ticket), Some(1));
        assert_eq!(other.elsewhere(&[0xFF; TICKET_LEN]), None, "there are two");
        assert_eq!(other.elsewhere(b"\0\0\0\x01"), None);
    }
}
