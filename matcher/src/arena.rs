//! Where things live that are named by small numbers.

use alloc::vec::Vec;
use core::ops::{Index, IndexMut};

/// Places to a page. A page never moves, so that growing is never a pause.
const PAGE: usize = 512;

/// Things by number. The number of one that was removed is given to another.
#[derive(Clone, Debug)]
pub(crate) struct Arena<T> {
    pages: Vec<Vec<Option<T>>>,
    vacant: Vec<u32>,
    len: usize,
}

impl<T> Arena<T> {
    pub(crate) fn new() -> Self {
        Self { pages: Vec::new(), vacant: Vec::new(), len: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// One more than the greatest number that was ever given away since it was empty.
    pub(crate) fn end(&self) -> u32 {
        let full = self.pages.len().saturating_sub(1) * PAGE;
        (full + self.pages.last().map_or(0, Vec::len)) as u32
    }

    pub(crate) fn insert(&mut self, value: T) -> u32 {
        self.len += 1;
        if let Some(number) = self.vacant.pop() {
            *self.place(number) = Some(value);
            return number;
        }
        let number = self.end();
        assert!(number < u32::MAX, "memory is full long before");
        if self.pages.last().is_none_or(|page| page.len() == PAGE) {
            // The first page grows as it is needed: most arenas stay small.
            let capacity = if self.pages.is_empty() { 4 } else { PAGE };
            self.pages.push(Vec::with_capacity(capacity));
        }
        let page = self.pages.last_mut().expect("there is one with room");
        page.push(Some(value));
        number
    }

    pub(crate) fn remove(&mut self, number: u32) -> Option<T> {
        let value = self.place(number).take()?;
        self.len -= 1;
        self.vacant.push(number);
        // What a rush hour has taken is given back when all have left.
        if self.len == 0 && self.pages.len() > 1 {
            *self = Self::new();
        }
        Some(value)
    }

    pub(crate) fn get(&self, number: u32) -> Option<&T> {
        let number = number as usize;
        self.pages.get(number / PAGE)?.get(number % PAGE)?.as_ref()
    }

    fn place(&mut self, number: u32) -> &mut Option<T> {
        let number = number as usize;
        &mut self.pages[number / PAGE][number % PAGE]
    }
}

impl<T> Index<u32> for Arena<T> {
    type Output = T;

    fn index(&self, number: u32) -> &T {
        self.get(number).expect("the number is of one that is there")
    }
}

impl<T> IndexMut<u32> for Arena<T> {
    fn index_mut(&mut self, number: u32) -> &mut T {
        self.place(number).as_mut().expect("the number is of one that is there")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_given_again_and_all_pages_go_when_all_have_left() {
        let mut arena = Arena::new();
        let numbers: Vec<u32> = (0..2000).map(|n| arena.insert(n)).collect();
        assert_eq!((arena.len(), arena.end(), arena[1999]), (2000, 2000, 1999));
        assert_eq!(arena.remove(700), Some(700));
        assert_eq!(arena.get(700), None);
        assert_eq!(arena.insert(7), 700);
        for number in numbers {
            arena.remove(number);
        }
        assert_eq!((arena.len(), arena.end(), arena.pages.len()), (0, 0, 0));
    }
}
