//! The invariants of docs/ARCHITECTURE.md, held by reading the sources.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};

fn sources(below: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(below)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                // A test may fake what the code must not know.
                if !path.ends_with("tests") {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|extension| extension == "rs") && !path.ends_with("tests.rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                // Comments may speak of what code must not use, and tests may fake it.
                let code = text.split("#[cfg(test)]").next().unwrap_or_default();
                let code: String =
                    code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
                found.push((path, code));
            }
        }
    }
    assert!(!found.is_empty(), "{below}");
    found
}

fn must_not_contain(below: &str, words: &[&str]) {
    for (path, code) in sources(below) {
        for word in words {
            assert!(!code.contains(word), "{} must not know {word:?}", path.display());
        }
    }
}

#[test]
fn what_judges_and_tells_knows_no_aws_no_clock_no_io() {
    for below in ["model", "checks", "report"] {
        must_not_contain(below, &["aws_", "crate::aws", "tokio", "std::env", "std::fs", "::now()", "async "]);
    }
}

#[test]
fn only_the_aws_folder_imports_the_sdk() {
    for below in ["runbook", "notify", "model", "checks", "report"] {
        for (path, code) in sources(below) {
            assert!(!code.contains("aws_sdk_") && !code.contains("aws_smithy_"), "{}", path.display());
        }
    }
}

#[test]
fn nothing_reads_the_clock_of_the_day() {
    must_not_contain("", &["Timestamp::now", "SystemTime::now", "Zoned::now"]);
}

/// Wherever a value's accessor stood, a value could get on from there.
#[test]
fn a_value_is_asked_for_in_one_place_and_kept_nowhere() {
    for (path, code) in sources("") {
        let reads = code.matches("secret_string").count() + code.matches("secret_binary").count();
        let reads_values = path.ends_with("aws/secrets_manager/value.rs");
        // A change only hands on what `value` gives it, already in the form of the wire.
        let hands_on = path.ends_with("aws/secrets_manager/change.rs");
        assert!(reads == 0 || reads_values || hands_on, "{}", path.display());
    }
}
