//! What a backup has counted so far.

use jiff::Timestamp;

use super::archive::Archive;
use super::gather::Read;
use super::manifest::{Incremental, Part, SCHEMA, Summary};
use super::{Kind, chunk::Totals};
use crate::model::{Coverage, Gap, GapReason, Status};
use crate::runbook::JobError;

/// Gaps that the answer names; the manifest names all.
const MOST_GAPS: usize = 20;

/// What this invocation has counted.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) totals: Totals,
    pub(super) gaps: Vec<Gap>,
    /// The deadline came before the end.
    pub(super) stopped: bool,
}

/// What a manifest says of the run as a whole.
#[derive(Clone, Copy, Debug)]
pub(super) struct Naming<'a> {
    pub(super) kind: Kind,
    pub(super) account: &'a str,
    pub(super) region: &'a str,
    pub(super) started: Timestamp,
    pub(super) base: Option<&'a (String, u64)>,
    pub(super) with_values: bool,
}

impl Tally {
    pub(super) fn add(&mut self, archive: &mut Archive, read: &Read) -> Result<(), JobError> {
        if !archive.is_first(&read.secret.name) {
            return Ok(());
        }
        self.totals.listed += 1;
        self.totals.described += u64::from(read.described);
        self.totals.whole += u64::from(read.gaps.is_empty());
        self.totals.reused += u64::from(read.reused);
        let gone = !read.described && read.gaps.iter().any(|gap| gap.reason == GapReason::Vanished);
        for gap in &read.gaps {
            self.gap(archive, gap.clone())?;
        }
        // A secret that is gone is not one to restore.
        if !gone {
            archive.add(&read.secret)?;
            self.totals.written += 1;
            if let Some(values) = &read.values {
                archive.add_values(values)?;
                self.totals.values += 1;
            }
        }
        Ok(())
    }

    pub(super) fn gap(&mut self, archive: &mut Archive, gap: Gap) -> Result<(), JobError> {
        archive.add_gap(&gap)?;
        self.totals.gaps += 1;
        if self.gaps.len() < MOST_GAPS {
            self.gaps.push(gap);
        }
        Ok(())
    }
}

/// The manifest's summary of one archive, or of all parts together.
pub(super) fn summary(name: &str, totals: &Totals, stopped: bool, naming: Naming<'_>, parts: Vec<Part>) -> Summary {
    Summary {
        schema: SCHEMA.to_owned(),
        tool: concat!("secrets-ops ", env!("CARGO_PKG_VERSION")).to_owned(),
        name: name.to_owned(),
        kind: naming.kind.name().to_owned(),
        account: naming.account.to_owned(),
        region: naming.region.to_owned(),
        started: naming.started,
        status: if totals.gaps == 0 && !stopped { Status::Ok } else { Status::Incomplete },
        // At least one more: what was not reached must not count as covered.
        coverage: Coverage { wanted: totals.listed + u64::from(stopped), seen: totals.whole },
        listed: totals.listed,
        described: totals.described,
        written: totals.written,
        incremental: naming.base.map(|(base, runs)| Incremental {
            base: base.clone(),
            reused: totals.reused,
            runs: *runs,
        }),
        values: naming.with_values.then_some(totals.values),
        parts,
        archive: None,
    }
}
