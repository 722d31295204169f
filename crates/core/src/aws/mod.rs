//! The only place that talks to AWS: one file per service, one function per operation. Paging, pacing, the mapping to
//! our types and the class of an error happen here and nowhere else.

mod calls;
pub mod cloudtrail;
pub mod cloudwatch;
pub mod cost_explorer;
mod error;
#[cfg(test)]
pub(crate) mod fake;
#[cfg(test)]
mod faults;
pub mod iam;
pub mod kms;
pub mod lambda;
pub mod logs;
mod pace;
pub mod s3;
pub mod s3_bucket;
pub mod secrets_manager;
pub mod sns;
pub mod sts;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use aws_smithy_http_client::{Connector, tls};
use aws_smithy_runtime::client::retries::{RetryPartition, TokenBucket};
use aws_smithy_runtime_api::client::behavior_version::BehaviorVersion;
use aws_smithy_runtime_api::client::http::{SharedHttpClient, SharedHttpConnector, http_client_fn};
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::SdkConfig;
use aws_types::region::Region;
use jiff::Timestamp;

/// Trait of everything that provides credentials.
pub use aws_sdk_secretsmanager::config::ProvideCredentials;
pub use aws_sdk_secretsmanager::config::SharedCredentialsProvider;
pub use error::{AwsError, Class};
pub use pace::Pace;

/// How long a call is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// One short attempt: a probe must answer within its own deadline.
    Probe,
    /// A scheduled job outlasts a minute of throttling; its deadline bounds it.
    Job,
    /// A person waits: a few seconds.
    Person,
}

/// Where and how to reach AWS.
#[derive(Clone, Debug)]
pub struct Connection {
    /// The Region of the estate.
    pub region: String,
    /// In a function: its environment. On the command line: the full chain.
    pub credentials: SharedCredentialsProvider,
    /// An endpoint other than AWS's own.
    pub endpoint: Option<String>,
    /// How long a call is tried.
    pub patience: Patience,
    /// Calls a second of GetResourcePolicy and its family, and of ListSecretVersionIds, which have a quota of 50/s each.
    /// `None`, which lifts every pace: only for endpoints without quotas.
    pub policy_rate: Option<f64>,
}

/// The clients of one run, each made when first asked for: a function links only the clients that it uses.
#[derive(Debug)]
pub struct Aws {
    config: SdkConfig,
    policy_rate: Option<f64>,
    paces: Paces,
    calls: calls::Calls,
    cloudtrail: OnceLock<aws_sdk_cloudtrail::Client>,
    cloudwatch: OnceLock<aws_sdk_cloudwatch::Client>,
    cost_explorer: OnceLock<aws_sdk_costexplorer::Client>,
    iam: OnceLock<aws_sdk_iam::Client>,
    kms: OnceLock<aws_sdk_kms::Client>,
    lambda: OnceLock<aws_sdk_lambda::Client>,
    logs: OnceLock<aws_sdk_cloudwatchlogs::Client>,
    s3: OnceLock<aws_sdk_s3::Client>,
    secrets_manager: OnceLock<aws_sdk_secretsmanager::Client>,
    sns: OnceLock<aws_sdk_sns::Client>,
    sts: OnceLock<aws_sdk_sts::Client>,
}

/// Rates below the quotas of one account and Region.
#[derive(Debug)]
struct Paces {
    /// Quota 100/s.
    list_secrets: Pace,
    /// Quota 50/s for all four policy operations together, not adjustable.
    resource_policy: Pace,
    /// Quota 50/s.
    list_versions: Pace,
    /// Quota 2/s, not adjustable.
    lookup_events: Pace,
    /// About 5/s, nowhere documented; measured by aws-samples/sample-secrets-manager-audit.
    simulate: Pace,
    // Changes: each of these families has a quota of 50/s of its own.
    create_secret: Pace,
    /// PutSecretValue, UpdateSecret, UpdateSecretVersionStage and ReplicateSecretToRegions together.
    write_secret: Pace,
    /// RotateSecret and CancelRotateSecret together.
    rotate_secret: Pace,
    restore_secret: Pace,
    /// TagResource and UntagResource together.
    tag_secret: Pace,
    delete_secret: Pace,
}

const LIST_RATE: f64 = 50.0;
const LOOKUP_RATE: f64 = 1.8;
const SIMULATE_RATE: f64 = 4.8;
/// Changes a second of one family, just below its 50/s: a restore is not the time to leave quota unused.
pub const WRITE_RATE: f64 = 48.5;

impl Aws {
    /// Prepares the clients; calls nothing. Must run inside a Tokio runtime.
    pub fn connect(connection: Connection) -> Self {
        let Connection { region, credentials, endpoint, patience, policy_rate } = connection;
        let mut config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(region))
            .credentials_provider(credentials)
            .http_client(one_connector_for_all_clients())
            .retry_config(patience.retries())
            .timeout_config(patience.timeouts());
        config.set_endpoint_url(endpoint);
        Self::from_config(config.build(), policy_rate)
    }

    fn from_config(config: SdkConfig, policy_rate: Option<f64>) -> Self {
        let pace = |rate| if policy_rate.is_some() { Pace::new(rate) } else { Pace::off() };
        let policies = || policy_rate.map_or_else(Pace::off, Pace::new);
        Self {
            config,
            policy_rate,
            paces: Paces {
                // No slower than what follows from it, where an endpoint has other quotas.
                list_secrets: pace(policy_rate.unwrap_or_default().max(LIST_RATE)),
                resource_policy: policies(),
                list_versions: policies(),
                lookup_events: pace(LOOKUP_RATE),
                simulate: pace(SIMULATE_RATE),
                create_secret: pace(WRITE_RATE),
                write_secret: pace(WRITE_RATE),
                rotate_secret: pace(WRITE_RATE),
                restore_secret: pace(WRITE_RATE),
                tag_secret: pace(WRITE_RATE),
                delete_secret: pace(WRITE_RATE),
            },
            calls: calls::Calls::default(),
            cloudtrail: OnceLock::new(),
            cloudwatch: OnceLock::new(),
            cost_explorer: OnceLock::new(),
            iam: OnceLock::new(),
            kms: OnceLock::new(),
            lambda: OnceLock::new(),
            logs: OnceLock::new(),
            s3: OnceLock::new(),
            secrets_manager: OnceLock::new(),
            sns: OnceLock::new(),
            sts: OnceLock::new(),
        }
    }

    /// Clients with other credentials and another Region, at the same pace: quotas are per account and Region.
    fn elsewhere(&self, credentials: SharedCredentialsProvider, region: &str) -> Self {
        let mut config = self.config.clone().into_builder().region(Region::new(region.to_owned()));
        config.set_credentials_provider(Some(credentials));
        Self::from_config(config.build(), self.policy_rate)
    }

    /// The calls that these clients have sent, by operation, retries included.
    pub fn calls(&self) -> std::collections::BTreeMap<String, u64> {
        self.calls.made()
    }

    /// The Region that the calls go to.
    pub fn region(&self) -> &str {
        self.config.region().map_or("", |region| region.as_ref())
    }
}

impl Patience {
    fn retries(self) -> RetryConfig {
        let (attempts, initial, longest) = match self {
            Self::Probe => (1, 1, 1),
            // Jittered doubling from 0.5 s to 10 s: 20 attempts outlast a minute of throttling with room to spare.
            Self::Job => (20, 500, 10_000),
            Self::Person => (5, 300, 3_000),
        };
        RetryConfig::standard()
            .with_max_attempts(attempts)
            .with_initial_backoff(Duration::from_millis(initial))
            .with_max_backoff(Duration::from_millis(longest))
    }

    fn timeouts(self) -> TimeoutConfig {
        let (connect, attempt) = match self {
            Self::Probe => (1_000, 2_500),
            Self::Job | Self::Person => (3_000, 30_000),
        };
        TimeoutConfig::builder()
            .connect_timeout(Duration::from_millis(connect))
            .operation_attempt_timeout(Duration::from_millis(attempt))
            .build()
    }
}

/// The SDK's retry quota would give up after about a hundred throttled calls in a row, whatever the attempts allowed.
/// Here the deadline is the bound, so the quota is lifted.
fn patient_partition() -> RetryPartition {
    RetryPartition::custom("secrets-ops").token_bucket(TokenBucket::unlimited()).build()
}

/// Each client would otherwise build a connector of its own and parse the trust roots again.
fn one_connector_for_all_clients() -> SharedHttpClient {
    let connector: Arc<OnceLock<SharedHttpConnector>> = Arc::default();
    http_client_fn(move |settings, components| {
        connector
            .get_or_init(|| {
                let mut builder = Connector::builder().connector_settings(settings.clone());
                builder.set_sleep_impl(components.sleep_impl());
                let provider = tls::Provider::Rustls(tls::rustls_provider::CryptoMode::AwsLc);
                SharedHttpConnector::new(builder.tls_provider(provider).build())
            })
            .clone()
    })
}

/// To the millisecond: JSON carries AWS's dates as floating-point seconds, which are not exact beyond it.
fn timestamp(at: &aws_smithy_types::DateTime) -> Option<Timestamp> {
    at.to_millis().ok().and_then(|millis| Timestamp::from_millisecond(millis).ok())
}

fn date_time(at: Timestamp) -> aws_smithy_types::DateTime {
    aws_smithy_types::DateTime::from_millis(at.as_millisecond())
}

macro_rules! client {
    ($name:ident, $sdk:ident) => {
        impl Aws {
            pub(super) fn $name(&self) -> &$sdk::Client {
                self.$name.get_or_init(|| {
                    let config = $sdk::config::Builder::from(&self.config)
                        .retry_partition(patient_partition())
                        .interceptor(self.calls.clone());
                    $sdk::Client::from_conf(config.build())
                })
            }
        }
    };
}
client!(cloudtrail, aws_sdk_cloudtrail);
client!(cloudwatch, aws_sdk_cloudwatch);
client!(iam, aws_sdk_iam);
client!(kms, aws_sdk_kms);
client!(lambda, aws_sdk_lambda);
client!(logs, aws_sdk_cloudwatchlogs);
client!(secrets_manager, aws_sdk_secretsmanager);
client!(sns, aws_sdk_sns);
client!(sts, aws_sdk_sts);

impl Aws {
    fn cost_explorer(&self) -> &aws_sdk_costexplorer::Client {
        self.cost_explorer.get_or_init(|| {
            // One endpoint in each partition, whatever the estate's Region.
            let region = if self.region().starts_with("cn-") { "cn-northwest-1" } else { "us-east-1" };
            let config = aws_sdk_costexplorer::config::Builder::from(&self.config)
                .region(Region::new(region))
                .retry_partition(patient_partition())
                .interceptor(self.calls.clone());
            aws_sdk_costexplorer::Client::from_conf(config.build())
        })
    }

    fn s3(&self) -> &aws_sdk_s3::Client {
        self.s3.get_or_init(|| {
            let config = aws_sdk_s3::config::Builder::from(&self.config)
                .retry_partition(patient_partition())
                .interceptor(self.calls.clone())
                // Only AWS itself has a host name for each bucket.
                .force_path_style(self.config.endpoint_url().is_some());
            aws_sdk_s3::Client::from_conf(config.build())
        })
    }
}

#[cfg(test)]
pub(crate) fn retries_of_a_job() -> RetryConfig {
    Patience::Job.retries()
}

/// Clients for tests, made by `aws_smithy_mocks::mock_client!`.
#[cfg(test)]
pub(crate) mod mocked {
    use super::*;

    /// Clients that are not set panic at their first call, because there is no endpoint and no credential.
    pub(crate) fn aws() -> Aws {
        paced(None)
    }

    /// The same, at the paces that go with a rate.
    pub(crate) fn paced(policy_rate: Option<f64>) -> Aws {
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("ap-northeast-1"))
            .build();
        Aws::from_config(config, policy_rate)
    }

    impl Aws {
        pub(crate) fn with_secrets_manager(self, client: aws_sdk_secretsmanager::Client) -> Self {
            self.secrets_manager.set(client).unwrap();
            self
        }
        pub(crate) fn with_kms(self, client: aws_sdk_kms::Client) -> Self {
            self.kms.set(client).unwrap();
            self
        }
        pub(crate) fn with_cloudwatch(self, client: aws_sdk_cloudwatch::Client) -> Self {
            self.cloudwatch.set(client).unwrap();
            self
        }
        pub(crate) fn with_logs(self, client: aws_sdk_cloudwatchlogs::Client) -> Self {
            self.logs.set(client).unwrap();
            self
        }
        pub(crate) fn with_iam(self, client: aws_sdk_iam::Client) -> Self {
            self.iam.set(client).unwrap();
            self
        }
        pub(crate) fn with_cost_explorer(self, client: aws_sdk_costexplorer::Client) -> Self {
            self.cost_explorer.set(client).unwrap();
            self
        }
        pub(crate) fn with_lambda(self, client: aws_sdk_lambda::Client) -> Self {
            self.lambda.set(client).unwrap();
            self
        }
        pub(crate) fn with_cloudtrail(self, client: aws_sdk_cloudtrail::Client) -> Self {
            self.cloudtrail.set(client).unwrap();
            self
        }
    }
}
