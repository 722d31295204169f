//! Reads a backup as a stream, proves it against its manifests, and hands out what is in it. Nothing is kept that grows
//! with the estate but 16 bytes a file, and a hostile archive fills neither memory nor disk.

mod compare;
mod faults;
mod limits;
mod list;
mod one;
mod several;

use std::fmt;
use std::io::{self, Read};

pub use list::head;

use super::fault::Fault;
use super::manifest::Summary;
use super::values::Values;
use crate::model::Secret;
use faults::Faults;
use list::{Failed, Listing};
use one::{Estate, Whole};
use several::several;

/// The most for a manifest and the list of names, which grow with the estate.
const MOST_LIST: u64 = 1024 * 1024 * 1024;
/// More files than any estate has: 500,000 secrets may be in a Region, each with values.
const MOST_FILES: u64 = 2_000_000;

const BESIDE: &str = "the manifest beside the archive";

/// Opens a stream when its turn comes; `NotFound` says that there is nothing of that name.
pub type Opener = Box<dyn FnOnce() -> io::Result<Box<dyn Read + Send>> + Send>;

/// A backup as it lies somewhere: one archive, or several parts sealed by one manifest.
pub struct Opened {
    /// As the person knows it.
    pub name: String,
    /// The manifest beside the archive, which was written last. Absent: this is not a finished backup.
    pub sealed: Option<Box<dyn Read + Send>>,
    /// In order.
    pub archives: Vec<OneArchive>,
}

/// One archive of a backup.
pub struct OneArchive {
    /// Ends in the name of its file.
    pub name: String,
    /// The archive.
    pub content: Opener,
    /// A part's own manifest.
    pub beside: Option<Opener>,
}

/// What comes out of a backup, in the order of the archive.
#[derive(Debug)]
pub enum Piece {
    /// A secret's configuration.
    Secret(Box<Secret>),
    /// The encrypted values of the secret that came right before.
    Values(Values),
}

/// What is known of a backup after it has gone by.
#[derive(Debug)]
pub struct Readout {
    /// Of the sealed manifest where the backup has parts, else of the archive's own; absent where none was understood.
    pub summary: Option<Summary>,
    /// Everything that is wrong. Only if there is nothing is any piece proven.
    pub faults: Vec<Fault>,
    /// Whether a manifest lay beside it that seals the whole.
    pub sealed: bool,
    /// Files of the parts that have faults of their own.
    pub damaged_parts: Vec<String>,
}

/// Reads a backup to its end. `each` gets every piece that is not wrong in itself, as it comes by; what it gets is proven
/// only once all has been read without a fault.
pub fn read(opened: Opened, each: &mut dyn FnMut(Piece)) -> Readout {
    let Opened { sealed, mut archives, .. } = opened;
    let mut faults = Faults::default();
    let is_sealed = sealed.is_some();
    let outside = sealed.map(|stream| list::parse(BESIDE, stream, &mut |_| Ok(())).map_err(fault_beside));
    let mut damaged_parts = Vec::new();
    let summary = match outside {
        Some(Ok(listing)) if !listing.summary.parts.is_empty() => {
            several(&listing.summary, archives, &mut damaged_parts, &mut faults, each);
            Some(listing.summary)
        }
        outside if archives.len() == 1 => {
            let OneArchive { content, beside, .. } = archives.remove(0);
            let outside = outside.or_else(|| own_manifest(beside));
            single(content, outside, &mut faults, each)
        }
        outside => {
            if let Some(Err(fault)) = outside {
                faults.push(fault);
            }
            faults.push(Fault::Unreadable(io::Error::new(io::ErrorKind::NotFound, "there is no archive")));
            None
        }
    };
    Readout { summary, faults: faults.told(), sealed: is_sealed, damaged_parts }
}

fn fault_beside(failed: Failed) -> Fault {
    match failed {
        Failed::Bad(fault) => fault,
        Failed::Io(error) => Fault::Unreadable(error),
    }
}

/// A part's own manifest; what is not there is not missed, because the sealed manifest has the part's hash.
fn own_manifest(beside: Option<Opener>) -> Option<Result<Listing, Fault>> {
    match beside?() {
        Ok(stream) => Some(list::parse(BESIDE, stream, &mut |_| Ok(())).map_err(fault_beside)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => Some(Err(Fault::Unreadable(error))),
    }
}

fn single(
    content: Opener,
    outside: Option<Result<Listing, Fault>>,
    faults: &mut Faults,
    each: &mut dyn FnMut(Piece),
) -> Option<Summary> {
    let whole = content().map_err(Fault::Unreadable);
    let whole = whole.and_then(|content| one::archive(content, 1, &mut Estate::default(), faults, each));
    let outside = outside.and_then(|outside| outside.map_err(|fault| faults.push(fault)).ok());
    match whole {
        Ok(whole) => {
            if let Some(outside) = &outside {
                compare_beside(&whole, outside, faults);
            }
            Some(whole.listing.summary)
        }
        Err(fault) => {
            faults.push(fault);
            None
        }
    }
}

fn compare_beside(whole: &Whole, outside: &Listing, faults: &mut Faults) {
    let inside = &whole.listing;
    let Some(archive) = &outside.summary.archive else {
        return faults.push(Fault::OtherManifest("it names no archive".to_owned()));
    };
    if outside.summary.name != inside.summary.name {
        return faults.push(Fault::OtherManifest(outside.summary.name.clone()));
    }
    let found = [
        ("size", whole.size.to_string(), archive.size.to_string()),
        ("sha256", whole.sha256.clone(), archive.sha256.clone()),
    ];
    for (what, got, wanted) in found {
        if got != wanted {
            faults.push(Fault::Differs { path: archive.path.clone(), what, got, wanted });
        }
    }
    if outside.digest != inside.digest {
        faults.push(Fault::OtherManifest("its lists differ from those inside the archive".to_owned()));
    }
    let without_archive = |summary: &Summary| Summary { archive: None, ..summary.clone() };
    if without_archive(&outside.summary) != without_archive(&inside.summary) {
        faults.push(Fault::OtherManifest("its figures differ from those inside the archive".to_owned()));
    }
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opened").field("name", &self.name).field("archives", &self.archives).finish_non_exhaustive()
    }
}

impl fmt::Debug for OneArchive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OneArchive").field("name", &self.name).finish_non_exhaustive()
    }
}

#[cfg(test)]
pub(super) mod tests;
