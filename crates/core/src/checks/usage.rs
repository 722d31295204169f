//! Used, unused, or cannot say. AWS notes the day of a secret's last read, in UTC and for each Region apart; rotation and a
//! backup of values read too, so that where they do, only CloudTrail's principals tell an application's read from theirs.

use jiff::Timestamp;

use super::{Subject, Verdict};
use crate::model::{Gap, GapReason, RotationFunction, Text};

pub(super) fn judge(subject: &Subject<'_>, limit: i64) -> Result<Verdict, Gap> {
    let secret = subject.secret;
    if subject.is_replica() || secret.owning_service.is_some() {
        return Ok(Verdict::NotApplicable);
    }
    let last = secret
        .replication_status
        .iter()
        .filter_map(|replica| replica.last_accessed_date)
        .chain(secret.last_accessed_date)
        .max();
    let blind_to_replicas = subject.unread("ReplicationStatus", "secretsmanager:DescribeSecret");
    let copies = secret.replication_status.iter().filter_map(|replica| replica.last_accessed_date).max();
    match last {
        // Neither rotation nor our backup reads a copy.
        Some(_) if copies.is_some_and(|day| days(subject, day) <= limit) => Ok(Verdict::Pass),
        Some(day) if days(subject, day) <= limit => {
            if read_by_machinery(subject) {
                by_others(subject, limit)
            } else {
                Ok(Verdict::Pass)
            }
        }
        _ if blind_to_replicas.is_some() => {
            Err(blind_to_replicas.unwrap_or_else(|| gap(subject, GapReason::NoData, String::new())))
        }
        Some(day) => Ok(unused(&day.strftime("%Y-%m-%d").to_string(), days(subject, day), limit)),
        None => {
            let age = days(subject, subject.created()?);
            Ok(if age <= limit {
                // It has had no time to be used.
                Verdict::Pass
            } else {
                Verdict::Fail(Text::new(
                    format!("{age} 日前の作成以来、一度も読み取られていません（上限 {limit} 日）"),
                    format!("never read since it was made {age} days ago (limit {limit})"),
                ))
            })
        }
    }
}

/// Whole days between two dates in UTC: AWS's date has no time of day.
fn days(subject: &Subject<'_>, at: Timestamp) -> i64 {
    let day = |at: Timestamp| at.as_second().div_euclid(86_400);
    day(subject.around.now) - day(at)
}

fn unused(day: &str, days: i64, limit: i64) -> Verdict {
    Verdict::Fail(Text::new(
        format!("最後の読み取りは {day}（{days} 日前、上限 {limit} 日）"),
        format!("last read on {day}, {days} days ago (limit {limit})"),
    ))
}

/// Whether rotation or our own backup of values reads it, so that the date of the last read says nothing.
fn read_by_machinery(subject: &Subject<'_>) -> bool {
    let backed_up = subject.around.limits.value_prefix.as_deref();
    subject.secret.rotation_enabled == Some(true)
        || backed_up.is_some_and(|prefix| subject.secret.name.starts_with(prefix))
}

/// Whether CloudTrail shows a read by anybody but the machinery.
fn by_others(subject: &Subject<'_>, limit: i64) -> Result<Verdict, Gap> {
    let around = subject.around;
    let accesses = around.accesses.as_ref().map_err(Clone::clone)?;
    let mut machinery: Vec<String> = around.limits.machinery.clone();
    let role = if subject.secret.rotation_enabled == Some(true) { rotation_role(subject)? } else { None };
    match role {
        Some(role) => machinery.push(role),
        None if subject.secret.rotation_enabled == Some(true) && subject.secret.rotation_lambda_arn.is_some() => {
            let detail = "the role of its rotation function is not known, so that its reads cannot be told apart";
            return Err(gap(subject, GapReason::NoData, detail.into()));
        }
        None => {}
    }
    let used = accesses
        .of(subject.secret)
        .filter(|access| access.error.is_none() && days(subject, access.at) <= limit)
        .any(|access| !machinery.iter().any(|role| is_role(&access.principal, role)));
    if used {
        return Ok(Verdict::Pass);
    }
    if let Some(gap) = accesses.gap(&subject.secret.name) {
        return Err(gap);
    }
    if days(subject, accesses.from()) < limit {
        let seen = days(subject, accesses.from());
        return Err(gap(
            subject,
            GapReason::NoData,
            format!(
                "only rotation or backup read it in the {seen} days that were looked up, of {limit} (SECRETS_OPS_ACCESS_DAYS)"
            ),
        ));
    }
    Ok(Verdict::Fail(Text::new(
        format!("{limit} 日間、ローテーションとバックアップ以外に読み取りがありません"),
        format!("nobody but rotation and backup has read it in {limit} days"),
    )))
}

/// The name of the role of the secret's rotation function.
fn rotation_role(subject: &Subject<'_>) -> Result<Option<String>, Gap> {
    let Some(arn) = &subject.secret.rotation_lambda_arn else { return Ok(None) };
    match subject.around.surroundings.functions.get(arn) {
        Some(Ok(RotationFunction::There { role, .. })) => {
            Ok(role.as_ref().and_then(|role| role.rsplit('/').next()).map(str::to_owned))
        }
        // What is not there reads nothing.
        Some(Ok(RotationFunction::Missing)) => Ok(Some(String::new())),
        Some(Err(gap)) => Err(gap.clone()),
        None => Ok(None),
    }
}

/// Whether a caller is this role, in whatever session.
fn is_role(principal: &str, role: &str) -> bool {
    principal.rsplit('/').next() == Some(role)
}

fn gap(subject: &Subject<'_>, reason: GapReason, detail: String) -> Gap {
    Gap { what: "cloudtrail:LookupEvents".into(), subject: subject.secret.name.clone(), reason, detail }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{accesses, denied, healthy, letter, read_by, verdict_of};
    use crate::model::{Accesses, Replica, RotationFunction, Secret, Surroundings};

    const ARN: &str = "arn:aws:lambda:r:1:function:rot";

    fn ago(days: i64) -> Option<jiff::Timestamp> {
        Some(super::super::tests::now() - jiff::SignedDuration::from_hours(24 * days))
    }

    /// A secret without rotation, made 200 days ago.
    fn plain(accessed: Option<i64>) -> Secret {
        Secret {
            rotation_enabled: None,
            rotation_lambda_arn: None,
            created_date: ago(200),
            last_accessed_date: accessed.and_then(ago),
            ..healthy()
        }
    }

    fn rotated(accessed: i64) -> Secret {
        Secret { rotation_enabled: Some(true), rotation_lambda_arn: Some(ARN.into()), ..plain(Some(accessed)) }
    }

    fn around(accesses: crate::model::Reading<Accesses>) -> Surroundings {
        let function = RotationFunction::There {
            state: Some("Active".into()),
            role: Some("arn:aws:iam::1:role/service/rot-role".into()),
            invocable: Ok(Vec::new()),
        };
        Surroundings { accesses, functions: [(ARN.to_owned(), Ok(function))].into(), ..Surroundings::unread() }
    }

    fn used(secret: &Secret, around: &Surroundings, settings: &[(&str, &str)]) -> char {
        letter(&verdict_of("used", secret, around, settings))
    }

    #[test]
    fn dates_decide_where_only_applications_read() {
        let nothing = Surroundings::unread();
        for (days, want) in [(0, 'p'), (89, 'p'), (90, 'p'), (91, 'f')] {
            assert_eq!(used(&plain(Some(days)), &nothing, &[]), want, "read {days} days ago");
            let new = Secret { created_date: ago(days), ..plain(None) };
            assert_eq!(used(&new, &nothing, &[]), want, "never read, made {days} days ago");
        }
        for (days, want) in [(30, 'p'), (31, 'f')] {
            let verdict = verdict_of("used-recently", &plain(Some(days)), &nothing, &[]);
            assert_eq!(letter(&verdict), want, "{days}");
        }
        assert_eq!(used(&Secret { created_date: None, ..plain(None) }, &nothing, &[]), 'u');
        assert_eq!(used(&Secret { owning_service: Some("rds".into()), ..plain(Some(91)) }, &nothing, &[]), '-');
        assert_eq!(used(&Secret { deleted_date: ago(1), ..plain(Some(91)) }, &nothing, &[]), '-');
        assert_eq!(used(&Secret { primary_region: Some("us-east-1".into()), ..plain(None) }, &nothing, &[]), '-');
    }

    #[test]
    fn a_read_of_a_copy_is_use_and_unseen_copies_are_no_proof_of_none() {
        let copy = |days| Replica { last_accessed_date: ago(days), ..Replica::default() };
        let nothing = Surroundings::unread();
        let read_elsewhere = Secret { replication_status: vec![copy(100), copy(5)], ..plain(Some(120)) };
        assert_eq!(used(&read_elsewhere, &nothing, &[]), 'p');
        assert_eq!(used(&Secret { replication_status: vec![copy(91)], ..plain(None) }, &nothing, &[]), 'f');
        let unseen = |accessed| Secret { unread: vec!["ReplicationStatus".into()], ..plain(accessed) };
        assert_eq!(used(&unseen(Some(120)), &nothing, &[]), 'u');
        assert_eq!(used(&unseen(None), &nothing, &[]), 'u');
        assert_eq!(used(&unseen(Some(3)), &nothing, &[]), 'p');
    }

    #[test]
    fn what_rotation_reads_is_judged_by_who_else_does() {
        let app = || read_by("arn:aws:sts::1:assumed-role/app", "s", 3);
        let rotation = || read_by("arn:aws:sts::1:assumed-role/rot-role", "s", 3);
        let failed = || crate::model::Access { error: Some("AccessDenied".into()), ..app() };
        for (entries, days, want) in [
            (vec![rotation(), app()], 30, 'p'),
            (vec![rotation()], 90, 'f'),
            (vec![rotation()], 89, 'u'),
            (vec![failed()], 90, 'f'),
            (vec![], 30, 'u'),
        ] {
            assert_eq!(
                used(&rotated(3), &around(Ok(accesses(days, entries.clone()))), &[]),
                want,
                "{entries:?} {days}"
            );
        }
        let cut = Accesses { truncated_at: ago(2), ..accesses(90, vec![rotation()]) };
        assert_eq!(used(&rotated(3), &around(Ok(cut)), &[]), 'u');
        assert_eq!(used(&rotated(3), &around(Err(denied("cloudtrail:LookupEvents"))), &[]), 'u');
        assert_eq!(
            used(&rotated(91), &around(Err(denied("cloudtrail:LookupEvents"))), &[]),
            'f',
            "not even rotation read it"
        );
        let copy = Replica { last_accessed_date: ago(5), ..Replica::default() };
        let read_elsewhere = Secret { replication_status: vec![copy], ..rotated(3) };
        assert_eq!(used(&read_elsewhere, &around(Ok(accesses(90, vec![rotation()]))), &[]), 'p');
        let unknown_role = Surroundings { functions: [].into(), ..around(Ok(accesses(90, vec![app()]))) };
        assert_eq!(used(&rotated(3), &unknown_role, &[]), 'u');
    }

    #[test]
    fn what_our_own_backup_reads_is_judged_the_same_way() {
        const BACKUP: &[(&str, &str)] =
            &[("SECRETS_OPS_VALUE_PREFIX", "s"), ("SECRETS_OPS_BACKUP_ROLE", "backup-role")];
        let backup = || read_by("arn:aws:sts::1:assumed-role/backup-role", "s", 1);
        let app = || read_by("arn:aws:sts::1:assumed-role/app", "s", 1);
        assert_eq!(used(&plain(Some(1)), &around(Ok(accesses(90, vec![backup()]))), BACKUP), 'f');
        assert_eq!(used(&plain(Some(1)), &around(Ok(accesses(90, vec![backup(), app()]))), BACKUP), 'p');
    }
}
