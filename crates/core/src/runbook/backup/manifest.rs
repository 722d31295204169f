//! The manifest: what an archive holds, and what it lacks. An archive without one is not a backup.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::model::{Coverage, Gap, Status};
use crate::runbook::once::hex;

/// The schema of [`Manifest`].
pub const SCHEMA: &str = "secrets-ops/backup/v1";

/// Everything but the entries and gaps, which come one by one because there may be half a million of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// `secrets-ops/backup/v1`.
    pub schema: String,
    /// Name and version of the program that wrote it.
    pub tool: String,
    /// The archive's folder; its file is `<name>.tar.gz`.
    pub name: String,
    /// `daily`, `monthly` or `manual`.
    pub kind: String,
    /// Empty where it could not be told.
    pub account: String,
    /// The Region that was backed up.
    pub region: String,
    /// When reading began.
    pub started: Timestamp,
    /// `ok` or `incomplete`.
    pub status: Status,
    /// Secrets that the list showed, and those of them that were read whole.
    pub coverage: Coverage,
    /// Secrets that the list showed.
    pub listed: u64,
    /// Secrets that were described.
    pub described: u64,
    /// Secrets whose configuration is in the archive.
    pub written: u64,
    /// How many policies an incremental backup took over from the one before; absent: all were read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incremental: Option<Incremental>,
    /// Secrets whose values are in the archive, encrypted; absent: values were not asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub values: Option<u64>,
    /// The archives of a backup that took more than one invocation, in order; none: there is one, `<name>.tar.gz`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<Part>,
    /// The archive itself: only in the manifest beside it, since a file cannot hold its own hash.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub archive: Option<Entry>,
}

/// What an incremental backup did not read anew.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incremental {
    /// The backup that the policies were taken over from.
    pub base: String,
    /// Policies that were taken over.
    pub reused: u64,
    /// Runs since all policies were read; 1 for the first after a full pass.
    pub runs: u64,
}

/// One archive of a backup in several.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// File name beside the sealed manifest; its own manifest lies beside it.
    pub path: String,
    /// In bytes.
    pub size: u64,
    /// Lower-case hexadecimal.
    pub sha256: String,
    /// Secrets whose configuration is in it.
    pub written: u64,
}

/// The whole manifest, as a reader sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// All but the lists.
    #[serde(flatten)]
    pub summary: Summary,
    /// What could not be read.
    pub gaps: Vec<Gap>,
    /// Every file of the archive but `manifest.json`.
    pub entries: Vec<Entry>,
}

/// One file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its path in the archive; for the archive itself its key or file name.
    pub path: String,
    /// In bytes.
    pub size: u64,
    /// Lower-case hexadecimal.
    pub sha256: String,
}

/// `secrets-backup-YYYYMMDD_HHMMSS`, in the operator's time zone, as the runbook names it.
pub(super) fn archive_name(at: &jiff::Zoned) -> String {
    at.strftime("secrets-backup-%Y%m%d_%H%M%S").to_string()
}

/// `<name>-config.json`, such that no two names collide: `a/b` and `a_b` stay apart.
///
/// Names hold letters, digits and `/_+=.@-`, so that `%` and `~` are free to mark what was changed. A file name may
/// have 255 bytes, a secret's 512: a longer one is cut and told apart by a hash.
pub(super) fn config_file(name: &str) -> String {
    const MOST: usize = 200;
    let mut encoded = String::with_capacity(name.len());
    for c in name.chars() {
        if c.is_ascii_alphanumeric() || "_+=.@-".contains(c) {
            encoded.push(c);
        } else {
            let mut bytes = [0; 4];
            for byte in c.encode_utf8(&mut bytes).bytes() {
                encoded += &format!("%{byte:02X}");
            }
        }
    }
    if encoded.len() > MOST {
        encoded.truncate(MOST - 33);
        encoded += &format!("~{}", hex(&Sha256::digest(name.as_bytes())[..16]));
    }
    encoded + "-config.json"
}

/// `<name>-values.json`, with the name written as in [`config_file`].
pub(super) fn values_file(name: &str) -> String {
    let config = config_file(name);
    format!("{}-values.json", config.strip_suffix("-config.json").unwrap_or(&config))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn file_names_never_collide_and_fit() {
        let long_a = format!("{}a", "x/".repeat(255));
        let long_b = format!("{}b", "x/".repeat(255));
        let exact = "y".repeat(200);
        let over = "y".repeat(201);
        let names = ["a/b", "a_b", "a%2Fb", "a", "A", "..", "a-config.json", "日本", &long_a, &long_b, &exact, &over];
        let files: HashSet<String> = names.iter().map(|name| config_file(name)).collect();
        assert_eq!(files.len(), names.len());
        for file in &files {
            assert!(file.len() <= 255 && !file.contains('/'), "{file}");
        }
        assert_eq!(config_file("a/b"), "a%2Fb-config.json");
        assert_eq!(config_file("goal-mandala-prod-secret-database"), "goal-mandala-prod-secret-database-config.json");
        assert_eq!(config_file(&exact), format!("{exact}-config.json"));
        assert!(config_file(&over).contains('~'));
    }

    #[test]
    fn archives_are_named_by_the_operators_clock() {
        let at = "2026-11-21T17:00:00Z".parse::<Timestamp>().unwrap();
        let tokyo = jiff::tz::TimeZone::get("Asia/Tokyo").unwrap();
        assert_eq!(archive_name(&at.to_zoned(tokyo)), "secrets-backup-20261122_020000");
    }
}
