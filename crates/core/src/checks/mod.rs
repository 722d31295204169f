//! The check table. A check is data and a pure function; the loop adds the rest.
//!
//! A rule answers `Err(gap)` where it cannot tell, so that a denied reading can never look like a pass.

mod around;
mod current_version;
mod deletion_untouched;
mod key;
mod key_customer_managed;
mod key_rotation;
mod key_usable;
mod limits;
mod named;
mod policy;
mod policy_not_public;
mod policy_org_boundary;
mod policy_same_account;
mod policy_secure_transport;
mod replicas_in_sync;
mod rotation_age;
mod rotation_enabled;
mod rotation_function;
mod rotation_on_time;
mod rotation_ran;
mod rotation_settled;
mod rotation_succeeding;
mod stage_separated;
mod tagged;
mod usage;
mod used;
mod used_recently;
mod version_count;

use jiff::Timestamp;

pub use around::{AccessIndex, Around};
pub use limits::Limits;
pub(crate) use rotation_succeeding::CHECK as ROTATION_SUCCEEDING;

use crate::model::rotation::{History, standing};
use crate::model::{Finding, Gap, GapReason, RotationVerdict, Secret, Severity, Text, judge_rotation};

/// One check.
#[derive(Debug)]
pub struct Check {
    /// Kebab-case; also the name of its file, with underscores.
    pub id: &'static str,
    /// How bad it is to fail.
    pub severity: Severity,
    /// The state that passes.
    pub title: Text,
    /// What to do where it fails.
    pub remediation: Text,
    /// AWS's own control for the same thing.
    pub control: Option<&'static str>,
    /// The step of the old runbook that asks for it, such as `R05`.
    pub runbook: &'static str,
    /// Judges one secret.
    pub rule: fn(&Subject<'_>) -> Result<Verdict, Gap>,
}

/// What a rule says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// In the state of the title.
    Pass,
    /// Not so, because of this fact.
    Fail(Text),
    /// The question does not arise for this secret.
    NotApplicable,
}

/// A secret with what several rules need of it, judged once.
#[derive(Debug)]
pub struct Subject<'a> {
    /// The secret.
    pub secret: &'a Secret,
    /// What of it could not be read.
    pub gaps: &'a [Gap],
    /// The same for all secrets.
    pub around: &'a Around<'a>,
    /// The state of its rotation.
    pub rotation: Result<RotationVerdict, Gap>,
}

impl<'a> Subject<'a> {
    /// Judges what the rules share.
    pub fn new(secret: &'a Secret, gaps: &'a [Gap], around: &'a Around<'a>) -> Self {
        let rotation = judge_rotation(secret, around.region, around.limits.rotation, around.surroundings, around.now);
        Self { secret, gaps, around, rotation }
    }

    fn is_replica(&self) -> bool {
        self.secret.is_replica_in(self.around.region)
    }

    /// Why `property` of the secret is not known; `None` if it is.
    fn unread(&self, property: &str, operation: &str) -> Option<Gap> {
        if !self.secret.unread.iter().any(|unread| unread == property) {
            return None;
        }
        let told = self.gaps.iter().find(|gap| gap.what == operation && gap.subject == self.secret.name);
        Some(told.cloned().unwrap_or_else(|| Gap {
            what: operation.to_owned(),
            subject: self.secret.name.clone(),
            reason: GapReason::NoData,
            detail: format!("{property} was not read"),
        }))
    }

    /// Whether rotation is on, and the operator's to look after.
    fn rotates(&self) -> bool {
        standing(self.secret, self.around.region).is_none()
    }

    /// The secret's attempts to rotate.
    fn history(&self) -> History {
        History::of(self.secret, self.around.surroundings)
    }

    fn created(&self) -> Result<Timestamp, Gap> {
        self.secret.created_date.ok_or_else(|| Gap {
            what: "secretsmanager:ListSecrets".into(),
            subject: self.secret.name.clone(),
            reason: GapReason::Malformed,
            detail: "CreatedDate is missing, so that a new secret cannot be told from an old one".into(),
        })
    }

    /// Whole days of 24 hours.
    fn days_since(&self, at: Timestamp) -> i64 {
        self.around.now.duration_since(at).as_hours() / 24
    }
}

/// Every check, in the order of the document.
pub const ALL: &[Check] = &[
    rotation_enabled::CHECK,
    rotation_ran::CHECK,
    rotation_on_time::CHECK,
    rotation_age::CHECK,
    rotation_succeeding::CHECK,
    rotation_settled::CHECK,
    rotation_function::CHECK,
    key_customer_managed::CHECK,
    key_usable::CHECK,
    key_rotation::CHECK,
    policy_not_public::CHECK,
    policy_same_account::CHECK,
    policy_secure_transport::CHECK,
    policy_org_boundary::CHECK,
    used_recently::CHECK,
    used::CHECK,
    tagged::CHECK,
    deletion_untouched::CHECK,
    current_version::CHECK,
    version_count::CHECK,
    replicas_in_sync::CHECK,
    named::CHECK,
    stage_separated::CHECK,
];

/// The first of [`ALL`]: those about rotation.
pub fn rotation() -> &'static [Check] {
    ALL.split_at(ROTATION).0
}

/// How many of [`ALL`] are about rotation.
const ROTATION: usize = 7;

/// The one question that is asked of a secret on its way out: it can be neither read nor changed.
const OF_DELETED: &str = "deletion-untouched";

/// Runs `checks` over one secret.
pub fn evaluate<'c>(
    checks: &'c [Check],
    subject: &Subject<'_>,
) -> impl Iterator<Item = (&'c Check, Result<Verdict, Gap>)> {
    let deleted = subject.secret.deleted_date.is_some();
    checks.iter().map(move |check| match deleted && check.id != OF_DELETED {
        true => (check, Ok(Verdict::NotApplicable)),
        false => (check, (check.rule)(subject)),
    })
}

/// What a check that fails tells.
pub fn finding(check: &Check, secret: &Secret, detail: Text) -> Finding {
    Finding {
        check: check.id,
        severity: check.severity,
        subject: secret.name.clone(),
        arn: Some(secret.arn.clone()).filter(|arn| !arn.is_empty()),
        detail,
        remediation: check.remediation.clone(),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::model::{
        Access, Accesses, Invoker, KeyFacts, LastUse, RotationFunction, RotationRules, Rotations, Surroundings, Version,
    };

    pub(crate) const FUNCTION: &str = "arn:aws:lambda:ap-northeast-1:123456789012:function:rot";

    /// A secret with rotation on, rotated a day before [`now`] and next due in 29 days.
    pub(crate) fn healthy() -> Secret {
        let at = |text: &str| Some(text.parse().unwrap());
        Secret {
            name: "s".into(),
            arn: "arn:aws:secretsmanager:ap-northeast-1:123456789012:secret:s-AbCdEf".into(),
            rotation_enabled: Some(true),
            rotation_lambda_arn: Some(FUNCTION.into()),
            rotation_rules: Some(RotationRules { automatically_after_days: Some(30), ..RotationRules::default() }),
            created_date: at("2026-01-01T00:00:00Z"),
            last_rotated_date: at("2026-11-21T00:00:00Z"),
            next_rotation_date: at("2026-12-21T00:00:00Z"),
            version_ids_to_stages: [("v1".to_owned(), vec!["AWSCURRENT".to_owned()])].into(),
            versions: vec![Version {
                version_id: "v1".into(),
                version_stages: vec!["AWSCURRENT".into()],
                created_date: at("2026-11-21T00:00:00Z"),
                ..Version::default()
            }],
            ..Secret::default()
        }
    }

    /// 2026-11-22, midnight.
    pub(crate) fn now() -> Timestamp {
        "2026-11-22T00:00:00Z".parse().unwrap()
    }

    /// All that rotation depends on was read, and is well.
    pub(crate) fn fine() -> Surroundings {
        let function = RotationFunction::There {
            state: Some("Active".into()),
            role: None,
            invocable: Ok(vec![Invoker::default()]),
        };
        Surroundings {
            functions: [(FUNCTION.to_owned(), Ok(function))].into(),
            rotations: Ok(Rotations::new("2026-08-24T00:00:00Z".parse().unwrap(), now(), [])),
            ..Surroundings::unread()
        }
    }

    /// The letter of one check's verdict, as reports have it.
    pub(crate) fn letter(verdict: &Result<Verdict, Gap>) -> char {
        match verdict {
            Ok(Verdict::Pass) => 'p',
            Ok(Verdict::Fail(_)) => 'f',
            Ok(Verdict::NotApplicable) => '-',
            Err(_) => 'u',
        }
    }

    /// A customer key that rotates, in this state.
    pub(crate) fn key(state: &str) -> KeyFacts {
        KeyFacts {
            arn: "arn:aws:kms:ap-northeast-1:123456789012:key/k".into(),
            state: state.into(),
            customer_managed: true,
            deletion_date: None,
            rotation: Ok(Some(true)),
            last_use: Ok(LastUse::At(now())),
        }
    }

    /// A reading that was refused.
    pub(crate) fn denied(what: &str) -> Gap {
        Gap { what: what.into(), subject: String::new(), reason: GapReason::Denied, detail: "no".into() }
    }

    /// A read, so many days ago.
    pub(crate) fn read_by(principal: &str, secret_id: &str, days: i64) -> Access {
        Access {
            at: now() - jiff::SignedDuration::from_hours(24 * days),
            count: 1,
            event: "GetSecretValue".into(),
            secret_id: Some(secret_id.into()),
            principal: principal.into(),
            kind: None,
            by_person: false,
            source: None,
            user_agent: None,
            error: None,
            marked_for_deletion: false,
        }
    }

    /// All reads of the last days.
    pub(crate) fn accesses(days: i64, entries: Vec<Access>) -> Accesses {
        let from = now() - jiff::SignedDuration::from_hours(24 * days);
        Accesses {
            from,
            to: now(),
            truncated_at: None,
            gaps: Vec::new(),
            unreadable: 0,
            read_from: "a test".into(),
            entries,
        }
    }

    /// What one check says of `secret`, with what lies around it.
    pub(crate) fn verdict_of(
        id: &str,
        secret: &Secret,
        surroundings: &Surroundings,
        settings: &[(&str, &str)],
    ) -> Result<Verdict, Gap> {
        let get = |name: &str| settings.iter().find(|(set, _)| *set == name).map(|(_, value)| (*value).to_owned());
        let limits = Limits::read(&get).unwrap();
        let around = Around::new(surroundings, &limits, ("123456789012", "ap-northeast-1"), now());
        let check = ALL.iter().find(|check| check.id == id).unwrap();
        evaluate(std::slice::from_ref(check), &Subject::new(secret, &[], &around)).next().unwrap().1
    }

    /// The letter of one check on rotation, all around being [`fine`].
    pub(crate) fn letter_of(id: &str, secret: &Secret) -> char {
        letter(&verdict_of(id, secret, &fine(), &[]))
    }

    #[test]
    fn a_secret_that_is_well_passes_all_checks_on_rotation() {
        for check in rotation() {
            assert!(check.id.starts_with("rotation-"), "{}", check.id);
            assert_eq!(letter_of(check.id, &healthy()), 'p', "{}", check.id);
        }
        assert!(ALL[ROTATION..].iter().all(|check| !check.id.starts_with("rotation-")));
    }

    #[test]
    fn other_peoples_secrets_are_judged_by_no_check_on_rotation() {
        let late = Secret { next_rotation_date: healthy().created_date, last_rotated_date: None, ..healthy() };
        for (aside, secret) in [
            ("replica", Secret { primary_region: Some("us-east-1".into()), ..late.clone() }),
            ("managed", Secret { owning_service: Some("rds".into()), ..late.clone() }),
            ("pending deletion", Secret { deleted_date: late.created_date, ..late }),
        ] {
            for check in rotation() {
                let verdict = letter(&verdict_of(check.id, &secret, &Surroundings::unread(), &[]));
                assert_eq!(verdict, '-', "{} {aside}", check.id);
            }
        }
    }

    #[test]
    fn ids_are_kebab_case_and_unique() {
        for (index, check) in ALL.iter().enumerate() {
            assert!(check.id.chars().all(|c| c.is_ascii_lowercase() || c == '-'), "{}", check.id);
            assert!(ALL[..index].iter().all(|other| other.id != check.id), "{}", check.id);
        }
    }

    #[test]
    fn what_cannot_be_told_never_passes() {
        let dateless = Secret { created_date: None, last_rotated_date: None, next_rotation_date: None, ..healthy() };
        for id in ["rotation-ran", "rotation-succeeding"] {
            assert_eq!(verdict_of(id, &dateless, &fine(), &[]).unwrap_err().subject, "s", "{id}");
        }
        let unread = Secret { versions: vec![], unread: vec!["Versions".into()], ..healthy() };
        let mut waiting = unread.clone();
        waiting.version_ids_to_stages.insert("v2".into(), vec!["AWSPENDING".into()]);
        assert_eq!(letter_of("rotation-age", &unread), 'u');
        assert_eq!(letter_of("rotation-settled", &waiting), 'u');
        for id in ["rotation-succeeding", "rotation-function"] {
            assert_eq!(letter(&verdict_of(id, &healthy(), &Surroundings::unread(), &[])), 'u', "{id}");
        }
    }

    #[test]
    fn the_document_lists_every_check() {
        let mut page = String::from("<!-- Written by `make docs`; do not edit. -->\n# Checks\n");
        for check in ALL {
            page += &format!(
                "\n## {}\n\n{}\n\n{}\n\n- Severity: {}\n- Control: {}\n- Runbook: {}\n- Remediation: {}\n- 対処: {}\n",
                check.id,
                check.title.en,
                check.title.ja,
                check.severity.name(),
                check.control.unwrap_or("none"),
                check.runbook,
                check.remediation.en,
                check.remediation.ja,
            );
        }
        crate::settings::tests::assert_current("CHECKS.md", &page);
    }
}
