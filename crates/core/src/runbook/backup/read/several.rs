//! Reads a backup in several parts: each is proven as an archive of its own and against the manifest that seals them all,
//! and together they must be what that one says.

use std::io;

use super::super::fault::Fault;
use super::super::manifest::{Part, Summary};
use super::one::{self, Estate};
use super::{Faults, OneArchive, Piece, compare_beside, own_manifest};
use crate::model::Coverage;

/// Reads the parts one after the other, each as an archive of its own, and adds them up.
pub(super) fn several(
    sealed: &Summary,
    mut archives: Vec<OneArchive>,
    damaged: &mut Vec<String>,
    faults: &mut Faults,
    each: &mut dyn FnMut(Piece),
) {
    let mut estate = Estate::default();
    let mut sums = Some(Totals::default());
    for (number, part) in (1..).zip(&sealed.parts) {
        let mut own = Faults::default();
        let position = archives.iter().position(|archive| file_name(&archive.name) == part.path);
        let read = match position {
            None => Err(Fault::MissingPart(part.path.clone())),
            Some(position) => one_part(archives.remove(position), number, part, &mut estate, &mut own, each),
        };
        match read {
            Ok(summary) => sums = sums.map(|sums| sums.plus(&summary)),
            Err(fault) => {
                own.push(fault);
                sums = None;
            }
        }
        if !own.is_empty() {
            damaged.push(part.path.clone());
        }
        faults.append(own, &part.path);
    }
    // What is missing of the parts is missing of the sums; that has been said.
    if let Some(sums) = sums {
        let wanted = Totals::default().plus(sealed).0;
        for ((what, counted), (_, summed)) in wanted.into_iter().zip(sums.0) {
            if counted != summed {
                faults.push(Fault::OtherTotal { what, counted, summed });
            }
        }
    }
    for surplus in archives {
        faults.push(Fault::Unexpected(surplus.name));
    }
}

fn one_part(
    archive: OneArchive,
    number: u16,
    part: &Part,
    estate: &mut Estate,
    faults: &mut Faults,
    each: &mut dyn FnMut(Piece),
) -> Result<Summary, Fault> {
    let content = (archive.content)().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Fault::MissingPart(part.path.clone()),
        _ => Fault::Unreadable(error),
    })?;
    let whole = one::archive(content, number, estate, faults, each)?;
    let found = [
        ("size", whole.size.to_string(), part.size.to_string()),
        ("sha256", whole.sha256.clone(), part.sha256.clone()),
        ("written", whole.listing.summary.written.to_string(), part.written.to_string()),
    ];
    for (what, got, wanted) in found {
        if got != wanted {
            faults.push(Fault::Differs { path: part.path.clone(), what, got, wanted });
        }
    }
    match own_manifest(archive.beside) {
        Some(Ok(outside)) => compare_beside(&whole, &outside, faults),
        Some(Err(fault)) => faults.push(fault),
        None => {}
    }
    Ok(whole.listing.summary)
}

/// What the sealed manifest adds up.
#[derive(Default)]
struct Totals([(&'static str, u64); 6]);

impl Totals {
    fn plus(self, summary: &Summary) -> Self {
        let Coverage { wanted, seen } = summary.coverage;
        let figures = [
            ("listed", summary.listed),
            ("described", summary.described),
            ("written", summary.written),
            ("values", summary.values.unwrap_or_default()),
            ("coverage.wanted", wanted),
            ("coverage.seen", seen),
        ];
        let mut sums = self.0.into_iter().map(|(_, sum)| sum);
        Self(figures.map(|(what, figure)| (what, figure.saturating_add(sums.next().unwrap_or_default()))))
    }
}

fn file_name(path: &str) -> &str {
    path.rsplit(['/', '\\']).next().unwrap_or_default()
}
