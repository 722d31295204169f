//! What was done with a plan, one line of JSON an event, on disk before and after each step.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What became of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// The call is about to be made.
    Begun,
    /// Made, and answered well.
    Done,
    /// What it wants was there before it.
    Already,
    /// The object is neither as planned nor as wanted.
    Refused,
    /// AWS refused, or could not be reached.
    Failed,
    /// Left out, because an earlier step of the same object was refused or failed, or the run was stopped.
    Skipped,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The plan's hash.
    pub plan: String,
    /// The step's number.
    pub step: u64,
    /// What became of it.
    pub state: State,
    /// When.
    pub at: Timestamp,
    /// What was wrong, or what came back. Never a value.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
}

/// The journal of a plan: `<plan>.journal` beside it. Holding it keeps a second run of the same plan out.
#[derive(Debug)]
pub struct Journal {
    plan: String,
    path: PathBuf,
    file: Mutex<File>,
}

impl Journal {
    /// Opens the journal of the plan with this hash, and reads what earlier runs wrote.
    ///
    /// # Errors
    /// `WouldBlock` where another process is applying the plan; `InvalidData` where the file is of another plan.
    pub fn open(path: &Path, plan: &str) -> io::Result<(Self, Vec<Entry>)> {
        let file = OpenOptions::new().create(true).read(true).append(true).open(path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let text = format!("{} is in use: this plan is being applied already", path.display());
                return Err(io::Error::new(io::ErrorKind::WouldBlock, text));
            }
            Err(TryLockError::Error(error)) => return Err(error),
        }
        let mut entries = Vec::new();
        for line in BufReader::new(&file).lines() {
            // A line that a kill cut short says nothing that the objects themselves do not say.
            if let Ok(entry) = serde_json::from_str::<Entry>(&line?) {
                entries.push(entry);
            }
        }
        if let Some(other) = entries.iter().find(|entry| entry.plan != plan) {
            let text = format!("{} belongs to the plan {}; move it away first", path.display(), other.plan);
            return Err(io::Error::new(io::ErrorKind::InvalidData, text));
        }
        let journal = Self { plan: plan.to_owned(), path: path.to_owned(), file: Mutex::new(file) };
        journal.write_line(b"")?;
        Ok((journal, entries))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes one event through to the disk.
    pub fn note(&self, step: u64, state: State, at: Timestamp, detail: &str) -> io::Result<()> {
        let entry = Entry { plan: self.plan.clone(), step, state, at, detail: detail.to_owned() };
        self.write_line(&serde_json::to_vec(&entry)?)
    }

    fn write_line(&self, line: &[u8]) -> io::Result<()> {
        let mut file = self.file.lock().map_err(|_| io::Error::other("the journal's lock is poisoned"))?;
        // One write a line: a kill leaves whole lines, or a last one that is cut.
        file.write_all(&[line, b"\n"].concat())?;
        file.sync_data()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_read_back_by_the_next_run_and_by_no_other_plan() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("p.journal");
        let at = Timestamp::UNIX_EPOCH;
        {
            let (journal, before) = Journal::open(&path, "h").unwrap();
            assert_eq!(before, []);
            journal.note(1, State::Begun, at, "").unwrap();
            journal.note(1, State::Failed, at, "denied").unwrap();
            let error = Journal::open(&path, "h").unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
            assert!(error.to_string().ends_with("this plan is being applied already"));
        }
        // A line that was cut.
        OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{\"plan\":\"h\",\"st").unwrap();
        let (journal, entries) = Journal::open(&path, "h").unwrap();
        assert_eq!(entries.iter().map(|entry| entry.state).collect::<Vec<_>>(), [State::Begun, State::Failed]);
        assert_eq!(entries[1].detail, "denied");
        journal.note(1, State::Done, at, "").unwrap();
        drop(journal);
        assert_eq!(Journal::open(&path, "h").unwrap().1.len(), 3, "the cut line swallows no other");
        assert_eq!(Journal::open(&path, "other").unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}
