//! Backups that take more than one invocation: nothing lost, nothing twice, and as fast as the quota lets them be.

use std::collections::BTreeMap;

use super::*;
use crate::aws::fake::Estate;
use crate::runbook::backup::fetch::fetch;

fn estate(number: usize) -> Estate {
    let mut estate = Estate { clock: 1_000_000_000, ..Estate::default() };
    for n in 0..number {
        estate.add(Secret { name: format!("s-{n:05}"), ..Secret::default() }, None);
    }
    estate
}

/// Runs chunk after chunk, each for `seconds`, as the state machine does. Gives the answers.
async fn in_chunks(aws: &Aws, seconds: u64, mut before: impl FnMut(u32)) -> Vec<Answer> {
    let settings = settings();
    let (own, destination) = (plain(), in_bucket(&settings));
    let mut chunk = Chunk { run: None, part: 1 };
    let mut answers = Vec::new();
    loop {
        before(chunk.part);
        let deadline = Instant::now() + Duration::from_secs(seconds);
        let job = Job { chunk: Some(&chunk), deadline, ..job(aws, &settings, &own, &destination) };
        let answer = Box::pin(run(job)).await.unwrap();
        let more = answer.more.clone();
        answers.push(answer);
        match more {
            Some(next) => chunk = next,
            None => return answers,
        }
    }
}

/// Every name in the backup, and how often; and its report.
async fn proven(aws: &Aws) -> (BTreeMap<String, usize>, Report) {
    let bucket = settings().bucket;
    let mut names = BTreeMap::new();
    let readout = read(fetch(aws, &bucket, KEY).await.unwrap().0, &mut |piece| {
        if let Piece::Secret(secret) = piece {
            *names.entry(secret.name).or_default() += 1;
        }
    });
    assert_eq!(readout.faults.len(), 0, "{:?}", readout.faults);
    (names, crate::runbook::backup::verify(fetch(aws, &bucket, KEY).await.unwrap().0, "ap-northeast-1", now()))
}

#[tokio::test(start_paused = true)]
async fn a_large_estate_goes_on_and_keeps_to_the_quota() {
    const NUMBER: usize = 1_500;
    let world = World { estate: estate(NUMBER), page: 100, rate: Some(48.0), quota: Some(50), ..World::default() };
    let (aws, shared) = clients(world);
    let start = Instant::now();
    let answers = in_chunks(&aws, 10, |_| {}).await;
    let (elapsed, bound) = (start.elapsed().as_secs_f64(), NUMBER as f64 / 50.0);
    assert!(elapsed < bound * 1.05, "{elapsed} s, where the quota allows {bound} s");
    assert!(answers.len() >= 3, "{}", answers.len());
    let last = answers.last().unwrap();
    assert_eq!((last.status, last.success, last.counts["written"]), (Status::Ok, true, NUMBER as u64));
    assert!(answers[..answers.len() - 1].iter().all(|answer| !answer.success && answer.more.is_some()));
    assert_eq!(shared.lock().unwrap().calls.get("throttled"), None, "the pace stays below the quota");

    let (names, report) = proven(&aws).await;
    assert_eq!((names.len(), names.values().max()), (NUMBER, Some(&1)), "nothing lost, nothing twice");
    assert_eq!((report.status(), report.coverage), (Status::Ok, Coverage { wanted: 1500, seen: 1500 }));
    let sealed: Manifest = serde_json::from_str(&shared.lock().unwrap().text(MANIFEST)).unwrap();
    assert_eq!(sealed.summary.parts.len(), answers.len());
    assert!(shared.lock().unwrap().notices.is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_expired_token_costs_time_and_no_secret() {
    let world = World { estate: estate(300), page: 20, rate: Some(40.0), ..World::default() };
    let (aws, shared) = clients(world);
    let answers = in_chunks(&aws, 3, |part| {
        let mut world = shared.lock().unwrap();
        if part > 1 {
            // Only the token that the last chunk has left; those of this chunk are good.
            world.faults = vec![Fault { times: 1, ..Fault::of("ListSecrets", "", "InvalidNextTokenException", 400) }];
        }
    })
    .await;
    assert!(answers.len() >= 3);
    let (names, report) = proven(&aws).await;
    assert_eq!((names.len(), names.values().max(), report.status()), (300, Some(&1), Status::Ok));
}

#[tokio::test(start_paused = true)]
async fn a_chunk_too_short_to_pass_the_old_part_of_the_list_still_gets_on() {
    // A page takes 20 ms: the 50 pages that the first chunk has read are a second, three times as long as the later ones.
    let world = World { estate: estate(200), page: 2, rate: Some(50.0), ..World::default() };
    let (aws, shared) = clients(world);
    let settings = settings();
    let (own, destination) = (plain(), in_bucket(&settings));
    let (mut chunk, mut runs, mut expired) = (Chunk { run: None, part: 1 }, 0, None);
    loop {
        runs += 1;
        assert!(runs < 40, "it goes in circles");
        let millis = if runs == 1 { 2_000 } else { 350 };
        if runs > 1 {
            let mut world = shared.lock().unwrap();
            let notes = world.objects.iter().filter(|(key, _)| key.starts_with("runs/backup/"));
            let note: serde_json::Value = serde_json::from_slice(notes.max().unwrap().1).unwrap();
            let page = note["cursor"]["page"].clone();
            // The token that the first chunk has left is worth nothing any more.
            if *expired.get_or_insert_with(|| page.clone()) == page {
                let fault = Fault::of("ListSecrets", "", "InvalidNextTokenException", 400);
                world.faults = vec![Fault { times: 1, ..fault }];
            }
        }
        let deadline = Instant::now() + Duration::from_millis(millis);
        let job = Job { chunk: Some(&chunk), deadline, ..job(&aws, &settings, &own, &destination) };
        match Box::pin(run(job)).await.unwrap().more {
            Some(next) => chunk = next,
            None => break,
        }
    }
    let (names, report) = proven(&aws).await;
    assert_eq!((names.len(), names.values().max(), report.status()), (200, Some(&1), Status::Ok));
}

#[tokio::test(start_paused = true)]
async fn what_a_dead_attempt_left_is_passed_by() {
    let world = World { estate: estate(200), page: 20, rate: Some(40.0), ..World::default() };
    let (aws, shared) = clients(world);
    let dead = "daily-backups/secrets-backup-20261122_020000.part-0002.tar.gz";
    let answers = in_chunks(&aws, 3, |part| {
        if part == 2 {
            shared.lock().unwrap().objects.insert(dead.to_owned(), b"half".to_vec());
        }
    })
    .await;
    assert!(answers[1].artefacts[0].ends_with(".part-0002-2.tar.gz"), "{:?}", answers[1].artefacts);
    let (names, report) = proven(&aws).await;
    assert_eq!((names.len(), report.status()), (200, Status::Ok));
    assert_eq!(shared.lock().unwrap().objects[dead], b"half", "nothing that is there is overwritten");
    let settings = settings();
    let listed = history(&aws, &settings.bucket, &settings.time_zone).await.unwrap();
    assert_eq!(listed.len(), 1, "{listed:?}");
    assert_eq!((listed[0].key.as_str(), listed[0].parts, listed[0].is_complete()), (KEY, answers.len(), true));
    assert_eq!(latest(&listed).unwrap().key, KEY);
}

#[tokio::test(start_paused = true)]
async fn a_small_estate_pays_nothing_for_it() {
    let (aws, shared) = clients(World { estate: estate(3), ..World::default() });
    let answers = in_chunks(&aws, 600, |_| {}).await;
    assert_eq!((answers.len(), answers[0].status), (1, Status::Ok));
    let keys: Vec<String> = shared.lock().unwrap().objects.keys().cloned().collect();
    assert_eq!(keys, [MANIFEST, KEY], "one archive and its manifest, and no note of progress");
}

#[tokio::test(start_paused = true)]
async fn a_gap_in_any_part_is_a_gap_of_the_whole() {
    let mut world = World { estate: estate(200), page: 20, rate: Some(40.0), ..World::default() };
    world.faults.push(Fault::of("GetResourcePolicy", "s-00003-", "AccessDeniedException", 400));
    let (aws, shared) = clients(world);
    let answers = in_chunks(&aws, 3, |_| {}).await;
    let last = answers.last().unwrap();
    assert_eq!((last.status, last.success, last.counts["gaps"]), (Status::Incomplete, false, 1));
    assert_eq!(last.gaps[0].subject, "s-00003", "the last answer names what the first part lacked");
    assert_eq!(proven(&aws).await.1.status(), Status::Incomplete);
    assert_eq!(shared.lock().unwrap().notices.len(), 1);
}

#[tokio::test]
async fn a_chunk_of_no_run_is_refused() {
    let (aws, shared) = clients(World { estate: estate(3), ..World::default() });
    let settings = settings();
    let (own, destination) = (plain(), in_bucket(&settings));
    let chunk = Chunk { run: Some("secrets-backup-20200101_000000".into()), part: 2 };
    let error = run(Job { chunk: Some(&chunk), ..job(&aws, &settings, &own, &destination) }).await.unwrap_err();
    assert!(
        matches!(&error, JobError::BadEvent(why) if why.contains("cannot go on: there is no runs/backup/")),
        "{error}"
    );
    assert!(shared.lock().unwrap().objects.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_last_part_that_is_done_again_finds_the_backup_sealed() {
    let world = World { estate: estate(200), page: 20, rate: Some(40.0), ..World::default() };
    let (aws, shared) = clients(world);
    let answers = in_chunks(&aws, 3, |_| {}).await;
    let (before, settings) = (shared.lock().unwrap().objects.len(), settings());
    let (own, destination) = (plain(), in_bucket(&settings));
    let part = answers.len() as u32;
    let chunk = Chunk { run: Some(NAME.to_owned()), part };
    let again = run(Job { chunk: Some(&chunk), ..job(&aws, &settings, &own, &destination) }).await.unwrap();
    assert_eq!((again.status, again.success, again.counts["written"]), (Status::Ok, true, 200));
    assert_eq!(shared.lock().unwrap().objects.len(), before, "nothing is written again");
}

#[tokio::test(start_paused = true)]
async fn an_invocation_that_got_nothing_does_not_ask_for_another() {
    let world = World { estate: estate(5), page: 2, ..World::default() };
    let (aws, shared) = clients(world);
    shared.lock().unwrap().faults.push(Fault::of("ListSecrets", "", "ThrottlingException", 400));
    let settings = settings();
    let (own, destination) = (plain(), in_bucket(&settings));
    let (chunk, deadline) = (Chunk { run: None, part: 1 }, Instant::now() + Duration::from_secs(5));
    let error =
        run(Job { chunk: Some(&chunk), deadline, ..job(&aws, &settings, &own, &destination) }).await.unwrap_err();
    assert!(matches!(error, JobError::Refused(_)), "{error}");
}
