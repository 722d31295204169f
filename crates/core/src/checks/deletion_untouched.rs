//! Nobody asks for a secret that is about to be deleted.

use super::{Check, Subject, Verdict};
use crate::model::{Gap, Severity, Text};

pub(super) const CHECK: Check = Check {
    id: "deletion-untouched",
    severity: Severity::High,
    title: Text::fixed(
        "削除予定のシークレットに読み取りがない",
        "Nobody asks for a secret that is about to be deleted",
    ),
    remediation: Text::fixed(
        "まだ使われている。`aws secretsmanager restore-secret --secret-id ARN` で削除を取り消し、呼び出し元を確かめる",
        "It is still in use: `aws secretsmanager restore-secret --secret-id ARN` takes the deletion back; then look at the caller",
    ),
    control: None,
    runbook: "R17b",
    rule,
};

fn rule(subject: &Subject<'_>) -> Result<Verdict, Gap> {
    if subject.secret.deleted_date.is_none() || subject.is_replica() {
        return Ok(Verdict::NotApplicable);
    }
    let accesses = subject.around.accesses.as_ref().map_err(Clone::clone)?;
    // Deletion is planned for 30 days at most, and any read meanwhile fails with these words.
    let asked: Vec<_> = accesses.of(subject.secret).filter(|access| access.marked_for_deletion).collect();
    if let Some(last) = asked.iter().max_by_key(|access| access.at) {
        let number: u64 = asked.iter().map(|access| access.count).sum();
        let day = last.at.strftime("%Y-%m-%d");
        return Ok(Verdict::Fail(Text::new(
            format!("削除予定になってから {number} 回読み取りを試みた。最後は {day}、{}", last.principal),
            format!("asked for {number} times since; the last was {} on {day}", last.principal),
        )));
    }
    match accesses.gap(&subject.secret.name) {
        Some(gap) => Err(gap),
        None => Ok(Verdict::Pass),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{accesses, denied, healthy, letter, read_by, verdict_of};
    use crate::model::{Access, Accesses, Secret, Surroundings};

    #[test]
    fn a_read_of_what_goes_is_found_by_whatever_name() {
        let secret = Secret {
            name: "s".into(),
            arn: "arn:aws:secretsmanager:r:1:secret:s-AbCdEf".into(),
            deleted_date: healthy().created_date,
            ..healthy()
        };
        let marked = |id: &str| Access { marked_for_deletion: true, error: Some("x".into()), ..read_by("p", id, 1) };
        let verdict = |accesses| {
            let around = Surroundings { accesses, ..Surroundings::unread() };
            letter(&verdict_of("deletion-untouched", &secret, &around, &[]))
        };
        for id in ["s", "arn:aws:secretsmanager:r:1:secret:s-AbCdEf", "arn:aws:secretsmanager:r:1:secret:s"] {
            assert_eq!(verdict(Ok(accesses(30, vec![marked(id)]))), 'f', "{id}");
        }
        assert_eq!(verdict(Ok(accesses(30, vec![marked("t"), read_by("p", "s", 20)]))), 'p');
        let cut = |entries| Accesses { truncated_at: Some(super::super::tests::now()), ..accesses(30, entries) };
        assert_eq!(verdict(Ok(cut(vec![]))), 'u');
        assert_eq!(verdict(Ok(cut(vec![marked("s")]))), 'f');
        assert_eq!(verdict(Err(denied("cloudtrail:LookupEvents"))), 'u');
        assert_eq!(letter(&verdict_of("deletion-untouched", &healthy(), &Surroundings::unread(), &[])), '-');
    }
}
