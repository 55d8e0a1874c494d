//! Values in numbered slots that are used again, told apart by generation.

use alloc::vec::Vec;

use crate::AllocationId;

/// A vector of slots and the list of vacant ones.
pub(crate) struct Slab<T> {
    slots: Vec<Slot<T>>,
    vacant: Vec<u32>,
}

struct Slot<T> {
    /// Grows whenever the slot falls vacant.
    generation: u32,
    value: Option<T>,
}

impl<T> Slab<T> {
    pub(crate) fn new() -> Self {
        Self { slots: Vec::new(), vacant: Vec::new() }
    }

    pub(crate) fn insert(&mut self, value: T) -> AllocationId {
        let index = self.vacant.pop().unwrap_or_else(|| {
            self.slots.push(Slot { generation: 0, value: None });
            (self.slots.len() - 1) as u32
        });
        let slot = &mut self.slots[index as usize];
        slot.value = Some(value);
        AllocationId { index, generation: slot.generation }
    }

    pub(crate) fn remove(&mut self, id: AllocationId) -> Option<T> {
        let slot = self.slots.get_mut(id.index())?;
        if slot.generation != id.generation {
            return None;
        }
        let value = slot.value.take()?;
        slot.generation = slot.generation.wrapping_add(1);
        self.vacant.push(id.index);
        Some(value)
    }

    pub(crate) fn get(&self, id: AllocationId) -> Option<&T> {
        let slot = self.slots.get(id.index())?;
        slot.value.as_ref().filter(|_| slot.generation == id.generation)
    }

    pub(crate) fn get_mut(&mut self, id: AllocationId) -> Option<&mut T> {
        let slot = self.slots.get_mut(id.index())?;
        slot.value.as_mut().filter(|_| slot.generation == id.generation)
    }

    pub(crate) fn replace_with(&mut self, id: AllocationId, change: impl FnOnce(T) -> T) {
        let Some(slot) = self.slots.get_mut(id.index()) else { return };
        if slot.generation == id.generation {
            slot.value = slot.value.take().map(change);
        }
    }

    /// What is in a slot now, and the id it has there.
    pub(crate) fn at(&self, index: u32) -> Option<(AllocationId, &T)> {
        let slot = self.slots.get(index as usize)?;
        Some((AllocationId { index, generation: slot.generation }, slot.value.as_ref()?))
    }

    /// Bytes of memory taken, vacant slots included.
    pub(crate) fn bytes(&self) -> usize {
        self.slots.capacity() * size_of::<Slot<T>>() + self.vacant.capacity() * size_of::<u32>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_used_again_is_not_the_one_before() {
        let mut slab = Slab::new();
        let first = slab.insert('a');
        assert_eq!(slab.remove(first), Some('a'));
        let second = slab.insert('b');
        assert_eq!(second.index(), first.index());
        assert_ne!(second, first);
        assert_eq!(slab.get(first), None);
        assert_eq!(slab.get_mut(first), None);
        assert_eq!(slab.remove(first), None);
        assert_eq!(slab.get(second), Some(&'b'));
        assert_eq!(slab.at(second.index), Some((second, &'b')));
        assert_eq!(AllocationId::from_u64(second.to_u64()), second);
    }
}
