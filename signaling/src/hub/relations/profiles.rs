//! What an app's backend has said of its users.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::attributes::Wishes;
use crate::{Denied, PushedProfile};

/// How many are kept, and of how many bytes together.
const MOST: usize = 1 << 18;
const MOST_BYTES: usize = 256 << 20;

/// Profiles by user, until the backend takes them back.
#[derive(Debug, Default)]
pub(in crate::hub) struct Profiles {
    of: BTreeMap<Arc<str>, Pushed>,
    bytes: usize,
}

#[derive(Debug)]
struct Pushed {
    said: Box<PushedProfile>,
    wishes: Box<Wishes>,
    bytes: usize,
}

impl Profiles {
    /// Takes the place of what was said before; what says nothing takes it back.
    ///
    /// # Errors
    /// There is no room for it.
    pub(in crate::hub) fn set(
        &mut self,
        user: &Arc<str>,
        said: PushedProfile,
        wishes: Wishes,
    ) -> Result<(), Denied> {
        let earlier = self.of.get(user).map_or(0, |pushed| pushed.bytes);
        let nothing = said == PushedProfile::default();
        // As it is said and as it is understood.
        let text = serde_json::to_string(&said).map_or(0, |text| text.len());
        let bytes = user.len() + size_of::<(PushedProfile, Wishes)>() + 4 * text;
        let is_new = usize::from(earlier == 0);
        let (count, all) = (self.of.len() + is_new, self.bytes - earlier + bytes);
        if !nothing && (count > MOST || all > MOST_BYTES) {
            let (most, mebibytes) = (MOST, MOST_BYTES >> 20);
            let message = format!("the server keeps at most {most} profiles, or {mebibytes} MiB");
            return Err(Denied::Full(message));
        }
        self.of.remove(user);
        self.bytes -= earlier;
        if !nothing {
            let (said, wishes) = (said.into(), wishes.into());
            self.of.insert(user.clone(), Pushed { said, wishes, bytes });
            self.bytes += bytes;
        }
        Ok(())
    }

    pub(in crate::hub) fn said(&self, user: &str) -> Option<&PushedProfile> {
        self.of.get(user).map(|pushed| &*pushed.said)
    }

    pub(in crate::hub) fn wishes(&self, user: &str) -> Option<&Wishes> {
        self.of.get(user).map(|pushed| &*pushed.wishes)
    }
}
