//! The first of two backups: its secrets in an unlinked file, and where each lies.

use std::collections::HashMap;
use std::fmt;
use std::io;

use serde::{Deserialize, Serialize};

use super::super::Summary;
use super::super::fault::Fault;
use super::super::read::{Opened, Piece, Readout, read};
use super::super::spool::{Id, Lines, Written, id};
use super::{Taken, proven};
use crate::model::{Macs, Secret};

/// Marks a secret that has been asked for. No file of ours is as long.
const TAKEN: u64 = u64::MAX;

/// A backup that has been read to its end without a fault, to be compared with.
pub struct Base {
    pub(super) name: String,
    pub(super) summary: Summary,
    pub(super) sealed: bool,
    secrets: Written<Kept>,
    places: HashMap<Id, u64>,
}

/// A secret and the keyed hashes of its values. The encrypted values themselves are not kept.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Kept {
    pub(super) secret: Secret,
    pub(super) macs: Macs,
}

impl Base {
    /// Reads a backup.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn of(opened: Opened) -> Result<Self, Vec<Fault>> {
        let unwritten = |error| vec![Fault::Unreadable(error)];
        let name = opened.name.clone();
        let mut secrets = Lines::new().map_err(unwritten)?;
        let mut places = HashMap::new();
        let mut failed = None;
        let mut pending = Pending::default();
        let mut keep = |kept: Kept| match secrets.push(&kept) {
            Ok(place) => drop(places.insert(id(&kept.secret.name), place)),
            Err(error) => drop(failed.get_or_insert(error)),
        };
        let readout = read(opened, &mut |piece| pending.take(piece).into_iter().for_each(&mut keep));
        pending.rest().into_iter().for_each(&mut keep);
        let Readout { summary, faults, sealed, .. } = readout;
        let summary = proven(summary, faults)?;
        if let Some(error) = failed {
            return Err(unwritten(error));
        }
        let secrets = secrets.finish().map_err(unwritten)?;
        Ok(Self { name, summary, sealed, secrets, places })
    }

    /// What its manifest says.
    pub fn summary(&self) -> &Summary {
        &self.summary
    }

    /// The secret of that name, once.
    pub(super) fn take(&mut self, name: &str) -> io::Result<Taken> {
        match self.places.insert(id(name), TAKEN) {
            None => Ok(Taken::New),
            Some(TAKEN) => Ok(Taken::Again),
            Some(place) => Ok(Taken::Known(Box::new(self.secrets.at(place)?))),
        }
    }

    /// Where the secrets lie that nobody has asked for, in the order of the backup.
    pub(super) fn left(&self) -> Vec<u64> {
        let mut left: Vec<u64> = self.places.values().copied().filter(|place| *place != TAKEN).collect();
        left.sort_unstable();
        left
    }

    pub(super) fn name_at(&mut self, place: u64) -> io::Result<String> {
        Ok(self.secrets.at(place)?.secret.name)
    }
}

impl fmt::Debug for Base {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Base").field("name", &self.name).field("secrets", &self.places.len()).finish_non_exhaustive()
    }
}

/// A secret waits here for its values, which come right behind it.
#[derive(Default)]
pub(super) struct Pending(Option<Kept>);

impl Pending {
    /// Takes a piece; gives back a secret to which nothing more can come.
    pub(super) fn take(&mut self, piece: Piece) -> Option<Kept> {
        match piece {
            Piece::Secret(secret) => self.0.replace(Kept { secret: *secret, macs: Macs::new() }),
            Piece::Values(values) => {
                if let Some(kept) = &mut self.0 {
                    kept.macs = values.versions.into_iter().map(|version| (version.version_id, version.mac)).collect();
                }
                None
            }
        }
    }

    pub(super) fn rest(&mut self) -> Option<Kept> {
        self.0.take()
    }
}
