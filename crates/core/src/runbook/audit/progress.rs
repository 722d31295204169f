//! What IAM said to a run whose budget or time ended before all was asked: the next run, by hand or a day later, goes on
//! from there.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::Evidence;
use crate::aws::Aws;
use crate::aws::s3::{self, Expect};
use crate::model::ReaderFacts;
use crate::settings::Settings;

const OBJECT: &str = "state/simulations.json";

/// Older answers may be about policies that have changed since.
const LONGEST: SignedDuration = SignedDuration::from_hours(24);

#[derive(Serialize, Deserialize)]
struct Progress {
    at: Timestamp,
    facts: Option<ReaderFacts>,
}

/// What an unfinished run of the last day left. Without it all is asked anew, which is slower and no less true.
pub(super) async fn recall(aws: &Aws, settings: &Settings, now: Timestamp) -> Option<ReaderFacts> {
    let found = s3::get(aws, &settings.bucket, OBJECT).await.ok()??;
    let progress: Progress = serde_json::from_slice(&found.bytes).ok()?;
    progress.facts.filter(|_| now.duration_since(progress.at) <= LONGEST)
}

/// Keeps what an unfinished run has, and forgets it once all has been asked.
pub(super) async fn keep(aws: &Aws, settings: &Settings, evidence: &Evidence) {
    let facts = evidence.readers.unfinished.is_some().then(|| evidence.readers.clone());
    let body = serde_json::to_vec(&Progress { at: evidence.as_of, facts }).unwrap_or_default();
    if let Err(error) = s3::put(aws, &settings.bucket, OBJECT, "application/json", body, Expect::Anything).await {
        tracing::warn!(%error, "how far the simulations got could not be kept; the next run begins anew");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::fake::{World, clients};
    use crate::model::unread;

    #[tokio::test]
    async fn an_unfinished_run_is_taken_up_for_a_day_and_a_finished_one_is_not() {
        let (aws, _) = clients(World::default());
        let settings = Settings::read(&|_| None).unwrap();
        let now: Timestamp = "2026-11-22T00:00:00Z".parse().unwrap();
        assert!(recall(&aws, &settings, now).await.is_none());
        let mut evidence = Evidence::none("1", "r", now);
        evidence.readers.unfinished = Some(unread("iam:SimulatePrincipalPolicy"));
        evidence.readers.calls = 7;
        keep(&aws, &settings, &evidence).await;
        assert_eq!(recall(&aws, &settings, now + LONGEST).await.unwrap().calls, 7);
        let late = now + LONGEST + SignedDuration::from_secs(1);
        assert!(recall(&aws, &settings, late).await.is_none());
        evidence.readers.unfinished = None;
        keep(&aws, &settings, &evidence).await;
        assert!(recall(&aws, &settings, now).await.is_none());
    }
}
