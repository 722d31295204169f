//! CloudTrail's files, as S3 holds them or as `aws cloudtrail lookup-events` prints them, read as a stream. Whoever wrote
//! a file, it fills no memory.

use std::cell::Cell;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use flate2::bufread::MultiGzDecoder;
use jiff::{SignedDuration, Timestamp};
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use super::collect::Collector;
use crate::model::{Accesses, Gap, GapReason, Record, Rotations};

/// The most of one file, unpacked; CloudTrail's own are a few megabytes.
const MOST_OF_A_FILE: u64 = 2 * 1024 * 1024 * 1024;
/// The most of one record; CloudTrail's own have 256 KB, as an extra of LookupEvents twice that.
const MOST_OF_A_RECORD: u64 = 1024 * 1024;
/// Larger holes at the ends of a window are told: in a day something happens in every account.
const QUIET: SignedDuration = SignedDuration::from_hours(24);

/// A file that could not be read to its end.
#[derive(Debug, thiserror::Error)]
#[error("{name}: {why}")]
pub struct FileError {
    /// The file.
    pub name: String,
    /// What is wrong with it.
    pub why: String,
}

/// Reads a file of CloudTrail, packed or not, and hands out its records. The answer is how many things in it were no
/// records.
///
/// # Errors
/// It is not one of CloudTrail's, is damaged, or is larger than any. What stood before the fault has been handed out.
pub fn read_records(input: impl Read, name: &str, each: &mut dyn FnMut(Record)) -> Result<u64, FileError> {
    read_within(MOST_OF_A_FILE, input, name, each)
}

fn read_within(most: u64, input: impl Read, name: &str, each: &mut dyn FnMut(Record)) -> Result<u64, FileError> {
    let failed = |why: String| FileError { name: name.to_owned(), why };
    let mut input = BufReader::new(input);
    let packed = input.fill_buf().map_err(|error| failed(error.to_string()))?.starts_with(&[0x1f, 0x8b]);
    let input: Box<dyn BufRead + '_> =
        if packed { Box::new(BufReader::new(MultiGzDecoder::new(input))) } else { Box::new(input) };
    let left = Rc::new(Left { file: Cell::new(most), record: Cell::new(MOST_OF_A_RECORD) });
    let mut json = serde_json::Deserializer::from_reader(Limited { input, left: left.clone() });
    let mut reading = Reading { each, left, unreadable: 0, lists: 0 };
    json.deserialize_map(Whole(&mut reading)).and_then(|()| json.end()).map_err(|error| failed(error.to_string()))?;
    match reading.lists {
        0 => Err(failed("it has neither Records nor Events, so it is no file of CloudTrail's events".to_owned())),
        _ => Ok(reading.unreadable),
    }
}

/// How much may still come.
struct Left {
    file: Cell<u64>,
    record: Cell<u64>,
}

struct Limited<R> {
    input: R,
    left: Rc<Left>,
}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(buffer)?;
        for (left, what) in [(&self.left.file, "the file"), (&self.left.record, "a record")] {
            let rest = left.get().checked_sub(read as u64);
            left.set(rest.ok_or_else(|| io::Error::other(format!("{what} is larger than any of CloudTrail's")))?);
        }
        Ok(read)
    }
}

/// What the visitors share.
struct Reading<'a> {
    each: &'a mut dyn FnMut(Record),
    left: Rc<Left>,
    unreadable: u64,
    lists: u64,
}

impl Reading<'_> {
    fn take(&mut self, item: Value) {
        // LookupEvents wraps the record into a text.
        let record = match item.get("CloudTrailEvent") {
            Some(Value::String(text)) => serde_json::from_str(text),
            Some(_) => Err(serde_json::Error::custom("not a text")),
            None if item.is_object() => serde_json::from_value(item),
            None => Err(serde_json::Error::custom("not an object")),
        };
        match record {
            Ok(record) => (self.each)(record),
            Err(_) => self.unreadable += 1,
        }
    }
}

/// The whole file.
struct Whole<'a, 'b>(&'a mut Reading<'b>);

impl<'de> Visitor<'de> for Whole<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object with Records or Events")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "Records" | "Events" => {
                    self.0.lists += 1;
                    map.next_value_seed(List(self.0))?;
                }
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
            self.0.left.record.set(MOST_OF_A_RECORD);
        }
        Ok(())
    }
}

/// A list of records.
struct List<'a, 'b>(&'a mut Reading<'b>);

impl<'de> DeserializeSeed<'de> for List<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, input: D) -> Result<(), D::Error> {
        input.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for List<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a list of records")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while let Some(item) = list.next_element()? {
            self.0.take(item);
            self.0.left.record.set(MOST_OF_A_RECORD);
        }
        Ok(())
    }
}

/// What files and folders tell of reads and rotations in `[from, to)`. `ours` picks the records of our account and Region:
/// a trail may bring those of all together. A damaged file costs only its own rest; it is told, and proves nothing.
///
/// # Errors
/// There is nothing of a name, or no file of CloudTrail's in a folder.
pub fn from_files(
    paths: &[PathBuf],
    from: Timestamp,
    to: Timestamp,
    ours: &dyn Fn(&Record) -> bool,
) -> Result<(Accesses, Rotations), FileError> {
    let mut found = Collector::new(from, to);
    let (mut gaps, mut whole_from) = (Vec::new(), from);
    let mut span: Option<(Timestamp, Timestamp)> = None;
    let files = listed(paths)?;
    for path in &files {
        let mut each = |record: Record| {
            if ours(&record) {
                span = record.event_time.map(|at| span.map_or((at, at), |(a, b)| (a.min(at), b.max(at)))).or(span);
                found.take(&record);
            }
        };
        let name = path.display().to_string();
        let opened = File::open(path).map_err(|error| FileError { name: name.clone(), why: error.to_string() });
        match opened.and_then(|file| read_records(file, &name, &mut each)) {
            Ok(unreadable) => found.unreadable(unreadable),
            Err(error) => {
                found.unreadable(1);
                whole_from = to;
                gaps.push(gap(&name, GapReason::Malformed, format!("{}; its rest was not read", error.why)));
            }
        }
    }
    let subject = paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ");
    let none = || "no record of our account and Region".to_owned();
    let (first, last) = span.unwrap_or((to, from));
    if first.duration_since(from) > QUIET {
        whole_from = whole_from.max(first.min(to));
        let detail = span.map_or_else(none, |_| format!("the files' records begin at {first}, the window at {from}"));
        gaps.push(gap(&subject, GapReason::NoData, detail));
    }
    if span.is_some() && to.duration_since(last) > QUIET {
        whole_from = to;
        gaps.push(gap(&subject, GapReason::NoData, format!("the files' records end at {last}, the window at {to}")));
    }
    if found.left_out > 0 {
        whole_from = to;
        gaps.push(gap(&subject, GapReason::Truncated, format!("there was no room for {} more reads", found.left_out)));
    }
    let read_from = format!("{} files ({subject})", files.len());
    Ok(found.finish(read_from, (whole_from > from).then_some(whole_from), gaps))
}

/// Hands out every record of files and folders. What is damaged is left to [`from_files`] to tell.
///
/// # Errors
/// As [`from_files`].
pub fn each_record(paths: &[PathBuf], each: &mut dyn FnMut(Record)) -> Result<(), FileError> {
    for path in listed(paths)? {
        if let Ok(file) = File::open(&path) {
            let _ = read_records(file, &path.display().to_string(), each);
        }
    }
    Ok(())
}

/// Whether a record is of our account and Region, as far as it says; `None`: of any account.
pub fn is_ours(record: &Record, account: Option<&str>, region: &str) -> bool {
    let same = |said: &Option<String>, ours: &str| said.as_deref().is_none_or(|said| said == ours);
    same(&record.region, region) && account.is_none_or(|account| same(&record.recipient_account_id, account))
}

fn gap(subject: &str, reason: GapReason, detail: String) -> Gap {
    Gap { what: "CloudTrail files".to_owned(), subject: subject.to_owned(), reason, detail }
}

/// The files that are named, and those in folders that are named, in order.
fn listed(paths: &[PathBuf]) -> Result<Vec<PathBuf>, FileError> {
    let mut files = Vec::new();
    for path in paths {
        let failed = |error: &dyn ToString| FileError { name: path.display().to_string(), why: error.to_string() };
        if !fs::metadata(path).map_err(|error| failed(&error))?.is_dir() {
            files.push(path.clone());
            continue;
        }
        let known = files.len();
        inside(path, &mut files).map_err(|error| failed(&error))?;
        if files.len() == known {
            return Err(failed(&"no .json or .json.gz file in this folder"));
        }
    }
    files.sort();
    files.dedup();
    Ok(files)
}

/// S3 keeps digests and Insights events in folders of their own beside the records. Links are not followed: a folder may
/// come from anywhere, and lead round in a circle.
fn inside(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let (kind, name) = (entry.file_type()?, entry.file_name().to_string_lossy().into_owned());
        if kind.is_dir() && name != "CloudTrail-Digest" && name != "CloudTrail-Insight" {
            inside(&entry.path(), files)?;
        } else if kind.is_file() && (name.ends_with(".json") || name.ends_with(".json.gz")) {
            files.push(entry.path());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
