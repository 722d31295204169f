//! What is asked of IAM, how often, and what becomes of its faults.

use aws_sdk_iam::operation::simulate_principal_policy::{SimulatePrincipalPolicyInput, SimulatePrincipalPolicyOutput};
use aws_sdk_iam::types::{EvaluationResult, ResourceSpecificResult};
use aws_sdk_kms::operation::get_key_policy::GetKeyPolicyOutput;
use aws_smithy_mocks::{Rule, RuleMode, mock, mock_client};

use super::*;
use crate::aws::mocked;
use crate::model::Readers;

/// Answers every simulation: allowed where `allowed` says so, and silent otherwise.
fn iam(allowed: fn(&str, &str, &str) -> bool) -> (Aws, Rule) {
    let (client, rule) = client(allowed);
    (mocked::aws().with_iam(client), rule)
}

fn client(allowed: fn(&str, &str, &str) -> bool) -> (aws_sdk_iam::Client, Rule) {
    let rule = mock!(aws_sdk_iam::Client::simulate_principal_policy)
        .match_requests(|request| !request.policy_source_arn().unwrap().contains("faulty"))
        .then_compute_output(move |request| answer(request, allowed));
    let faulty = mock!(aws_sdk_iam::Client::simulate_principal_policy)
        .match_requests(|request| request.policy_source_arn().unwrap().contains("faulty"))
        .then_http_response(|| {
            let body = "<ErrorResponse><Error><Code>NoSuchEntity</Code><Message>gone</Message></Error></ErrorResponse>";
            aws_smithy_runtime_api::http::Response::new(404.try_into().unwrap(), body.into())
        });
    (mock_client!(aws_sdk_iam, RuleMode::MatchAny, [&rule, &faulty]), rule)
}

fn answer(
    request: &SimulatePrincipalPolicyInput,
    allowed: fn(&str, &str, &str) -> bool,
) -> SimulatePrincipalPolicyOutput {
    let who = request.policy_source_arn().unwrap();
    let results = request.action_names().iter().map(|action| {
        let each = request.resource_arns().iter().map(|resource| {
            let decision = if allowed(who, action, resource) { "allowed" } else { "implicitDeny" };
            let one = ResourceSpecificResult::builder().eval_resource_name(resource);
            one.eval_resource_decision(decision.into()).build().unwrap()
        });
        EvaluationResult::builder()
            .eval_action_name(action)
            .eval_decision("implicitDeny".into())
            .set_resource_specific_results(Some(each.collect()))
            .build()
            .unwrap()
    });
    SimulatePrincipalPolicyOutput::builder().set_evaluation_results(Some(results.collect())).build()
}

fn soon() -> Instant {
    Instant::now() + tokio::time::Duration::from_secs(60)
}

fn only_reads(_: &str, action: &str, _: &str) -> bool {
    action == "secretsmanager:GetSecretValue"
}

fn allowed_everything(_: &str, _: &str, _: &str) -> bool {
    true
}

/// A role that may read `a*`, one that may nothing, and secrets a0 to a149 and b.
fn many() -> (ReaderFacts, Vec<Secret>) {
    let facts = facts(vec![
        (
            ROLE,
            principal(
                ROLE,
                &[&allow("secretsmanager:GetSecretValue", &format!("{}*", arn("a").replace("a-AbCdEf", "a")))],
            ),
        ),
        (USER, principal(USER, &[&allow("s3:*", "*")])),
    ]);
    let secrets = (0..150).map(|n| secret(&format!("a{n}"))).chain([secret("b")]).collect();
    (facts, secrets)
}

fn told(facts: &ReaderFacts, secrets: &[Secret]) -> Readers {
    let keys = BTreeMap::new();
    judge(facts, Estate { region: "ap-northeast-1", secrets, keys: &keys }, &settings()).unwrap()
}

#[tokio::test]
async fn only_what_could_be_allowed_is_asked_and_nothing_twice() {
    let (before, secrets) = many();
    let keys = BTreeMap::new();
    let estate = Estate { region: "ap-northeast-1", secrets: &secrets, keys: &keys };
    let (aws, rule) = iam(only_reads);
    let facts = gather(&aws, estate, &settings(), Some(before), soon()).await;
    assert_eq!((rule.num_calls(), facts.calls, &facts.unfinished), (2, 2, &None), "150 secrets, 100 a call");
    let readers = told(&facts, &secrets);
    assert_eq!(readers.by_secret.values().filter(|readers| readers.len() == 1).count(), 150);
    assert_eq!(readers.by_secret[&arn("b")], []);
    assert!(readers.unknown.is_empty());
    let saved: ReaderFacts = serde_json::from_str(&serde_json::to_string(&facts).unwrap()).unwrap();
    assert_eq!(saved, facts);
    let again = gather(&aws, estate, &settings(), Some(saved), soon()).await;
    assert_eq!((rule.num_calls(), again), (2, facts));
}

#[tokio::test]
async fn a_used_up_budget_is_told_and_the_next_run_goes_on() {
    let (before, secrets) = many();
    let keys = BTreeMap::new();
    let estate = Estate { region: "ap-northeast-1", secrets: &secrets, keys: &keys };
    let (aws, rule) = iam(only_reads);
    let one = IamSettings { simulations: 1, ..settings() };
    let facts = gather(&aws, estate, &one, Some(before), soon()).await;
    let gap = facts.unfinished.clone().unwrap();
    assert_eq!((rule.num_calls(), gap.reason), (1, GapReason::Truncated));
    assert!(gap.detail.starts_with("1 of 2 simulations"), "{gap}");
    let readers = told(&facts, &secrets);
    assert_eq!(readers.unknown[ROLE].reason, GapReason::Truncated);
    let open = readers.by_secret.values().flatten().filter(|one| matches!(one.read, Some(Grant::CannotSay(_))));
    assert_eq!(open.count(), 50, "what was not reached is neither a reader nor none");
    let facts = gather(&aws, estate, &one, Some(facts), soon()).await;
    assert_eq!((rule.num_calls(), &facts.unfinished), (2, &None));
    assert!(told(&facts, &secrets).unknown.is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_deadline_stops_it_and_says_so() {
    let (before, secrets) = many();
    let keys = BTreeMap::new();
    let estate = Estate { region: "ap-northeast-1", secrets: &secrets, keys: &keys };
    // 4.8 a second: the second call's turn comes after 208 ms.
    let aws = mocked::paced(Some(40.0)).with_iam(client(only_reads).0);
    let deadline = Instant::now() + tokio::time::Duration::from_millis(200);
    let facts = gather(&aws, estate, &settings(), Some(before), deadline).await;
    assert_eq!(facts.calls, 1);
    assert_eq!(facts.unfinished.as_ref().map(|gap| gap.reason), Some(GapReason::Deadline));
    assert_eq!(told(&facts, &secrets).unknown[ROLE].reason, GapReason::Deadline);
}

#[tokio::test]
async fn a_principal_that_vanishes_costs_nobody_else_anything() {
    let may = allow("secretsmanager:*", "*");
    let faulty = "arn:aws:iam::123456789012:role/faulty";
    let before = facts(vec![(ROLE, principal(ROLE, &[&may])), (faulty, principal(faulty, &[&may]))]);
    let secrets = [secret("a")];
    let keys = BTreeMap::new();
    let estate = Estate { region: "ap-northeast-1", secrets: &secrets, keys: &keys };
    let (aws, _) = iam(only_reads);
    let facts = gather(&aws, estate, &settings(), Some(before), soon()).await;
    assert_eq!(facts.failed[faulty].reason, GapReason::Vanished);
    let readers = told(&facts, &secrets);
    assert_eq!(readers.unknown.keys().collect::<Vec<_>>(), [faulty]);
    let read = |who: &str| readers.by_secret[&arn("a")].iter().find(|one| one.principal == who).unwrap().read.clone();
    assert_eq!(read(ROLE), Some(Grant::Allowed));
    assert!(matches!(read(faulty), Some(Grant::CannotSay(_))));
}

#[tokio::test]
async fn what_iam_leaves_out_of_its_answer_is_not_silence() {
    let before = facts(vec![(ROLE, principal(ROLE, &[&allow("secretsmanager:*", "*")]))]);
    let rule = mock!(aws_sdk_iam::Client::simulate_principal_policy)
        .then_output(|| SimulatePrincipalPolicyOutput::builder().build());
    let aws = mocked::aws().with_iam(mock_client!(aws_sdk_iam, RuleMode::MatchAny, [&rule]));
    let secrets = [secret("a")];
    let keys = BTreeMap::new();
    let estate = Estate { region: "ap-northeast-1", secrets: &secrets, keys: &keys };
    let facts = gather(&aws, estate, &settings(), Some(before), soon()).await;
    assert_eq!(rule.num_calls(), 1, "and is not asked for ever");
    assert!(matches!(told(&facts, &secrets).by_secret[&arn("a")][0].read, Some(Grant::CannotSay(_))));
}

#[tokio::test]
async fn keys_are_simulated_only_where_they_decide() {
    let may = allow("*", "*");
    let before = facts(vec![(ROLE, principal(ROLE, &[&may])), (USER, principal(USER, &[&may]))]);
    let of_key = policy(json!({"Effect": "Allow", "Principal": {"AWS": ROLE}, "Action": "kms:*", "Resource": "*"}));
    let get = mock!(aws_sdk_kms::Client::get_key_policy)
        .match_requests(|request| request.key_id() == Some(KEY))
        .then_output(move || GetKeyPolicyOutput::builder().policy(of_key.clone()).build());
    let (aws, rule) = iam(allowed_everything);
    let aws = aws.with_kms(mock_client!(aws_sdk_kms, RuleMode::MatchAny, [&get]));
    let secrets = [Secret { kms_key_id: Some("alias/x".into()), ..secret("a") }];
    let keys = [("alias/x".to_owned(), key_facts(true)), (KEY.to_owned(), key_facts(true))].into();
    let estate = Estate { region: "ap-northeast-1", secrets: &secrets, keys: &keys };
    let facts = gather(&aws, estate, &settings(), Some(before), soon()).await;
    assert_eq!(get.num_calls(), 1, "one key of two names");
    assert_eq!(rule.num_calls(), 3, "two principals on the secret, and the role alone on the key");
    let readers = judge(&facts, estate, &settings()).unwrap();
    let told: Vec<_> =
        readers.by_secret[&arn("a")].iter().map(|one| (one.principal.as_str(), one.read.clone())).collect();
    assert_eq!(told, [(ROLE, Some(Grant::Allowed)), (USER, None)]);
}

#[tokio::test]
async fn without_the_principals_nothing_is_simulated() {
    let denied = mock!(aws_sdk_iam::Client::get_account_authorization_details).then_http_response(|| {
        let body = "<ErrorResponse><Error><Code>AccessDenied</Code><Message>no</Message></Error></ErrorResponse>";
        aws_smithy_runtime_api::http::Response::new(403.try_into().unwrap(), body.into())
    });
    let aws = mocked::aws().with_iam(mock_client!(aws_sdk_iam, RuleMode::MatchAny, [&denied]));
    let keys = BTreeMap::new();
    let estate = Estate { region: "ap-northeast-1", secrets: &[], keys: &keys };
    let facts = gather(&aws, estate, &settings(), None, soon()).await;
    assert_eq!(facts.identities.as_ref().unwrap_err().reason, GapReason::Denied);
    assert!(judge(&facts, estate, &settings()).is_err());
    let answers = answers(&facts, estate, &settings());
    assert!(answers.len() == 5 && answers.into_iter().all(|(_, reply)| reply.is_err()));
}
