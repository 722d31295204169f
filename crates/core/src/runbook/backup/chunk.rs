//! A backup that takes more than one invocation: where one left off and the next goes on.
//!
//! GetResourcePolicy has a quota of 50 calls a second for the whole account, so that more workers gain nothing; what a
//! large estate needs is more time than the 15 minutes of one invocation. Each invocation writes a part, a whole archive
//! of its own, and notes in `runs/backup/<account>/<region>/<name>/` how far it got. The last one seals all parts with one manifest.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::manifest::Part;
use crate::aws::Aws;
use crate::aws::s3::{self, Bucket, Expect};
use crate::model::{Gap, Secret};
use crate::runbook::once::hex;
use crate::runbook::{Chunk, JobError};

/// Gaps that the sealed manifest names; those of the parts name all.
pub(super) const MOST_GAPS: usize = 1_000;

/// What all parts together have counted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Totals {
    pub(super) listed: u64,
    pub(super) described: u64,
    pub(super) written: u64,
    pub(super) whole: u64,
    pub(super) gaps: u64,
    pub(super) reused: u64,
    pub(super) values: u64,
}

impl Totals {
    pub(super) fn add(&mut self, other: &Self) {
        self.listed += other.listed;
        self.described += other.described;
        self.written += other.written;
        self.whole += other.whole;
        self.gaps += other.gaps;
        self.reused += other.reused;
        self.values += other.values;
    }
}

/// Where in the list the last secret stood that was read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Cursor {
    /// The token of its page; `None`: the first page, or none has been read.
    pub(super) page: Option<String>,
    /// What was read of that page.
    pub(super) of_page: BTreeSet<String>,
    /// When the last one was made: the list is in this order.
    pub(super) created: Option<Timestamp>,
    /// What was read of those made at that very moment.
    pub(super) at_created: BTreeSet<String>,
    /// Whether the list has kept to its order. If not, dates tell nothing, and an expired token cannot be made good.
    pub(super) ordered: bool,
}

impl Cursor {
    pub(super) fn new() -> Self {
        Self { ordered: true, ..Self::default() }
    }

    /// Notes that a secret has been read.
    pub(super) fn pass(&mut self, secret: &Secret, page: &Option<String>) {
        if self.page != *page {
            self.page.clone_from(page);
            self.of_page.clear();
        }
        self.of_page.insert(id(&secret.arn));
        match (self.created, secret.created_date) {
            (Some(last), Some(now)) if now == last => {}
            (Some(last), Some(now)) if now < last => self.ordered = false,
            (_, None) => self.ordered = false,
            (_, now) => {
                self.created = now;
                self.at_created.clear();
            }
        }
        self.at_created.insert(id(&secret.arn));
    }

    /// Notes that all up to this page has been passed over, and nothing has been read: so that the next invocation goes
    /// on from there, and not from the beginning of the list again.
    pub(super) fn skip_to(&mut self, page: Option<String>) {
        self.page = page;
        self.of_page.clear();
    }

    /// Whether an earlier invocation has read it.
    pub(super) fn has_passed(&self, secret: &Secret) -> bool {
        if self.of_page.contains(&id(&secret.arn)) {
            return true;
        }
        let (true, Some(last), Some(created)) = (self.ordered, self.created, secret.created_date) else { return false };
        created < last || (created == last && self.at_created.contains(&id(&secret.arn)))
    }
}

fn id(arn: &str) -> String {
    hex(&Sha256::digest(arn.as_bytes())[..16])
}

/// How far a run has got.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Progress {
    /// When its first invocation began.
    pub(super) started: Timestamp,
    /// The earlier backup that policies are taken over from, and the runs since a full pass.
    pub(super) base: Option<(String, u64)>,
    pub(super) cursor: Cursor,
    pub(super) totals: Totals,
    /// The first of them.
    pub(super) gaps: Vec<Gap>,
    pub(super) parts: Vec<Part>,
}

/// `estate` (account and Region) is in it, because several estates may be backed up in the same second.
fn key(estate: &str, run: &str, part: u32) -> String {
    format!("runs/backup/{estate}/{run}/part-{part:04}.json")
}

/// The file name of a part without its ending. `attempt` tells a part from what a dead attempt at it has left.
pub(super) fn part_name(run: &str, part: u32, attempt: usize) -> String {
    match (part, attempt) {
        (1, _) => run.to_owned(),
        (_, 0) => format!("{run}.part-{part:04}"),
        _ => format!("{run}.part-{part:04}-{}", attempt + 1),
    }
}

/// Notes how far part `part` got.
pub(super) async fn save(
    aws: &Aws,
    bucket: &Bucket,
    estate: &str,
    run: &str,
    part: u32,
    progress: &Progress,
) -> Result<(), JobError> {
    let body = serde_json::to_vec(progress).map_err(std::io::Error::from)?;
    s3::put(aws, bucket, &key(estate, run, part), "application/json", body, Expect::Anything).await?;
    Ok(())
}

/// How far the part before `chunk` got.
///
/// # Errors
/// `BadEvent` where there is no such run: going on from nothing would seal a backup that lacks its beginning.
pub(super) async fn load(
    aws: &Aws,
    bucket: &Bucket,
    estate: &str,
    run: &str,
    chunk: &Chunk,
) -> Result<Progress, JobError> {
    let key = key(estate, run, chunk.part.saturating_sub(1));
    let found = s3::get(aws, bucket, &key).await?;
    let bad = |why: String| JobError::BadEvent(format!("part {} of {run} cannot go on: {why}", chunk.part));
    let found = found.ok_or_else(|| bad(format!("there is no {key}")))?;
    serde_json::from_slice(&found.bytes).map_err(|error| bad(format!("{key} cannot be understood: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(name: &str, created: Option<i64>) -> Secret {
        let created_date = created.map(|second| Timestamp::from_second(second).unwrap());
        Secret { name: name.into(), arn: name.into(), created_date, ..Secret::default() }
    }

    #[test]
    fn a_cursor_passes_over_what_was_read_and_nothing_else() {
        let mut cursor = Cursor::new();
        let page = Some("p2".to_owned());
        for (name, created) in [("a", 1), ("b", 2), ("c", 2)] {
            cursor.pass(&secret(name, Some(created)), &page);
        }
        assert!(cursor.ordered);
        for (name, created, passed) in [
            ("a", Some(1), true),
            ("older", Some(1), true),
            ("b", Some(2), true),
            ("d", Some(2), false),
            ("e", Some(3), false),
            ("undated", None, false),
        ] {
            assert_eq!(cursor.has_passed(&secret(name, created)), passed, "{name}");
        }
        cursor.pass(&secret("e", Some(3)), &Some("p3".to_owned()));
        assert_eq!((cursor.of_page.len(), cursor.at_created.len()), (1, 1));
        cursor.pass(&secret("f", Some(2)), &Some("p3".to_owned()));
        assert!(!cursor.ordered && !cursor.has_passed(&secret("a", Some(1))), "out of order, dates tell nothing");
        assert!(cursor.has_passed(&secret("f", Some(2))), "of its page it still knows what was read");
        cursor.skip_to(Some("p9".to_owned()));
        assert!(!cursor.has_passed(&secret("f", Some(2))));
    }

    #[test]
    fn parts_have_names_of_their_own() {
        assert_eq!(part_name("r", 1, 0), "r");
        assert_eq!(part_name("r", 2, 0), "r.part-0002");
        assert_eq!(part_name("r", 2, 1), "r.part-0002-2");
    }
}
