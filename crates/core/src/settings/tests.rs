use super::*;

fn with<'a>(pairs: &'a [(&'a str, &'a str)]) -> impl Fn(&str) -> Option<String> + 'a {
    move |name| pairs.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned())
}

#[test]
fn defaults_are_the_names_of_the_runbook() {
    let settings = Settings::read(&with(&[])).unwrap();
    assert_eq!(settings.bucket.name, "goal-mandala-secrets-backup-prod");
    assert_eq!(settings.region, "ap-northeast-1");
    assert_eq!(settings.namespace, "GoalMandala/SecretsManager");
    assert_eq!(settings.policy_rate, Some(40.0));
    assert_eq!(settings.topic_arn, None);
    let health = HealthSettings::read(&with(&[])).unwrap();
    assert_eq!(
        health.secrets,
        ["goal-mandala-prod-secret-database", "goal-mandala-prod-secret-jwt", "goal-mandala-prod-secret-external-apis"]
    );
    assert_eq!(health.key, "alias/goal-mandala-prod-secrets-key");
    assert_eq!(AuditSettings::read(&with(&[])).unwrap().app_log_group, "/aws/lambda/goal-mandala-prod-api");
    assert_eq!(
        PolicyDays::read(&with(&[])).unwrap(),
        PolicyDays { max_age: 90, due_within: 1, grace: 1, pending_hours: 24 }
    );
}

#[test]
fn other_names_follow_prefix_and_stage() {
    let get = with(&[("SECRETS_OPS_PREFIX", "acme"), ("SECRETS_OPS_ENV", "stg"), ("SECRETS_OPS_LANG", " en ")]);
    let settings = Settings::read(&get).unwrap();
    assert_eq!(settings.bucket.name, "acme-secrets-backup-stg");
    assert_eq!(settings.lang, Lang::En);
    assert_eq!(HealthSettings::read(&get).unwrap().canary, "acme-stg-secrets-ops-canary");
}

#[test]
fn an_error_names_the_variable_what_is_wanted_and_what_came() {
    let error = Settings::read(&with(&[("SECRETS_OPS_TIME_ZONE", "Tokyo")])).unwrap_err();
    assert_eq!(
        error.to_string(),
        r#"SECRETS_OPS_TIME_ZONE must be an IANA time zone such as Asia/Tokyo; it is "Tokyo""#
    );
}

#[test]
fn wrong_values_are_refused_and_boundaries_accepted() {
    type Read = fn(&dyn Fn(&str) -> Option<String>) -> Result<(), SettingError>;
    let common: Read = |get| Settings::read(get).map(|_| ());
    let health: Read = |get| HealthSettings::read(get).map(|_| ());
    let rotation: Read = |get| PolicyDays::read(get).map(|_| ());
    let audit: Read = |get| AuditSettings::read(get).map(|_| ());
    for (read, name, good, bad) in [
        (common, "SECRETS_OPS_PREFIX", "a-b", "a b"),
        (common, "AWS_REGION", "us-gov-west-1", "tokyo"),
        (common, "SECRETS_OPS_LANG", "en", "fr"),
        (common, "SECRETS_OPS_PACING", "off", "no"),
        (common, "SECRETS_OPS_TOPIC_ARN", "arn:aws:sns:ap-northeast-1:123456789012:alerts", "alerts"),
        (common, "SECRETS_OPS_BUCKET", "abc", "ab"),
        (common, "SECRETS_OPS_METRICS_NAMESPACE", "Mine", "AWS/SecretsManager"),
        (health, "SECRETS_OPS_HEALTH_SECRETS", "a, b", "a,,b"),
        (health, "SECRETS_OPS_HEALTH_CACHE_SECONDS", "60", "61"),
        (rotation, "SECRETS_OPS_ROTATION_MAX_DAYS", "1000", "1001"),
        (rotation, "SECRETS_OPS_ROTATION_MAX_DAYS", "1", "0"),
        (rotation, "SECRETS_OPS_ROTATION_DUE_DAYS", "0", "-1"),
        (rotation, "SECRETS_OPS_ROTATION_GRACE_DAYS", "365", "1.5"),
        (rotation, "SECRETS_OPS_ROTATION_PENDING_HOURS", "720", "0"),
        (audit, "SECRETS_OPS_SUCCESS_MIN_PERCENT", "100", "100.1"),
        (audit, "SECRETS_OPS_ERROR_MAX_PERCENT", "0", "NaN"),
        (audit, "SECRETS_OPS_CACHE_HIT_MIN_PERCENT", "80.5", "80%"),
        (audit, "SECRETS_OPS_BURST_CALLS", "1", "0"),
        (audit, "SECRETS_OPS_LOOKUP_PAGES", "1500", "1501"),
        (audit, "SECRETS_OPS_WATCHED_JOBS", "rotation, audit-weekly", "rotation,backup"),
    ] {
        assert_eq!(read(&with(&[(name, good)])), Ok(()), "{name}={good}");
        let error = read(&with(&[(name, bad)])).unwrap_err();
        assert_eq!((error.name, error.got.as_str()), (name, bad));
    }
}

#[test]
fn the_document_lists_every_setting() {
    let mut page = String::from(
        "<!-- Written by `make docs`; do not edit. -->\n# Settings\n\nEnvironment variables of the functions \
         and of the command line. The template sets them for the functions; on the command line each global option \
         has its own. `{prefix}` and `{env}` stand for the first two.\n\n\
         | Variable | Default | Takes | What it does |\n|---|---|---|---|\n",
    );
    for setting in ALL {
        let default = if setting.default.is_empty() { "none".into() } else { format!("`{}`", setting.default) };
        page += &format!("| `{}` | {default} | {} | {} |\n", setting.name, setting.wanted, setting.what);
    }
    crate::settings::tests::assert_current("SETTINGS.md", &page);
}

/// Compares a generated document with the committed one, or writes it where `UPDATE_DOCS` is set.
pub(crate) fn assert_current(name: &str, page: &str) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(name);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, page).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == page, "docs/{name} is out of date: run `make docs`");
}
