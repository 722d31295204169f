//! Each copy of the secret in another Region is up to date.

use super::{Check, Subject, Verdict};
use crate::model::{Gap, Severity, Text};

pub(super) const CHECK: Check = Check {
    id: "replicas-in-sync",
    severity: Severity::High,
    title: Text::fixed("レプリカが同期されている", "Replicas are in sync"),
    remediation: Text::fixed(
        "理由を取り除いてから `aws secretsmanager replicate-secret-to-regions --secret-id ARN --add-replica-regions Region=REGION,KmsKeyId=KEY --force-overwrite-replica-secret`",
        "Mend the cause, then `aws secretsmanager replicate-secret-to-regions --secret-id ARN --add-replica-regions Region=REGION,KmsKeyId=KEY --force-overwrite-replica-secret`",
    ),
    control: None,
    runbook: "R39",
    rule,
};

fn rule(subject: &Subject<'_>) -> Result<Verdict, Gap> {
    if let Some(gap) = subject.unread("ReplicationStatus", "secretsmanager:DescribeSecret") {
        return Err(gap);
    }
    let replicas = &subject.secret.replication_status;
    if replicas.is_empty() {
        return Ok(Verdict::NotApplicable);
    }
    let failed: Vec<String> = replicas
        .iter()
        .filter(|replica| replica.status.as_deref() == Some("Failed"))
        .map(|replica| {
            format!(
                "{}: {}",
                replica.region.as_deref().unwrap_or("?"),
                replica.status_message.as_deref().unwrap_or("(no message)")
            )
        })
        .collect();
    Ok(if failed.is_empty() {
        Verdict::Pass
    } else {
        let failed = failed.join("; ");
        Verdict::Fail(Text::new(format!("複製に失敗: {failed}"), format!("replication failed: {failed}")))
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::{healthy, letter, verdict_of};
    use crate::model::{Replica, Secret, Surroundings};

    #[test]
    fn one_failed_copy_fails() {
        let with = |states: &[&str]| Secret {
            replication_status: states
                .iter()
                .map(|state| Replica { status: Some((*state).to_owned()), ..Replica::default() })
                .collect(),
            ..healthy()
        };
        for (states, want) in
            [(&[][..], '-'), (&["InSync"], 'p'), (&["InSync", "InProgress"], 'p'), (&["InSync", "Failed"], 'f')]
        {
            let verdict = verdict_of("replicas-in-sync", &with(states), &Surroundings::unread(), &[]);
            assert_eq!(letter(&verdict), want, "{states:?}");
        }
        let unread = Secret { unread: vec!["ReplicationStatus".into()], ..healthy() };
        assert_eq!(letter(&verdict_of("replicas-in-sync", &unread, &Surroundings::unread(), &[])), 'u');
    }
}
