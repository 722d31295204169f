//! What is hostile, or breaks off.

use super::super::super::verify;
use super::super::faults::MOST_FAULTS;
use super::*;

/// A reader of `head` and then of one byte without end.
fn endless(head: &str, byte: u8) -> impl Read {
    Cursor::new(head.to_owned()).chain(io::repeat(byte))
}

#[test]
fn a_manifest_without_end_is_refused() {
    for (head, byte) in [
        ("", b' '),
        (r#"{"tool":""#, b'a'),
        (r#"{"tool":"#, b'['),
        (r#"{"unknown":"#, b'['),
        (r#"{""#, b'k'),
        (r#"{"gaps":["#, b' '),
        (r#"{"entries":[{"path":""#, b'p'),
        (r#"{"schema":"secrets-ops/backup/v1","entries":{"a":"#, b'1'),
    ] {
        let failed = list::parse("it", endless(head, byte), &mut |_| Ok(())).unwrap_err();
        assert!(matches!(failed, Failed::Bad(Fault::BadManifest("it", _))), "{head}: {failed:?}");
    }
}

/// A tar header as one would write it who means harm.
fn header(kind: tar::EntryType, path: &str, size: u64) -> Vec<u8> {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_size(size);
    header.as_gnu_mut().unwrap().name[..path.len()].copy_from_slice(path.as_bytes());
    header.set_cksum();
    header.as_bytes().to_vec()
}

#[test]
fn an_archive_that_would_fill_memory_or_disk_is_refused() {
    let gzip = |head: Vec<u8>, zeros: u64| {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        io::copy(&mut Cursor::new(head).chain(io::repeat(0).take(zeros)), &mut gzip).unwrap();
        told(opened(&gzip.finish().unwrap(), None))
    };
    let eight = 8 << 30;
    for (kind, path) in [
        (tar::EntryType::GNULongName, "././@LongLink"),
        (tar::EntryType::GNULongLink, "././@LongLink"),
        (tar::EntryType::XHeader, "x/pax"),
        (tar::EntryType::XGlobalHeader, "x/pax"),
        (tar::EntryType::GNUSparse, "x/a-config.json"),
    ] {
        let wanted = format!("it holds {path:?}, which no backup has: do not unpack it");
        assert_eq!(gzip(header(kind, path, eight), 0), [wanted]);
    }
    for path in ["x/a-config.json", "x/a-values.json", "x/README", "x/manifest.json", "x/secrets-metadata.json"] {
        let wanted =
            format!("{path:?} claims {eight} bytes, more than a secret's description can have: do not unpack it");
        assert_eq!(gzip(header(tar::EntryType::Regular, path, eight), 0), [wanted]);
    }
    let behind = gzip(vec![], MOST_FILES);
    assert_eq!(behind, ["cut short or damaged after 0 files: there is data behind its last file"]);

    let mut estate = Estate::nearly_full();
    let mut faults = Faults::default();
    let archive = written("x", &[secret("a")]).0;
    let fault = one::archive(archive.as_slice(), 1, &mut estate, &mut faults, &mut |_| {}).err().unwrap();
    assert!(matches!(fault, Fault::TooMany), "{fault}");
}

#[test]
fn a_long_path_of_ours_is_read_and_two_in_a_row_are_not() {
    let long = "x/".repeat(200);
    let (archive, manifest) = written("x", &[secret(&long)]);
    assert_eq!(told(opened(&archive, Some(&manifest))), [""; 0]);
    let mut twice = Vec::new();
    for _ in 0..2 {
        twice.extend(header(tar::EntryType::GNULongName, "././@LongLink", 3));
        twice.extend([b"x/y\0".as_slice(), &[0; 508]].concat());
    }
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    io::Write::write_all(&mut gzip, &twice).unwrap();
    assert_eq!(
        told(opened(&gzip.finish().unwrap(), None)),
        [r#"it holds "x/y", which no backup has: do not unpack it"#]
    );
}

#[test]
fn ten_thousand_faults_are_told_and_the_rest_counted() {
    let none: Vec<Entry> = (0..MOST_FAULTS + 5)
        .map(|number| Entry { path: format!("x/s{number}-config.json"), size: 1, sha256: String::new() })
        .collect();
    let manifest = Manifest { summary: summary("x", none.len() as u64), gaps: vec![], entries: none };
    let archive = tarred(&[("x/manifest.json".into(), serde_json::to_vec(&manifest).unwrap())]);
    let faults = told(opened(&archive, None));
    assert_eq!(faults.len(), MOST_FAULTS + 1);
    assert_eq!(faults[0], "x/s0-config.json is in the manifest and not in the archive");
    assert_eq!(faults[MOST_FAULTS], "5 more faults");
}

#[test]
fn a_source_that_breaks_off_says_nothing_of_the_backup() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::new(io::ErrorKind::TimedOut, "gone away"))
        }
    }
    let (archive, manifest) = written("x", &[secret("a")]);
    for length in [0, 20, archive.len() - 4, archive.len()] {
        let half = archive[..length].to_vec();
        let mut opened = opened(&archive, Some(&manifest));
        opened.archives[0].content = Box::new(move || Ok(Box::new(Cursor::new(half).chain(Broken))));
        let report = verify(opened, "r", "2026-11-22T00:00:00Z".parse().unwrap());
        assert_eq!((report.status(), report.items[0].verdict), (Status::Incomplete, "unreadable"), "{length}");
        assert_eq!(report.findings, []);
        assert_eq!(report.gaps[0].reason, GapReason::TimedOut);
        assert_eq!(report.gaps[0].detail, "could not be read: gone away");
    }
}
