//! Settings, read once through a getter and typed. An error names the variable, what is wanted and what came.

use std::str::FromStr;
use std::time::Duration;

use jiff::tz::TimeZone;

use crate::aws::s3::Bucket;
use crate::model::{Lang, PolicyDays};
use crate::runbook::access::AccessSettings;
use crate::runbook::backup::{BackupSettings, values::ValueSettings};
use crate::runbook::ledger;

/// A setting that is missing or cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name} must be {wanted}; it is {got:?}")]
pub struct SettingError {
    /// The environment variable.
    pub name: &'static str,
    /// What it takes.
    pub wanted: &'static str,
    /// What it holds.
    pub got: String,
}

/// One setting, as `docs/SETTINGS.md` lists it.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// The environment variable.
    pub name: &'static str,
    /// Used where it is absent or empty; `{prefix}` and `{env}` are filled in. Empty: there is none.
    pub default: &'static str,
    /// What it takes.
    pub wanted: &'static str,
    /// What it does.
    pub what: &'static str,
}

macro_rules! settings {
    ($($id:ident = $name:literal, $default:literal, $wanted:literal, $what:literal;)*) => {
        $(pub(crate) const $id: Setting = Setting { name: $name, default: $default, wanted: $wanted, what: $what };)*
        /// Every setting, in the order of the document.
        pub const ALL: &[Setting] = &[$($id),*];
    };
}

settings! {
    PREFIX = "SECRETS_OPS_PREFIX", "goal-mandala", "letters, digits and any of -_/+=.@", "First part of every default name.";
    ENV = "SECRETS_OPS_ENV", "prod", "letters, digits and any of -_/+=.@", "Stage; second part of every default name.";
    REGION = "AWS_REGION", "ap-northeast-1", "the name of an AWS Region", "Region of the estate. Lambda sets it by itself.";
    TIME_ZONE = "SECRETS_OPS_TIME_ZONE", "Asia/Tokyo", "an IANA time zone such as Asia/Tokyo", "Zone of the dates in names and reports.";
    LANG = "SECRETS_OPS_LANG", "ja", "ja or en", "Language of reports and notices.";
    NAMESPACE = "SECRETS_OPS_METRICS_NAMESPACE", "GoalMandala/SecretsManager", "a CloudWatch namespace of at most 255 characters", "Namespace of our metrics, and of the application's cache metrics.";
    PACING = "SECRETS_OPS_PACING", "on", "on or off", "Keeps calls below the account's quotas. Off is for endpoints without quotas.";
    POLICY_RATE = "SECRETS_OPS_POLICY_RATE", "40", "a number from 1 to 10000", "GetResourcePolicy and ListSecretVersionIds calls a second. The account has 50 of each, shared by everybody in it; more is for endpoints with other quotas.";
    TOPIC = "SECRETS_OPS_TOPIC_ARN", "", "the ARN of an SNS topic", "Where notices go. Without it none are sent.";
    BUCKET = "SECRETS_OPS_BUCKET", "{prefix}-secrets-backup-{env}", "the name of an S3 bucket", "Keeps backups, reports and run markers.";
    BUCKET_KEY = "SECRETS_OPS_BUCKET_KMS_KEY", "", "a KMS key id, ARN or alias", "Key for SSE-KMS. Without it the bucket's default encryption applies.";
    VALUE_PREFIX = "SECRETS_OPS_VALUE_PREFIX", "", "the beginning of names of secrets", "Secrets whose names begin so are backed up with their values, encrypted. Without it no value is ever read.";
    VALUE_KEY = "SECRETS_OPS_VALUE_KEY", "alias/{prefix}-{env}-secrets-ops-values", "a KMS key id, ARN or alias", "Wraps the data keys of backed-up values.";
    VALUE_MAC_KEY = "SECRETS_OPS_VALUE_MAC_KEY", "alias/{prefix}-{env}-secrets-ops-values-mac", "a KMS HMAC key id, ARN or alias", "Makes the keyed hashes by which two backups show whether a value has changed.";
    FULL_PASS = "SECRETS_OPS_FULL_PASS_EVERY", "1", "a whole number from 1 to 365", "Every so many backups read all resource policies; those between read only those of secrets whose LastChangedDate moved. 1, because AWS nowhere says that a policy's edit moves that date: all do.";
    DRILL_PREFIX = "SECRETS_OPS_DRILL_PREFIX", "secrets-ops-drill/", "the beginning of names that no live secret has, of at least 6 characters", "The restore drill makes its secrets under such names, and removes them.";
    HEALTH_SECRETS = "SECRETS_OPS_HEALTH_SECRETS", "{prefix}-{env}-secret-database,{prefix}-{env}-secret-jwt,{prefix}-{env}-secret-external-apis", "one or more names of secrets, separated by commas", "Secrets that api-health describes.";
    CANARY = "SECRETS_OPS_CANARY_SECRET", "{prefix}-{env}-secrets-ops-canary", "the name or ARN of one secret", "The one secret whose value is read, to prove decryption end to end.";
    KEY = "SECRETS_OPS_KMS_KEY", "alias/{prefix}-{env}-secrets-key", "a KMS key id, ARN or alias", "The secrets' key; api-health looks at its state.";
    HEALTH_CACHE = "SECRETS_OPS_HEALTH_CACHE_SECONDS", "5", "a whole number of seconds from 0 to 60", "How long a health answer is reused, so that probes do not become AWS calls.";
    ROTATION_MAX_AGE = "SECRETS_OPS_ROTATION_MAX_DAYS", "90", "a whole number of days from 1 to 1000", "A rotated secret older than this is overdue, unless its own interval is longer.";
    ROTATION_DUE = "SECRETS_OPS_ROTATION_DUE_DAYS", "1", "a whole number of days from 0 to 365", "A rotation planned within this many days is due.";
    ROTATION_GRACE = "SECRETS_OPS_ROTATION_GRACE_DAYS", "1", "a whole number of days from 0 to 365", "A new secret may go this long before its first rotation.";
    ROTATION_PENDING = "SECRETS_OPS_ROTATION_PENDING_HOURS", "24", "a whole number of hours from 1 to 720", "A version that has waited under AWSPENDING longer than this is stuck.";
    ROTATION_WINDOW = "SECRETS_OPS_ROTATION_WINDOW_DAYS", "90", "a whole number of days from 1 to 90", "How far back rotation events are read from CloudTrail, which keeps 90 days.";
    APP_LOG_GROUP = "SECRETS_OPS_APP_LOG_GROUP", "/aws/lambda/{prefix}-{env}-api", "the name of a log group", "The application's logs; its errors are counted there.";
    TRAIL_LOG_GROUP = "SECRETS_OPS_TRAIL_LOG_GROUP", "/aws/cloudtrail", "the name of a log group", "Where CloudTrail delivers management events, read events included.";
    SUCCESS_MIN = "SECRETS_OPS_SUCCESS_MIN_PERCENT", "99.9", "a number from 0 to 100", "Least share of GetSecretValue calls that succeed.";
    ERROR_MAX = "SECRETS_OPS_ERROR_MAX_PERCENT", "0.1", "a number from 0 to 100", "Largest share of the application's invocations that log SecretServiceError.";
    CACHE_MIN = "SECRETS_OPS_CACHE_HIT_MIN_PERCENT", "80", "a number from 0 to 100", "Least share of reads that the application's cache answers.";
    BURST = "SECRETS_OPS_BURST_CALLS", "100", "a whole number from 1 to 1000000", "More reads than this by one principal within five minutes are a burst.";
    WATCHED = "SECRETS_OPS_WATCHED_JOBS", "backup-daily,backup-monthly,rotation", "names of jobs, separated by commas", "Jobs whose last success the daily list looks up.";
    LOOKUP_PAGES = "SECRETS_OPS_LOOKUP_PAGES", "40", "a whole number from 1 to 1500", "Budget of LookupEvents pages (50 events each, two pages a second).";
    ACCESS_SOURCE = "SECRETS_OPS_ACCESS_SOURCE", "lookup", "lookup or insights", "Where reads are looked up: CloudTrail's LookupEvents, or Logs Insights on the trail's log group (billed by the bytes scanned), for accounts with more reads than the page budget holds.";
    ACCESS_DAYS = "SECRETS_OPS_ACCESS_DAYS", "30", "a whole number of days from 2 to 90", "How far back reads are looked up: all but the last part is the baseline that the last part is held against.";
    NETWORKS = "SECRETS_OPS_NETWORKS", "", "networks such as 203.0.113.0/24, separated by commas", "Where reads may come from. Without it, a read from a network that the secret's own past does not know is told.";
    BUSINESS_HOURS = "SECRETS_OPS_BUSINESS_HOURS", "08:00-20:00", "two times of day such as 08:00-20:00", "When people may read secrets, Monday to Friday, in the settings' time zone. Programs may at any time.";
    APP_ROLE = "SECRETS_OPS_APP_ROLE", "{prefix}-{env}-lambda-secrets-role", "the name of a role", "The application's role: it must read its own stage's secrets, and nothing more.";
    APP_FUNCTION = "SECRETS_OPS_APP_FUNCTION", "{prefix}-{env}-api", "the name of a function", "The application's function, whose configuration and durations are looked at.";
    STAGES = "SECRETS_OPS_STAGES", "prod,stg,dev", "names of stages, separated by commas", "All stages of the system: no role of one may read the secrets of another.";
    SIMULATIONS = "SECRETS_OPS_SIMULATIONS", "2000", "a whole number from 1 to 100000", "Budget of SimulatePrincipalPolicy calls in a run (five a second).";
    LATENCY_METRIC = "SECRETS_OPS_LATENCY_METRIC", "SecretRetrievalLatency", "the name of a metric", "The application's own metric of how long the retrieval of a secret takes, in milliseconds.";
    LATENCY_MAX = "SECRETS_OPS_LATENCY_MAX_MS", "100", "a number from 1 to 60000", "Largest mean retrieval latency, in milliseconds.";
    UNUSED_SOON = "SECRETS_OPS_UNUSED_WARN_DAYS", "30", "a whole number of days from 1 to 3650", "A secret that nobody has read for longer than this is named (the runbook's weekly list).";
    UNUSED = "SECRETS_OPS_UNUSED_DAYS", "90", "a whole number of days from 1 to 3650", "A secret that nobody has read for longer than this is unused (the runbook's monthly list; SecretsManager.3).";
    REQUIRED_TAGS = "SECRETS_OPS_REQUIRED_TAGS", "", "tag keys, separated by commas", "Tags that every secret must have. Without it, one tag of whatever key is enough (SecretsManager.5).";
    NAMING = "SECRETS_OPS_NAMING", "{prefix}-{env}-secret-*", "a name, in which * stands for anything", "The rule for the names of the stage's secrets.";
    ORG_ID = "SECRETS_OPS_ORG_ID", "", "an organization's id such as o-exampleorgid", "Our organization: a policy may be opened to it. Without it, any organization's boundary counts as one.";
    TRUSTED_ACCOUNTS = "SECRETS_OPS_TRUSTED_ACCOUNTS", "", "account ids, separated by commas", "Other accounts that a secret's policy may name.";
    VERSIONS_MAX = "SECRETS_OPS_VERSIONS_MAX", "50", "a whole number from 2 to 100", "More versions than this mean that something writes too often; AWS keeps about 100.";
    BACKUP_ROLE = "SECRETS_OPS_BACKUP_ROLE", "", "names of roles, separated by commas", "Roles whose reads are no use of a secret: that of the backup of values.";
    SUPPRESSIONS = "SECRETS_OPS_SUPPRESSIONS", "", "a file, or an object of the bucket as s3:KEY", "Findings that are accepted for a time, each with owner, reason and expiry.";
}

/// Fits into a second of telling, beside the report.
const SHORTEST_PATIENCE: Duration = Duration::from_millis(500);

/// What every job needs to know.
#[derive(Clone, Debug)]
pub struct Settings {
    /// First part of every default name.
    pub prefix: String,
    /// The stage.
    pub env: String,
    /// The estate's Region.
    pub region: String,
    /// Zone of dates in names and reports.
    pub time_zone: TimeZone,
    /// Language of reports and notices.
    pub lang: Lang,
    /// Namespace of metrics.
    pub namespace: String,
    /// Calls a second of each family with a quota of 50/s; `None`: nothing is paced.
    pub policy_rate: Option<f64>,
    /// Where notices go.
    pub topic_arn: Option<String>,
    /// Where artefacts go.
    pub bucket: Bucket,
    /// How long a job waits for what it remembers, of the time that it keeps back for telling.
    pub patience: Duration,
}

/// What api-health looks at.
#[derive(Clone, Debug)]
pub struct HealthSettings {
    /// Described, never read.
    pub secrets: Vec<String>,
    /// Read.
    pub canary: String,
    /// The secrets' key.
    pub key: String,
    /// How long an answer is reused.
    pub cache_seconds: u64,
}

/// Where the daily list finds its figures, and the limits they are held to.
#[derive(Clone, Debug)]
pub struct AuditSettings {
    /// The application's log group.
    pub app_log_group: String,
    /// CloudTrail's log group.
    pub trail_log_group: String,
    /// Percent.
    pub success_min: f64,
    /// Percent.
    pub error_max: f64,
    /// Percent.
    pub cache_hit_min: f64,
    /// Where reads are looked up, and what is usual.
    pub access: AccessSettings,
    /// Jobs that must have succeeded in their interval.
    pub watched_jobs: Vec<String>,
}

/// Reads settings by name; an empty variable counts as absent.
pub(crate) struct Reader<'a> {
    get: &'a dyn Fn(&str) -> Option<String>,
    prefix: String,
    env: String,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(get: &'a dyn Fn(&str) -> Option<String>) -> Result<Self, SettingError> {
        let mut reader = Self { get, prefix: String::new(), env: String::new() };
        reader.prefix = reader.checked(PREFIX, name_part)?;
        reader.env = reader.checked(ENV, name_part)?;
        Ok(reader)
    }

    pub(crate) fn text(&self, setting: Setting) -> String {
        (self.get)(setting.name)
            .filter(|value| !value.trim().is_empty())
            .map(|value| value.trim().to_owned())
            .unwrap_or_else(|| setting.default.replace("{prefix}", &self.prefix).replace("{env}", &self.env))
    }

    pub(crate) fn optional(&self, setting: Setting) -> Option<String> {
        Some(self.text(setting)).filter(|value| !value.is_empty())
    }

    pub(crate) fn checked(&self, setting: Setting, valid: impl Fn(&str) -> bool) -> Result<String, SettingError> {
        let got = self.text(setting);
        if valid(&got) { Ok(got) } else { Err(SettingError { name: setting.name, wanted: setting.wanted, got }) }
    }

    pub(crate) fn parsed<T: FromStr>(&self, setting: Setting, valid: impl Fn(&T) -> bool) -> Result<T, SettingError> {
        let got = self.text(setting);
        match got.parse::<T>() {
            Ok(value) if valid(&value) => Ok(value),
            _ => Err(SettingError { name: setting.name, wanted: setting.wanted, got }),
        }
    }

    /// The items of a list that is separated by commas; none where it is empty.
    pub(crate) fn items(&self, setting: Setting, valid: impl Fn(&str) -> bool) -> Result<Vec<String>, SettingError> {
        let whole = self.text(setting);
        let items: Vec<String> =
            whole.split(',').map(|item| item.trim().to_owned()).filter(|item| !item.is_empty()).collect();
        match items.iter().all(|item| valid(item)) {
            true => Ok(items),
            false => Err(SettingError { name: setting.name, wanted: setting.wanted, got: whole }),
        }
    }

    pub(crate) fn percent(&self, setting: Setting) -> Result<f64, SettingError> {
        self.parsed(setting, |value: &f64| (0.0..=100.0).contains(value))
    }
}

/// A part of a name, as Secrets Manager and S3 allow it.
fn name_part(value: &str) -> bool {
    !value.is_empty() && value.chars().all(|c| c.is_ascii_alphanumeric() || "-_/+=.@".contains(c))
}

impl Settings {
    /// Reads the settings that all jobs share.
    pub fn read(get: &dyn Fn(&str) -> Option<String>) -> Result<Self, SettingError> {
        let reader = Reader::new(get)?;
        let zone = reader.text(TIME_ZONE);
        let wrong_zone = || SettingError { name: TIME_ZONE.name, wanted: TIME_ZONE.wanted, got: zone.clone() };
        Ok(Self {
            prefix: reader.prefix.clone(),
            env: reader.env.clone(),
            region: reader.checked(REGION, region)?,
            time_zone: TimeZone::get(&zone).map_err(|_| wrong_zone())?,
            lang: reader.parsed(LANG, |_| true)?,
            namespace: reader.checked(NAMESPACE, |value| value.len() <= 255 && !value.starts_with("AWS/"))?,
            policy_rate: match reader.checked(PACING, |value| value == "on" || value == "off")?.as_str() {
                "off" => None,
                _ => Some(reader.parsed(POLICY_RATE, |rate: &f64| (1.0..=10_000.0).contains(rate))?),
            },
            topic_arn: reader.optional(TOPIC).map(|_| reader.checked(TOPIC, topic)).transpose()?,
            bucket: Bucket { name: reader.checked(BUCKET, bucket)?, kms_key: reader.optional(BUCKET_KEY), owner: None },
            patience: SHORTEST_PATIENCE,
        })
    }
}

/// Such as `ap-northeast-1`.
fn region(value: &str) -> bool {
    value.split('-').count() >= 3 && value.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

fn topic(value: &str) -> bool {
    let parts: Vec<&str> = value.split(':').collect();
    parts.len() == 6 && parts[0] == "arn" && parts[2] == "sns" && !parts[5].is_empty()
}

fn bucket(value: &str) -> bool {
    (3..=63).contains(&value.len())
        && value.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.')
}

impl HealthSettings {
    /// Reads what api-health looks at.
    pub fn read(get: &dyn Fn(&str) -> Option<String>) -> Result<Self, SettingError> {
        let reader = Reader::new(get)?;
        let names = reader.checked(HEALTH_SECRETS, |value| value.split(',').all(|name| !name.trim().is_empty()))?;
        Ok(Self {
            secrets: names.split(',').map(|name| name.trim().to_owned()).collect(),
            canary: reader.text(CANARY),
            key: reader.text(KEY),
            cache_seconds: reader.parsed(HEALTH_CACHE, |seconds| *seconds <= 60)?,
        })
    }
}

impl BackupSettings {
    /// Reads whose values are backed up, and how often policies are.
    pub fn read(get: &dyn Fn(&str) -> Option<String>) -> Result<Self, SettingError> {
        let reader = Reader::new(get)?;
        let values = reader.optional(VALUE_PREFIX).map(|_| {
            let prefix = reader.checked(VALUE_PREFIX, name_part)?;
            Ok(ValueSettings { prefix, key: reader.text(VALUE_KEY), mac_key: reader.text(VALUE_MAC_KEY) })
        });
        Ok(Self {
            values: values.transpose()?,
            full_pass_every: reader.parsed(FULL_PASS, |runs| (1..=365).contains(runs))?,
        })
    }
}

/// The key of backed-up values, for opening them.
pub fn value_key(get: &dyn Fn(&str) -> Option<String>) -> Result<String, SettingError> {
    Ok(Reader::new(get)?.text(VALUE_KEY))
}

/// The beginning of the names of the restore drill's secrets.
pub fn drill_prefix(get: &dyn Fn(&str) -> Option<String>) -> Result<String, SettingError> {
    Reader::new(get)?.checked(DRILL_PREFIX, |value| name_part(value) && value.len() >= 6)
}

impl PolicyDays {
    /// Reads the limits of rotation.
    pub fn read(get: &dyn Fn(&str) -> Option<String>) -> Result<Self, SettingError> {
        let reader = Reader::new(get)?;
        Ok(Self {
            max_age: reader.parsed(ROTATION_MAX_AGE, |days| (1..=1000).contains(days))?,
            due_within: reader.parsed(ROTATION_DUE, |days| (0..=365).contains(days))?,
            grace: reader.parsed(ROTATION_GRACE, |days| (0..=365).contains(days))?,
            pending_hours: reader.parsed(ROTATION_PENDING, |hours| (1..=720).contains(hours))?,
        })
    }
}

impl AuditSettings {
    /// Reads where the daily list looks, and its limits.
    pub fn read(get: &dyn Fn(&str) -> Option<String>) -> Result<Self, SettingError> {
        let reader = Reader::new(get)?;
        Ok(Self {
            app_log_group: reader.text(APP_LOG_GROUP),
            trail_log_group: reader.text(TRAIL_LOG_GROUP),
            success_min: reader.percent(SUCCESS_MIN)?,
            error_max: reader.percent(ERROR_MAX)?,
            cache_hit_min: reader.percent(CACHE_MIN)?,
            access: AccessSettings::read(get)?,
            watched_jobs: reader
                .checked(WATCHED, |value| value.split(',').all(|job| ledger::longest_interval(job.trim()).is_some()))?
                .split(',')
                .map(|job| job.trim().to_owned())
                .collect(),
        })
    }
}

#[cfg(test)]
pub(crate) mod tests;
