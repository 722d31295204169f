//! The secret's own key changes its material by itself.

use super::{Check, Subject, Verdict, key};
use crate::model::{Gap, Severity, Text};

pub(super) const CHECK: Check = Check {
    id: "key-rotation",
    severity: Severity::Medium,
    title: Text::fixed("KMS キーの自動ローテーションが有効である", "The key rotates by itself"),
    remediation: Text::fixed(
        "`aws kms enable-key-rotation --key-id KEY_ARN`（エイリアスでは受け付けられない）",
        "`aws kms enable-key-rotation --key-id KEY_ARN`; an alias is refused",
    ),
    control: Some("KMS.4"),
    runbook: "R20",
    rule,
};

fn rule(subject: &Subject<'_>) -> Result<Verdict, Gap> {
    let Some(id) = key::of(subject.secret) else { return Ok(Verdict::NotApplicable) };
    let key = key::facts(subject, id)?;
    // AWS says of a key that is about to go that it does not rotate, which is nothing to be mended.
    if !key.customer_managed || key.deletion_date.is_some() || key.state == "PendingDeletion" {
        return Ok(Verdict::NotApplicable);
    }
    Ok(match key.rotation.clone()? {
        Some(true) => Verdict::Pass,
        Some(false) => Verdict::Fail(Text::new(
            format!("キー {} の自動ローテーションは無効", key.arn),
            format!("the key {} does not rotate", key.arn),
        )),
        // KMS cannot change the material of this kind of key.
        None => Verdict::NotApplicable,
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::{denied, healthy, key, letter, verdict_of};
    use crate::model::{KeyFacts, Secret, Surroundings};

    #[test]
    fn only_keys_whose_material_kms_can_change_are_judged() {
        let secret = Secret { kms_key_id: Some("k".into()), ..healthy() };
        for (facts, want) in [
            (KeyFacts { rotation: Ok(Some(true)), ..key("Enabled") }, 'p'),
            (KeyFacts { rotation: Ok(Some(false)), ..key("Enabled") }, 'f'),
            (KeyFacts { rotation: Ok(None), ..key("Enabled") }, '-'),
            (KeyFacts { rotation: Ok(Some(false)), ..key("PendingDeletion") }, '-'),
            (KeyFacts { rotation: Err(denied("kms:GetKeyRotationStatus")), ..key("Enabled") }, 'u'),
            (KeyFacts { customer_managed: false, rotation: Ok(Some(true)), ..key("Enabled") }, '-'),
        ] {
            let keys = [("k".to_owned(), Ok(facts.clone()))].into();
            let around = Surroundings { keys, ..Surroundings::unread() };
            assert_eq!(letter(&verdict_of("key-rotation", &secret, &around, &[])), want, "{facts:?}");
        }
        assert_eq!(letter(&verdict_of("key-rotation", &healthy(), &Surroundings::unread(), &[])), '-');
    }
}
