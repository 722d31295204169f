//! Records in, reads and rotation events out: each record once, and only those of the window.

use std::collections::HashSet;

use jiff::Timestamp;

use crate::model::{Access, Accesses, Gap, Record, RotationEvent, Rotations, access, is_read, rotation_event};

/// More than this is not kept, lest a file fill the memory; a busy account has as many in a month.
const MOST: usize = 1_000_000;

/// Takes records as they come, in any order.
#[derive(Debug)]
pub(super) struct Collector {
    from: Timestamp,
    to: Timestamp,
    reads: Vec<Access>,
    rotations: Vec<RotationEvent>,
    seen: HashSet<u128>,
    unreadable: u64,
    /// What there was no room for.
    pub(super) left_out: u64,
}

impl Collector {
    pub(super) fn new(from: Timestamp, to: Timestamp) -> Self {
        let (reads, rotations, seen) = (Vec::new(), Vec::new(), HashSet::new());
        Self { from, to, reads, rotations, seen, unreadable: 0, left_out: 0 }
    }

    /// CloudTrail may deliver a record twice, and two files may hold the same.
    pub(super) fn take(&mut self, record: &Record) {
        let (read, rotation) = (access(record), rotation_event(record));
        let at = read.as_ref().map(|read| read.at).or_else(|| rotation.as_ref().map(|event| event.at));
        match at {
            Some(at) if at < self.from || at >= self.to => {}
            Some(_) if self.reads.len() + self.rotations.len() >= MOST => self.left_out += 1,
            Some(_) if self.is_known(record) => {}
            Some(_) => {
                self.reads.extend(read);
                self.rotations.extend(rotation);
            }
            None if is_read(record) || is_rotation(record) || record.event_name.is_none() => self.unreadable += 1,
            None => {}
        }
    }

    fn is_known(&mut self, record: &Record) -> bool {
        let hex = |id: &String| u128::from_str_radix(&id.replace('-', ""), 16).ok();
        record.event_id.as_ref().and_then(hex).is_some_and(|id| !self.seen.insert(id))
    }

    pub(super) fn unreadable(&mut self, records: u64) {
        self.unreadable += records;
    }

    pub(super) fn add(&mut self, read: Access) {
        self.reads.push(read);
    }

    /// What was taken, oldest first, and why that may not be all.
    pub(super) fn finish(
        mut self,
        read_from: String,
        truncated_at: Option<Timestamp>,
        gaps: Vec<Gap>,
    ) -> (Accesses, Rotations) {
        self.reads.sort_by_key(|read| read.at);
        let Self { from, to, reads, rotations, unreadable, .. } = self;
        (
            Accesses { from, to, truncated_at, gaps, unreadable, read_from, entries: reads },
            Rotations { truncated_at, unreadable, ..Rotations::new(from, to, rotations) },
        )
    }
}

/// By its name; [`rotation_event`] leaves out those that cannot be placed.
fn is_rotation(record: &Record) -> bool {
    let names = ["RotationStarted", "RotationSucceeded", "RotationFailed", "RotationAbandoned"];
    record.event_name.as_deref().is_some_and(|name| names.contains(&name))
}
