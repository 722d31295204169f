//! The manifest inside and the one beside.

use super::*;

#[test]
fn a_newer_schema_is_told_whatever_its_lists_look_like() {
    let newer = ["its schema is secrets-ops/backup/v9; this program knows secrets-ops/backup/v1"];
    let (archive, _) = written("x", &[secret("a")]);
    for manifest in [
        r#"{"schema":"secrets-ops/backup/v9","gaps":7,"entries":"elsewhere"}"#,
        r#"{"gaps":[1,[2]],"entries":{"a":{"b":[]}},"schema":"secrets-ops/backup/v9"}"#,
        r#"{"name":"x","entries":[{"path":1}],"schema":"secrets-ops/backup/v9""#,
    ] {
        assert_eq!(told(opened(&archive, Some(manifest.as_bytes()))), newer, "{manifest}");
    }
    let inside = tarred(&[("x/manifest.json".into(), br#"{"schema":"secrets-ops/backup/v9","entries":{}}"#.to_vec())]);
    assert_eq!(told(opened(&inside, None)), newer);
}

#[test]
fn what_is_no_manifest_is_told() {
    let (archive, manifest) = written("x", &[secret("a")]);
    let whole: serde_json::Value = serde_json::from_slice(&manifest).unwrap();
    for (field, other, words) in [
        ("schema", None, "missing field `schema`"),
        ("gaps", None, "missing field `gaps`"),
        ("entries", None, "missing field `entries`"),
        ("entries", Some(serde_json::json!({"a": 1})), "an object where a list should be"),
        ("entries", Some(serde_json::json!([{"path": 7}])), "invalid type: integer `7`, expected a string"),
        ("gaps", Some(serde_json::json!([{"what": "w"}])), "missing field `subject`"),
        ("written", Some(serde_json::json!("many")), "invalid type: string \"many\", expected u64"),
    ] {
        let mut changed = whole.clone();
        match other {
            Some(other) => changed[field] = other,
            None => drop(changed.as_object_mut().unwrap().remove(field)),
        }
        let faults = told(opened(&archive, Some(&serde_json::to_vec(&changed).unwrap())));
        assert_eq!(faults.len(), 1, "{faults:?}");
        assert!(faults[0].starts_with("the manifest beside the archive cannot be understood: "), "{faults:?}");
        assert!(faults[0].contains(words), "{faults:?}");
    }
}

#[test]
fn the_manifest_beside_must_say_the_same() {
    let (archive, manifest) = written("x", &[secret("a"), secret("b")]);
    let changed = |change: &dyn Fn(&mut Manifest)| {
        let mut manifest: Manifest = serde_json::from_slice(&manifest).unwrap();
        change(&mut manifest);
        told(opened(&archive, Some(&serde_json::to_vec(&manifest).unwrap())))
    };
    let other = |what: &str| vec![format!("the manifest beside it belongs to another archive ({what})")];
    let lists = other("its lists differ from those inside the archive");
    let figures = other("its figures differ from those inside the archive");
    assert_eq!(changed(&|_| {}), [""; 0]);
    assert_eq!(changed(&|manifest| manifest.summary.archive = None), other("it names no archive"));
    assert_eq!(changed(&|manifest| manifest.gaps.clear()), lists);
    assert_eq!(changed(&|manifest| manifest.entries.swap(0, 1)), lists);
    assert_eq!(changed(&|manifest| manifest.summary.described = 1), figures);
    assert_eq!(changed(&|manifest| manifest.summary.account.clear()), figures);
}

#[test]
fn a_head_is_enough_for_the_summary() {
    let (_, manifest) = written("x", &[secret("a")]);
    let text = String::from_utf8(manifest).unwrap();
    let cut = text.find("\"gaps\"").unwrap();
    for enough in [text.as_str(), &text[..cut + 7], &text[..cut + 6]] {
        assert_eq!(head(enough.as_bytes()).unwrap().written, 1);
    }
    assert!(matches!(head(&text.as_bytes()[..cut - 40]), Err(Fault::BadManifest(..))));
    assert!(matches!(head(text.replace("backup/v1", "backup/v2").as_bytes()), Err(Fault::OtherSchema(_))));
    assert!(matches!(head(&b""[..]), Err(Fault::BadManifest(..))));
}
