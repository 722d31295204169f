//! What an audit asks besides the secrets: small answers, each the same every time. One role may read every secret, so that
//! IAM's simulation has as much to do as the estate is large.

use std::fmt::Write;

use serde_json::{Value, json};

const TRAIL: &str = "arn:aws:cloudtrail:ap-northeast-1:123456789012:trail/bench";
const KEY: &str = "arn:aws:kms:ap-northeast-1:123456789012:key/bench";
const NOW: u64 = 1_763_683_200;

const CALLER: &str = "<GetCallerIdentityResponse><GetCallerIdentityResult>\
    <Arn>arn:aws:iam::123456789012:user/bench</Arn><UserId>bench</UserId><Account>123456789012</Account>\
    </GetCallerIdentityResult></GetCallerIdentityResponse>";

const ACCOUNT: &str = "<GetAccountAuthorizationDetailsResponse><GetAccountAuthorizationDetailsResult>\
    <IsTruncated>false</IsTruncated><UserDetailList/><GroupDetailList/><Policies/><RoleDetailList><member>\
    <RoleName>reader</RoleName><Arn>arn:aws:iam::123456789012:role/reader</Arn><RolePolicyList><member>\
    <PolicyName>read</PolicyName><PolicyDocument>{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\
    \"Action\":\"secretsmanager:GetSecretValue\",\"Resource\":\"*\"}]}</PolicyDocument></member></RolePolicyList>\
    </member></RoleDetailList></GetAccountAuthorizationDetailsResult></GetAccountAuthorizationDetailsResponse>";

/// CloudTrail, KMS and Logs; `None`: there is no answer to it.
pub(crate) fn json(operation: &str) -> Option<Value> {
    Some(match operation {
        "LookupEvents" => json!({"Events": []}),
        "DescribeTrails" => json!({"trailList": [{"TrailARN": TRAIL, "Name": "bench", "IsMultiRegionTrail": true}]}),
        "GetTrailStatus" => json!({"IsLogging": true}),
        "GetEventSelectors" => {
            json!({"TrailARN": TRAIL, "EventSelectors": [{"ReadWriteType": "All", "IncludeManagementEvents": true}]})
        }
        "DescribeKey" => {
            json!({"KeyMetadata": {"KeyId": "bench", "Arn": KEY, "KeyState": "Enabled", "KeyManager": "AWS"}})
        }
        "GetKeyLastUsage" => {
            json!({"KeyId": KEY, "KeyLastUsage": {"Timestamp": NOW}, "TrackingStartDate": NOW - 86_400})
        }
        "StartQuery" => json!({"queryId": "bench"}),
        "GetQueryResults" => json!({"status": "Complete", "results": []}),
        _ => return None,
    })
}

/// STS and IAM: the operation and what it is answered with.
pub(crate) fn xml(form: &str) -> (&'static str, String) {
    let action = fields(form).find(|(name, _)| *name == "Action").map(|(_, action)| action);
    match action {
        Some("GetAccountAuthorizationDetails") => ("iam:GetAccountAuthorizationDetails", ACCOUNT.to_owned()),
        Some("SimulatePrincipalPolicy") => ("iam:SimulatePrincipalPolicy", simulated(form)),
        _ => ("sts:GetCallerIdentity", CALLER.to_owned()),
    }
}

/// Reading is allowed, everything else is not.
fn simulated(form: &str) -> String {
    let of = |family: &str| -> Vec<String> {
        let named = fields(form).filter(|(name, _)| name.starts_with(family));
        // Nothing else is escaped in an ARN or an action that is asked for here.
        named.map(|(_, value)| value.replace("%3A", ":").replace("%2F", "/").replace("%2A", "*")).collect()
    };
    let resources = of("ResourceArns.member.");
    let mut results = String::new();
    for action in of("ActionNames.member.") {
        let decision = if action == "secretsmanager:GetSecretValue" { "allowed" } else { "implicitDeny" };
        let _ = write!(
            results,
            "<member><EvalActionName>{action}</EvalActionName><EvalResourceName>*</EvalResourceName>\
             <EvalDecision>{decision}</EvalDecision><ResourceSpecificResults>"
        );
        for resource in &resources {
            let _ = write!(
                results,
                "<member><EvalResourceName>{resource}</EvalResourceName>\
                 <EvalResourceDecision>{decision}</EvalResourceDecision></member>"
            );
        }
        results.push_str("</ResourceSpecificResults></member>");
    }
    format!(
        "<SimulatePrincipalPolicyResponse><SimulatePrincipalPolicyResult><IsTruncated>false</IsTruncated>\
         <EvaluationResults>{results}</EvaluationResults></SimulatePrincipalPolicyResult></SimulatePrincipalPolicyResponse>"
    )
}

fn fields(form: &str) -> impl Iterator<Item = (&str, &str)> {
    form.split('&').filter_map(|field| field.split_once('='))
}
