//! Backups in several parts.

use std::slice::from_ref;

use super::super::super::parts::part_manifest;
use super::super::super::verify;
use super::*;
use crate::model::Outcome;

#[test]
fn parts_are_proven_together_and_each_for_itself() {
    let (a, b, c) = (secret("a"), secret("b"), secret("c"));
    let good = || parts(&[from_ref(&a), &[b.clone(), c.clone()]]);
    assert_eq!(good().faults(), [""; 0]);
    let now = "2026-11-22T00:00:00Z".parse().unwrap();
    let report = verify(good().opened(), "r", now);
    assert_eq!(
        report.items.iter().map(|item| (item.subject.as_str(), item.verdict)).collect::<Vec<_>>(),
        [("x", "intact"), ("x.tar.gz", "part"), ("x.part-0002.tar.gz", "part")]
    );

    let mut cut = good();
    cut.archives[1].0.truncate(100);
    let faults = cut.faults();
    assert_eq!(faults.len(), 1);
    assert!(faults[0].starts_with("x.part-0002.tar.gz: cut short or damaged after "), "{faults:?}");
    let report = verify(cut.opened(), "r", now);
    let outcomes: Vec<_> = report.items.iter().map(|item| item.outcome).collect();
    assert_eq!(outcomes, [Outcome::Fail, Outcome::Pass, Outcome::Fail]);

    let mut lost = good();
    lost.archives.pop();
    assert_eq!(lost.faults(), ["x.part-0002.tar.gz, a part of the backup, is missing"]);
    let mut gone = good().opened();
    gone.archives[1].content = Box::new(|| Err(io::ErrorKind::NotFound.into()));
    assert_eq!(told(gone), ["x.part-0002.tar.gz, a part of the backup, is missing"]);

    let mut other = good();
    other.archives[1] = written("x.part-0002", &[b.clone(), secret("d")]);
    let faults = other.faults();
    assert!(faults.iter().any(|fault| fault.starts_with("x.part-0002.tar.gz: sha256 is ")), "{faults:?}");

    let mut manifest = good();
    manifest.archives[0].1 = manifest.archives[1].1.clone();
    assert_eq!(manifest.faults(), ["x.tar.gz: the manifest beside it belongs to another archive (x.part-0002)"]);
    let mut without = good().opened();
    without.archives[0].beside = Some(Box::new(|| Err(io::ErrorKind::NotFound.into())));
    assert_eq!(told(without), [""; 0], "the sealed manifest has its hash");
    assert_eq!(part_manifest("x", 2), "x.part-0002.manifest.json");
}

#[test]
fn what_the_sealed_manifest_says_must_add_up() {
    let (a, b) = (secret("a"), secret("b"));
    for (pointer, what) in [
        ("/listed", "listed"),
        ("/described", "described"),
        ("/written", "written"),
        ("/coverage/wanted", "coverage.wanted"),
        ("/coverage/seen", "coverage.seen"),
    ] {
        let mut parts = parts(&[from_ref(&a), from_ref(&b)]);
        *parts.sealed.pointer_mut(pointer).unwrap() = 7.into();
        let wanted = format!("{what} is 2 in all parts together, the manifest that seals them says 7");
        assert_eq!(parts.faults(), [wanted]);
    }
    let mut parts = parts(&[from_ref(&a), &[b]]);
    parts.sealed["parts"][1]["written"] = 3.into();
    assert_eq!(parts.faults(), ["x.part-0002.tar.gz: written is 1, the manifest says 3"]);
}

#[test]
fn a_secret_in_two_parts_is_told() {
    let (a, b) = (secret("a"), secret("b"));
    let faults = parts(&[&[a.clone(), b.clone()], &[b]]).faults();
    assert_eq!(faults[0], "x.part-0002/b-config.json is in part 1 already");
    let twice = sealed(&[("a-config.json", config("a").1), ("a-config.json", config("a").1)], |_| {});
    assert_eq!(told(opened(&twice.0, None))[0], "x/a-config.json is in the archive twice");
}

#[test]
fn a_part_alone_is_not_sealed() {
    let mut opened = parts(&[&[secret("a")], &[secret("b")]]).opened();
    opened.sealed = None;
    opened.archives.remove(0);
    let readout = read(opened, &mut |_| {});
    assert_eq!((readout.faults.len(), readout.sealed), (0, false));
    assert_eq!(readout.summary.unwrap().name, "x.part-0002");
}

#[test]
fn a_part_that_leads_elsewhere_is_not_there() {
    let mut parts = parts(&[&[secret("a")]]);
    parts.sealed["parts"][0]["path"] = "../x.tar.gz".into();
    assert_eq!(
        parts.faults(),
        [
            "../x.tar.gz, a part of the backup, is missing",
            "s3://b/k/x.tar.gz is in the archive and not in the manifest"
        ]
    );
}
