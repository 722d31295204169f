//! Writes the archive as a stream: tar in gzip in memory that is taken away part by part. What must come last although
//! it grows with the estate (the list of names, the manifest's entries) waits in unlinked spool files.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::aws::s3::PART_BYTES;

use super::manifest::{Entry, Summary, config_file, values_file};
use super::values::Values;
use crate::model::{Gap, Secret};
use crate::runbook::once::hex;

/// Descriptions repeat themselves so much that more effort than this saves little.
const LEVEL: Compression = Compression::new(3);

/// The archive in the making.
pub(super) struct Archive {
    tar: tar::Builder<GzEncoder<Hashed>>,
    name: String,
    mtime: u64,
    /// 16 bytes of each name's hash: the list may show a secret twice.
    seen: HashSet<[u8; 16]>,
    metadata: Spool,
    entries: Spool,
    gaps: Spool,
}

/// A finished archive: the bytes not yet taken, and the manifest to lie beside it.
pub(super) struct Finished {
    /// The rest of the archive.
    pub(super) rest: Vec<u8>,
    /// Hash and size of the whole.
    pub(super) archive: Entry,
    /// The manifest beside the archive.
    pub(super) manifest: Box<dyn Read + Send>,
}

impl Archive {
    pub(super) fn new(name: &str, mtime: u64) -> io::Result<Self> {
        let gzip = GzEncoder::new(Hashed { ready: room_for_a_part(), ..Hashed::default() }, LEVEL);
        Ok(Self {
            tar: tar::Builder::new(gzip),
            name: name.to_owned(),
            mtime,
            seen: HashSet::new(),
            metadata: Spool::new()?,
            entries: Spool::new()?,
            gaps: Spool::new()?,
        })
    }

    /// Whether `name` is new; says so once.
    pub(super) fn is_first(&mut self, name: &str) -> bool {
        let mut id = [0; 16];
        id.copy_from_slice(&Sha256::digest(name.as_bytes())[..16]);
        self.seen.insert(id)
    }

    /// Adds a secret's configuration.
    pub(super) fn add(&mut self, secret: &Secret) -> io::Result<()> {
        /// What the runbook's own backup kept in `secrets-metadata.json`.
        #[derive(Serialize)]
        #[serde(rename_all = "PascalCase")]
        struct Brief<'a> {
            name: &'a str,
            description: Option<&'a str>,
            last_changed_date: Option<jiff::Timestamp>,
        }
        let json = serde_json::to_vec(secret)?;
        self.append(&config_file(&secret.name), json.len() as u64, json.as_slice())?;
        self.metadata.push(&Brief {
            name: &secret.name,
            description: secret.description.as_deref(),
            last_changed_date: secret.last_changed_date,
        })
    }

    /// Adds the encrypted values of the secret that was added last.
    pub(super) fn add_values(&mut self, values: &Values) -> io::Result<()> {
        let json = serde_json::to_vec(values)?;
        self.append(&values_file(&values.name), json.len() as u64, json.as_slice())
    }

    /// Notes what could not be read.
    pub(super) fn add_gap(&mut self, gap: &Gap) -> io::Result<()> {
        self.gaps.push(gap)
    }

    fn append(&mut self, file: &str, size: u64, content: impl Read) -> io::Result<()> {
        let path = format!("{}/{file}", self.name);
        let mut content = HashingReader { inner: content, hash: Sha256::new() };
        self.tar.append_data(&mut header(size, self.mtime), &path, &mut content)?;
        let sha256 = hex(&content.hash.finalize());
        self.entries.push(&Entry { path, size, sha256 })
    }

    /// Takes what has been compressed so far, once it is at least `least` bytes.
    pub(super) fn take(&mut self, least: usize) -> Option<Vec<u8>> {
        let ready = &mut self.tar.get_mut().get_mut().ready;
        (ready.len() >= least).then(|| std::mem::replace(ready, Vec::with_capacity(ROOM)))
    }

    /// Adds the list of names and the manifest, and closes the archive. `key` names it in the manifest beside it.
    pub(super) fn finish(mut self, summary: Summary, key: &str) -> io::Result<Finished> {
        let (size, list) = self.metadata.list()?;
        self.append("secrets-metadata.json", size, list)?;

        let path = format!("{}/manifest.json", self.name);
        let (size, inner) = manifest_json(&summary, &mut self.gaps, &mut self.entries)?;
        self.tar.append_data(&mut header(size, self.mtime), &path, inner)?;
        let hashed = self.tar.into_inner()?.finish()?;

        let archive = Entry { path: key.to_owned(), size: hashed.total, sha256: hex(&hashed.hash.finalize()) };
        let beside = Summary { archive: Some(archive.clone()), ..summary };
        let (_, manifest) = manifest_json(&beside, &mut self.gaps, &mut self.entries)?;
        Ok(Finished { rest: hashed.ready, archive, manifest: Box::new(manifest) })
    }
}

/// The manifest as JSON, without ever holding it whole, and its length.
fn manifest_json(
    summary: &Summary,
    gaps: &mut Spool,
    entries: &mut Spool,
) -> io::Result<(u64, impl Read + Send + use<>)> {
    let mut head = serde_json::to_string_pretty(summary)?;
    // Opens the object again, to put the two lists behind the summary's fields.
    head.truncate(head.len() - "\n}".len());
    let (gaps_size, gaps) = gaps.list()?;
    let (entries_size, entries) = entries.list()?;
    let (before, between, after) = (format!("{head},\n  \"gaps\": "), ",\n  \"entries\": ", "}\n");
    let size = (before.len() + between.len() + after.len()) as u64 + gaps_size + entries_size;
    let whole = io::Cursor::new(before).chain(gaps).chain(between.as_bytes()).chain(entries).chain(after.as_bytes());
    Ok((size, whole))
}

fn header(size: u64, mtime: u64) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_size(size);
    header.set_mode(0o600);
    header.set_mtime(mtime);
    header.set_entry_type(tar::EntryType::Regular);
    header
}

/// A part, and what one secret may add to it.
const ROOM: usize = PART_BYTES + 64 * 1024;

/// Memory for a whole part, really taken from the system now: an estate that has grown must not run out of it half way.
fn room_for_a_part() -> Vec<u8> {
    let mut room = vec![1; ROOM];
    room.clear();
    room
}

/// Compressed bytes on their way out, hashed and counted as they come.
#[derive(Default)]
struct Hashed {
    ready: Vec<u8>,
    hash: Sha256,
    total: u64,
}

impl Write for Hashed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.hash.update(bytes);
        self.ready.extend_from_slice(bytes);
        self.total += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct HashingReader<R> {
    inner: R,
    hash: Sha256,
}

impl<R: Read> Read for HashingReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.hash.update(&buffer[..read]);
        Ok(read)
    }
}

/// JSON items, one a line, in a file that no name leads to.
struct Spool {
    file: BufWriter<File>,
    size: u64,
}

impl Spool {
    fn new() -> io::Result<Self> {
        Ok(Self { file: BufWriter::new(tempfile::tempfile()?), size: 0 })
    }

    fn push(&mut self, item: &impl Serialize) -> io::Result<()> {
        let mut line = if self.size == 0 { b"\n".to_vec() } else { b",\n".to_vec() };
        serde_json::to_writer(&mut line, item)?;
        self.file.write_all(&line)?;
        self.size += line.len() as u64;
        Ok(())
    }

    /// The items as a JSON array, and its length; more may be pushed afterwards only if it has been read to its end.
    fn list(&mut self) -> io::Result<(u64, impl Read + Send + use<>)> {
        self.file.flush()?;
        let mut file = self.file.get_ref().try_clone()?;
        file.seek(SeekFrom::Start(0))?;
        let array = io::Cursor::new("[").chain(BufReader::new(file).take(self.size)).chain("\n]".as_bytes());
        Ok((self.size + "[\n]".len() as u64, array))
    }
}

impl std::fmt::Debug for Archive {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Archive").field("name", &self.name).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spool_is_a_json_array_that_can_be_read_twice() {
        let mut spool = Spool::new().unwrap();
        for wanted in ["[\n]", "[\n1\n]", "[\n1,\n2\n]"] {
            for _ in 0..2 {
                let (size, mut list) = spool.list().unwrap();
                let mut text = String::new();
                list.read_to_string(&mut text).unwrap();
                assert_eq!((text.as_str(), text.len() as u64), (wanted, size));
            }
            let next = if wanted.contains('1') { 2 } else { 1 };
            spool.push(&next).unwrap();
        }
    }
}
