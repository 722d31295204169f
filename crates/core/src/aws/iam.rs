//! IAM: users, roles and policies, and IAM's own simulation of them.

use std::collections::BTreeMap;

use aws_sdk_iam::types::{
    AttachedPolicy, ContextEntry, ContextKeyTypeEnum, EntityType, EvaluationResult, PolicyDetail,
    PolicyEvaluationDecisionType,
};
use percent_encoding::percent_decode_str;

use super::{Aws, AwsError};
use crate::model::{Attached, Identities, Principal, Simulated, Verdict};

/// Every user, role, group and managed policy of the account, each managed policy in the version in force.
///
/// A page that fails fails the whole: half of the principals would be a wrong answer.
pub async fn identities(aws: &Aws) -> Result<Identities, AwsError> {
    const OPERATION: &str = "iam:GetAccountAuthorizationDetails";
    let mut all = Identities::default();
    let mut marker: Option<String> = None;
    loop {
        let page = aws
            .iam()
            .get_account_authorization_details()
            .filter(EntityType::User)
            .filter(EntityType::Role)
            .filter(EntityType::Group)
            .filter(EntityType::LocalManagedPolicy)
            .filter(EntityType::AwsManagedPolicy)
            .max_items(1000)
            .set_marker(marker)
            .send()
            .await
            .map_err(|error| AwsError::new("iam:GetAccountAuthorizationDetails", error))?;
        for user in page.user_detail_list.unwrap_or_default() {
            let principal = Principal {
                name: user.user_name.unwrap_or_default(),
                attached: attached(user.user_policy_list, user.attached_managed_policies),
                groups: user.group_list.unwrap_or_default(),
                boundary: user.permissions_boundary.and_then(|boundary| boundary.permissions_boundary_arn),
            };
            all.principals.extend(user.arn.map(|arn| (arn, principal)));
        }
        for role in page.role_detail_list.unwrap_or_default() {
            let principal = Principal {
                name: role.role_name.unwrap_or_default(),
                attached: attached(role.role_policy_list, role.attached_managed_policies),
                groups: Vec::new(),
                boundary: role.permissions_boundary.and_then(|boundary| boundary.permissions_boundary_arn),
            };
            all.principals.extend(role.arn.map(|arn| (arn, principal)));
        }
        for group in page.group_detail_list.unwrap_or_default() {
            let policies = attached(group.group_policy_list, group.attached_managed_policies);
            all.groups.extend(group.group_name.map(|name| (name, policies)));
        }
        for policy in page.policies.unwrap_or_default() {
            let versions = policy.policy_version_list.unwrap_or_default();
            let in_force = versions.into_iter().find(|version| version.is_default_version);
            let document = in_force.and_then(|version| version.document);
            all.managed.extend(policy.arn.zip(document.map(|text| decoded(&text))));
        }
        if !page.is_truncated {
            return Ok(all);
        }
        if page.marker.is_none() {
            return Err(AwsError::garbled(OPERATION, "the list says that it goes on, and does not say where"));
        }
        marker = page.marker;
    }
}

fn attached(inline: Option<Vec<PolicyDetail>>, managed: Option<Vec<AttachedPolicy>>) -> Attached {
    let inline = inline.unwrap_or_default().into_iter();
    let managed = managed.unwrap_or_default().into_iter();
    Attached {
        inline: inline
            .filter_map(|policy| Some((policy.policy_name?, decoded(&policy.policy_document.unwrap_or_default()))))
            .collect(),
        managed: managed.filter_map(|policy| policy.policy_arn).collect(),
    }
}

/// IAM gives documents out percent-encoded (RFC 3986: a plus sign is a plus sign).
fn decoded(document: &str) -> String {
    percent_decode_str(document).decode_utf8_lossy().into_owned()
}

/// What one simulation said.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Simulation {
    /// By action, as it was asked for, and resource. What IAM left out is not here.
    pub decisions: BTreeMap<(String, String), Simulated>,
    /// Calls that it took.
    pub calls: u64,
}

/// Simulates `actions` of a user or a role on `resources`, which are full ARNs: a wildcard in one stands for itself.
///
/// Identity policies, boundary and organization are looked at; policies of the resources are not. At most 1,000 answers
/// come on a page.
pub async fn simulate(
    aws: &Aws,
    principal: &str,
    actions: &[&str],
    resources: &[String],
    context: &[(&str, &str)],
) -> Result<Simulation, AwsError> {
    const OPERATION: &str = "iam:SimulatePrincipalPolicy";
    let entries: Vec<ContextEntry> = context.iter().map(|(key, value)| entry(key, value)).collect();
    let mut simulation = Simulation::default();
    let mut marker: Option<String> = None;
    loop {
        aws.paces.simulate.wait().await;
        let page = aws
            .iam()
            .simulate_principal_policy()
            .policy_source_arn(principal)
            .set_action_names(Some(actions.iter().map(|action| (*action).to_owned()).collect()))
            .set_resource_arns(Some(resources.to_vec()))
            .set_context_entries(Some(entries.clone()))
            .max_items(1000)
            .set_marker(marker)
            .send()
            .await
            .map_err(|error| AwsError::new("iam:SimulatePrincipalPolicy", error))?;
        simulation.calls += 1;
        for result in page.evaluation_results.unwrap_or_default() {
            take(result, resources, &mut simulation.decisions);
        }
        if !page.is_truncated {
            return Ok(simulation);
        }
        if page.marker.is_none() {
            return Err(AwsError::garbled(OPERATION, "the answer says that it goes on, and does not say where"));
        }
        marker = page.marker;
    }
}

fn entry(key: &str, value: &str) -> ContextEntry {
    let kind = if value == "true" { ContextKeyTypeEnum::Boolean } else { ContextKeyTypeEnum::String };
    ContextEntry::builder().context_key_name(key).context_key_values(value).context_key_type(kind).build()
}

/// The decision for each resource. That of the whole is the most restrictive of them and says nothing of one, unless there
/// is only one: IAM used to answer with one result for each, and answers so for `*`.
fn take(result: EvaluationResult, resources: &[String], decisions: &mut BTreeMap<(String, String), Simulated>) {
    let action = result.eval_action_name;
    let organization = result.organizations_decision_detail.map(|detail| detail.allowed_by_organizations);
    let each = result.resource_specific_results.unwrap_or_default();
    if each.is_empty() {
        let only = match resources {
            [one] => Some(one.clone()),
            _ => result.eval_resource_name.filter(|name| resources.contains(name)),
        };
        let boundary = result.permissions_boundary_decision_detail.map(|d| d.allowed_by_permissions_boundary);
        let verdict = verdict(&result.eval_decision, boundary, organization);
        let missing = result.missing_context_values.is_some_and(|keys| !keys.is_empty());
        decisions.extend(only.map(|resource| ((action, resource), Simulated { verdict, missing })));
        return;
    }
    for one in each {
        let boundary = one.permissions_boundary_decision_detail.map(|d| d.allowed_by_permissions_boundary);
        let verdict = verdict(&one.eval_resource_decision, boundary, organization);
        let missing = one.missing_context_values.is_some_and(|keys| !keys.is_empty());
        decisions.insert((action.clone(), one.eval_resource_name), Simulated { verdict, missing });
    }
}

fn verdict(decision: &PolicyEvaluationDecisionType, boundary: Option<bool>, organization: Option<bool>) -> Verdict {
    match decision {
        PolicyEvaluationDecisionType::Allowed => Verdict::Allowed,
        PolicyEvaluationDecisionType::ExplicitDeny => Verdict::Denied,
        PolicyEvaluationDecisionType::ImplicitDeny if organization == Some(false) => Verdict::Organization,
        PolicyEvaluationDecisionType::ImplicitDeny if boundary == Some(false) => Verdict::Bounded,
        PolicyEvaluationDecisionType::ImplicitDeny => Verdict::Silent,
        _ => Verdict::NoAnswer,
    }
}

#[cfg(test)]
mod tests;
