//! Compares the files of an archive with the manifest's entries, side by side: both come in the same order, and only
//! where they do not is anything remembered.

use std::collections::HashMap;
use std::io;

use serde::{Deserialize, Serialize};

use super::super::fault::Fault;
use super::super::manifest::Entry;
use super::super::spool::{Id, Lines, id};
use super::Faults;

/// One file as it was found.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Seen {
    pub(super) path: String,
    pub(super) size: u64,
    pub(super) sha256: String,
    /// The name of the secret in it, where the file is not called after it.
    pub(super) holds: Option<String>,
}

/// A file or entry whose other half has not come yet: where it lies, and what its other half must match.
struct Left {
    at: u64,
    proof: Id,
}

/// Adds what differs to `faults`.
pub(super) fn compare(seen: Lines<Seen>, listed: Lines<Entry>, faults: &mut Faults) -> io::Result<()> {
    let (mut seen, mut listed) = (seen.finish()?, listed.finish()?);
    let mut early: HashMap<Id, Left> = HashMap::new();
    let mut late: HashMap<Id, Left> = HashMap::new();
    // Where both halves lie that do not match; they are told afterwards, not to lose the place in the files.
    let mut differing: Vec<(u64, u64)> = Vec::new();
    let mut judge = |found: &Left, wanted: &Left| {
        if found.proof != wanted.proof {
            differing.push((found.at, wanted.at));
        }
    };
    loop {
        let (file, entry) = (seen.next()?, listed.next()?);
        match (&file, &entry) {
            (None, None) => break,
            (Some((at, file)), Some((place, entry))) if file.path == entry.path => {
                judge(&left_of_file(*at, file), &left_of_entry(*place, entry));
                continue;
            }
            _ => {}
        }
        if let Some((at, file)) = file {
            let (id, found) = (id(&file.path), left_of_file(at, &file));
            match late.remove(&id) {
                Some(wanted) => judge(&found, &wanted),
                None => drop(early.insert(id, found)),
            }
        }
        if let Some((at, entry)) = entry {
            let (id, wanted) = (id(&entry.path), left_of_entry(at, &entry));
            match early.remove(&id) {
                Some(found) => judge(&found, &wanted),
                None => drop(late.insert(id, wanted)),
            }
        }
    }
    for (at, place) in differing {
        if faults.room() == 0 {
            faults.skip(1);
            continue;
        }
        differences(seen.at(at)?, listed.at(place)?, faults);
    }
    for path in paths(late, |at| Ok(listed.at(at)?.path), faults)? {
        faults.push(Fault::Missing(path));
    }
    let mut unexpected = paths(early, |at| Ok(seen.at(at)?.path), faults)?;
    unexpected.sort();
    for path in unexpected {
        faults.push(Fault::Unexpected(path));
    }
    Ok(())
}

fn left_of_file(at: u64, file: &Seen) -> Left {
    // What is called after another secret must be looked at, whatever its hash.
    let proof = if file.holds.is_some() { [0; 16] } else { proof(file.size, &file.sha256) };
    Left { at, proof }
}

fn left_of_entry(at: u64, entry: &Entry) -> Left {
    Left { at, proof: proof(entry.size, &entry.sha256) }
}

fn proof(size: u64, sha256: &str) -> Id {
    id(&format!("{size} {sha256}"))
}

fn differences(found: Seen, wanted: Entry, faults: &mut Faults) {
    let Seen { path, size, sha256, holds } = found;
    if size == wanted.size && sha256 == wanted.sha256 {
        if let Some(name) = holds {
            faults.push(Fault::Renamed { path, name });
        }
        return;
    }
    if size != wanted.size {
        let (got, wanted) = (size.to_string(), wanted.size.to_string());
        faults.push(Fault::Differs { path: path.clone(), what: "size", got, wanted });
    }
    if sha256 != wanted.sha256 {
        faults.push(Fault::Differs { path, what: "sha256", got: sha256, wanted: wanted.sha256 });
    }
}

/// The paths of what is left over, in the order of the file, as many as may still be told.
fn paths(
    left: HashMap<Id, Left>,
    mut path: impl FnMut(u64) -> io::Result<String>,
    faults: &mut Faults,
) -> io::Result<Vec<String>> {
    let mut places: Vec<u64> = left.into_values().map(|left| left.at).collect();
    places.sort_unstable();
    let room = faults.room();
    faults.skip(places.len().saturating_sub(room) as u64);
    places.into_iter().take(room).map(&mut path).collect()
}
