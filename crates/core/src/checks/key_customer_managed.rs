//! The secret is under a key of the account's own: the AWS managed key can be neither shared, nor restricted, nor disabled.

use super::{Check, Subject, Verdict, key};
use crate::model::{Gap, Severity, Text};

pub(super) const CHECK: Check = Check {
    id: "key-customer-managed",
    severity: Severity::Medium,
    title: Text::fixed("カスタマー管理の KMS キーで暗号化されている", "Encrypted under a customer managed key"),
    remediation: Text::fixed(
        "`aws secretsmanager update-secret --secret-id ARN --kms-key-id alias/goal-mandala-prod-secrets-key`（読み取る側に kms:Decrypt があることを先に確かめる）",
        "`aws secretsmanager update-secret --secret-id ARN --kms-key-id alias/goal-mandala-prod-secrets-key`, after making sure that its readers have kms:Decrypt",
    ),
    control: Some("secretsmanager-using-cmk"),
    runbook: "R46",
    rule,
};

fn rule(subject: &Subject<'_>) -> Result<Verdict, Gap> {
    let Some(id) = key::of(subject.secret) else {
        return Ok(Verdict::Fail(Text::fixed(
            "AWS 管理キー（aws/secretsmanager）を使用",
            "under the AWS managed key aws/secretsmanager",
        )));
    };
    // Nobody can use the AWS managed key of another account, whatever of it may be seen from here.
    let account = id.split(':').nth(4);
    if id.contains(":key/") && account.is_some_and(|account| account != subject.around.account) {
        return Ok(Verdict::Pass);
    }
    Ok(match key::facts(subject, id)? {
        key if key.customer_managed => Verdict::Pass,
        key => Verdict::Fail(Text::new(
            format!("AWS 管理キー {} を使用", key.arn),
            format!("under the AWS managed key {}", key.arn),
        )),
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::{healthy, key, letter, verdict_of};
    use crate::model::{Secret, Surroundings};

    #[test]
    fn only_a_key_of_the_accounts_own_passes() {
        let around = Surroundings {
            keys: [
                ("own".to_owned(), Ok(key("Enabled"))),
                ("aws".to_owned(), Ok(crate::model::KeyFacts { customer_managed: false, ..key("Enabled") })),
            ]
            .into(),
            ..Surroundings::unread()
        };
        let with = |id: Option<&str>| Secret { kms_key_id: id.map(str::to_owned), ..healthy() };
        for (id, want) in [
            (None, 'f'),
            (Some("alias/aws/secretsmanager"), 'f'),
            (Some("own"), 'p'),
            (Some("aws"), 'f'),
            (Some("?"), 'u'),
            (Some("arn:aws:kms:r:999999999999:key/k"), 'p'),
            (Some("arn:aws:kms:r:123456789012:key/k"), 'u'),
        ] {
            assert_eq!(letter(&verdict_of("key-customer-managed", &with(id), &around, &[])), want, "{id:?}");
        }
    }
}
