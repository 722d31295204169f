//! The secret's name follows the rule, so that policies by name reach it and no other.

use super::{Check, Subject, Verdict};
use crate::model::{Gap, Severity, Text};

pub(super) const CHECK: Check = Check {
    id: "named",
    severity: Severity::Low,
    title: Text::fixed("命名規則に従っている", "Named by the rule"),
    remediation: Text::fixed(
        "名前は変更できない。規則に合う名前で作り直し、利用側を切り替えてから古いものを削除する。規則は SECRETS_OPS_NAMING",
        "A name cannot be changed: make a secret with a name by the rule, switch its readers over, then delete the old one. The rule is SECRETS_OPS_NAMING",
    ),
    control: None,
    runbook: "R46",
    rule,
};

fn rule(subject: &Subject<'_>) -> Result<Verdict, Gap> {
    let (secret, limits) = (subject.secret, &subject.around.limits);
    let ours = limits.own_names.iter().any(|name| name.matches(&secret.name));
    if ours || secret.owning_service.is_some() || subject.is_replica() {
        return Ok(Verdict::NotApplicable);
    }
    Ok(if limits.names.iter().any(|rule| rule.matches(&secret.name)) {
        Verdict::Pass
    } else {
        Verdict::Fail(Text::new(
            format!("名前が規則 {} に合いません", limits.naming),
            format!("its name is not of the form {}", limits.naming),
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::{healthy, letter, verdict_of};
    use crate::model::{Secret, Surroundings};

    #[test]
    fn each_stage_has_the_rule_in_its_own_name() {
        for (name, want) in [
            ("goal-mandala-prod-secret-database", 'p'),
            ("goal-mandala-stg-secret-database", 'p'),
            ("goal-mandala-prod-database", 'f'),
            ("goal-mandala-qa-secret-database", 'f'),
            ("other", 'f'),
            ("goal-mandala-prod-secrets-ops-canary", '-'),
            ("secrets-ops-drill/1/x", '-'),
        ] {
            let secret = Secret { name: name.into(), ..healthy() };
            assert_eq!(letter(&verdict_of("named", &secret, &Surroundings::unread(), &[])), want, "{name}");
        }
        let own = [("SECRETS_OPS_NAMING", "app/*")];
        let secret = Secret { name: "app/x".into(), ..healthy() };
        assert_eq!(letter(&verdict_of("named", &secret, &Surroundings::unread(), &own)), 'p');
    }
}
