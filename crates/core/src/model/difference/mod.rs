//! What differs between two states of a secret: one backup and another, or a backup and the live secret.
//!
//! Not compared, because it differs without anybody having changed the secret, or cannot be set: the ARN's random suffix,
//! all dates, the state of replication, when a value was last read, versions without a label, `AWSPENDING`, and tags
//! that begin with `secrets-ops:`, which are our own marks. A value is never looked at: versions are told apart by their
//! ids, or where both sides have one, by a keyed hash.

mod policy;

pub(crate) use policy::same as same_policy;

use std::collections::{BTreeMap, BTreeSet};

use super::{Secret, Text};

/// One property that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// As DescribeSecret calls it, such as `Description` or `Tags.owner`; `Value.<label>` for the version that carries a
    /// label.
    pub property: String,
    /// For people.
    pub before: Text,
    /// For people.
    pub after: Text,
}

impl Difference {
    /// Whether it is about the secret's value, and not about what describes it.
    pub fn is_value(&self) -> bool {
        root(&self.property) == "Value"
    }
}

/// Keyed hashes of values, by version id.
pub(crate) type Macs = BTreeMap<String, String>;

/// Begins the keys of tags that we set ourselves.
const OUR_TAGS: &str = "secrets-ops:";
/// On a secret that was restored without its value: `missing`.
const VALUE_TAG: &str = "secrets-ops:value";
/// Being made by a rotation; nothing to keep.
const PENDING: &str = "AWSPENDING";

const NONE: Text = Text::fixed("なし", "none");

/// Every property that differs, in the order of DescribeSecret. What is [`incomparable`] is left out.
pub(crate) fn differences(a: &Secret, b: &Secret) -> Vec<Difference> {
    differences_by_mac((a, &Macs::new()), (b, &Macs::new()))
}

/// The same where hashes of values may be known.
pub(crate) fn differences_by_mac((a, a_macs): (&Secret, &Macs), (b, b_macs): (&Secret, &Macs)) -> Vec<Difference> {
    let mut found = Found(Vec::new());
    found.text("Description", a.description.as_deref(), b.description.as_deref());
    found.key("KmsKeyId", Some(a.kms_key_id.as_deref()), Some(b.kms_key_id.as_deref()));
    found.text("Type", a.secret_type.as_deref(), b.secret_type.as_deref());
    found.text("OwningService", a.owning_service.as_deref(), b.owning_service.as_deref());
    rotation(a, b, &mut found);
    found.map("Tags", &tags(a), &tags(b));
    policy::compare((a.resource_policy.as_deref(), &a.arn), (b.resource_policy.as_deref(), &b.arn), &mut found);
    let (before, after) = (replicas(a), replicas(b));
    for region in before.keys().chain(after.keys()).collect::<BTreeSet<_>>() {
        let property = format!("ReplicationStatus.{region}");
        found.key(&property, before.get(region).copied(), after.get(region).copied());
    }
    found.text("PrimaryRegion", primary_region(a), primary_region(b));
    if a.deleted_date.is_some() != b.deleted_date.is_some() {
        let state = |secret: &Secret| match secret.deleted_date {
            Some(_) => Text::fixed("削除予定", "scheduled for deletion"),
            None => NONE,
        };
        found.add("DeletedDate", state(a), state(b));
    }
    values((a, a_macs), (b, b_macs), &mut found);
    let unknown: BTreeSet<&str> = incomparable(a, b);
    found.0.retain(|difference| {
        let property = if difference.is_value() { "VersionIdsToStages" } else { root(&difference.property) };
        !unknown.contains(property)
    });
    found.0
}

/// Properties that one of the two could not read: neither equal nor different. The list of all versions is not among
/// them, because nothing here depends on it.
pub(crate) fn incomparable<'a>(a: &'a Secret, b: &'a Secret) -> BTreeSet<&'a str> {
    a.unread.iter().chain(&b.unread).map(String::as_str).filter(|property| *property != "Versions").collect()
}

fn root(property: &str) -> &str {
    property.split('.').next().unwrap_or_default()
}

/// Differences as they are found.
struct Found(Vec<Difference>);

impl Found {
    fn add(&mut self, property: &str, before: Text, after: Text) {
        self.0.push(Difference { property: property.to_owned(), before, after });
    }

    fn text(&mut self, property: &str, a: Option<&str>, b: Option<&str>) {
        if a != b {
            self.add(property, quoted(a), quoted(b));
        }
    }

    /// Keys of KMS, `None` in `Some` being the AWS managed key.
    fn key(&mut self, property: &str, a: Option<Option<&str>>, b: Option<Option<&str>>) {
        let same = match (a, b) {
            (Some(a), Some(b)) => same_key(a, b),
            (a, b) => a.is_none() && b.is_none(),
        };
        if !same {
            let shown = |key: Option<Option<&str>>| key.map_or(NONE, |key| plain(key.unwrap_or("aws/secretsmanager")));
            self.add(property, shown(a), shown(b));
        }
    }

    fn map(&mut self, property: &str, a: &BTreeMap<&str, &str>, b: &BTreeMap<&str, &str>) {
        for key in a.keys().chain(b.keys()).collect::<BTreeSet<_>>() {
            self.text(&format!("{property}.{key}"), a.get(key).copied(), b.get(key).copied());
        }
    }
}

/// In quotes, so that it cannot be taken for a word of ours.
fn quoted(text: Option<&str>) -> Text {
    text.map_or(NONE, |text| plain(&format!("{text:?}")))
}

fn plain(text: &str) -> Text {
    Text::new(text.to_owned(), text.to_owned())
}

/// Whether two names are of one key. A name without account and Region may be of any; whether an alias points to a key
/// is not known here.
pub(crate) fn same_key(a: Option<&str>, b: Option<&str>) -> bool {
    /// Region and account where they are told, and `key/..` or `alias/..`.
    fn parts(key: Option<&str>) -> (Option<(&str, &str)>, String) {
        let key = key.unwrap_or("alias/aws/secretsmanager");
        let fields: Vec<&str> = key.splitn(6, ':').collect();
        match fields[..] {
            ["arn", _, _, region, account, resource] => (Some((region, account)), resource.to_owned()),
            _ if key.starts_with("alias/") || key.starts_with("key/") => (None, key.to_owned()),
            _ if key == "aws/secretsmanager" => (None, format!("alias/{key}")),
            _ => (None, format!("key/{key}")),
        }
    }
    let ((a_place, a), (b_place, b)) = (parts(a), parts(b));
    a == b && (a_place.is_none() || b_place.is_none() || a_place == b_place)
}

fn rotation(a: &Secret, b: &Secret, found: &mut Found) {
    let on = |secret: &Secret| secret.rotation_enabled == Some(true);
    if on(a) != on(b) {
        let state = |on| if on { Text::fixed("有効", "on") } else { Text::fixed("無効", "off") };
        found.add("RotationEnabled", state(on(a)), state(on(b)));
    }
    // AWS keeps function and rules of a rotation that has been turned off; they mean nothing, and cannot be set alone.
    if !on(a) && !on(b) {
        return;
    }
    found.text("RotationLambdaARN", a.rotation_lambda_arn.as_deref(), b.rotation_lambda_arn.as_deref());
    if on(a) && on(b) {
        rules(a, b, found);
    }
    let before = pairs(&a.external_secret_rotation_metadata).collect();
    let after = pairs(&b.external_secret_rotation_metadata).collect();
    found.map("ExternalSecretRotationMetadata", &before, &after);
    found.text(
        "ExternalSecretRotationRoleArn",
        a.external_secret_rotation_role_arn.as_deref(),
        b.external_secret_rotation_role_arn.as_deref(),
    );
}

fn rules(a: &Secret, b: &Secret, found: &mut Found) {
    // Where there is an expression, the days are what AWS computes from it.
    let when = |secret: &Secret| {
        let rules = secret.rotation_rules.as_ref()?;
        let days = || rules.automatically_after_days.map(|days| format!("{days} days"));
        rules.schedule_expression.clone().or_else(days)
    };
    let window = |secret: &Secret| secret.rotation_rules.as_ref().and_then(|rules| rules.duration.clone());
    found.text("RotationRules", when(a).as_deref(), when(b).as_deref());
    found.text("RotationRules.Duration", window(a).as_deref(), window(b).as_deref());
}

fn pairs(map: &BTreeMap<String, String>) -> impl Iterator<Item = (&str, &str)> {
    map.iter().map(|(key, value)| (key.as_str(), value.as_str()))
}

fn tags(secret: &Secret) -> BTreeMap<&str, &str> {
    pairs(&secret.tags).filter(|(key, _)| !key.starts_with(OUR_TAGS)).collect()
}

fn replicas(secret: &Secret) -> BTreeMap<&str, Option<&str>> {
    let of = secret.replication_status.iter();
    of.filter_map(|replica| Some((replica.region.as_deref()?, replica.kms_key_id.as_deref()))).collect()
}

/// Where the primary of a replica is; a primary's own Region says nothing, and another one after a move.
fn primary_region(secret: &Secret) -> Option<&str> {
    let own = secret.arn.split(':').nth(3).filter(|region| !region.is_empty());
    secret.primary_region.as_deref().filter(|primary| Some(*primary) != own)
}

fn values((a, a_macs): (&Secret, &Macs), (b, b_macs): (&Secret, &Macs), found: &mut Found) {
    const NOT_SET: Text = Text::fixed("未設定", "not set");
    let unset = |secret: &Secret| {
        secret.version_ids_to_stages.is_empty() && secret.tags.get(VALUE_TAG).is_some_and(|value| value == "missing")
    };
    let labels = |secret: &Secret| -> BTreeSet<String> {
        let all = secret.version_ids_to_stages.values().flatten();
        all.filter(|label| *label != PENDING).cloned().collect()
    };
    let version =
        |id: Option<&str>| id.map_or(NONE, |id| Text::new(format!("バージョン {id}"), format!("version {id}")));
    let all: BTreeSet<String> = labels(a).into_iter().chain(labels(b)).collect();
    if unset(a) || unset(b) {
        if !all.is_empty() {
            let state =
                |secret: &Secret| if unset(secret) { NOT_SET } else { version(secret.version_with("AWSCURRENT")) };
            found.add("Value", state(a), state(b));
        }
        return;
    }
    for label in &all {
        let (before, after) = (a.version_with(label), b.version_with(label));
        let macs = before.and_then(|id| a_macs.get(id)).zip(after.and_then(|id| b_macs.get(id)));
        let same = macs.map_or(before == after, |(a, b)| a == b);
        if !same {
            let mut now = version(after);
            if before == after {
                now = Text::new(now.ja + "（別の値）", now.en + " (another value)");
            }
            found.add(&format!("Value.{label}"), version(before), now);
        }
    }
}

#[cfg(test)]
mod tests;
