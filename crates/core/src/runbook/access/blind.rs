//! Can the account's trails see reads of secrets at all? CloudTrail's own history of 90 days needs no trail; metric filters,
//! Insights and any look back beyond do.

use super::judge::{Kind, Unusual};
use crate::model::{Gap, Reading, Severity, Text, TrailFacts};

/// The question.
pub const KIND: Kind = Kind {
    id: "trail-sees",
    severity: Severity::High,
    title: Text::fixed(
        "証跡がシークレットの取得と復号を記録している",
        "A trail logs reads of secrets and their decryption",
    ),
    remediation: Text::fixed(
        "aws cloudtrail get-event-selectors と get-trail-status で確認し、読み取りイベントと KMS を含めて記録を再開する",
        "Look at aws cloudtrail get-event-selectors and get-trail-status; log read events and KMS again, and start the trail",
    ),
    runbook: "R14",
};

/// What no trail sees, and what could not be looked at. What one trail leaves out may be in another.
pub fn blind(trails: &Reading<Vec<TrailFacts>>) -> (Vec<Unusual>, Vec<Gap>) {
    let trails = match trails {
        Ok(trails) => trails,
        Err(gap) => return (vec![], vec![gap.clone()]),
    };
    let unread: Vec<Gap> = trails.iter().filter_map(|trail| trail.unread.clone()).collect();
    let read = || trails.iter().filter(|trail| trail.unread.is_none());
    let running = || read().filter(|trail| trail.logging);
    let mut found: Vec<Unusual> = running().filter_map(not_delivered).collect();
    let all = |what: Text, severity| Unusual { severity, subject: names(trails), arn: None, detail: what };
    let missing = if trails.is_empty() {
        Some((Text::fixed("証跡がない", "there is no trail"), Severity::High))
    } else if running().next().is_none() {
        Some((Text::fixed("どの証跡も停止している", "no trail is running"), Severity::High))
    } else if !running().any(|trail| trail.reads) {
        let what = Text::fixed("どの証跡も読み取りイベントを記録しない", "no trail logs read events");
        Some((what, Severity::High))
    } else if !running().any(|trail| trail.reads && !trail.secrets_excluded) {
        let what = Text::fixed(
            "Secrets Manager のイベントがすべての証跡から除外されている",
            "the events of Secrets Manager are left out of every trail",
        );
        Some((what, Severity::High))
    } else if !running().any(|trail| trail.reads && !trail.kms_excluded) {
        let what = Text::fixed(
            "KMS のイベントがすべての証跡から除外され、復号の失敗が見えない",
            "the events of KMS are left out of every trail, so that failures to decrypt are not seen",
        );
        Some((what, Severity::Medium))
    } else {
        None
    };
    match missing {
        // A trail that could not be read may be the one that sees.
        Some(_) if !unread.is_empty() => return (found, unread),
        Some((what, severity)) => found.push(all(what, severity)),
        None => {}
    }
    (found, vec![])
}

fn not_delivered(trail: &TrailFacts) -> Option<Unusual> {
    let error = trail.delivery_error.as_deref()?;
    Some(Unusual {
        severity: KIND.severity,
        subject: trail.arn.clone(),
        arn: Some(trail.arn.clone()),
        detail: Text::new(format!("証跡の配信が失敗している: {error}"), format!("its delivery fails: {error}")),
    })
}

fn names(trails: &[TrailFacts]) -> String {
    match trails {
        [] => "CloudTrail".to_owned(),
        trails => trails.iter().map(|trail| trail.arn.as_str()).collect::<Vec<_>>().join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::GapReason;

    fn good() -> TrailFacts {
        TrailFacts { arn: "t".into(), logging: true, reads: true, ..TrailFacts::default() }
    }

    fn unread() -> TrailFacts {
        let gap = Gap {
            what: "cloudtrail:GetTrailStatus".into(),
            subject: "u".into(),
            reason: GapReason::Denied,
            detail: "no".into(),
        };
        TrailFacts { arn: "u".into(), unread: Some(gap), ..TrailFacts::default() }
    }

    #[test]
    fn what_one_trail_leaves_out_may_be_in_another() {
        let kms_only = TrailFacts { secrets_excluded: true, ..good() };
        let no_kms = TrailFacts { kms_excluded: true, ..good() };
        let stopped = TrailFacts { logging: false, ..good() };
        let writes = TrailFacts { reads: false, ..good() };
        let failing = TrailFacts { delivery_error: Some("NoSuchBucket".into()), ..good() };
        let nothing = "there is no trail";
        let no_reads = "no trail logs read events";
        let without_kms = "the events of KMS are left out of every trail, so that failures to decrypt are not seen";
        for (trails, want, gaps) in [
            (vec![good()], vec![], 0),
            (vec![], vec![nothing], 0),
            (vec![stopped.clone()], vec!["no trail is running"], 0),
            (vec![stopped, good()], vec![], 0),
            (vec![writes.clone()], vec![no_reads], 0),
            (vec![writes.clone(), no_kms.clone()], vec![without_kms], 0),
            (vec![no_kms.clone(), kms_only.clone()], vec![], 0),
            (vec![kms_only], vec!["the events of Secrets Manager are left out of every trail"], 0),
            (vec![failing.clone()], vec!["its delivery fails: NoSuchBucket"], 0),
            (vec![failing.clone(), unread()], vec!["its delivery fails: NoSuchBucket"], 0),
            (vec![good(), unread()], vec![], 0),
            (vec![unread()], vec![], 1),
            (vec![no_kms, unread()], vec![], 1),
            (vec![writes, unread(), unread()], vec![], 2),
        ] {
            let (found, missing) = blind(&Ok(trails.clone()));
            let found: Vec<&str> = found.iter().map(|unusual| unusual.detail.en.as_ref()).collect();
            assert_eq!((found, missing.len()), (want, gaps), "{trails:?}");
        }
        let denied = unread().unread.unwrap();
        assert_eq!(blind(&Err(denied.clone())), (vec![], vec![denied]));
    }
}
