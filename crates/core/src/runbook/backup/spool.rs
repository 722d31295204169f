//! Items on their way from one reading to the next, in a file that no name leads to: what grows with the estate stays
//! out of memory, and is gone with the process.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Seek, SeekFrom, Write};
use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

/// More than the largest estate needs (500,000 secrets of 32 KiB), and less than what would fill a disk.
const MOST: u64 = 16 * 1024 * 1024 * 1024;

/// Enough of a SHA-256 to tell apart whatever an estate may hold.
pub(super) type Id = [u8; 16];

/// The id of a name or path.
pub(super) fn id(name: &str) -> Id {
    let mut id = [0; 16];
    id.copy_from_slice(&Sha256::digest(name.as_bytes())[..16]);
    id
}

/// Items being written, one a line.
pub(in crate::runbook) struct Lines<T> {
    file: BufWriter<File>,
    size: u64,
    most: u64,
    items: PhantomData<fn(&T)>,
}

/// Items that can be read again: in order, or one by one.
pub(in crate::runbook) struct Written<T> {
    file: BufReader<File>,
    at: u64,
    items: PhantomData<fn() -> T>,
}

impl<T: Serialize + DeserializeOwned> Lines<T> {
    pub(in crate::runbook) fn new() -> io::Result<Self> {
        Ok(Self { file: BufWriter::new(tempfile::tempfile()?), size: 0, most: MOST, items: PhantomData })
    }

    /// Writes one item and tells where it lies.
    pub(in crate::runbook) fn push(&mut self, item: &T) -> io::Result<u64> {
        let mut line = serde_json::to_vec(item)?;
        line.push(b'\n');
        let at = self.size;
        self.size += line.len() as u64;
        if self.size > self.most {
            return Err(io::Error::other(format!("more than {} bytes, which no estate has", self.most)));
        }
        self.file.write_all(&line)?;
        Ok(at)
    }

    pub(in crate::runbook) fn finish(self) -> io::Result<Written<T>> {
        let mut file = self.file.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.seek(SeekFrom::Start(0))?;
        Ok(Written { file: BufReader::new(file), at: 0, items: PhantomData })
    }
}

impl<T: DeserializeOwned> Written<T> {
    /// The next item and where it lies.
    pub(in crate::runbook) fn next(&mut self) -> io::Result<Option<(u64, T)>> {
        let mut line = Vec::new();
        let length = self.file.read_until(b'\n', &mut line)? as u64;
        if length == 0 {
            return Ok(None);
        }
        let at = self.at;
        self.at += length;
        Ok(Some((at, serde_json::from_slice(&line)?)))
    }

    /// The item that lies at `offset`; [`Self::next`] goes on behind it. Neighbours cost no second read of the file.
    pub(super) fn at(&mut self, offset: u64) -> io::Result<T> {
        let by = i64::try_from(offset).unwrap_or(i64::MAX) - i64::try_from(self.at).unwrap_or(i64::MAX);
        self.file.seek_relative(by)?;
        self.at = offset;
        match self.next()? {
            Some((_, item)) => Ok(item),
            None => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_in_order_and_by_place() {
        let mut lines = Lines::<String>::new().unwrap();
        let words = ["one", "two\nlines", "", "四"].map(str::to_owned);
        let places: Vec<u64> = words.iter().map(|word| lines.push(word).unwrap()).collect();
        let mut written = lines.finish().unwrap();
        for (place, word) in places.iter().zip(&words) {
            assert_eq!(written.next().unwrap(), Some((*place, word.clone())));
        }
        assert_eq!(written.next().unwrap(), None);
        for index in [2, 0, 3, 1] {
            assert_eq!(written.at(places[index]).unwrap(), words[index]);
        }
        assert_eq!(written.next().unwrap().unwrap().1, "", "goes on behind the last");
        assert_eq!(written.at(1000).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn a_disk_is_never_filled() {
        let mut lines = Lines { most: 8, ..Lines::<String>::new().unwrap() };
        lines.push(&"abcde".to_owned()).unwrap();
        assert!(lines.push(&String::new()).unwrap_err().to_string().contains("more than 8 bytes"));
    }
}
