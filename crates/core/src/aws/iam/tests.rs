use aws_sdk_iam::operation::get_account_authorization_details::GetAccountAuthorizationDetailsOutput;
use aws_sdk_iam::operation::simulate_principal_policy::SimulatePrincipalPolicyOutput;
use aws_sdk_iam::types::{
    AttachedPermissionsBoundary, GroupDetail, ManagedPolicyDetail, OrganizationsDecisionDetail,
    PermissionsBoundaryDecisionDetail, PolicyVersion, ResourceSpecificResult, RoleDetail, UserDetail,
};
use aws_smithy_mocks::{RuleMode, mock, mock_client};

use super::*;
use crate::aws::{Class, mocked};

const ROLE: &str = "arn:aws:iam::123456789012:role/app";

fn document(name: &str) -> PolicyDetail {
    PolicyDetail::builder().policy_name(name).policy_document("%7B%22Sid%22%3A%22a+b%20c%22%7D").build()
}

fn page(
    marker: Option<&str>,
) -> aws_sdk_iam::operation::get_account_authorization_details::builders::GetAccountAuthorizationDetailsOutputBuilder {
    GetAccountAuthorizationDetailsOutput::builder().is_truncated(marker.is_some()).set_marker(marker.map(str::to_owned))
}

#[tokio::test]
async fn two_pages_are_put_together_and_documents_are_decoded() {
    let first = mock!(aws_sdk_iam::Client::get_account_authorization_details)
        .match_requests(|request| request.marker().is_none() && request.filter().len() == 5)
        .then_output(|| {
            let boundary = AttachedPermissionsBoundary::builder().permissions_boundary_arn("b").build();
            let role = RoleDetail::builder().arn(ROLE).role_name("app").role_policy_list(document("p"));
            page(Some("2"))
                .role_detail_list(role.permissions_boundary(boundary).build())
                .user_detail_list(UserDetail::builder().arn("u").user_name("u").group_list("g").build())
                .build()
        });
    let second = mock!(aws_sdk_iam::Client::get_account_authorization_details)
        .match_requests(|request| request.marker() == Some("2"))
        .then_output(|| {
            let version = |id: &str, current| {
                PolicyVersion::builder().version_id(id).document(id).is_default_version(current).build()
            };
            let policy = ManagedPolicyDetail::builder().arn("m");
            page(None)
                .group_detail_list(GroupDetail::builder().group_name("g").group_policy_list(document("q")).build())
                .policies(
                    policy.policy_version_list(version("v2", false)).policy_version_list(version("v1", true)).build(),
                )
                .build()
        });
    let aws = mocked::aws().with_iam(mock_client!(aws_sdk_iam, RuleMode::MatchAny, [&first, &second]));
    let all = identities(&aws).await.unwrap();
    let role = &all.principals[ROLE];
    assert_eq!((role.name.as_str(), role.boundary.as_deref()), ("app", Some("b")));
    assert_eq!(role.attached.inline["p"], r#"{"Sid":"a+b c"}"#);
    assert_eq!(all.principals["u"].groups, ["g"]);
    assert_eq!(all.groups["g"].inline.len(), 1);
    assert_eq!(all.managed, [("m".to_owned(), "v1".to_owned())].into());
}

#[tokio::test]
async fn half_of_the_principals_is_no_answer() {
    let first = mock!(aws_sdk_iam::Client::get_account_authorization_details)
        .match_requests(|request| request.marker().is_none())
        .then_output(|| page(Some("2")).build());
    let second = mock!(aws_sdk_iam::Client::get_account_authorization_details)
        .match_requests(|request| request.marker().is_some())
        .then_http_response(|| {
            let body = "<ErrorResponse><Error><Code>AccessDenied</Code><Message>no</Message></Error></ErrorResponse>";
            aws_smithy_runtime_api::http::Response::new(403.try_into().unwrap(), body.into())
        });
    let aws = mocked::aws().with_iam(mock_client!(aws_sdk_iam, RuleMode::MatchAny, [&first, &second]));
    assert_eq!(identities(&aws).await.unwrap_err().class, Class::Denied);

    let lost = mock!(aws_sdk_iam::Client::get_account_authorization_details)
        .then_output(|| GetAccountAuthorizationDetailsOutput::builder().is_truncated(true).build());
    let aws = mocked::aws().with_iam(mock_client!(aws_sdk_iam, RuleMode::MatchAny, [&lost]));
    assert_eq!(identities(&aws).await.unwrap_err().class, Class::Garbled, "it goes on, nobody knows where");
}

fn result(action: &str, decision: &str) -> aws_sdk_iam::types::builders::EvaluationResultBuilder {
    EvaluationResult::builder().eval_action_name(action).eval_decision(decision.into())
}

fn simulated(answer: impl Fn() -> Vec<EvaluationResult> + Send + Sync + 'static) -> Aws {
    let rule = mock!(aws_sdk_iam::Client::simulate_principal_policy)
        .then_output(move || SimulatePrincipalPolicyOutput::builder().set_evaluation_results(Some(answer())).build());
    mocked::aws().with_iam(mock_client!(aws_sdk_iam, RuleMode::MatchAny, [&rule]))
}

async fn letters(aws: &Aws, resources: &[&str]) -> String {
    let resources: Vec<String> = resources.iter().map(|one| (*one).to_owned()).collect();
    let told = simulate(aws, ROLE, &["s:Get"], &resources, &[]).await.unwrap();
    let one = |resource: &String| told.decisions.get(&("s:Get".to_owned(), resource.clone()));
    resources.iter().map(|resource| one(resource).map_or('.', |simulated| simulated.letter())).collect()
}

#[tokio::test]
async fn each_resource_has_its_own_decision() {
    let aws = simulated(|| {
        let each = |name: &str, decision: &str| {
            ResourceSpecificResult::builder().eval_resource_name(name).eval_resource_decision(decision.into())
        };
        let bounded = PermissionsBoundaryDecisionDetail::builder().allowed_by_permissions_boundary(false).build();
        vec![
            result("s:Get", "explicitDeny")
                .resource_specific_results(each("a", "allowed").build().unwrap())
                .resource_specific_results(each("b", "implicitDeny").build().unwrap())
                .resource_specific_results(each("c", "explicitDeny").build().unwrap())
                .resource_specific_results(
                    each("d", "implicitDeny").permissions_boundary_decision_detail(bounded).build().unwrap(),
                )
                .resource_specific_results(each("e", "allowed").missing_context_values("aws:X").build().unwrap())
                .resource_specific_results(each("f", "somethingNew").build().unwrap())
                .build()
                .unwrap(),
        ]
    });
    assert_eq!(letters(&aws, &["a", "b", "c", "d", "e", "f", "g"]).await, "asdbAn.");
}

#[tokio::test]
async fn one_result_for_each_resource_is_read_as_well() {
    let aws = simulated(|| {
        let one = |name: &str, decision: &str| result("s:Get", decision).eval_resource_name(name).build().unwrap();
        vec![one("a", "allowed"), one("b", "implicitDeny")]
    });
    assert_eq!(letters(&aws, &["a", "b"]).await, "as");
    let organization = OrganizationsDecisionDetail::builder().allowed_by_organizations(false).build();
    let aws = simulated(move || {
        vec![result("s:Get", "implicitDeny").organizations_decision_detail(organization.clone()).build().unwrap()]
    });
    assert_eq!(letters(&aws, &["*"]).await, "o");
    assert_eq!(letters(&aws, &["a", "b"]).await, "..", "of which of the two is not said");
}

#[tokio::test]
async fn the_question_is_asked_in_full_and_paged() {
    let first = mock!(aws_sdk_iam::Client::simulate_principal_policy)
        .match_requests(|request| {
            let entry = &request.context_entries()[0];
            request.marker().is_none()
                && request.policy_source_arn() == Some(ROLE)
                && entry.context_key_name() == Some("kms:ViaService")
                && entry.context_key_type() == Some(&ContextKeyTypeEnum::String)
        })
        .then_output(|| SimulatePrincipalPolicyOutput::builder().is_truncated(true).marker("2").build());
    let second = mock!(aws_sdk_iam::Client::simulate_principal_policy)
        .match_requests(|request| request.marker() == Some("2"))
        .then_output(|| {
            SimulatePrincipalPolicyOutput::builder().evaluation_results(result("k", "allowed").build().unwrap()).build()
        });
    let aws = mocked::aws().with_iam(mock_client!(aws_sdk_iam, RuleMode::MatchAny, [&first, &second]));
    let told = simulate(&aws, ROLE, &["k"], &["r".to_owned()], &[("kms:ViaService", "s")]).await.unwrap();
    assert_eq!((told.calls, told.decisions.len()), (2, 1));
}
