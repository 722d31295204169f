//! Faults as they are found, of which there may be as many as secrets.

use super::super::fault::Fault;

/// Faults that are told one by one.
pub(super) const MOST_FAULTS: usize = 10_000;

/// Faults as they are found; beyond the first ten thousand only their number.
#[derive(Default)]
pub(super) struct Faults {
    told: Vec<Fault>,
    more: u64,
}

impl Faults {
    pub(super) fn push(&mut self, fault: Fault) {
        if self.room() > 0 {
            self.told.push(fault);
        } else {
            self.more += 1;
        }
    }

    pub(super) fn room(&self) -> usize {
        MOST_FAULTS.saturating_sub(self.told.len())
    }

    pub(super) fn skip(&mut self, number: u64) {
        self.more += number;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.told.is_empty()
    }

    /// Adds the faults of a part, which is named where they do not name a file of it.
    pub(super) fn append(&mut self, part: Self, path: &str) {
        self.more += part.more;
        for fault in part.told {
            self.push(if fault.names_a_file() { fault } else { Fault::InPart(path.to_owned(), Box::new(fault)) });
        }
    }

    pub(super) fn told(mut self) -> Vec<Fault> {
        if self.more > 0 {
            self.told.push(Fault::More(self.more));
        }
        self.told
    }
}
