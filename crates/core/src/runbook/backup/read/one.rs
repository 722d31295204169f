//! Reads one archive, once and as a stream, and never unpacks it.

use std::cell::Cell;
use std::collections::HashMap;
use std::collections::hash_map;
use std::io::{self, Read};

use flate2::read::GzDecoder;
use sha2::{Digest, Sha256};

use super::super::fault::Fault;
use super::super::manifest::{Entry, config_file};
use super::super::spool::{Id, Lines, id};
use super::super::values::Values;
use super::compare::{Seen, compare};
use super::list::{self, Failed, Listing};
use super::{Faults, MOST_FILES, MOST_LIST, Piece};
use crate::model::Secret;
use crate::runbook::once::hex;

/// The most that a file of one secret may have: its policy (20 KiB), tags, description and versions, or twenty values
/// of 64 KiB in base64; with room.
const MOST_CONFIG: u64 = 4 * 1024 * 1024;
/// The most for a path that does not fit into tar's own field.
const MOST_PATH: u64 = 4096;
/// The most behind the last file: tar fills its last record with zeros.
const MOST_PADDING: u64 = 1024 * 1024;

const CONFIG: &str = "-config.json";
const VALUES: &str = "-values.json";

/// What is kept of all parts together: which files there were, and in which part.
#[derive(Default)]
pub(super) struct Estate {
    ids: HashMap<Id, u16>,
    files: u64,
}

#[cfg(test)]
impl Estate {
    pub(super) fn nearly_full() -> Self {
        Self { files: 2 * MOST_FILES - 1, ..Self::default() }
    }
}

/// An archive that has been read to its end.
pub(super) struct Whole {
    pub(super) listing: Listing,
    pub(super) size: u64,
    pub(super) sha256: String,
}

/// Where the archive is being read.
struct Place<'a> {
    part: u16,
    estate: &'a mut Estate,
    faults: &'a mut Faults,
    each: &'a mut dyn FnMut(Piece),
    seen: Lines<Seen>,
    manifest: Option<(Listing, Lines<Entry>)>,
    /// The secret whose configuration came last.
    last: Option<String>,
    files: u64,
}

/// Reads `content` to its end.
///
/// # Errors
/// The first fault that makes going on useless; all others go to `faults`.
pub(super) fn archive(
    content: impl Read,
    part: u16,
    estate: &mut Estate,
    faults: &mut Faults,
    each: &mut dyn FnMut(Piece),
) -> Result<Whole, Fault> {
    let broken = Cell::new(false);
    let mut whole = Counted { inner: Source { inner: content, broken: &broken }, hash: Sha256::new(), total: 0 };
    let seen = Lines::new().map_err(Fault::Unreadable)?;
    let mut place = Place { part, estate, faults, each, seen, manifest: None, last: None, files: 0 };
    // Raw, because the tar crate would take a long path's length from the archive.
    let read = place.files(GzDecoder::new(&mut whole));
    if let Err(Stop::Io(error)) = read {
        let entries = place.files;
        return Err(if broken.get() { Fault::Unreadable(error) } else { Fault::Damaged { entries, error } });
    }
    if let Err(Stop::Fault(fault)) = read {
        return Err(fault);
    }
    io::copy(&mut whole, &mut io::sink()).map_err(Fault::Unreadable)?;
    let Place { seen, manifest, faults, .. } = place;
    let (listing, entries) = manifest.ok_or(Fault::NoManifest)?;
    compare(seen, entries, faults).map_err(Fault::Unreadable)?;
    if listing.configs != listing.summary.written {
        faults.push(Fault::Miscounted { counted: listing.summary.written, listed: listing.configs });
    }
    if listing.values != listing.summary.values.unwrap_or_default() {
        let counted = listing.summary.values.unwrap_or_default();
        faults.push(Fault::MiscountedValues { counted, listed: listing.values });
    }
    Ok(Whole { listing, size: whole.total, sha256: hex(&whole.hash.finalize()) })
}

/// Why reading ends before the archive does.
enum Stop {
    Fault(Fault),
    Io(io::Error),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl Place<'_> {
    fn files(&mut self, gzip: impl Read) -> Result<(), Stop> {
        let mut tar = tar::Archive::new(gzip);
        let mut long_path = None;
        for entry in tar.entries()?.raw(true) {
            let entry = entry?;
            let (kind, size) = (entry.header().entry_type(), entry.header().entry_size()?);
            self.estate.files += 1;
            if self.estate.files > 2 * MOST_FILES {
                return Err(Stop::Fault(Fault::TooMany));
            }
            if kind.is_gnu_longname() && long_path.is_none() && size <= MOST_PATH {
                long_path = Some(text(entry, size)?);
                continue;
            }
            let raw = long_path.take().unwrap_or_else(|| String::from_utf8_lossy(&entry.path_bytes()).into_owned());
            let path = checked(raw, kind).map_err(Stop::Fault)?;
            self.file(path, size, entry)?;
        }
        // Tar ends before gzip does: read on, so that gzip checks its own sum and the hash covers the whole file.
        let mut rest = tar.into_inner().take(MOST_PADDING + 1);
        if io::copy(&mut rest, &mut io::sink())? > MOST_PADDING {
            return Err(Stop::Io(io::Error::new(io::ErrorKind::InvalidData, "there is data behind its last file")));
        }
        Ok(())
    }

    fn file(&mut self, path: String, size: u64, content: impl Read) -> Result<(), Stop> {
        let file = path.rsplit('/').next().unwrap_or_default();
        let is_list = matches!(file, "manifest.json" | "secrets-metadata.json");
        if size > if is_list { MOST_LIST } else { MOST_CONFIG } {
            return Err(Stop::Fault(Fault::TooLarge(path, size)));
        }
        // Each part has lists of its own, but a secret is in one part only.
        let first = self.is_first(if is_list { &path } else { file });
        let mut content = Counted { inner: content, hash: Sha256::new(), total: 0 };
        let mut holds = None;
        match file {
            "manifest.json" => {
                if first {
                    self.manifest(&mut content)?;
                } else {
                    self.faults.push(Fault::Twice(path));
                }
                return Ok(());
            }
            "secrets-metadata.json" => drop(io::copy(&mut content, &mut io::sink())?),
            _ => {
                let mut json = Vec::new();
                content.read_to_end(&mut json)?;
                if file.ends_with(VALUES) {
                    self.values(&path, file, &json, first);
                } else {
                    holds = self.secret(&path, file, &json, first);
                }
            }
        }
        self.files += 1;
        if first {
            let sha256 = hex(&content.hash.finalize());
            self.seen.push(&Seen { path, size: content.total, sha256, holds })?;
        }
        Ok(())
    }

    /// Says so once of each path or file name, and tells of a second.
    fn is_first(&mut self, name: &str) -> bool {
        match self.estate.ids.entry(id(name)) {
            hash_map::Entry::Vacant(free) => {
                free.insert(self.part);
                true
            }
            hash_map::Entry::Occupied(_) => false,
        }
    }

    /// Hands on a secret; returns its name where the file should be called otherwise.
    fn secret(&mut self, path: &str, file: &str, json: &[u8], first: bool) -> Option<String> {
        self.last = None;
        if !first {
            self.twice(path, file);
            return None;
        }
        let secret = match serde_json::from_slice::<Secret>(json) {
            Ok(secret) => secret,
            Err(error) => {
                self.faults.push(Fault::NotASecret(path.to_owned(), error));
                return None;
            }
        };
        if config_file(&secret.name) != file {
            return Some(secret.name);
        }
        self.last = Some(secret.name.clone());
        (self.each)(Piece::Secret(Box::new(secret)));
        None
    }

    fn values(&mut self, path: &str, file: &str, json: &[u8], first: bool) {
        let last = self.last.take();
        if !first {
            return self.twice(path, file);
        }
        match serde_json::from_slice::<Values>(json) {
            Err(error) => self.faults.push(Fault::NotValues(path.to_owned(), error)),
            Ok(values) if last.as_deref() == Some(&values.name) && values_file(&values.name) == file => {
                (self.each)(Piece::Values(values));
            }
            Ok(_) => self.faults.push(Fault::Lonely(path.to_owned())),
        }
    }

    fn twice(&mut self, path: &str, file: &str) {
        let before = self.estate.ids.get(&id(file)).copied().unwrap_or(self.part);
        let path = path.to_owned();
        self.faults.push(if before == self.part { Fault::Twice(path) } else { Fault::TwiceInParts(path, before) });
    }

    fn manifest(&mut self, content: impl Read) -> Result<(), Stop> {
        let mut entries = Lines::new()?;
        let parsed = list::parse("manifest.json", content, &mut |entry| entries.push(&entry).map(drop));
        let listing = parsed.map_err(|failed| match failed {
            Failed::Bad(fault) => Stop::Fault(fault),
            Failed::Io(error) => Stop::Io(error),
        })?;
        self.manifest = Some((listing, entries));
        Ok(())
    }
}

/// The file of a secret's values, which stands right behind its configuration.
fn values_file(name: &str) -> String {
    let config = config_file(name);
    format!("{}{VALUES}", config.strip_suffix(CONFIG).unwrap_or(&config))
}

fn text(mut content: impl Read, size: u64) -> io::Result<String> {
    let mut bytes = Vec::with_capacity(size.try_into().unwrap_or_default());
    content.read_to_end(&mut bytes)?;
    while bytes.last() == Some(&0) {
        bytes.pop();
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The path of a plain file directly in a folder, or a fault.
fn checked(raw: String, kind: tar::EntryType) -> Result<String, Fault> {
    let mut parts = raw.split('/');
    let plain = |part: Option<&str>| part.is_some_and(|part| !matches!(part, "" | "." | ".."));
    let fine = kind.is_file() && plain(parts.next()) && plain(parts.next());
    if fine && parts.next().is_none() { Ok(raw) } else { Err(Fault::Hostile(raw)) }
}

/// Notes whether it was the source that failed, and not what came from it that was wrong.
struct Source<'a, R> {
    inner: R,
    broken: &'a Cell<bool>,
}

impl<R: Read> Read for Source<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer);
        self.broken.set(read.as_ref().is_err_and(|error| error.kind() != io::ErrorKind::Interrupted));
        read
    }
}

/// Hashes and counts what passes through.
struct Counted<R> {
    inner: R,
    hash: Sha256,
    total: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.hash.update(&buffer[..read]);
        self.total += read as u64;
        Ok(read)
    }
}
