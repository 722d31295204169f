//! Proofs of the reader over archives in memory: what was put in comes out, and whatever is wrong is named exactly.

use std::io::Cursor;

use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;
use sha2::{Digest, Sha256};

use super::super::archive::Archive;
use super::super::manifest::Part;
use super::super::manifest::{Entry, Manifest, SCHEMA, config_file};
use super::super::parts::part_archive;
use super::*;
use crate::model::{Coverage, Gap, GapReason, Status};
use crate::runbook::once::hex;

mod estates;
mod hostile;
mod manifests;
mod parts;

pub(in crate::runbook::backup) fn summary(name: &str, written: u64) -> Summary {
    Summary {
        schema: SCHEMA.into(),
        tool: "test".into(),
        name: name.into(),
        kind: "daily".into(),
        account: "123456789012".into(),
        region: "ap-northeast-1".into(),
        started: "2026-11-21T17:00:00Z".parse().unwrap(),
        status: Status::Ok,
        coverage: Coverage { wanted: written, seen: written },
        listed: written,
        described: written,
        written,
        incremental: None,
        values: None,
        parts: Vec::new(),
        archive: None,
    }
}

/// An archive and the manifest beside it, as the backup writes them.
pub(in crate::runbook::backup) fn written(name: &str, secrets: &[Secret]) -> (Vec<u8>, Vec<u8>) {
    let mut archive = Archive::new(name, 0).unwrap();
    for secret in secrets {
        archive.add(secret).unwrap();
    }
    archive.add_gap(&gap()).unwrap();
    let mut bytes = archive.take(0).unwrap();
    let mut finished = archive.finish(summary(name, secrets.len() as u64), &format!("{name}.tar.gz")).unwrap();
    bytes.extend(finished.rest);
    let mut manifest = Vec::new();
    finished.manifest.read_to_end(&mut manifest).unwrap();
    (bytes, manifest)
}

fn gap() -> Gap {
    Gap { what: "w".into(), subject: "s".into(), reason: GapReason::Denied, detail: "d".into() }
}

fn stream(bytes: &[u8]) -> Box<dyn Read + Send> {
    Box::new(Cursor::new(bytes.to_vec()))
}

fn opener(bytes: &[u8]) -> Opener {
    let bytes = bytes.to_vec();
    Box::new(move || Ok(Box::new(Cursor::new(bytes))))
}

pub(in crate::runbook::backup) fn opened(archive: &[u8], sealed: Option<&[u8]>) -> Opened {
    let archives = vec![OneArchive { name: "/k/x.tar.gz".into(), content: opener(archive), beside: None }];
    Opened { name: "x".into(), sealed: sealed.map(stream), archives }
}

/// A backup in parts: each archive with its own manifest, and the sealed manifest.
pub(in crate::runbook::backup) struct Parts {
    archives: Vec<(Vec<u8>, Vec<u8>)>,
    sealed: serde_json::Value,
}

pub(in crate::runbook::backup) fn parts(of: &[&[Secret]]) -> Parts {
    let name = |number| part_archive("x", number).strip_suffix(".tar.gz").unwrap().to_owned();
    let archives: Vec<_> = (1..).zip(of).map(|(number, secrets)| written(&name(number), secrets)).collect();
    let parts = (1..).zip(&archives).zip(of).map(|((number, (archive, _)), secrets)| Part {
        path: part_archive("x", number),
        size: archive.len() as u64,
        sha256: hex(&Sha256::digest(archive)),
        written: secrets.len() as u64,
    });
    let all: usize = of.iter().map(|secrets| secrets.len()).sum();
    let summary = Summary { parts: parts.collect(), ..summary("x", all as u64) };
    let mut sealed = serde_json::to_value(summary).unwrap();
    sealed["gaps"] = serde_json::json!([gap()]);
    Parts { archives, sealed }
}

impl Parts {
    pub(in crate::runbook::backup) fn opened(&self) -> Opened {
        let archive = |(number, (archive, beside)): (usize, &(Vec<u8>, Vec<u8>))| OneArchive {
            name: format!("s3://b/k/{}", part_archive("x", number)),
            content: opener(archive),
            beside: Some(opener(beside)),
        };
        let sealed = serde_json::to_vec(&self.sealed).unwrap();
        let archives = (1..).zip(&self.archives).map(archive).collect();
        Opened { name: "x".into(), sealed: Some(stream(&sealed)), archives }
    }

    fn faults(&self) -> Vec<String> {
        told(self.opened())
    }
}

fn told(opened: Opened) -> Vec<String> {
    read(opened, &mut |_| {}).faults.iter().map(ToString::to_string).collect()
}

pub(in crate::runbook::backup) fn secret(name: &str) -> Secret {
    Secret { name: name.into(), ..Secret::default() }
}

/// The given files as an archive with a manifest of just these, inside and beside.
pub(in crate::runbook::backup) fn sealed(
    files: &[(&str, Vec<u8>)],
    tweak: impl Fn(&mut Summary),
) -> (Vec<u8>, Vec<u8>) {
    let entries: Vec<Entry> = files
        .iter()
        .map(|(file, content)| Entry {
            path: format!("x/{file}"),
            size: content.len() as u64,
            sha256: hex(&Sha256::digest(content)),
        })
        .collect();
    let written = files.iter().filter(|(file, _)| file.ends_with("-config.json")).count();
    let mut manifest = Manifest { summary: summary("x", written as u64), gaps: vec![], entries };
    tweak(&mut manifest.summary);
    let mut all: Vec<(String, Vec<u8>)> =
        files.iter().map(|(file, content)| (format!("x/{file}"), content.clone())).collect();
    all.push(("x/manifest.json".into(), serde_json::to_vec(&manifest).unwrap()));
    let archive = tarred(&all);
    manifest.summary.archive =
        Some(Entry { path: "x.tar.gz".into(), size: archive.len() as u64, sha256: hex(&Sha256::digest(&archive)) });
    (archive, serde_json::to_vec(&manifest).unwrap())
}

fn tarred(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (path, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        tar.append_data(&mut header, path, content.as_slice()).unwrap();
    }
    tar.into_inner().unwrap().finish().unwrap()
}

fn config(name: &str) -> (String, Vec<u8>) {
    (config_file(name), serde_json::to_vec(&secret(name)).unwrap())
}

pub(in crate::runbook::backup) fn values(name: &str) -> Vec<u8> {
    serde_json::to_vec(&Values { name: name.into(), arn: "a".into(), versions: vec![] }).unwrap()
}

// --- What was put in comes out

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_was_put_in_comes_out(estate in estates::any_estate(), cut in 0..12_usize) {
        let out = |opened| {
            let mut out = Vec::new();
            let readout = read(opened, &mut |piece| match piece {
                Piece::Secret(secret) => out.push(*secret),
                Piece::Values(_) => panic!("there are none"),
            });
            let faults: Vec<_> = readout.faults.iter().map(ToString::to_string).collect();
            (out, faults, readout.summary.map(|summary| summary.written), readout.sealed)
        };
        let wanted = (estate.clone(), vec![], Some(estate.len() as u64), true);
        let (archive, manifest) = written("x", &estate);
        prop_assert_eq!(&out(opened(&archive, Some(&manifest))), &wanted);
        let (first, second) = estate.split_at(cut.min(estate.len()));
        prop_assert_eq!(&out(parts(&[first, second]).opened()), &wanted);
    }
}

#[test]
fn values_come_behind_their_secret() {
    let (a, config_a) = config("a/b");
    let (b, config_b) = config("b");
    let files = [
        (a.as_str(), config_a),
        ("a%2Fb-values.json", values("a/b")),
        (b.as_str(), config_b),
        ("secrets-metadata.json", vec![]),
    ];
    let (archive, manifest) = sealed(&files, |summary| summary.values = Some(1));
    let mut order = Vec::new();
    let readout = read(opened(&archive, Some(&manifest)), &mut |piece| {
        order.push(match piece {
            Piece::Secret(secret) => secret.name,
            Piece::Values(values) => format!("values of {}", values.name),
        });
    });
    assert!(readout.faults.is_empty(), "{:?}", readout.faults);
    assert_eq!(order, ["a/b", "values of a/b", "b"]);

    for (counted, listed) in [(None, 1), (Some(2), 1)] {
        let (archive, manifest) = sealed(&files, |summary| summary.values = counted);
        let counted = counted.unwrap_or_default();
        let wanted = format!("the manifest counts {counted} secrets with values and lists {listed}");
        assert_eq!(told(opened(&archive, Some(&manifest))), [wanted]);
    }
}

#[test]
fn values_without_their_secret_are_told() {
    let (a, config_a) = config("a");
    let (b, config_b) = config("b");
    let lonely = ["x/a-values.json does not stand behind the configuration of its secret"];
    for files in [
        vec![("a-values.json", values("a")), (&*a, config_a.clone()), (&*b, config_b.clone())],
        vec![(&*a, config_a.clone()), (&*b, config_b.clone()), ("a-values.json", values("a"))],
        vec![(&*a, config_a.clone()), ("a-values.json", values("b")), (&*b, config_b.clone())],
        vec![("secrets-metadata.json", vec![]), ("a-values.json", values("a"))],
    ] {
        let (archive, manifest) = sealed(&files, |summary| summary.values = Some(1));
        assert_eq!(told(opened(&archive, Some(&manifest))), lonely);
    }
    let (archive, manifest) =
        sealed(&[(&*a, config_a), ("a-values.json", b"[1]".to_vec())], |summary| summary.values = Some(1));
    assert!(
        told(opened(&archive, Some(&manifest)))[0].starts_with("x/a-values.json does not hold a secret's values: ")
    );
}

// --- Names and order

#[test]
fn a_configuration_under_another_name_is_told() {
    let (archive, manifest) = sealed(&[("b-config.json", config("a").1)], |_| {});
    let mut seen = 0;
    let readout = read(opened(&archive, Some(&manifest)), &mut |_| seen += 1);
    assert_eq!(seen, 0, "nobody restores it under either name");
    assert_eq!(
        readout.faults[0].to_string(),
        r#"x/b-config.json holds the configuration of "a", whose file is called otherwise"#
    );
}

#[test]
fn the_order_of_files_means_nothing() {
    let names: Vec<String> = (0..40).map(|number| format!("s{number}")).collect();
    let files: Vec<_> = names.iter().map(|name| config(name)).collect();
    let listed: Vec<_> = files.iter().map(|(file, content)| (file.as_str(), content.clone())).collect();
    let (archive, _) = sealed(&listed, |_| {});
    let mut all: Vec<(String, Vec<u8>)> = Vec::new();
    for entry in tar::Archive::new(flate2::read::GzDecoder::new(archive.as_slice())).entries().unwrap() {
        let mut entry = entry.unwrap();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        all.push((entry.path().unwrap().display().to_string(), content));
    }
    assert_eq!(told(opened(&tarred(&all), None)), [""; 0]);
    all.reverse();
    assert_eq!(told(opened(&tarred(&all), None)), [""; 0], "the manifest first, and all else backwards");
    let lost = all.remove(20).0;
    assert_eq!(told(opened(&tarred(&all), None)), [format!("{lost} is in the manifest and not in the archive")]);
    all[7].1.push(b' ');
    let path = all[7].0.clone();
    let faults = told(opened(&tarred(&all), None));
    assert!(
        faults[0].starts_with(&format!("{path}: size is ")) && faults[1].starts_with(&format!("{path}: sha256 is "))
    );
    assert_eq!(faults.len(), 3);
}
