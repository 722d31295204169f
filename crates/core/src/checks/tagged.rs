//! The secret has the tags that tell whose it is.

use super::{Check, Subject, Verdict};
use crate::model::{Gap, Severity, Text};

pub(super) const CHECK: Check = Check {
    id: "tagged",
    severity: Severity::Low,
    title: Text::fixed("必要なタグが付いている", "Tagged as required"),
    remediation: Text::fixed(
        "`aws secretsmanager tag-resource --secret-id ARN --tags Key=Owner,Value=TEAM`",
        "`aws secretsmanager tag-resource --secret-id ARN --tags Key=Owner,Value=TEAM`",
    ),
    control: Some("SecretsManager.5"),
    runbook: "R46",
    rule,
};

fn rule(subject: &Subject<'_>) -> Result<Verdict, Gap> {
    let secret = subject.secret;
    if secret.owning_service.is_some() {
        return Ok(Verdict::NotApplicable);
    }
    let required = &subject.around.limits.required_tags;
    // AWS's own tags say nothing of the owner.
    if required.is_empty() && !secret.tags.keys().any(|key| !key.starts_with("aws:")) {
        return Ok(Verdict::Fail(Text::fixed("タグがありません", "has no tag")));
    }
    let missing: Vec<&str> =
        required.iter().map(String::as_str).filter(|key| !secret.tags.contains_key(*key)).collect();
    Ok(if missing.is_empty() {
        Verdict::Pass
    } else {
        let missing = missing.join(", ");
        Verdict::Fail(Text::new(format!("タグ {missing} がありません"), format!("lacks the tags {missing}")))
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::{healthy, letter, verdict_of};
    use crate::model::{Secret, Surroundings};

    #[test]
    fn any_tag_will_do_unless_some_are_required() {
        const REQUIRED: &[(&str, &str)] = &[("SECRETS_OPS_REQUIRED_TAGS", "Owner,Environment")];
        for (tags, settings, want) in [
            (&[][..], &[][..], 'f'),
            (&["Owner"], &[], 'p'),
            (&["aws:cloudformation:stack-name"], &[], 'f'),
            (&["Owner"], REQUIRED, 'f'),
            (&["Owner", "Environment", "x"], REQUIRED, 'p'),
            (&["owner", "Environment"], REQUIRED, 'f'),
        ] {
            let tags = tags.iter().map(|key| ((*key).to_owned(), String::new())).collect();
            let secret = Secret { tags, ..healthy() };
            assert_eq!(letter(&verdict_of("tagged", &secret, &Surroundings::unread(), settings)), want, "{secret:?}");
        }
        let rds = Secret { owning_service: Some("rds".into()), ..healthy() };
        assert_eq!(letter(&verdict_of("tagged", &rds, &Surroundings::unread(), &[])), '-');
    }
}
