//! Bounds for JSON that is read as a stream: no field is larger than any of ours, and it ends.

use std::cell::Cell;
use std::io::{self, Read};
use std::rc::Rc;

use super::MOST_LIST;

/// The most for one field or one item of a list; the longest is the field that names some thousand parts.
const MOST_FIELD: u64 = 1024 * 1024;

/// How much may still come, altogether and of one field or item.
pub(super) struct Limits {
    all: Cell<u64>,
    field: Cell<u64>,
    /// Whether it was too much.
    pub(super) tripped: Cell<bool>,
}

impl Default for Limits {
    fn default() -> Self {
        Self { all: Cell::new(MOST_LIST), field: Cell::new(MOST_FIELD), tripped: Cell::new(false) }
    }
}

impl Limits {
    /// The next field or item begins.
    pub(super) fn begin(&self) {
        self.field.set(MOST_FIELD);
    }
}

/// What comes through is counted.
pub(super) struct Limited<R> {
    pub(super) inner: R,
    pub(super) limits: Rc<Limits>,
}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        for left in [&self.limits.all, &self.limits.field] {
            match left.get().checked_sub(read as u64) {
                Some(rest) => left.set(rest),
                None => {
                    self.limits.tripped.set(true);
                    return Err(io::Error::new(io::ErrorKind::InvalidData, "larger than any manifest of ours"));
                }
            }
        }
        Ok(read)
    }
}
