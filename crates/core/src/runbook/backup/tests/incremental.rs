//! Policies that are taken over from an earlier backup, and those that are not.

use super::*;
use crate::aws::fake::Estate;
use crate::runbook::backup::fetch::fetch;

fn estate() -> Estate {
    let mut estate = Estate { clock: 1_000_000_000, ..Estate::default() };
    for name in ["a", "b", "c"] {
        let resource_policy = (name != "c").then(|| format!("policy of {name}"));
        estate.add(Secret { name: name.into(), resource_policy, ..Secret::default() }, None);
    }
    estate
}

/// The n-th night's backup.
async fn night(aws: &Aws, every: u64, night: i64) -> Answer {
    let settings = settings();
    let (own, destination) = (BackupSettings { full_pass_every: every, ..plain() }, in_bucket(&settings));
    let now = now() + jiff::SignedDuration::from_hours(24 * night);
    run(Job { now, ..job(aws, &settings, &own, &destination) }).await.unwrap()
}

async fn policies(aws: &Aws, answer: &Answer) -> Vec<(String, Option<String>, bool)> {
    let mut all = Vec::new();
    let opened = fetch(aws, &settings().bucket, &answer.artefacts[0]).await.unwrap().0;
    let readout = read(opened, &mut |piece| {
        if let Piece::Secret(secret) = piece {
            all.push((secret.name, secret.resource_policy, secret.resource_policy_as_of.is_some()));
        }
    });
    assert_eq!(readout.faults.len(), 0);
    all
}

#[tokio::test]
async fn only_what_changed_is_read_until_the_full_pass_is_due() {
    let (aws, shared) = clients(World { estate: estate(), ..World::default() });
    let calls = || shared.lock().unwrap().calls.get("GetResourcePolicy").copied().unwrap_or_default();
    let first = night(&aws, 3, 0).await;
    assert_eq!((calls(), first.counts.contains_key("policies-reused")), (3, false), "there is nothing to take over");

    shared.lock().unwrap().estate.put("b", &"v".repeat(36), serde_json::json!({"SecretString": "x"}));
    shared.lock().unwrap().estate.secrets.get_mut("b").unwrap().secret.resource_policy = Some("new".into());
    let second = night(&aws, 3, 1).await;
    assert_eq!((calls(), second.counts["policies-reused"]), (4, 2));
    let want = |b_reused| {
        vec![
            ("a".to_owned(), Some("policy of a".to_owned()), true),
            ("b".to_owned(), Some("new".to_owned()), b_reused),
            ("c".to_owned(), None, true),
        ]
    };
    assert_eq!(policies(&aws, &second).await, want(false));
    let third = night(&aws, 3, 2).await;
    assert_eq!((calls(), third.counts["policies-reused"]), (4, 3));
    assert_eq!(policies(&aws, &third).await, want(true));

    let fourth = night(&aws, 3, 3).await;
    assert_eq!((calls(), fourth.counts.contains_key("policies-reused")), (7, false), "all are read again");
    assert!(policies(&aws, &fourth).await.iter().all(|(_, _, reused)| !reused));
}

#[tokio::test]
async fn by_default_every_run_reads_every_policy() {
    let (aws, shared) = clients(World { estate: estate(), ..World::default() });
    night(&aws, 1, 0).await;
    night(&aws, 1, 1).await;
    assert_eq!(shared.lock().unwrap().calls["GetResourcePolicy"], 6);
}

#[tokio::test]
async fn a_damaged_base_and_an_unread_policy_are_read_anew() {
    let (aws, shared) = clients(World { estate: estate(), ..World::default() });
    shared
        .lock()
        .unwrap()
        .faults
        .push(Fault { times: 1, ..Fault::of("GetResourcePolicy", "a-", "AccessDeniedException", 400) });
    night(&aws, 3, 0).await;
    let second = night(&aws, 3, 1).await;
    assert_eq!((second.status, second.counts["policies-reused"]), (Status::Ok, 2), "what was not read is no base");

    let key = second.artefacts[0].clone();
    shared.lock().unwrap().objects.get_mut(&key).unwrap()[100] ^= 1;
    let third = night(&aws, 3, 2).await;
    assert_eq!((third.status, third.counts.contains_key("policies-reused")), (Status::Ok, false));
}

#[tokio::test]
async fn a_base_that_may_not_be_read_costs_time_and_no_backup() {
    let (aws, shared) = clients(World { estate: estate(), ..World::default() });
    night(&aws, 3, 0).await;
    shared.lock().unwrap().faults.push(Fault::of("GetObject", "daily-backups/", "AccessDenied", 403));
    let second = night(&aws, 3, 1).await;
    assert_eq!((second.status, second.counts.contains_key("policies-reused")), (Status::Ok, false));
}
