//! Every operation of the audits against every fault of the wire: none of them is an answer.

use std::future::Future;
use std::pin::Pin;

use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_types::body::SdkBody;
use jiff::civil::date;

use super::*;
use crate::model::{GapReason, KeyFacts, LastUse};

/// The same answer to every call; `None`: none ever.
#[derive(Clone, Copy, Debug)]
struct Always(Option<(u16, &'static str)>);

impl HttpConnector for Always {
    fn call(&self, _: HttpRequest) -> HttpConnectorFuture {
        match self.0 {
            None => HttpConnectorFuture::new(std::future::pending()),
            Some((status, body)) => {
                HttpConnectorFuture::ready(Ok(HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body))))
            }
        }
    }
}

fn clients(answer: Option<(u16, &'static str)>) -> Aws {
    let connector = SharedHttpConnector::new(Always(answer));
    let credentials = aws_sdk_kms::config::Credentials::new("id", "key", None, None, "test");
    let config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("ap-northeast-1"))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .http_client(http_client_fn(move |_, _| connector.clone()))
        .retry_config(Patience::Probe.retries())
        .timeout_config(Patience::Probe.timeouts());
    Aws::from_config(config.build(), None)
}

type Call<'a> = Pin<Box<dyn Future<Output = Result<(), AwsError>> + 'a>>;
type Operation = (&'static str, for<'a> fn(&'a Aws) -> Call<'a>);

macro_rules! operation {
    ($name:literal, $aws:ident => $call:expr) => {{
        fn call(aws: &Aws) -> Call<'_> {
            Box::pin(async move {
                let $aws = aws;
                $call.await.map(|_| ())
            })
        }
        ($name, call as for<'a> fn(&'a Aws) -> Call<'a>)
    }};
}

fn operations() -> [Operation; 9] {
    [
        operation!("iam:GetAccountAuthorizationDetails", aws => iam::identities(aws)),
        operation!("iam:SimulatePrincipalPolicy", aws => iam::simulate(aws, "arn:aws:iam::1:role/a", &["a:b"], &[], &[])),
        operation!("kms:DescribeKey", aws => kms::facts(aws, "alias/a")),
        operation!("kms:GetKeyPolicy", aws => kms::policy(aws, "a")),
        operation!("lambda:GetFunctionConfiguration", aws => lambda::function(aws, "f")),
        operation!("lambda:ListFunctions", aws => lambda::by_role(aws)),
        operation!("ce:GetCostAndUsage", aws => cost_explorer::bills(aws, date(2026, 9, 1), date(2026, 11, 1))),
        operation!("cloudwatch:GetMetricData", aws => {
            let query = cloudwatch::Query {
                namespace: "n".into(), metric: "m".into(), statistic: "p99", dimensions: vec![],
            };
            let queries = [query];
            async move {
                cloudwatch::every(aws, &queries, 3600, Timestamp::UNIX_EPOCH, Timestamp::UNIX_EPOCH).await
            }
        }),
        operation!("kms:GetKeyPolicy", aws => kms::policy(aws, "arn:aws:kms:r:1:key/a")),
    ]
}

/// What comes over the wire, and what it is a gap of.
const FAULTS: [(Option<(u16, &str)>, GapReason); 8] = [
    (Some((403, "{}")), GapReason::Denied),
    (Some((401, "")), GapReason::Denied),
    (Some((429, "")), GapReason::Throttled),
    (Some((500, "")), GapReason::Unavailable),
    (Some((503, "<html>")), GapReason::Unavailable),
    (Some((400, "")), GapReason::Malformed),
    (None, GapReason::TimedOut),
    (Some((200, "{\"KeyMetadata\":")), GapReason::Malformed),
];

#[tokio::test(start_paused = true)]
async fn no_fault_is_an_answer() {
    for (name, call) in operations() {
        for (answer, want) in FAULTS {
            let aws = clients(answer);
            let error = call(&aws).await.expect_err(&format!("{name} {answer:?}"));
            let gap = error.gap("s");
            assert_eq!((gap.what.as_str(), gap.reason), (name, want), "{answer:?}: {gap}");
        }
        let gone = call(&clients(Some((404, "{}")))).await;
        match name {
            "lambda:GetFunctionConfiguration" => assert!(gone.is_ok(), "there is no such function"),
            _ => assert_eq!(gone.unwrap_err().gap("s").reason, GapReason::Vanished, "{name}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_key_does_not_tell_is_a_gap_inside() {
    let key = KeyFacts {
        arn: "arn:aws:kms:r:1:key/a".into(),
        state: "Enabled".into(),
        customer_managed: true,
        deletion_date: None,
        rotation: Err(crate::model::unread("kms:GetKeyRotationStatus")),
        last_use: Ok(LastUse::At(Timestamp::UNIX_EPOCH)),
    };
    for (answer, want) in FAULTS.into_iter().chain([(Some((404, "{}")), GapReason::Vanished)]) {
        let told = kms::rotation_and_use(&clients(answer), key.clone()).await;
        let (rotation, last_use) = (told.rotation.unwrap_err(), told.last_use.unwrap_err());
        assert_eq!((rotation.what.as_str(), rotation.reason), ("kms:GetKeyRotationStatus", want), "{answer:?}");
        assert_eq!((last_use.what.as_str(), last_use.reason), ("kms:GetKeyLastUsage", want), "{answer:?}");
    }
}
