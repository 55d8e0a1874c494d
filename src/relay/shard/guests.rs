//! Clients over UDP that have moved (RFC 8016): the kernel brings their datagrams to any worker, and their allocations stay
//! where they are. So each worker knows which 5-tuples are whose, and passes on what is for another.

use hairpin_turn::FiveTuple;

use super::super::mailbox::ToWorker;
use super::Shard;

impl Shard {
    /// The worker that takes the datagrams of a 5-tuple in this one's stead.
    #[inline(always)]
    pub(super) fn home_of(&self, client: &FiveTuple) -> Option<usize> {
        if self.guests.is_empty() {
            return None;
        }
        self.guests.get(client).copied()
    }

    /// Has all others pass on the datagrams of a client.
    pub(super) fn expect(&mut self, client: FiveTuple) {
        self.guests.remove(&client);
        self.outbox.tell_others(self.index, |postbox| postbox.send_guest(client, self.index));
    }

    /// Has the others no longer do so.
    pub(super) fn forget(&self, client: FiveTuple) {
        self.outbox.tell_others(self.index, |postbox| postbox.send_guest_gone(client, self.index));
    }

    /// Takes what other workers say of their clients out of the mail, before the sockets are read: a client is answered
    /// after all workers have been told, so nothing that it sends then is read by one that does not know it.
    pub(in super::super) fn meet_guests(&mut self, mail: &mut Vec<ToWorker>) {
        mail.retain(|item| match *item {
            ToWorker::Guest { client, home } => {
                self.guests.insert(client, home);
                false
            }
            ToWorker::GuestGone { client, home } => {
                // It may be another's by now, whose word was heard first.
                if self.guests.get(&client) == Some(&home) {
                    self.guests.remove(&client);
                }
                false
            }
            _ => true,
        });
    }
}
