use super::*;
use crate::aws::fake::{Fault, World, clients};
use crate::model::{Finding, Severity, Text, apply};
use std::collections::BTreeMap;

const FILE: &[u8] = br#"{"schema":"secrets-ops/suppressions/v1","suppressions":[
    {"check":"tagged","subject":"*","owner":"o","reason":"r","until":"2026-12-31"}]}"#;

fn settings() -> Settings {
    Settings::read(&|_| None).unwrap()
}

fn source(text: &str) -> Result<Source, SettingError> {
    Source::read(&|name| (name == "SECRETS_OPS_SUPPRESSIONS").then(|| text.to_owned()))
}

#[test]
fn where_it_is_read_from() {
    assert_eq!(source("").unwrap(), Source::None);
    assert_eq!(source("a/b.json").unwrap(), Source::File("a/b.json".into()));
    assert_eq!(source("s3:config/suppressions.json").unwrap(), Source::Object("config/suppressions.json".into()));
    for wrong in ["s3:", "s3://bucket/key"] {
        assert!(source(wrong).unwrap_err().to_string().contains("an object of the bucket as s3:KEY"), "{wrong}");
    }
}

/// What remains of one finding, and what is said about suppressions.
fn left(suppressions: &Suppressions, now: &str) -> (usize, usize) {
    let text = Text::fixed("", "");
    let finding = Finding {
        check: "tagged",
        severity: Severity::Low,
        subject: "a".into(),
        arn: None,
        detail: text.clone(),
        remediation: text,
    };
    let applied =
        apply(vec![finding], suppressions, &BTreeMap::new(), today(&settings(), now.parse::<Timestamp>().unwrap()));
    (applied.findings.len(), applied.extra.len())
}

#[tokio::test]
async fn read_from_a_file_or_the_bucket_and_over_at_midnight_in_tokyo() {
    let (aws, shared) = clients(World::default());
    shared.lock().unwrap().objects.insert("config/s.json".into(), FILE.to_vec());
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), FILE).unwrap();
    for source in [Source::Object("config/s.json".into()), Source::File(file.path().into())] {
        let (suppressions, gap) = load(&aws, &settings(), &source, &["tagged"]).await;
        assert_eq!(gap, None);
        assert_eq!(left(&suppressions, "2026-12-31T14:59:59Z"), (0, 0), "{source:?}");
        assert_eq!(left(&suppressions, "2026-12-31T15:00:00Z"), (1, 1), "{source:?}");
    }
}

#[tokio::test]
async fn what_cannot_be_read_suppresses_nothing_and_is_a_gap() {
    let denied = Fault::of("GetObject", "denied.json", "AccessDenied", 403);
    let (aws, _) = clients(World { faults: vec![denied], ..World::default() });
    for (source, reason) in [
        (Source::Object("denied.json".into()), GapReason::Denied),
        (Source::File("/nonexistent/s.json".into()), GapReason::Unavailable),
    ] {
        let (suppressions, gap) = load(&aws, &settings(), &source, &["tagged"]).await;
        assert_eq!((gap.map(|gap| gap.reason), left(&suppressions, "2026-11-22T00:00:00Z")), (Some(reason), (1, 0)));
    }
    let absent = Source::Object("absent.json".into());
    let (suppressions, gap) = load(&aws, &settings(), &absent, &["tagged"]).await;
    assert_eq!((gap, left(&suppressions, "2026-11-22T00:00:00Z")), (None, (1, 0)), "nobody has accepted anything yet");
}
