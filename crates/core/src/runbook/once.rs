//! Does a scheduled job once, although EventBridge Scheduler may deliver its event twice, even at the same time.
//!
//! A marker in S3, named after schedule and scheduled time, is made with `If-None-Match: *` and replaced with
//! `If-Match`, so that exactly one invocation owns it at any moment. A run that died leaves a marker that names the
//! moment from which another may take over.

use std::future::Future;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Answer, JobError, ledger};
use crate::aws::s3::{self, Bucket, Expect};
use crate::aws::{Aws, AwsError, Class};
use crate::model::Status;

/// IAM actions of every scheduled job, on `runs/*` of the bucket; `kms:*` are used by S3 on our behalf.
pub const IAM_ACTIONS: &[&str] = &["s3:PutObject", "s3:GetObject", "kms:GenerateDataKey", "kms:Decrypt"];

#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
enum Marker {
    Running {
        until: Timestamp,
        /// The invocation that owns it.
        owner: String,
    },
    Done {
        answer: Box<Answer>,
    },
    Failed {
        error: String,
    },
}

enum Claim {
    Ours {
        etag: String,
    },
    Done(Box<Answer>),
    /// Another invocation is at it.
    Busy,
}

/// One delivery of an event.
#[derive(Clone, Copy, Debug)]
pub struct Delivery<'a> {
    /// The job that it asks for.
    pub job: &'a str,
    /// What both deliveries of one event have in common; absent for calls by hand, which always run.
    pub key: Option<&'a str>,
    /// This invocation's own id.
    pub owner: &'a str,
    /// When it came.
    pub now: Timestamp,
    /// The latest moment at which this invocation can still be alive.
    pub until: Timestamp,
}

/// Runs `work` unless the event has been, or is being, worked on.
pub async fn once(
    aws: &Aws,
    bucket: &Bucket,
    delivery: Delivery<'_>,
    work: impl Future<Output = Result<Answer, JobError>>,
) -> Result<Answer, JobError> {
    let Delivery { job, key, now, .. } = delivery;
    let Some(key) = key else {
        let result = work.await;
        note_success(aws, bucket, job, now, &result).await;
        return result;
    };
    let object = format!("runs/{job}/{}.json", hex(&Sha256::digest(key.as_bytes())[..16]));
    match claim(aws, bucket, &object, delivery).await? {
        Claim::Done(answer) => Ok(Answer { status: Status::AlreadyDone, ..*answer }),
        Claim::Busy => Ok(Answer { success: false, ..Answer::new(job, Status::AlreadyDone) }),
        Claim::Ours { etag } => {
            let result = work.await;
            let marker = match &result {
                Ok(answer) => Marker::Done { answer: Box::new(answer.clone()) },
                Err(error) => Marker::Failed { error: error.to_string() },
            };
            // The work stands whether or not it can be noted; at worst a second delivery repeats it.
            if let Err(error) = put(aws, bucket, &object, &marker, Expect::Etag(&etag)).await {
                tracing::warn!(%error, key = object, "the run's marker could not be updated");
            }
            note_success(aws, bucket, job, now, &result).await;
            result
        }
    }
}

/// A run by hand counts too: it is how a missed one is made good.
async fn note_success(aws: &Aws, bucket: &Bucket, job: &str, now: Timestamp, result: &Result<Answer, JobError>) {
    if result.as_ref().is_ok_and(|answer| answer.success)
        && let Err(error) = ledger::note(aws, bucket, job, now).await
    {
        tracing::warn!(%error, job, "the job's success could not be noted");
    }
}

async fn claim(aws: &Aws, bucket: &Bucket, object: &str, delivery: Delivery<'_>) -> Result<Claim, AwsError> {
    let Delivery { owner, now, until, .. } = delivery;
    let running = Marker::Running { until, owner: owner.to_owned() };
    match put(aws, bucket, object, &running, Expect::Absent).await {
        Ok(etag) => return Ok(Claim::Ours { etag }),
        Err(error) if error.class == Class::Conflict => {}
        Err(error) => return Err(error),
    }
    let Some(found) = s3::get(aws, bucket, object).await? else { return Ok(Claim::Busy) };
    match serde_json::from_slice(&found.bytes) {
        Ok(Marker::Done { answer }) => return Ok(Claim::Done(answer)),
        // Our own: the answer to writing it was lost, and the SDK's second attempt met the first.
        Ok(Marker::Running { owner: theirs, .. }) if theirs == owner => return Ok(Claim::Ours { etag: found.etag }),
        Ok(Marker::Running { until, .. }) if until > now => return Ok(Claim::Busy),
        // Failed, dead, or not ours to understand: take over.
        _ => {}
    }
    match put(aws, bucket, object, &running, Expect::Etag(&found.etag)).await {
        Ok(etag) => Ok(Claim::Ours { etag }),
        Err(error) if error.class == Class::Conflict => Ok(Claim::Busy),
        Err(error) => Err(error),
    }
}

async fn put(
    aws: &Aws,
    bucket: &Bucket,
    object: &str,
    marker: &Marker,
    expect: Expect<'_>,
) -> Result<String, AwsError> {
    // Strings, numbers and dates only: serialising cannot fail, and an empty marker reads as one to take over.
    let body = serde_json::to_vec(marker).unwrap_or_default();
    s3::put(aws, bucket, object, "application/json", body, expect).await
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::aws::fake::{Fault, LOST, World, clients};
    use crate::settings::Settings;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    struct Fixture {
        aws: Aws,
        shared: crate::aws::fake::Shared,
        bucket: Bucket,
        runs: AtomicUsize,
        asked: AtomicUsize,
    }

    impl Fixture {
        fn new(faults: Vec<Fault>) -> Self {
            let (aws, shared) = clients(World { faults, ..World::default() });
            let bucket = Settings::read(&|_| None).unwrap().bucket;
            Self { aws, shared, bucket, runs: AtomicUsize::new(0), asked: AtomicUsize::new(0) }
        }

        async fn deliver(&self, key: Option<&str>, now: i64, fails: bool) -> Result<Answer, JobError> {
            let work = async {
                self.runs.fetch_add(1, Ordering::SeqCst);
                // Both of two deliveries at once get to claim before either is done.
                tokio::task::yield_now().await;
                if fails { Err(JobError::BadEvent("x".into())) } else { Ok(Answer::new("backup-daily", Status::Ok)) }
            };
            let owner = format!("invocation {}", self.asked.fetch_add(1, Ordering::SeqCst));
            let delivery = Delivery { job: "backup-daily", key, owner: &owner, now: at(now), until: at(now + 900) };
            once(&self.aws, &self.bucket, delivery, work).await
        }

        fn runs(&self) -> usize {
            self.runs.load(Ordering::SeqCst)
        }
    }

    #[tokio::test]
    async fn a_second_delivery_gets_the_first_ones_answer() {
        let fixture = Fixture::new(vec![]);
        assert_eq!(fixture.deliver(Some("k"), 0, false).await.unwrap().status, Status::Ok);
        let second = fixture.deliver(Some("k"), 1, false).await.unwrap();
        assert_eq!((second.status, second.success, fixture.runs()), (Status::AlreadyDone, true, 1));
        fixture.deliver(Some("other"), 2, false).await.unwrap();
        assert_eq!(fixture.runs(), 2, "another event is another run");
        fixture.deliver(None, 3, false).await.unwrap();
        fixture.deliver(None, 3, false).await.unwrap();
        assert_eq!(fixture.runs(), 4, "calls by hand always run");
    }

    #[tokio::test]
    async fn twice_at_once_runs_once() {
        let fixture = Fixture::new(vec![]);
        let (first, second) = tokio::join!(fixture.deliver(Some("k"), 0, false), fixture.deliver(Some("k"), 0, false));
        let mut states = [first.unwrap().status, second.unwrap().status];
        states.sort_by_key(|status| status.name());
        assert_eq!((states, fixture.runs()), ([Status::AlreadyDone, Status::Ok], 1));
    }

    #[tokio::test]
    async fn a_failed_run_is_taken_over_at_once_and_a_dead_one_when_its_time_is_up() {
        let fixture = Fixture::new(vec![]);
        fixture.deliver(Some("k"), 0, true).await.unwrap_err();
        assert_eq!(fixture.deliver(Some("k"), 1, false).await.unwrap().status, Status::Ok);

        let fixture = Fixture::new(vec![]);
        let body = serde_json::to_vec(&Marker::Running { until: at(900), owner: "somebody else".into() }).unwrap();
        let object = "runs/backup-daily/".to_owned() + &hex(&Sha256::digest(b"k")[..16]) + ".json";
        s3::put(&fixture.aws, &fixture.bucket, &object, "x", body, Expect::Absent).await.unwrap();
        for (now, status, runs) in [(899, Status::AlreadyDone, 0), (900, Status::Ok, 1)] {
            assert_eq!(
                (fixture.deliver(Some("k"), now, false).await.unwrap().status, fixture.runs()),
                (status, runs),
                "{now}"
            );
        }
    }

    #[tokio::test]
    async fn a_success_is_noted_and_a_failure_is_not() {
        let fixture = Fixture::new(vec![]);
        let hours = |now| ledger::hours_since(&fixture.aws, &fixture.bucket, "backup-daily", at(now));
        fixture.deliver(None, 0, true).await.unwrap_err();
        assert_eq!(hours(0).await.unwrap(), None);
        fixture.deliver(None, 0, false).await.unwrap();
        assert_eq!(hours(3 * 3600 - 1).await.unwrap(), Some(2));
        assert_eq!(hours(3 * 3600).await.unwrap(), Some(3));
    }

    /// S3 has written the marker, the answer is lost, and the SDK tries again.
    #[tokio::test(start_paused = true)]
    async fn a_lost_answer_does_not_make_it_wait_for_itself() {
        let fixture = Fixture::new(vec![Fault { times: 1, ..Fault::of("PutObject", "runs/", LOST, 500) }]);
        let answer = fixture.deliver(Some("k"), 0, false).await.unwrap();
        assert_eq!((answer.status, fixture.runs()), (Status::Ok, 1));
        assert_eq!(fixture.deliver(Some("k"), 1, false).await.unwrap().status, Status::AlreadyDone);
    }

    #[tokio::test]
    async fn without_the_marker_nothing_is_begun() {
        let fixture = Fixture::new(vec![Fault::of("PutObject", "runs/", "AccessDenied", 403)]);
        let error = fixture.deliver(Some("k"), 0, false).await.unwrap_err();
        assert_eq!((error.error_type(), fixture.runs()), ("SecretsOps.Denied", 0));
        assert!(fixture.shared.lock().unwrap().objects.is_empty());
    }
}
