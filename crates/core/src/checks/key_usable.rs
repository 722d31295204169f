//! The secret's key can decrypt, and is not about to be deleted.

use super::{Check, Subject, Verdict, key};
use crate::model::{Gap, Severity, Text};

pub(super) const CHECK: Check = Check {
    id: "key-usable",
    severity: Severity::Critical,
    title: Text::fixed("KMS キーが有効で、削除予定でない", "The key is enabled and not about to be deleted"),
    remediation: Text::fixed(
        "削除予定なら `aws kms cancel-key-deletion --key-id KEY_ARN` の後 `aws kms enable-key --key-id KEY_ARN`。無効なら `aws kms enable-key --key-id KEY_ARN`（誰がなぜ止めたかを CloudTrail で確かめる）",
        "If deletion is planned: `aws kms cancel-key-deletion --key-id KEY_ARN`, then `aws kms enable-key --key-id KEY_ARN`; if disabled: `aws kms enable-key --key-id KEY_ARN`. Look in CloudTrail who did it, and why",
    ),
    control: None,
    runbook: "R06",
    rule,
};

fn rule(subject: &Subject<'_>) -> Result<Verdict, Gap> {
    // AWS keeps its own key usable.
    let Some(id) = key::of(subject.secret) else { return Ok(Verdict::Pass) };
    let key = key::facts(subject, id)?;
    if key.state == "Enabled" {
        return Ok(Verdict::Pass);
    }
    let on = key.deletion_date.map(|at| at.strftime("%Y-%m-%d").to_string());
    let (ja, en) = match on {
        Some(day) => (
            format!("キー {} は {}、{day} に削除され、以後このシークレットは復号できません", key.arn, key.state),
            format!(
                "the key {} is {} and will be deleted on {day}; the secret cannot be decrypted ever after",
                key.arn, key.state
            ),
        ),
        None => (
            format!("キー {} は {} のため、このシークレットは復号できません", key.arn, key.state),
            format!("the key {} is {}, so that the secret cannot be decrypted", key.arn, key.state),
        ),
    };
    Ok(Verdict::Fail(Text::new(ja, en)))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{denied, healthy, key, letter, verdict_of};
    use crate::model::{Secret, Surroundings};

    #[test]
    fn every_state_but_enabled_fails_and_a_denied_reading_is_no_pass() {
        let secret = Secret { kms_key_id: Some("k".into()), ..healthy() };
        let verdict = |reading| {
            let keys = [("k".to_owned(), reading)].into();
            letter(&verdict_of("key-usable", &secret, &Surroundings { keys, ..Surroundings::unread() }, &[]))
        };
        assert_eq!(verdict(Ok(key("Enabled"))), 'p');
        for state in ["Disabled", "PendingDeletion", "PendingImport", "Unavailable", ""] {
            assert_eq!(verdict(Ok(key(state))), 'f', "{state}");
        }
        assert_eq!(verdict(Err(denied("kms:DescribeKey"))), 'u');
        assert_eq!(letter(&verdict_of("key-usable", &healthy(), &Surroundings::unread(), &[])), 'p', "AWS's own");
    }
}
