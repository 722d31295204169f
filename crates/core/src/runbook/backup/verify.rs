//! Proves that an archive is what its manifest says, reading it once as a stream, and says exactly what is wrong.

use std::collections::HashMap;
use std::io::{self, Read};

use flate2::read::GzDecoder;
use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::fault::Fault;
use super::manifest::{Entry, Manifest, SCHEMA, Summary};
use crate::model::{Coverage, Finding, Gap, GapReason, Item, Outcome, Report, Secret, Severity, Status, Text};
use crate::runbook::once::hex;

/// The most that a file of one secret may have: its policy (20 KiB), tags, description and versions, with room.
const MOST_CONFIG: u64 = 4 * 1024 * 1024;
/// The most for the two lists, which grow with the estate.
const MOST_LIST: u64 = 1024 * 1024 * 1024;

/// Reads `archive` to its end. `beside` is the manifest that lay beside it, if there was one: it also proves the
/// archive's own hash, and that the archive was finished.
///
/// # Errors
/// The first fault that makes going on useless; all others are collected in the report's findings.
pub fn verify(archive: impl Read, beside: Option<&[u8]>, subject: &str, region: &str, now: Timestamp) -> Report {
    let mut faults = Vec::new();
    let summary = match read(archive, beside, &mut faults) {
        Ok(summary) => Some(summary),
        Err(fault) => {
            faults.push(fault);
            None
        }
    };
    report(summary, faults, beside.is_some(), subject, region, now)
}

/// What was seen of one file.
struct Seen {
    size: u64,
    sha256: String,
}

fn read(archive: impl Read, beside: Option<&[u8]>, faults: &mut Vec<Fault>) -> Result<Summary, Fault> {
    let mut whole = Counted { inner: archive, hash: Sha256::new(), total: 0 };
    let mut seen: HashMap<String, Seen> = HashMap::new();
    let mut inside: Option<Manifest> = None;
    {
        let mut tar = tar::Archive::new(GzDecoder::new(&mut whole));
        let damaged = |entries: usize| move |error| Fault::Damaged { entries: entries as u64, error };
        for entry in tar.entries().map_err(damaged(0))? {
            let entry = entry.map_err(damaged(seen.len()))?;
            let path = checked_path(&entry)?;
            let size = entry.header().size().map_err(damaged(seen.len()))?;
            let file = path.rsplit('/').next().unwrap_or_default();
            let most = if file.ends_with("-config.json") { MOST_CONFIG } else { MOST_LIST };
            if size > most {
                return Err(Fault::TooLarge(path, size));
            }
            let mut content = Counted { inner: entry, hash: Sha256::new(), total: 0 };
            match file {
                "manifest.json" => {
                    let parsed = serde_json::from_reader(io::BufReader::new(&mut content));
                    let parsed = match parsed {
                        Err(error) if error.is_io() => return Err(damaged(seen.len())(error.into())),
                        parsed => parsed,
                    };
                    inside = Some(understood("manifest.json", parsed)?);
                    continue;
                }
                "secrets-metadata.json" => {
                    io::copy(&mut content, &mut io::sink()).map_err(damaged(seen.len()))?;
                }
                _ => {
                    let mut json = Vec::with_capacity(size.try_into().unwrap_or_default());
                    content.read_to_end(&mut json).map_err(damaged(seen.len()))?;
                    if let Err(error) = serde_json::from_slice::<Secret>(&json) {
                        faults.push(Fault::NotASecret(path.clone(), error));
                    }
                }
            }
            let found = Seen { size: content.total, sha256: hex(&content.hash.finalize()) };
            if seen.insert(path.clone(), found).is_some() {
                faults.push(Fault::Twice(path));
            }
        }
        // Tar ends before gzip does: read on, so that gzip checks its own sum and the hash covers the whole file.
        let mut gzip = tar.into_inner();
        io::copy(&mut gzip, &mut io::sink()).map_err(damaged(seen.len()))?;
    }
    io::copy(&mut whole, &mut io::sink()).map_err(Fault::Unreadable)?;
    let sha256 = hex(&whole.hash.finalize());
    let inside = inside.ok_or(Fault::NoManifest)?;
    compare(&inside, seen, faults);
    if let Some(bytes) = beside {
        let outside: Manifest = understood("the manifest beside the archive", serde_json::from_slice(bytes))?;
        compare_beside(&inside, &outside, whole.total, &sha256, faults);
    }
    Ok(inside.summary)
}

fn understood(which: &'static str, parsed: Result<serde_json::Value, serde_json::Error>) -> Result<Manifest, Fault> {
    let value = parsed.map_err(|error| Fault::BadManifest(which, error))?;
    match value.get("schema").and_then(serde_json::Value::as_str) {
        Some(SCHEMA) | None => {}
        Some(other) => return Err(Fault::OtherSchema(other.to_owned())),
    }
    serde_json::from_value(value).map_err(|error| Fault::BadManifest(which, error))
}

/// The path of a plain file directly in a folder, or a fault.
fn checked_path<R: Read>(entry: &tar::Entry<'_, R>) -> Result<String, Fault> {
    let raw = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
    let mut parts = raw.split('/');
    let plain = |part: Option<&str>| part.is_some_and(|part| !matches!(part, "" | "." | ".."));
    let fine = entry.header().entry_type().is_file() && plain(parts.next()) && plain(parts.next());
    if fine && parts.next().is_none() { Ok(raw) } else { Err(Fault::Hostile(raw)) }
}

fn compare(manifest: &Manifest, mut seen: HashMap<String, Seen>, faults: &mut Vec<Fault>) {
    for Entry { path, size, sha256 } in &manifest.entries {
        let Some(found) = seen.remove(path) else {
            faults.push(Fault::Missing(path.clone()));
            continue;
        };
        let differs = |what, got: String, wanted: String| Fault::Differs { path: path.clone(), what, got, wanted };
        if found.size != *size {
            faults.push(differs("size", found.size.to_string(), size.to_string()));
        }
        if found.sha256 != *sha256 {
            faults.push(differs("sha256", found.sha256, sha256.clone()));
        }
    }
    let mut rest: Vec<String> = seen.into_keys().collect();
    rest.sort();
    faults.extend(rest.into_iter().map(Fault::Unexpected));
    let listed = manifest.entries.iter().filter(|entry| entry.path.ends_with("-config.json")).count() as u64;
    if listed != manifest.summary.written {
        faults.push(Fault::Miscounted { counted: manifest.summary.written, listed });
    }
}

fn compare_beside(inside: &Manifest, outside: &Manifest, size: u64, sha256: &str, faults: &mut Vec<Fault>) {
    let Some(archive) = &outside.summary.archive else {
        faults.push(Fault::OtherManifest("it names no archive".to_owned()));
        return;
    };
    let path = archive.path.clone();
    if outside.summary.name != inside.summary.name {
        faults.push(Fault::OtherManifest(outside.summary.name.clone()));
        return;
    }
    if archive.size != size {
        let (got, wanted) = (size.to_string(), archive.size.to_string());
        faults.push(Fault::Differs { path: path.clone(), what: "size", got, wanted });
    }
    if archive.sha256 != sha256 {
        let (got, wanted) = (sha256.to_owned(), archive.sha256.clone());
        faults.push(Fault::Differs { path, what: "sha256", got, wanted });
    }
    if outside.entries != inside.entries || outside.gaps != inside.gaps {
        faults.push(Fault::OtherManifest("its lists differ from those inside the archive".to_owned()));
    }
}

fn report(
    summary: Option<Summary>,
    faults: Vec<Fault>,
    sealed: bool,
    subject: &str,
    region: &str,
    now: Timestamp,
) -> Report {
    let mut gaps = Vec::new();
    let whole = faults.is_empty();
    // A damaged archive is a finding; what else might be missing of it does not matter any more.
    if whole && !sealed {
        gaps.push(Gap {
            what: "manifest beside the archive".into(),
            subject: subject.to_owned(),
            reason: GapReason::NoData,
            detail: "there is none, so that the archive's own hash cannot be compared".into(),
        });
    }
    let (coverage, detail) = match &summary {
        Some(summary) => {
            if whole && summary.status != Status::Ok {
                gaps.push(Gap {
                    what: "backup".into(),
                    subject: summary.name.clone(),
                    reason: GapReason::NoData,
                    detail: format!(
                        "the backup itself is incomplete: {} of {} secrets were read whole; its manifest names the rest",
                        summary.coverage.seen, summary.coverage.wanted
                    ),
                });
            }
            let started = summary.started.strftime("%Y-%m-%dT%H:%M:%SZ");
            let text = Text::new(
                format!("{} {} 件のシークレット、{} 時点", summary.kind, summary.written, started),
                format!("{}, {} secrets, as of {}", summary.kind, summary.written, started),
            );
            (if whole { summary.coverage } else { Coverage::default() }, text)
        }
        None => (Coverage::default(), Text::fixed("読み取れません", "could not be read")),
    };
    Report {
        schema: "secrets-ops/backup-verify/v1",
        title: Text::fixed("バックアップの検証", "Backup verification"),
        as_of: now,
        region: summary.as_ref().map_or_else(|| region.to_owned(), |summary| summary.region.clone()),
        items: vec![Item {
            subject: subject.to_owned(),
            title: None,
            runbook: Some("R38"),
            outcome: if whole { Outcome::Pass } else { Outcome::Fail },
            verdict: if whole { "intact" } else { "damaged" },
            detail,
        }],
        findings: faults
            .iter()
            .map(|fault| Finding {
                check: "backup-intact",
                severity: Severity::Critical,
                subject: subject.to_owned(),
                detail: Text::new(fault.to_string(), fault.to_string()),
                remediation: Text::fixed(
                    "このアーカイブから復元しないこと。`secrets-ops backup list` で別のバックアップを選ぶか、バケットの以前のバージョンを確認する",
                    "Do not restore from this archive: choose another with `secrets-ops backup list`, or look at earlier versions of the object",
                ),
            })
            .collect(),
        gaps,
        coverage,
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
