//! Faults and proofs over fakes of Secrets Manager and S3. Each fault asserts the exact error, gap or status.

mod chunks;
mod incremental;
mod values;

use std::io::Read as _;

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use tokio::time::Duration;

use super::*;
use crate::aws::Class;
use crate::aws::fake::{Fault, Shared, World, clients};
use crate::model::Secret;
use crate::model::{Coverage, GapReason, Report, Status};
use crate::runbook::{Answer, JobError};

fn world(names: &[&str]) -> World {
    World { secrets: names.iter().map(|name| (*name).to_owned()).collect(), ..World::default() }
}

fn settings() -> Settings {
    let topic = "arn:aws:sns:ap-northeast-1:123456789012:alerts";
    Settings::read(&|name| (name == "SECRETS_OPS_TOPIC_ARN").then(|| topic.to_owned())).unwrap()
}

fn now() -> Timestamp {
    "2026-11-21T17:00:00Z".parse().unwrap()
}

const NAME: &str = "secrets-backup-20261122_020000";
const KEY: &str = "daily-backups/secrets-backup-20261122_020000.tar.gz";
const MANIFEST: &str = "daily-backups/secrets-backup-20261122_020000.manifest.json";

/// No values, and every policy is read.
fn plain() -> BackupSettings {
    BackupSettings { values: None, full_pass_every: 1 }
}

fn in_bucket(settings: &Settings) -> Destination {
    Destination::Bucket { bucket: settings.bucket.clone(), prefix: None }
}

/// A daily backup of `aws` into itself.
fn job<'a>(aws: &'a Aws, settings: &'a Settings, own: &'a BackupSettings, destination: &'a Destination) -> Job<'a> {
    Job {
        estate: aws,
        storage: aws,
        settings,
        own,
        kind: Kind::Daily,
        account: "123456789012",
        destination,
        chunk: None,
        now: now(),
        deadline: later(),
    }
}

async fn back_up(aws: &Aws, deadline: Instant) -> Result<Answer, JobError> {
    let settings = settings();
    let (own, destination) = (plain(), in_bucket(&settings));
    run(Job { deadline, ..job(aws, &settings, &own, &destination) }).await
}

fn later() -> Instant {
    Instant::now() + Duration::from_secs(3600)
}

/// A backup of one archive in memory.
fn verify(archive: &[u8], beside: Option<&[u8]>, subject: &str, region: &str, now: Timestamp) -> Report {
    let archive = archive.to_vec();
    let sealed = beside.map(|bytes| Box::new(std::io::Cursor::new(bytes.to_vec())) as Box<dyn std::io::Read + Send>);
    let content: Opener = Box::new(|| Ok(Box::new(std::io::Cursor::new(archive))));
    let archives = vec![OneArchive { name: subject.to_owned(), content, beside: None }];
    super::verify(Opened { name: subject.to_owned(), sealed, archives }, region, now)
}

/// Every file of the archive, by its name without the folder.
fn files(shared: &Shared) -> std::collections::BTreeMap<String, String> {
    let archive = shared.lock().unwrap().objects[KEY].clone();
    let mut tar = tar::Archive::new(GzDecoder::new(archive.as_slice()));
    tar.entries()
        .unwrap()
        .map(|entry| {
            let mut entry = entry.unwrap();
            let path = entry.path().unwrap().display().to_string();
            let mut text = String::new();
            entry.read_to_string(&mut text).unwrap();
            (path.strip_prefix(&format!("{NAME}/")).unwrap().to_owned(), text)
        })
        .collect()
}

fn manifest(shared: &Shared) -> Manifest {
    serde_json::from_str(&shared.lock().unwrap().text(MANIFEST)).unwrap()
}

fn proof(shared: &Shared) -> Report {
    let world = shared.lock().unwrap();
    verify(world.objects[KEY].as_slice(), Some(&world.objects[MANIFEST]), KEY, "ap-northeast-1", now())
}

#[tokio::test]
async fn everything_is_in_it_and_it_proves_itself() {
    let mut world = world(&["a/b", "a_b", "plain", "ends-like-an-arn-aB3dE9", "last"]);
    world.policies.insert("plain".into(), r#"{"Version":"2012-10-17","Statement":[]}"#.into());
    let (aws, shared) = clients(world);
    let answer = back_up(&aws, later()).await.unwrap();

    assert_eq!((answer.status, answer.success, answer.gaps.len()), (Status::Ok, true, 0));
    assert_eq!(answer.artefacts, [KEY, MANIFEST]);
    assert_eq!(answer.coverage, Coverage { wanted: 5, seen: 5 });
    let files = files(&shared);
    assert_eq!(
        files.keys().collect::<Vec<_>>(),
        [
            "a%2Fb-config.json",
            "a_b-config.json",
            "ends-like-an-arn-aB3dE9-config.json",
            "last-config.json",
            "manifest.json",
            "plain-config.json",
            "secrets-metadata.json"
        ]
    );
    let plain: Secret = serde_json::from_str(&files["plain-config.json"]).unwrap();
    assert_eq!(plain.resource_policy.as_deref(), Some(r#"{"Version":"2012-10-17","Statement":[]}"#));
    assert_eq!(plain.description.as_deref(), Some("about plain"));
    let names: serde_json::Value = serde_json::from_str(&files["secrets-metadata.json"]).unwrap();
    assert_eq!(names[0]["Name"], "a/b");
    assert_eq!(names.as_array().unwrap().len(), 5);

    let manifest = manifest(&shared);
    assert_eq!((manifest.summary.listed, manifest.summary.described, manifest.summary.written), (5, 5, 5));
    assert_eq!(manifest.summary.account, "123456789012");
    assert_eq!(manifest.entries.len(), 6);
    let report = proof(&shared);
    assert_eq!((report.status(), report.findings.len()), (Status::Ok, 0), "{report:?}");
    assert!(shared.lock().unwrap().notices.is_empty(), "all is well");
}

#[tokio::test]
async fn no_call_is_made_twice() {
    let (aws, shared) = clients(world(&["a", "b", "c"]));
    back_up(&aws, later()).await.unwrap();
    let calls = shared.lock().unwrap().calls.clone();
    let expected = [
        ("DescribeSecret", 3),
        ("GetResourcePolicy", 3),
        ("ListSecretVersionIds", 3),
        ("ListSecrets", 2),
        ("PutObject", 2),
    ];
    assert_eq!(calls.into_iter().collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn one_denied_secret_among_many_is_a_named_gap() {
    for (operation, unread, described) in [
        ("GetResourcePolicy", "ResourcePolicy", 3),
        ("ListSecretVersionIds", "Versions", 3),
        ("DescribeSecret", "ReplicationStatus", 2),
    ] {
        let mut world = world(&["a", "denied", "c"]);
        world.faults.push(Fault::of(operation, "denied", "AccessDeniedException", 400));
        let (aws, shared) = clients(world);
        let answer = back_up(&aws, later()).await.unwrap();
        assert_eq!((answer.status, answer.success), (Status::Incomplete, false), "{operation}");
        let gap = &answer.gaps[0];
        assert_eq!(
            (gap.what.as_str(), gap.subject.as_str(), gap.reason),
            (&*format!("secretsmanager:{operation}"), "denied", GapReason::Denied)
        );
        let manifest = manifest(&shared);
        assert_eq!((manifest.summary.listed, manifest.summary.described, manifest.summary.written), (3, described, 3));
        assert_eq!(manifest.gaps, answer.gaps);
        let denied: Secret = serde_json::from_str(&files(&shared)["denied-config.json"]).unwrap();
        assert_eq!(denied.unread, [unread], "its absence must not read as none");
        let notices = &shared.lock().unwrap().notices;
        assert_eq!(notices[0].0, "[goal-mandala-prod] backup-daily incomplete: 0 findings, 1 gaps");
        assert!(notices[0].1.contains("denied"));
    }
}

#[tokio::test]
async fn a_secret_that_vanishes_is_named_and_the_rest_is_kept() {
    for (operation, written) in [("DescribeSecret", 2), ("GetResourcePolicy", 3), ("ListSecretVersionIds", 3)] {
        let mut world = world(&["a", "gone", "c"]);
        world.faults.push(Fault::of(operation, "gone", "ResourceNotFoundException", 400));
        let (aws, shared) = clients(world);
        let answer = back_up(&aws, later()).await.unwrap();
        assert_eq!(answer.status, Status::Incomplete);
        assert!(answer.gaps.iter().all(|gap| (gap.subject.as_str(), gap.reason) == ("gone", GapReason::Vanished)));
        assert_eq!((answer.gaps.len(), answer.counts["written"]), (1, written), "{operation}");
        assert_eq!(proof(&shared).findings, []);
    }
}

#[tokio::test]
async fn a_list_that_fails_leaves_nothing_behind() {
    for (about, code, class) in [
        ("", "AccessDeniedException", Class::Denied),
        ("2", "AccessDeniedException", Class::Denied),
        ("2", "InvalidNextTokenException", Class::Invalid),
    ] {
        let mut world = world(&["a", "b", "c", "d"]);
        world.faults.push(Fault::of("ListSecrets", about, code, 400));
        let (aws, shared) = clients(world);
        let error = back_up(&aws, later()).await.unwrap_err();
        let JobError::Aws(error) = error else { panic!("{error}") };
        assert_eq!(
            (error.operation, error.class, error.code.as_deref()),
            ("secretsmanager:ListSecrets", class, Some(code))
        );
        assert!(shared.lock().unwrap().objects.is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_minute_of_throttling_is_waited_out() {
    let mut world = world(&["a", "b", "c"]);
    world.faults.push(Fault { times: 24, ..Fault::of("GetResourcePolicy", "", "ThrottlingException", 400) });
    world.faults.push(Fault { times: 4, ..Fault::of("ListSecrets", "", "ThrottlingException", 400) });
    let (aws, shared) = clients(world);
    let answer = back_up(&aws, later()).await.unwrap();
    assert_eq!((answer.status, answer.coverage), (Status::Ok, Coverage { wanted: 3, seen: 3 }));
    assert_eq!(shared.lock().unwrap().calls["GetResourcePolicy"], 3 + 24);
}

#[test]
fn the_patience_of_a_job_outlasts_a_minute_of_throttling() {
    let retries = crate::aws::retries_of_a_job();
    let mut longest = 0.0;
    let mut backoff = retries.initial_backoff().as_secs_f64();
    for _ in 1..retries.max_attempts() {
        longest += backoff.min(retries.max_backoff().as_secs_f64());
        backoff *= 2.0;
    }
    // Each pause is drawn evenly between nothing and its longest.
    assert!(longest / 2.0 > 60.0, "{longest}");
}

#[tokio::test(start_paused = true)]
async fn throttling_without_end_is_a_gap_and_not_a_hang() {
    let mut world = world(&["a"]);
    world.faults.push(Fault::of("GetResourcePolicy", "", "ThrottlingException", 400));
    let (aws, _) = clients(world);
    let answer = back_up(&aws, later()).await.unwrap();
    assert_eq!((answer.status, answer.gaps[0].reason), (Status::Incomplete, GapReason::Throttled));
}

#[tokio::test(start_paused = true)]
async fn at_the_deadline_it_keeps_what_it_has_and_says_so() {
    let mut world = world(&["a", "b", "c", "d"]);
    world.faults.push(Fault::of("ListSecrets", "2", "ThrottlingException", 400));
    let (aws, shared) = clients(world);
    let answer = back_up(&aws, Instant::now() + Duration::from_secs(5)).await.unwrap();
    assert_eq!((answer.status, answer.success), (Status::Incomplete, false));
    assert_eq!(answer.gaps[0].reason, GapReason::Deadline);
    assert_eq!(answer.gaps[0].detail, "stopped after 2 secrets; the rest was not read");
    assert!(!answer.coverage.is_full());
    let report = proof(&shared);
    assert_eq!((report.findings.len(), report.status()), (0, Status::Incomplete));
}

#[tokio::test]
async fn an_empty_estate_is_not_a_backup() {
    let (aws, shared) = clients(world(&[]));
    let answer = back_up(&aws, later()).await.unwrap();
    assert_eq!((answer.status, answer.gaps[0].reason), (Status::Incomplete, GapReason::NoData));
    assert_eq!(proof(&shared).status(), Status::Incomplete);
}

#[tokio::test(start_paused = true)]
async fn s3_that_fails_or_is_not_there_is_an_error_by_name() {
    for (operation, about, code, status, class) in [
        ("PutObject", "tar.gz", "NoSuchBucket", 404, Class::NotFound),
        ("PutObject", "tar.gz", "AccessDenied", 403, Class::Denied),
        ("PutObject", "manifest", "InternalError", 500, Class::Unavailable),
    ] {
        let mut world = world(&["a"]);
        world.faults.push(Fault::of(operation, about, code, status));
        let (aws, shared) = clients(world);
        let JobError::Aws(error) = back_up(&aws, later()).await.unwrap_err() else { panic!("{operation}") };
        assert_eq!((error.operation, error.class), ("s3:PutObject", class));
        assert!(!shared.lock().unwrap().objects.contains_key(MANIFEST), "without a manifest it is not a backup");
    }
}

/// Enough secrets with enough noise in their policies to fill more than one part of 5 MiB.
fn large() -> World {
    let names: Vec<String> = (0..450).map(|n| format!("secret-{n}")).collect();
    let mut world = World { secrets: names.clone(), ..World::default() };
    let mut noise = 1u64;
    for name in names {
        let policy: String = (0..20_000)
            .map(|_| {
                noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                char::from(b' ' + u8::try_from(noise >> 58).unwrap())
            })
            .filter(|c| !"\"\\".contains(*c))
            .collect();
        world.policies.insert(name, policy);
    }
    world
}

#[tokio::test]
async fn a_large_estate_goes_up_in_parts_and_proves_itself() {
    let (aws, shared) = clients(large());
    let answer = back_up(&aws, later()).await.unwrap();
    assert_eq!(answer.status, Status::Ok);
    assert!(shared.lock().unwrap().calls["UploadPart"] >= 2, "{:?}", shared.lock().unwrap().calls);
    assert_eq!(proof(&shared).status(), Status::Ok);
}

#[tokio::test(start_paused = true)]
async fn an_upload_that_fails_half_way_is_taken_back() {
    for operation in ["UploadPart", "CompleteMultipartUpload"] {
        let mut world = large();
        world.faults.push(Fault::of(operation, "", "InternalError", 500));
        let (aws, shared) = clients(world);
        let JobError::Aws(error) = back_up(&aws, later()).await.unwrap_err() else { panic!("{operation}") };
        assert_eq!(error.operation, format!("s3:{operation}"));
        let world = shared.lock().unwrap();
        assert_eq!((world.aborted, world.uploads.len(), world.objects.len()), (1, 0, 0), "{operation}");
    }
}

#[tokio::test]
async fn nothing_that_is_there_is_overwritten() {
    for key in [KEY, MANIFEST] {
        let (aws, shared) = clients(world(&["a"]));
        let bucket = settings().bucket;
        crate::aws::s3::put(&aws, &bucket, key, "x", b"older".to_vec(), crate::aws::s3::Expect::Absent).await.unwrap();
        let JobError::Aws(error) = back_up(&aws, later()).await.unwrap_err() else { panic!() };
        assert_eq!(error.class, Class::Conflict);
        assert_eq!(shared.lock().unwrap().text(key), "older");
    }
    let (aws, shared) = clients(large());
    let bucket = settings().bucket;
    crate::aws::s3::put(&aws, &bucket, KEY, "x", b"older".to_vec(), crate::aws::s3::Expect::Absent).await.unwrap();
    let JobError::Aws(error) = back_up(&aws, later()).await.unwrap_err() else { panic!() };
    assert_eq!((error.operation, error.class), ("s3:CompleteMultipartUpload", Class::Conflict));
    assert_eq!(shared.lock().unwrap().text(KEY), "older");
}

#[tokio::test(start_paused = true)]
async fn a_topic_that_refuses_hides_nothing() {
    let mut world = world(&["a", "denied"]);
    world.faults.push(Fault::of("GetResourcePolicy", "denied", "AccessDeniedException", 400));
    world.faults.push(Fault::of("Publish", "", "AuthorizationError", 403));
    let (aws, shared) = clients(world);
    let answer = back_up(&aws, later()).await.unwrap();
    assert_eq!(
        answer.gaps.iter().map(|gap| gap.what.as_str()).collect::<Vec<_>>(),
        ["secretsmanager:GetResourcePolicy", "sns:Publish"]
    );
    assert_eq!((answer.counts["gaps"], answer.gaps[1].reason), (2, GapReason::Denied));
    assert!(shared.lock().unwrap().objects.contains_key(MANIFEST));
}

#[tokio::test]
async fn a_folder_takes_a_backup_too_and_is_never_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let (aws, _) = clients(world(&["a", "b"]));
    let destination = Destination::Folder(folder.path().to_owned());
    let settings = settings();
    let own = plain();
    let run = || run(Job { kind: Kind::Manual, ..job(&aws, &settings, &own, &destination) });
    let answer = run().await.unwrap();
    let (archive, beside) = (&answer.artefacts[0], &answer.artefacts[1]);
    assert!(archive.ends_with(".tar.gz") && beside.ends_with(".manifest.json"));
    let bytes = std::fs::read(archive).unwrap();
    let report = verify(bytes.as_slice(), Some(&std::fs::read(beside).unwrap()), archive, "r", now());
    assert_eq!(report.status(), Status::Ok);
    let JobError::Io(error) = run().await.unwrap_err() else { panic!() };
    assert_eq!(error.kind(), std::io::ErrorKind::AlreadyExists);
    assert_eq!(std::fs::read(archive).unwrap(), bytes);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2, "no half file is left");
}

/// A good archive and its manifest.
async fn good() -> (Vec<u8>, Vec<u8>) {
    let (aws, shared) = clients(world(&["a", "b", "c"]));
    back_up(&aws, later()).await.unwrap();
    let world = shared.lock().unwrap();
    (world.objects[KEY].clone(), world.objects[MANIFEST].clone())
}

fn faults(archive: &[u8], manifest: Option<&[u8]>) -> Vec<String> {
    let report = verify(archive, manifest, "x", "r", now());
    report.findings.iter().map(|finding| finding.detail.en.to_string()).collect()
}

#[tokio::test]
async fn every_cut_and_every_changed_byte_is_noticed() {
    let (archive, manifest) = good().await;
    assert_eq!(faults(&archive, Some(&manifest)), [""; 0]);
    for cut in 0..archive.len() {
        assert!(!faults(&archive[..cut], Some(&manifest)).is_empty(), "cut to {cut} bytes");
    }
    for index in 0..archive.len() {
        let mut changed = archive.clone();
        changed[index] ^= 1;
        assert!(!faults(&changed, Some(&manifest)).is_empty(), "byte {index}");
    }
    let mut longer = archive.clone();
    longer.push(0);
    assert_eq!(faults(&longer, Some(&manifest)).len(), 2, "size and hash");
}

#[tokio::test]
async fn what_is_wrong_is_said_exactly() {
    let (archive, manifest) = good().await;
    assert_eq!(faults(&archive[..archive.len() / 2], None).len(), 1);
    let half = faults(&archive[..archive.len() / 2], None);
    assert!(half[0].starts_with("cut short or damaged after "), "{half:?}");
    assert!(faults(b"not an archive", None)[0].starts_with("cut short or damaged after 0 files: "));
    assert_eq!(verify(archive.as_slice(), None, "x", "r", now()).gaps[0].what, "manifest beside the archive");

    let text = String::from_utf8(manifest.clone()).unwrap();
    let other = text.replace(NAME, "secrets-backup-20261121_020000");
    assert!(
        faults(&archive, Some(other.as_bytes()))
            .contains(&"the manifest beside it belongs to another archive (secrets-backup-20261121_020000)".to_owned())
    );
    let newer = text.replace("secrets-ops/backup/v1", "secrets-ops/backup/v2");
    assert_eq!(
        faults(&archive, Some(newer.as_bytes())),
        ["its schema is secrets-ops/backup/v2; this program knows secrets-ops/backup/v1"]
    );
    assert!(
        faults(&archive, Some(b"{"))
            .iter()
            .any(|fault| fault.starts_with("the manifest beside the archive cannot be understood"))
    );
}

/// An archive of the given files, with the manifest of `good` in front where `with_manifest` says so.
fn made(entries: &[(&str, tar::EntryType, &[u8])]) -> Vec<u8> {
    let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (path, kind, content) in entries {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(*kind);
        header.set_size(content.len() as u64);
        header.set_mode(0o600);
        // Past the crate's own guard, as a hostile archive would be.
        header.as_gnu_mut().unwrap().name[..path.len()].copy_from_slice(path.as_bytes());
        header.set_cksum();
        tar.append(&header, *content).unwrap();
    }
    tar.into_inner().unwrap().finish().unwrap()
}

#[test]
fn hostile_archives_are_refused_by_name() {
    use tar::EntryType::{Directory, Link, Regular, Symlink};
    for (path, kind) in [
        ("../../etc/passwd", Regular),
        ("/etc/passwd", Regular),
        ("x/../../y", Regular),
        ("x/y/z", Regular),
        ("x/..", Regular),
        ("lonely", Regular),
        ("x/link", Symlink),
        ("x/link", Link),
        ("x/folder", Directory),
    ] {
        assert_eq!(
            faults(&made(&[(path, kind, b"")]), None),
            [format!("it holds {path:?}, which no backup has: do not unpack it")]
        );
    }
    assert_eq!(
        faults(&made(&[("x/a-config.json", Regular, b"{}")]), None)[1..],
        ["no manifest.json in it: the backup was never finished, or this is not an archive of secrets-ops"]
    );
    let bomb = vec![b' '; 5 * 1024 * 1024];
    assert_eq!(
        faults(&made(&[("x/a-config.json", Regular, &bomb)]), None),
        [r#""x/a-config.json" claims 5242880 bytes, more than a secret's description can have: do not unpack it"#]
    );
}

#[tokio::test]
async fn what_was_added_lost_or_doubled_inside_is_named() {
    let (archive, _) = good().await;
    let mut tar = tar::Archive::new(GzDecoder::new(archive.as_slice()));
    let mut entries: Vec<(String, Vec<u8>)> = tar
        .entries()
        .unwrap()
        .map(|entry| {
            let mut entry = entry.unwrap();
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).unwrap();
            (entry.path().unwrap().display().to_string(), bytes)
        })
        .collect();
    let remade = |entries: &[(String, Vec<u8>)]| {
        let all: Vec<_> =
            entries.iter().map(|(path, bytes)| (path.as_str(), tar::EntryType::Regular, bytes.as_slice())).collect();
        faults(&made(&all), None)
    };
    assert_eq!(remade(&entries), [""; 0]);
    let a = format!("{NAME}/a-config.json");
    let lost: Vec<_> = entries.iter().filter(|(path, _)| *path != a).cloned().collect();
    assert_eq!(remade(&lost), [format!("{a} is in the manifest and not in the archive")]);
    let mut doubled = entries.clone();
    doubled.push(entries[0].clone());
    assert_eq!(remade(&doubled), [format!("{a} is in the archive twice")]);
    entries.push((format!("{NAME}/z-config.json"), entries[0].1.clone()));
    assert_eq!(remade(&entries), [format!("{NAME}/z-config.json is in the archive and not in the manifest")]);
    entries.pop();
    entries[0].1 = entries[1].1.clone();
    assert_eq!(remade(&entries).len(), 1, "same size, another hash");
    entries[0].1 = b"[]".to_vec();
    assert!(remade(&entries)[0].starts_with(&format!("{a} is not a secret's configuration")));
}
