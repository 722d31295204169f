//! Restores over an estate with a memory: whole, killed at every change, refused, and drilled.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::json;
use tokio::time::{Duration, Instant, timeout};

use super::*;
use crate::aws::fake::{Estate, FakeKey, FakeSecret, Fault, KEY, Shared, World, clients};
use crate::model::{Coverage, Outcome, Replica, Report, RotationRules, Status};
use crate::runbook::backup::values::ValueSettings;
use crate::runbook::backup::{BackupSettings, Destination, Job, Kind, run};
use crate::runbook::plan::{Journal, State};
use crate::settings::Settings;

const FUNCTION: &str = "arn:aws:lambda:ap-northeast-1:123456789012:function:rotate";
const OWN_KEY: &str = "arn:aws:kms:ap-northeast-1:123456789012:key/own";
const ROOT: &str = "arn:aws:iam::123456789012:root";

fn id(n: u32) -> String {
    format!("00000000-0000-4000-8000-{n:012}")
}

fn now() -> Timestamp {
    Timestamp::from_second(1_000_000_500).unwrap()
}

fn settings() -> Settings {
    Settings::read(&|_| None).unwrap()
}

fn key() -> FakeKey {
    FakeKey { state: "Enabled".into(), ..FakeKey::default() }
}

/// One secret for each thing that a restore must bring back.
fn estate() -> Estate {
    let mut estate = Estate { clock: 1_000_000_000, ..Estate::default() };
    estate.keys = [(KEY.to_owned(), key()), (OWN_KEY.to_owned(), key())].into();
    estate.aliases = [("alias/values".to_owned(), KEY.to_owned()), ("alias/mac".to_owned(), KEY.to_owned())].into();
    estate.functions = BTreeSet::from([FUNCTION.to_owned()]);
    let text = |value: &str| json!({"SecretString": value});
    let named = |name: &str| Secret { name: name.into(), ..Secret::default() };
    estate.add(
        Secret {
            description: Some("the database".into()),
            kms_key_id: Some(OWN_KEY.into()),
            tags: [("owner".to_owned(), "ops".to_owned())].into(),
            resource_policy: Some(
                json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow",
                "Principal": {"AWS": ROOT}, "Action": "secretsmanager:GetSecretValue", "Resource": "*"}]})
                .to_string(),
            ),
            rotation_enabled: Some(true),
            rotation_lambda_arn: Some(FUNCTION.into()),
            rotation_rules: Some(RotationRules {
                automatically_after_days: Some(7),
                duration: Some("3h".into()),
                schedule_expression: Some("rate(7 days)".into()),
            }),
            ..named("p-database")
        },
        Some((&id(1), text("CANARY-VALUE-one"))),
    );
    estate.put("p-database", &id(2), text("CANARY-VALUE-two"));
    estate.add(named("p-binary"), Some((&id(3), json!({"SecretBinary": "Q0FOQVJZ"}))));
    estate.add(
        Secret {
            replication_status: vec![Replica {
                region: Some("us-east-1".into()),
                status: Some("InSync".into()),
                ..Replica::default()
            }],
            ..named("p-copied")
        },
        Some((&id(4), text("CANARY-VALUE-copied"))),
    );
    // Outside of the prefix whose values are backed up.
    estate.add(
        Secret { description: Some(String::new()), ..named("other-jwt") },
        Some((&id(5), text("CANARY-VALUE-jwt"))),
    );
    estate.add(named("other-empty"), None);
    estate
}

async fn backed_up(world: World) -> (Aws, Shared, Vec<Archived>) {
    let (aws, shared) = clients(world);
    let (summary, archived) = back_up(&aws).await;
    assert_eq!(summary.status, Status::Ok);
    (aws, shared, archived)
}

/// A backup with the values of `p-*`, read back as a restore reads it.
async fn back_up(aws: &Aws) -> (Summary, Vec<Archived>) {
    let settings = settings();
    let values = ValueSettings { prefix: "p-".into(), key: "alias/values".into(), mac_key: "alias/mac".into() };
    let own = BackupSettings { values: Some(values), full_pass_every: 1 };
    let destination = Destination::Bucket { bucket: settings.bucket.clone(), prefix: None };
    let answer = run(Job {
        estate: aws,
        storage: aws,
        settings: &settings,
        own: &own,
        kind: Kind::Manual,
        account: "123456789012",
        destination: &destination,
        chunk: None,
        now: now(),
        deadline: later(),
    });
    let answer = answer.await.unwrap();
    assert_eq!(answer.gaps, []);
    read_back(aws, &answer.artefacts[0]).await
}

async fn read_back(aws: &Aws, key: &str) -> (Summary, Vec<Archived>) {
    let (opened, _) = crate::runbook::backup::fetch::fetch(aws, &settings().bucket, key).await.unwrap();
    load(opened, &|_| true).unwrap()
}

fn later() -> Instant {
    Instant::now() + Duration::from_secs(3600)
}

fn place() -> Place {
    Place {
        caller: "arn:aws:iam::123456789012:user/restorer".into(),
        account: "123456789012".into(),
        region: "ap-northeast-1".into(),
    }
}

fn world(estate: Estate) -> World {
    World { estate, ..World::default() }
}

/// Plans half a minute after the backup.
async fn planned(aws: &Aws, backup: (Summary, Vec<Archived>), options: &Options) -> RestorePlan {
    plan(aws, &place(), "test", backup, options, now()).await.unwrap()
}

fn reasons(plan: &RestorePlan) -> Vec<(&str, LeftReason)> {
    plan.context.left.iter().map(|left| (left.secret.as_str(), left.reason)).collect()
}

fn actions(plan: &RestorePlan) -> Vec<(&str, &str)> {
    plan.steps.iter().map(|step| (step.object.as_str(), step.action.name())).collect()
}

/// What counts of an estate after a restore: not the ARNs' endings and not the dates.
fn essence(estate: &Estate) -> Vec<(String, Secret, std::collections::BTreeMap<String, serde_json::Value>)> {
    let plain = |fake: &FakeSecret| Secret {
        arn: String::new(),
        created_date: None,
        last_changed_date: None,
        versions: Vec::new(),
        tags: fake.secret.tags.clone().into_iter().filter(|(key, _)| key != MARK_KEY).collect(),
        resource_policy: fake.secret.resource_policy.clone(),
        ..fake.secret.clone()
    };
    estate.secrets.iter().map(|(name, fake)| (name.clone(), plain(fake), fake.values.clone())).collect()
}

#[tokio::test]
async fn a_wiped_estate_comes_back_with_values_labels_policies_replicas_and_rotation() {
    let (aws, shared, archived) = backed_up(world(estate())).await;
    let before = shared.lock().unwrap().estate.clone();
    {
        let mut world = shared.lock().unwrap();
        world.estate.secrets.clear();
        world.estate.clock = 1_000_000_600;
    }
    let summary = back_summary(&aws).await;
    let plan = planned(&aws, (summary, archived), &Options::default()).await;
    assert_eq!(
        actions(&plan),
        [
            ("p-database", "create-with-value"),
            ("p-database", "put-value"),
            ("p-database", "put-policy"),
            ("p-binary", "create-with-value"),
            ("p-copied", "create-with-value"),
            ("p-copied", "replicate"),
            ("other-jwt", "create-without-value"),
            ("other-empty", "create-without-value"),
            ("p-database", "schedule-rotation"),
        ]
    );
    assert_eq!(reasons(&plan), [("other-jwt", LeftReason::ValueMissing)], "what never had a value lacks none");
    let json = String::from_utf8(plan.to_json()).unwrap();
    assert!(!json.contains("CANARY"), "a plan holds no value");

    let applied = apply(&aws, &plan, None, "alias/values", now()).await.unwrap();
    assert!(applied.iter().all(|step| step.state == State::Done), "{applied:?}");
    let world = shared.lock().unwrap();
    let (mut want, have) = (essence(&before), essence(&world.estate));
    // What was not backed up cannot come back, and nothing takes its place.
    for (name, secret, values) in &mut want {
        if name.starts_with("other-") {
            secret.version_ids_to_stages.clear();
            values.clear();
        }
    }
    assert_eq!(have, want);
    assert_eq!(world.estate.secrets["other-jwt"].secret.tags[MARK_KEY], MARK_MISSING);
    let database = &world.estate.secrets["p-database"].secret;
    assert_eq!(database.version_with("AWSCURRENT"), Some(id(2).as_str()));
    assert_eq!(database.version_with("AWSPREVIOUS"), Some(id(1).as_str()));
}

async fn back_summary(aws: &Aws) -> Summary {
    let settings = settings();
    let newest = crate::aws::s3::list_folder(aws, &settings.bucket, "manual-backups/").await.unwrap();
    let key = newest.iter().find(|object| object.key.ends_with(".tar.gz")).unwrap().key.clone();
    read_back(aws, &key).await.0
}

/// Restores `plan` into a wiped estate, dying at the n-th change, and going on as often as it takes.
async fn restored_in_spite_of_death(
    plan: &RestorePlan,
    wiped: &Estate,
    dies_at: Option<(usize, bool)>,
    journal: Option<&Path>,
) -> (Estate, usize) {
    let (aws, shared) = clients(World { dies_at, ..world(wiped.clone()) });
    let mut runs = 0;
    loop {
        runs += 1;
        let journal = journal.map(|path| Journal::open(path, &plan.hash).unwrap().0);
        let done = timeout(Duration::from_secs(60), apply(&aws, plan, journal.as_ref(), "alias/values", now())).await;
        let mut world = shared.lock().unwrap();
        match done {
            Ok(applied) => {
                let bad: Vec<_> = applied
                    .unwrap()
                    .into_iter()
                    .filter(|step| !matches!(step.state, State::Done | State::Already))
                    .collect();
                assert_eq!(bad, [], "dies at {dies_at:?}");
                return (world.estate.clone(), runs);
            }
            Err(_) => {
                assert!(world.dead && runs == 1);
                (world.dead, world.dies_at) = (false, None);
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn killed_at_every_step_it_ends_in_the_same_state() {
    let mut before = estate();
    // A lost key, so that making one is among the steps.
    let (aws, shared, archived) = backed_up(world(before.clone())).await;
    let summary = back_summary(&aws).await;
    before.secrets.clear();
    before.keys.remove(OWN_KEY);
    before.clock = 1_000_000_600;
    {
        let mut world = shared.lock().unwrap();
        world.estate = before.clone();
    }
    let options = Options { create_keys: Some("p-prod".into()), ..Options::default() };
    let plan = planned(&aws, (summary, archived), &options).await;
    assert_eq!(plan.steps[0].action.name(), "create-key");

    let (whole, _) = restored_in_spite_of_death(&plan, &before, None, None).await;
    let changes = {
        let (aws, shared) = clients(world(before.clone()));
        apply(&aws, &plan, None, "alias/values", now()).await.unwrap();
        shared.lock().unwrap().changes
    };
    // Each step is one change, but for the key, which is made, named and rotated.
    assert_eq!(changes, plan.steps.len() + 2);
    let folder = tempfile::tempdir().unwrap();
    let mut kills = 0;
    for at in 1..=changes {
        for and_made in [false, true] {
            for with_journal in [false, true] {
                let path = folder.path().join(format!("{at}-{and_made}.journal"));
                let journal = with_journal.then_some(path.as_path());
                let (end, runs) = restored_in_spite_of_death(&plan, &before, Some((at, and_made)), journal).await;
                assert_eq!(runs, 2);
                assert_eq!(essence(&end), essence(&whole), "killed at change {at}, made: {and_made}");
                assert_eq!((end.keys.len(), &end.aliases), (whole.keys.len(), &whole.aliases), "no key too many");
                let versions =
                    |estate: &Estate| -> usize { estate.secrets.values().map(|fake| fake.values.len()).sum() };
                assert_eq!(versions(&end), versions(&whole), "no version too many");
                kills += 1;
            }
        }
    }
    assert_eq!(kills, 4 * changes);
}

/// A backup of one secret, and the estate as `change` has left it.
async fn plan_for(secret: Secret, options: &Options, change: impl FnOnce(&mut World)) -> (Aws, Shared, RestorePlan) {
    let mut before = Estate { clock: 1_000_000_000, ..Estate::default() };
    before.keys = [(KEY.to_owned(), key())].into();
    before.aliases = [("alias/values".to_owned(), KEY.to_owned()), ("alias/mac".to_owned(), KEY.to_owned())].into();
    before.functions = BTreeSet::from([FUNCTION.to_owned()]);
    before.add(secret, Some((&id(1), json!({"SecretString": "CANARY-VALUE"}))));
    let (aws, shared, archived) = backed_up(world(before)).await;
    let summary = back_summary(&aws).await;
    shared.lock().unwrap().estate.clock = 1_000_000_600;
    change(&mut shared.lock().unwrap());
    let plan = planned(&aws, (summary, archived), options).await;
    (aws, shared, plan)
}

fn one(name: &str) -> Secret {
    Secret { name: name.into(), description: Some("d".into()), ..Secret::default() }
}

#[tokio::test]
async fn what_is_there_and_equal_needs_no_step() {
    let (_, _, plan) = plan_for(one("p-a"), &Options::default(), |_| {}).await;
    assert_eq!((plan.steps.len(), plan.context.equal, plan.context.left.len()), (0, 1, 0));
    assert_eq!(planned_report(&plan, None).status(), Status::Ok);
}

#[tokio::test]
async fn what_differs_is_shown_and_only_overwritten_on_request() {
    let change = |world: &mut World| {
        let fake = world.estate.secrets.get_mut("p-a").unwrap();
        fake.secret.description = Some("another".into());
        fake.secret.tags.insert("new".into(), "tag".into());
        fake.secret.resource_policy = Some("{}".into());
        fake.secret.rotation_enabled = Some(true);
        world.estate.put("p-a", &id(9), json!({"SecretString": "later"}));
    };
    let (_, _, plan) = plan_for(one("p-a"), &Options::default(), change).await;
    assert_eq!((plan.steps.len(), reasons(&plan)), (0, vec![("p-a", LeftReason::Differs)]));
    assert_eq!(
        plan.context.left[0].detail,
        format!(
            "Description: \"another\" -> \"d\"; RotationEnabled: on -> off; Tags.new: \"tag\" -> none; ResourcePolicy: {{}} -> none; \
             Value.AWSCURRENT: version {} -> version {}; Value.AWSPREVIOUS: version {} -> none",
            id(9),
            id(1),
            id(1)
        )
    );

    let options = Options { overwrite: true, ..Options::default() };
    let (aws, shared, plan) = plan_for(one("p-a"), &options, change).await;
    let applied = apply(&aws, &plan, None, "alias/values", now()).await.unwrap();
    assert!(applied.iter().all(|step| step.state == State::Done), "{applied:?}");
    let secret = shared.lock().unwrap().estate.secrets["p-a"].secret.clone();
    assert_eq!((secret.description.as_deref(), secret.tags.len()), (Some("d"), 0));
    assert_eq!((secret.resource_policy.as_deref(), secret.rotation_enabled), (None, Some(false)));
    assert_eq!(secret.version_with("AWSCURRENT"), Some(id(1).as_str()));
    // Applied once more, nothing is done again.
    let again = apply(&aws, &plan, None, "alias/values", now()).await.unwrap();
    assert!(again.iter().all(|step| step.state == State::Already), "{again:?}");
}

#[tokio::test]
async fn a_scheduled_deletion_is_taken_back() {
    let (aws, shared, plan) = plan_for(one("p-a"), &Options::default(), |world| {
        world.estate.secrets.get_mut("p-a").unwrap().secret.deleted_date = Some(now());
    })
    .await;
    assert_eq!(actions(&plan), [("p-a", "undelete")]);
    apply(&aws, &plan, None, "alias/values", now()).await.unwrap();
    assert_eq!(shared.lock().unwrap().estate.secrets["p-a"].secret.deleted_date, None);
}

#[tokio::test]
async fn what_a_restore_must_not_or_cannot_do_is_left_and_said() {
    let gone = |world: &mut World| world.estate.secrets.clear();
    let locked = json!({"Statement": {"Effect": "Deny", "Principal": "*", "Action": "*", "Resource": "*"}}).to_string();
    let rotated = Secret { rotation_enabled: Some(true), rotation_lambda_arn: Some(FUNCTION.into()), ..one("p-a") };
    /// A secret, what happens to the estate, what is left, and how many steps there are.
    type Case = (Secret, fn(&mut World), Vec<LeftReason>, usize);
    let cases: Vec<Case> = vec![
        (Secret { owning_service: Some("rds".into()), ..one("p-a") }, gone, vec![LeftReason::ManagedByService], 0),
        (Secret { primary_region: Some("us-east-1".into()), ..one("p-a") }, gone, vec![LeftReason::WasReplica], 0),
        (
            one("p-a"),
            |world| world.estate.secrets.get_mut("p-a").unwrap().secret.primary_region = Some("us-east-1".into()),
            vec![LeftReason::NameIsReplica],
            0,
        ),
        (
            Secret { kms_key_id: Some(KEY.into()), ..one("p-a") },
            |world| {
                world.estate.secrets.clear();
                world.estate.keys.get_mut(KEY).unwrap().state = "PendingDeletion".into();
            },
            vec![LeftReason::KeyMissing],
            0,
        ),
        (
            Secret { kms_key_id: Some(KEY.into()), ..one("p-a") },
            |world| {
                world.estate.secrets.clear();
                world.faults.push(Fault::of("DescribeKey", "", "AccessDeniedException", 400));
            },
            vec![LeftReason::KeyUnknown],
            0,
        ),
        (
            rotated.clone(),
            |world| {
                world.estate.secrets.clear();
                world.estate.functions.clear();
            },
            vec![LeftReason::RotationFunctionMissing],
            1,
        ),
        (
            rotated,
            |world| {
                world.estate.secrets.clear();
                world.faults.push(Fault::of("GetFunctionConfiguration", "", "AccessDeniedException", 403));
            },
            vec![LeftReason::RotationFunctionUnknown],
            1,
        ),
        (Secret { resource_policy: Some(locked), ..one("p-a") }, gone, vec![LeftReason::PolicyLocksOut], 1),
        (
            Secret { tags: [("aws:cloudformation:stack-name".to_owned(), "s".to_owned())].into(), ..one("p-a") },
            gone,
            vec![LeftReason::TagsLeftOut],
            1,
        ),
        (
            one("p-a"),
            |world| world.faults.push(Fault::of("DescribeSecret", "", "AccessDeniedException", 400)),
            vec![LeftReason::LiveUnknown],
            0,
        ),
    ];
    for (secret, change, left, steps) in cases {
        let (_, _, plan) = plan_for(secret, &Options::default(), change).await;
        let got: Vec<LeftReason> = plan.context.left.iter().map(|left| left.reason).collect();
        assert_eq!((got, plan.steps.len()), (left.clone(), steps), "{left:?}");
        assert_ne!(planned_report(&plan, None).status(), Status::Ok, "{left:?}");
    }
}

#[tokio::test]
async fn keys_and_names_can_be_mapped() {
    let options = Options {
        kms_map: [("lost".to_owned(), KEY.to_owned())].into(),
        rename: Some(("p-".into(), "stage-".into())),
        ..Options::default()
    };
    let secret = Secret { kms_key_id: Some("lost".into()), ..one("p-a") };
    let (aws, shared, plan) = plan_for(secret, &options, |_| {}).await;
    assert_eq!(actions(&plan), [("stage-a", "create-with-value")]);
    apply(&aws, &plan, None, "alias/values", now()).await.unwrap();
    let world = shared.lock().unwrap();
    assert_eq!(world.estate.secrets["stage-a"].secret.kms_key_id.as_deref(), Some(KEY));
    assert!(world.estate.secrets.contains_key("p-a"), "the original is untouched");
}

#[tokio::test]
async fn what_changed_since_the_plan_is_refused() {
    let (aws, shared, plan) = plan_for(one("p-a"), &Options::default(), |world| world.estate.secrets.clear()).await;
    // Somebody made it meanwhile, otherwise than planned.
    shared.lock().unwrap().estate.add(Secret { description: Some("mine".into()), ..one("p-a") }, None);
    let applied = apply(&aws, &plan, None, "alias/values", now()).await.unwrap();
    assert_eq!(applied[0].state, State::Refused);
    assert!(applied[0].detail.starts_with("changed since the plan was made"), "{}", applied[0].detail);
    assert_eq!(shared.lock().unwrap().changes, 0);
    let report = applied_report(&plan, &applied, now());
    assert_eq!((report.status(), report.items[0].verdict), (Status::Incomplete, "refused"));
}

#[tokio::test]
async fn a_permission_lost_half_way_stops_that_secret_and_is_said() {
    let secret = Secret {
        resource_policy: Some(json!({"Statement": []}).to_string()),
        rotation_enabled: Some(true),
        rotation_lambda_arn: Some(FUNCTION.into()),
        ..one("p-a")
    };
    let (aws, shared, plan) = plan_for(secret, &Options::default(), |world| world.estate.secrets.clear()).await;
    shared.lock().unwrap().faults.push(Fault::of("PutResourcePolicy", "", "AccessDeniedException", 400));
    let applied = apply(&aws, &plan, None, "alias/values", now()).await.unwrap();
    let states: Vec<State> = applied.iter().map(|step| step.state).collect();
    assert_eq!(states, [State::Done, State::Failed, State::Skipped]);
    assert!(applied[1].detail.contains("AccessDeniedException"));
    shared.lock().unwrap().faults.clear();
    let again: Vec<State> =
        apply(&aws, &plan, None, "alias/values", now()).await.unwrap().iter().map(|step| step.state).collect();
    assert_eq!(again, [State::Already, State::Done, State::Done]);
}

#[tokio::test]
async fn a_damaged_backup_is_refused_before_anything_is_done() {
    let (aws, shared, _) = backed_up(world(estate())).await;
    let key = shared.lock().unwrap().objects.keys().find(|key| key.ends_with(".tar.gz")).unwrap().clone();
    shared.lock().unwrap().objects.get_mut(&key).unwrap()[200] ^= 1;
    let (opened, _) = crate::runbook::backup::fetch::fetch(&aws, &settings().bucket, &key).await.unwrap();
    let error = load(opened, &|_| true).unwrap_err();
    assert!(error.to_string().starts_with("the backup is damaged, and nothing is restored from it:\n  "), "{error}");
}

async fn drilled(
    aws: &Aws,
    archived: (Summary, Vec<Archived>),
    values: bool,
) -> Result<Report, crate::runbook::JobError> {
    let place = place();
    drill(
        Drill {
            aws,
            place: &place,
            prefix: "secrets-ops-drill/",
            values: values.then_some("alias/values"),
            now: now(),
            deadline: later(),
        },
        archived,
    )
    .await
}

#[tokio::test]
async fn a_drill_proves_the_backup_and_leaves_nothing() {
    let (aws, shared, archived) = backed_up(world(estate())).await;
    let before = shared.lock().unwrap().estate.secrets.clone();
    let report = drilled(&aws, (back_summary(&aws).await, archived), true).await.unwrap();
    assert_eq!((report.status(), report.coverage), (Status::Ok, Coverage { wanted: 5, seen: 5 }), "{report:?}");
    assert_eq!(report.items.iter().filter(|item| item.verdict == "restored").count(), 5);
    let world = shared.lock().unwrap();
    assert_eq!(world.estate.secrets, before, "live secrets are as they were, and nothing else is there");
    assert!(world.calls["CreateSecret"] == 5 && !world.calls.contains_key("RotateSecret"));
}

#[tokio::test]
async fn a_drill_finds_what_would_not_restore_and_cleans_up_all_the_same() {
    let (aws, shared, archived) = backed_up(world(estate())).await;
    let summary = back_summary(&aws).await;
    shared.lock().unwrap().estate.keys.remove(OWN_KEY);
    shared.lock().unwrap().faults.push(Fault::of("CreateSecret", "p-binary", "AccessDeniedException", 400));
    let report = drilled(&aws, (summary, archived), false).await.unwrap();
    let found: Vec<(&str, &str)> =
        report.findings.iter().map(|finding| (finding.subject.as_str(), finding.check)).collect();
    assert_eq!(found, [("p-binary", "restore-proven"), ("p-database", "restore-proven")]);
    assert_eq!(report.items.iter().filter(|item| item.outcome == Outcome::Fail).count(), 2);
    assert!(shared.lock().unwrap().estate.secrets.keys().all(|name| !name.starts_with("secrets-ops-drill/")));
}

#[tokio::test]
async fn a_drill_sweeps_what_a_dead_one_left_and_touches_nobody_elses() {
    let (aws, shared, archived) = backed_up(world(estate())).await;
    let summary = back_summary(&aws).await;
    let mark = [("secrets-ops:drill".to_owned(), String::new())].into();
    shared.lock().unwrap().estate.add(Secret { tags: mark, ..one("secrets-ops-drill/old/x") }, None);
    drilled(&aws, (summary.clone(), archived), false).await.unwrap();
    assert!(!shared.lock().unwrap().estate.secrets.contains_key("secrets-ops-drill/old/x"));

    shared.lock().unwrap().estate.add(one("secrets-ops-drill/live"), None);
    let changes = shared.lock().unwrap().changes;
    let error = drilled(&aws, (summary, Vec::new()), false).await.unwrap_err();
    assert!(error.to_string().contains("1 secrets that no drill has made are under the drill's prefix"), "{error}");
    assert_eq!(shared.lock().unwrap().changes, changes, "nothing was done");
}

#[tokio::test]
async fn an_empty_backup_proves_nothing() {
    let (aws, _, _) = backed_up(world(estate())).await;
    let report = drilled(&aws, (back_summary(&aws).await, Vec::new()), false).await.unwrap();
    assert_eq!(report.status(), Status::Incomplete);
}

#[tokio::test]
async fn an_older_value_never_passes_for_the_current_one() {
    let (aws, shared, mut archived) = backed_up(world(estate())).await;
    let summary = back_summary(&aws).await;
    // The current value could not be read when the backup was made.
    let database = archived.iter_mut().find(|archived| archived.secret.name == "p-database").unwrap();
    database.values.as_mut().unwrap().versions.retain(|value| value.version_stages == ["AWSPREVIOUS"]);
    shared.lock().unwrap().estate.secrets.clear();
    let plan = planned(&aws, (summary, archived), &Options::default()).await;
    assert_eq!(plan.steps[0].action.name(), "create-without-value");
    assert_eq!(reasons(&plan)[0], ("p-database", LeftReason::ValueMissing));
}

#[tokio::test]
async fn with_the_configuration_alone_no_value_is_put_or_moved() {
    let options = Options { configuration: true, overwrite: true, ..Options::default() };
    let later = |world: &mut World| world.estate.put("p-a", &id(9), json!({"SecretString": "later"}));
    let (_, _, plan) = plan_for(one("p-a"), &options, later).await;
    assert_eq!((plan.steps.len(), plan.context.equal), (0, 1));
    let (_, _, plan) = plan_for(one("p-a"), &options, |world| world.estate.secrets.clear()).await;
    assert_eq!(actions(&plan), [("p-a", "create-without-value")]);
}

#[tokio::test]
async fn a_drill_that_could_not_look_proves_nothing() {
    let (aws, shared, archived) = backed_up(world(estate())).await;
    let summary = back_summary(&aws).await;
    shared.lock().unwrap().faults.push(Fault::of("GetResourcePolicy", "p-binary", "AccessDeniedException", 400));
    let report = drilled(&aws, (summary, archived), false).await.unwrap();
    assert_eq!((report.status(), report.gaps.len(), report.coverage.seen), (Status::Incomplete, 1, 4));
    assert_eq!(report.gaps[0].subject, "p-binary");
    assert!(shared.lock().unwrap().estate.secrets.keys().all(|name| !name.starts_with("secrets-ops-drill/")));
}

#[tokio::test]
async fn a_drill_under_an_alias_and_with_fifty_tags_succeeds() {
    let mut estate = Estate { clock: 1_000_000_000, ..Estate::default() };
    estate.keys = [(KEY.to_owned(), key())].into();
    estate.aliases = ["alias/values", "alias/mac", "alias/own"].map(|alias| (alias.to_owned(), KEY.to_owned())).into();
    let tags = (0..50).map(|n| (format!("tag-{n:02}"), "v".to_owned())).collect();
    estate.add(Secret { kms_key_id: Some("alias/own".into()), tags, ..one("p-a") }, None);
    let (aws, _, archived) = backed_up(world(estate)).await;
    let report = drilled(&aws, (back_summary(&aws).await, archived), false).await.unwrap();
    assert_eq!(report.status(), Status::Ok, "{report:?}");
}

#[tokio::test]
async fn a_copy_that_failed_is_not_there_and_keeps_rotation_from_nothing() {
    let copied = |status: &str| {
        vec![Replica { region: Some("us-east-1".into()), status: Some(status.into()), ..Replica::default() }]
    };
    let secret = Secret {
        replication_status: copied("InSync"),
        rotation_enabled: Some(true),
        rotation_lambda_arn: Some(FUNCTION.into()),
        ..one("p-a")
    };
    let (_, _, plan) = plan_for(secret.clone(), &Options::default(), |world| {
        world.estate.secrets.get_mut("p-a").unwrap().secret.replication_status[0].status = Some("Failed".into());
    })
    .await;
    assert_eq!(reasons(&plan), [("p-a", LeftReason::Differs)]);

    let (aws, shared, plan) = plan_for(secret, &Options::default(), |world| world.estate.secrets.clear()).await;
    shared.lock().unwrap().faults.push(Fault::of("ReplicateSecretToRegions", "", "InternalServiceError", 400));
    let applied = apply(&aws, &plan, None, "alias/values", now()).await.unwrap();
    let states: Vec<State> = applied.iter().map(|step| step.state).collect();
    assert_eq!(states, [State::Done, State::Failed, State::Done], "rotation is on although the other Region is down");
}

#[tokio::test]
async fn what_comes_back_from_deletion_is_looked_at_again() {
    let (_, _, plan) = plan_for(one("p-a"), &Options { overwrite: true, ..Options::default() }, |world| {
        let fake = world.estate.secrets.get_mut("p-a").unwrap();
        fake.secret.deleted_date = Some(now());
        fake.secret.resource_policy = Some("{}".into());
    })
    .await;
    assert_eq!(actions(&plan), [("p-a", "undelete")]);
    assert_eq!(reasons(&plan), [("p-a", LeftReason::ComesBackFirst)]);
}
