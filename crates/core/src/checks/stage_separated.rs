//! No role of one stage can read the secrets of another.

use super::{Check, Subject, Verdict};
use crate::model::{Gap, GapReason, Grant, Severity, Text};

pub(super) const CHECK: Check = Check {
    id: "stage-separated",
    severity: Severity::High,
    title: Text::fixed("他の環境のロールから読み取れない", "No role of another stage can read it"),
    remediation: Text::fixed(
        "該当ロールのポリシーの Resource を、自分の環境の名前 `secret:PREFIX-ENV-secret-NAME-??????` に限定する",
        "Narrow the Resource of that role's policy to its own stage's names: `secret:PREFIX-ENV-secret-NAME-??????`",
    ),
    control: None,
    runbook: "R40",
    rule,
};

fn rule(subject: &Subject<'_>) -> Result<Verdict, Gap> {
    let limits = &subject.around.limits;
    let secret = subject.secret;
    let Some(stage) = limits.stage_of(&secret.name) else { return Ok(Verdict::NotApplicable) };
    // A replica is judged, too: policies name Regions, and nobody else would tell.
    let readers = subject.around.surroundings.readers.as_ref().map_err(Clone::clone)?;
    let gap = |reason, detail: String| Gap {
        what: "iam:SimulatePrincipalPolicy".into(),
        subject: secret.name.clone(),
        reason,
        detail,
    };
    let Some(found) = readers.by_secret.get(&secret.arn) else {
        return Err(gap(GapReason::Truncated, "nobody's access to it was simulated in this run".into()));
    };
    let foreign = |principal: &str| {
        let role = principal.rsplit('/').next().unwrap_or(principal);
        limits.stage_of(role).is_some_and(|other| other != stage)
    };
    let mut unsure = readers.unknown.iter().find(|(principal, _)| foreign(principal)).map(|(_, gap)| gap.clone());
    // A policy that was not read may let in whom IAM does not.
    unsure = unsure.or_else(|| subject.unread("ResourcePolicy", "secretsmanager:GetResourcePolicy"));
    let mut intruders = Vec::new();
    for reader in found.iter().filter(|reader| foreign(&reader.principal)) {
        match &reader.read {
            Some(Grant::Allowed) => intruders.push(reader.principal.as_str()),
            Some(Grant::CannotSay(why)) => {
                unsure = Some(gap(GapReason::Undecidable, format!("{}: {why}", reader.principal)));
            }
            None => {}
        }
    }
    match unsure {
        _ if !intruders.is_empty() => {
            let who = intruders.join(", ");
            Ok(Verdict::Fail(Text::new(
                format!("他の環境の {who} が読み取れます"),
                format!("{who} of another stage can read it"),
            )))
        }
        Some(gap) => Err(gap),
        None => Ok(Verdict::Pass),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{denied, healthy, letter, verdict_of};
    use crate::model::{Grant, Reader, Readers, Secret, Surroundings};

    #[test]
    fn readers_of_another_stage_are_found_and_doubt_is_no_pass() {
        let secret = Secret { name: "goal-mandala-prod-secret-x".into(), arn: "arn".into(), ..healthy() };
        let reader = |name: &str, read| Reader {
            principal: format!("arn:aws:iam::123456789012:role/{name}"),
            read,
            write: None,
        };
        let verdict = |readers: Vec<Reader>| {
            let readers = Ok(Readers { by_secret: [("arn".to_owned(), readers)].into(), ..Readers::default() });
            letter(&verdict_of("stage-separated", &secret, &Surroundings { readers, ..Surroundings::unread() }, &[]))
        };
        let allowed = || Some(Grant::Allowed);
        let unsure = || Some(Grant::CannotSay("a condition".into()));
        assert_eq!(verdict(vec![]), 'p');
        assert_eq!(verdict(vec![reader("goal-mandala-prod-lambda", allowed()), reader("admin", allowed())]), 'p');
        assert_eq!(verdict(vec![reader("goal-mandala-dev-lambda", allowed())]), 'f');
        assert_eq!(verdict(vec![reader("goal-mandala-dev-lambda", unsure())]), 'u');
        assert_eq!(verdict(vec![reader("goal-mandala-dev-a", unsure()), reader("goal-mandala-dev-b", allowed())]), 'f');
        assert_eq!(verdict(vec![reader("goal-mandala-dev-lambda", None)]), 'p');
        let around = |readers| Surroundings { readers, ..Surroundings::unread() };
        let of = |surroundings: &Surroundings| letter(&verdict_of("stage-separated", &secret, surroundings, &[]));
        assert_eq!(of(&around(Err(denied("iam:SimulatePrincipalPolicy")))), 'u');
        assert_eq!(of(&around(Ok(Readers::default()))), 'u', "not reached");
        let unknown = [("arn:aws:iam::123456789012:role/goal-mandala-dev-x".to_owned(), denied("iam:x"))].into();
        let by_secret = [("arn".to_owned(), vec![])].into();
        assert_eq!(of(&around(Ok(Readers { by_secret, unknown }))), 'u');
        let foreign = Secret { name: "other".into(), ..healthy() };
        assert_eq!(letter(&verdict_of("stage-separated", &foreign, &Surroundings::unread(), &[])), '-');
    }
}
