//! What lies around the secrets and decides about them: keys, functions, CloudTrail, principals. Gathered once a run, judged
//! without any further call, and written down so that the same judgement can be repeated later.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Accesses, Gap, GapReason, Invoker, Rotations};

/// What was read, or why it was not.
pub type Reading<T> = Result<T, Gap>;

/// A KMS key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyFacts {
    /// The key's ARN, whatever it was asked for by.
    pub arn: String,
    /// `Enabled`, `Disabled`, `PendingDeletion`, ...
    pub state: String,
    /// Whether it is one of the account's own and not one that AWS manages.
    pub customer_managed: bool,
    /// The day on which KMS deletes it, where that is planned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion_date: Option<Timestamp>,
    /// Whether KMS changes its material by itself; `None` for kinds of keys whose material KMS cannot change.
    pub rotation: Reading<Option<bool>>,
    /// Its last use.
    pub last_use: Reading<LastUse>,
}

/// When a key was last used, as `kms:GetKeyLastUsage` tells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LastUse {
    /// At this moment.
    At(Timestamp),
    /// Not since KMS began to take notes of it.
    NotSince(Timestamp),
}

/// A Lambda function's configuration: variables by name only, never a value.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FunctionFacts {
    /// The function's ARN.
    pub arn: String,
    /// Absent for container images.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runtime: Option<String>,
    /// The execution role's ARN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// The customer key of its variables; absent: a key that AWS owns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kms_key: Option<String>,
    /// Whether X-Ray traces it.
    pub traced: bool,
    /// Whether it is attached to a VPC.
    pub in_vpc: bool,
    /// `Active`, `Inactive`, `Failed`, `Pending`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// Names of environment variables, sorted.
    pub variables: Vec<String>,
    /// Why Lambda did not tell the variables: their key refuses the caller, for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variables_error: Option<String>,
}

/// A rotation function, as far as rotation depends on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RotationFunction {
    /// There is none of that ARN.
    Missing,
    /// It is there, in this state (`Active`, ...), and its policy lets Secrets Manager invoke it, or not.
    There {
        /// Absent: Lambda did not say.
        state: Option<String>,
        /// Its execution role's ARN: what this role reads is no use of a secret.
        role: Option<String>,
        /// For which secrets its resource policy lets `secretsmanager.amazonaws.com` invoke it; none: for no secret.
        invocable: Reading<Vec<Invoker>>,
    },
}

impl RotationFunction {
    /// Whether Secrets Manager may invoke it to rotate this secret.
    pub fn invocable_for(&self, secret_arn: &str) -> Reading<bool> {
        match self {
            Self::Missing => Ok(false),
            Self::There { invocable, .. } => match invocable {
                Ok(invokers) => Ok(invokers.iter().any(|invoker| invoker.covers(secret_arn))),
                Err(gap) => Err(gap.clone()),
            },
        }
    }
}

/// A trail, as far as it decides what can be known of reads.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrailFacts {
    /// The trail's ARN.
    pub arn: String,
    /// Whether it covers all Regions.
    pub multi_region: bool,
    /// Whether it is running.
    pub logging: bool,
    /// Whether read events of management are logged.
    pub reads: bool,
    /// Whether KMS's events are left out.
    pub kms_excluded: bool,
    /// Whether Secrets Manager's events are left out by an advanced selector.
    pub secrets_excluded: bool,
    /// The error of the last delivery to S3 or to CloudWatch Logs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery_error: Option<String>,
    /// The log group that it delivers to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_group: Option<String>,
    /// Present where its state or its selectors could not be read: then nothing is proven by the trail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unread: Option<Gap>,
}

/// What a principal may do with a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Grant {
    /// All policies that decide allow it.
    Allowed,
    /// It depends on what only AWS knows when it decides, such as a condition.
    CannotSay(String),
}

/// A principal that may, or might, read or change a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reader {
    /// Its ARN.
    pub principal: String,
    /// GetSecretValue with the secret's key; `None`: not allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read: Option<Grant>,
    /// PutSecretValue, DeleteSecret and their like; `None`: not allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub write: Option<Grant>,
}

/// Who can do what with which secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Readers {
    /// By the secret's ARN. A secret that was asked about and that nobody can read has an empty list.
    pub by_secret: BTreeMap<String, Vec<Reader>>,
    /// Principals about which nothing could be learnt, by ARN.
    pub unknown: BTreeMap<String, Gap>,
}

/// Everything around the secrets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Surroundings {
    /// Keys, by each name that a secret calls one by: an id, an ARN or an alias.
    pub keys: BTreeMap<String, Reading<KeyFacts>>,
    /// Rotation functions, by the ARN that a secret names.
    pub functions: BTreeMap<String, Reading<RotationFunction>>,
    /// Rotation events.
    pub rotations: Reading<Rotations>,
    /// Reads of secrets.
    pub accesses: Reading<Accesses>,
    /// Trails of the Region.
    pub trails: Reading<Vec<TrailFacts>>,
    /// Who can read and change what; judged anew from what IAM said, and so not written down.
    #[serde(skip, default = "no_readers")]
    pub readers: Reading<Readers>,
}

fn no_readers() -> Reading<Readers> {
    Err(unread("iam:SimulatePrincipalPolicy"))
}

impl Surroundings {
    /// Nothing of all this has been asked for.
    pub fn unread() -> Self {
        let gap = |what: &str| unread(what);
        Self {
            keys: BTreeMap::new(),
            functions: BTreeMap::new(),
            rotations: Err(gap("cloudtrail:LookupEvents")),
            accesses: Err(gap("cloudtrail:LookupEvents")),
            trails: Err(gap("cloudtrail:DescribeTrails")),
            readers: no_readers(),
        }
    }
}

/// The gap of what nobody asked for.
pub fn unread(what: &str) -> Gap {
    Gap {
        what: what.to_owned(),
        subject: String::new(),
        reason: GapReason::NoData,
        detail: "was not read in this run".to_owned(),
    }
}
