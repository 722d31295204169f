//! Values in a backup: only whose prefix says so, only encrypted, and only where the bucket is fit for them.

use super::*;
use crate::aws::fake::{Estate, FakeKey, KEY as KMS_KEY};
use crate::runbook::backup::fetch::fetch;
use crate::runbook::backup::values::{ValueError, open};

fn estate() -> Estate {
    let mut estate = Estate { clock: 1_000_000_000, ..Estate::default() };
    estate.keys = [(KMS_KEY.to_owned(), FakeKey { state: "Enabled".into(), ..FakeKey::default() })].into();
    for name in ["v-a", "v-b", "other"] {
        let value = serde_json::json!({"SecretString": format!("CANARY-VALUE-{name}")});
        estate.add(Secret { name: name.into(), ..Secret::default() }, Some((&"1".repeat(36), value)));
    }
    estate
}

fn own() -> BackupSettings {
    let values = ValueSettings { prefix: "v-".into(), key: KMS_KEY.into(), mac_key: KMS_KEY.into() };
    BackupSettings { values: Some(values), full_pass_every: 1 }
}

async fn backed_up(world: World) -> (Aws, Shared, Answer) {
    let (aws, shared) = clients(world);
    let settings = settings();
    let (own, destination) = (own(), in_bucket(&settings));
    let answer = run(job(&aws, &settings, &own, &destination)).await.unwrap();
    (aws, shared, answer)
}

#[tokio::test]
async fn a_value_leaves_encrypted_and_comes_back() {
    let (aws, shared, answer) = backed_up(World { estate: estate(), ..World::default() }).await;
    assert_eq!((answer.status, answer.counts["values"]), (Status::Ok, 2));
    assert_eq!(shared.lock().unwrap().calls["GetSecretValue"], 2, "nobody else's value is read");
    let mut values = Vec::new();
    let readout = read(fetch(&aws, &settings().bucket, KEY).await.unwrap().0, &mut |piece| {
        if let Piece::Values(found) = piece {
            values.push(found);
        }
    });
    assert_eq!((readout.faults.len(), readout.summary.unwrap().values), (0, Some(2)));
    let value = open(&aws, KMS_KEY, &values[0].arn, &values[0].versions[0]).await.unwrap();
    assert_eq!((value.expose(), format!("{value:?}").as_str()), (b"CANARY-VALUE-v-a".as_slice(), "SecretValue(..)"));
    // Under another secret's name it does not open, although key and message are good.
    let error = open(&aws, KMS_KEY, &values[1].arn, &values[0].versions[0]).await.unwrap_err();
    assert!(matches!(error, ValueError::Broken { .. }), "{error}");
    // Nor under any other key than the deployment's own, whoever wrapped it.
    let error = open(&aws, "arn:aws:kms:r:666:key/theirs", &values[0].arn, &values[0].versions[0]).await.unwrap_err();
    assert!(matches!(error, ValueError::Broken { .. }), "{error}");
    assert_eq!(shared.lock().unwrap().calls["Decrypt"], 1);

    let world = shared.lock().unwrap();
    for (key, bytes) in &world.objects {
        let mut plain = Vec::new();
        let _ = GzDecoder::new(bytes.as_slice()).read_to_end(&mut plain);
        for text in [bytes, &plain] {
            assert!(!String::from_utf8_lossy(text).contains("CANARY"), "{key}");
        }
    }
}

#[tokio::test]
async fn an_unfit_bucket_gets_the_configuration_and_no_value() {
    for (defect, why) in [
        ("versioning", "not versioned"),
        ("encryption", "not encrypted with a KMS key of your own"),
        ("publicAccessBlock", "public access is not blocked"),
        ("policy", "does not deny requests without TLS"),
    ] {
        let (_, shared, answer) = backed_up(World { estate: estate(), unfit: vec![defect], ..World::default() }).await;
        assert_eq!(
            (answer.status, answer.success, answer.counts["values"]),
            (Status::Incomplete, false, 0),
            "{defect}"
        );
        assert_eq!((answer.gaps.len(), answer.gaps[0].reason), (1, GapReason::NotConfigured));
        assert!(answer.gaps[0].detail.contains(why), "{}", answer.gaps[0].detail);
        assert_eq!(answer.counts["written"], 3, "the configuration is kept all the same");
        assert_eq!(shared.lock().unwrap().calls.get("GetSecretValue"), None, "{defect}");
    }
}

#[tokio::test]
async fn a_folder_is_no_place_for_values() {
    let folder = tempfile::tempdir().unwrap();
    let (aws, shared) = clients(World { estate: estate(), ..World::default() });
    let (own, destination) = (own(), Destination::Folder(folder.path().to_owned()));
    let answer = run(job(&aws, &settings(), &own, &destination)).await.unwrap();
    assert_eq!((answer.status, answer.counts["values"]), (Status::Incomplete, 0));
    assert_eq!(shared.lock().unwrap().calls.get("GetSecretValue"), None);
}

#[tokio::test]
async fn a_value_that_cannot_be_read_or_encrypted_is_a_named_gap() {
    for operation in ["GetSecretValue", "GenerateDataKey", "GenerateMac"] {
        let mut world = World { estate: estate(), ..World::default() };
        let about = if operation == "GetSecretValue" { "v-a" } else { "" };
        world.faults.push(Fault { times: 1, ..Fault::of(operation, about, "AccessDeniedException", 400) });
        let (_, _, answer) = backed_up(world).await;
        assert_eq!((answer.status, answer.counts["values"], answer.gaps.len()), (Status::Incomplete, 1, 1));
        assert!(answer.gaps[0].what.ends_with(operation) && answer.gaps[0].reason == GapReason::Denied);
        assert!(answer.gaps[0].subject.starts_with("v-"));
    }
}
