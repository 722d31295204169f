//! Policies of an earlier backup, for a backup that reads only those that may have changed.
//!
//! Whether an edit of a policy moves LastChangedDate is nowhere documented by AWS. So this is off by default, and every
//! n-th run reads all policies again.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::sync::Mutex;

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::{Fault, Opened, Piece, Summary, read};
use crate::model::Secret;

/// The policies of one backup, in an unlinked file, with some 40 bytes a secret in memory.
#[derive(Debug)]
pub(super) struct Carried {
    index: HashMap<[u8; 16], Place>,
    file: Mutex<File>,
}

#[derive(Debug)]
struct Place {
    changed: Timestamp,
    as_of: Timestamp,
    offset: u64,
    /// `None`: the secret had no policy.
    length: Option<u32>,
}

/// A policy that need not be read again.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) policy: Option<String>,
    pub(super) as_of: Timestamp,
}

impl Carried {
    /// Reads a whole backup. Its summary comes along; `Err` for a backup that cannot be trusted.
    pub(super) fn of(opened: Opened, started: Timestamp) -> io::Result<Result<(Self, Summary), Vec<Fault>>> {
        let mut file = BufWriter::new(tempfile::tempfile()?);
        let (mut index, mut offset, mut failed) = (HashMap::new(), 0u64, None);
        let readout = read(opened, &mut |piece| {
            let Piece::Secret(secret) = piece else { return };
            let unread = secret.unread.iter().any(|property| property == "ResourcePolicy");
            let (Some(changed), false) = (secret.last_changed_date, unread) else { return };
            let text = secret.resource_policy.as_deref();
            let length = text.and_then(|text| u32::try_from(text.len()).ok());
            let as_of = secret.resource_policy_as_of.unwrap_or(started);
            index.insert(id(&secret.arn), Place { changed, as_of, offset, length });
            if let Err(error) = file.write_all(text.unwrap_or_default().as_bytes()) {
                failed = Some(error);
            }
            offset += u64::from(length.unwrap_or_default());
        });
        if let Some(error) = failed {
            return Err(error);
        }
        let file = Mutex::new(file.into_inner().map_err(io::IntoInnerError::into_error)?);
        Ok(match readout.summary {
            Some(summary) if readout.faults.is_empty() => Ok((Self { index, file }, summary)),
            _ => Err(readout.faults),
        })
    }

    /// The policy of a secret that has not changed since; `None`: it must be read.
    pub(super) fn policy_of(&self, secret: &Secret) -> Option<Kept> {
        let place = self.index.get(&id(&secret.arn))?;
        if secret.last_changed_date != Some(place.changed) {
            return None;
        }
        let Some(length) = place.length else { return Some(Kept { policy: None, as_of: place.as_of }) };
        let mut text = vec![0; length as usize];
        let mut file = self.file.lock().ok()?;
        file.seek(SeekFrom::Start(place.offset)).ok()?;
        file.read_exact(&mut text).ok()?;
        Some(Kept { policy: Some(String::from_utf8(text).ok()?), as_of: place.as_of })
    }
}

fn id(arn: &str) -> [u8; 16] {
    let mut id = [0; 16];
    id.copy_from_slice(&Sha256::digest(arn.as_bytes())[..16]);
    id
}
