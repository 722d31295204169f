//! The application's role: it must read its own stage's secrets, and nothing more.

mod questions;

use std::collections::{BTreeMap, BTreeSet};

use super::decide::{Identity, combine, identity, secret_grant};
use super::known::{Known, Who};
use super::scan::{Hits, scan};
use super::{ACTIONS, Estate, IamSettings, decide};
use crate::model::{Gap, GapReason, Grant, ReaderFacts, Say, Secret, Severity, Text};
use crate::runbook::audit::{Question, Reply};

type Told = Result<Reply, Gap>;

/// What the role is simulated on whatever its policies say: its own secrets, those of other stages, and `*`.
pub(super) fn resources(known: &Known<'_>) -> BTreeSet<String> {
    let own = own(known).map(|secret| secret.arn.clone());
    let foreign = foreign(known).into_iter().map(|foreign| foreign.arn);
    own.chain(foreign).chain(["*".to_owned()]).collect()
}

/// The secrets that the role must be able to read. One that waits for its deletion cannot be read by anybody.
fn own<'a>(known: &Known<'a>) -> impl Iterator<Item = &'a Secret> {
    let naming = known.settings.naming.clone();
    known.estate.secrets.iter().filter(move |one| one.deleted_date.is_none() && naming.matches(&one.name))
}

/// A secret of another stage.
struct Foreign<'a> {
    arn: String,
    /// Absent: there is none of this stage in the account, and the ARN is made up.
    secret: Option<&'a Secret>,
    shown: String,
}

fn foreign<'a>(known: &Known<'a>) -> Vec<Foreign<'a>> {
    let settings = known.settings;
    let mut all = Vec::new();
    for stage in settings.stages.iter().filter(|stage| **stage != settings.env) {
        let prefix = format!("{}-{stage}-", settings.prefix);
        let before = all.len();
        all.extend(
            known.estate.secrets.iter().filter(|secret| secret.name.starts_with(&prefix)).map(|secret| Foreign {
                arn: secret.arn.clone(),
                secret: Some(secret),
                shown: secret.name.clone(),
            }),
        );
        if all.len() == before {
            let (partition, region, account) = (&known.partition, known.estate.region, &known.account);
            let arn =
                format!("arn:{partition}:secretsmanager:{region}:{account}:secret:{prefix}secret-database-AbCdEf");
            all.push(Foreign { shown: arn.clone(), arn, secret: None });
        }
    }
    all
}

/// R40 and R10, in five lines.
pub(crate) fn answers(
    facts: &ReaderFacts,
    estate: Estate<'_>,
    settings: &IamSettings,
) -> Vec<(Question, Result<Reply, Gap>)> {
    let known = Known::new(facts, estate, settings);
    let role = match &known {
        Ok(known) => known.principals.iter().find(|who| who.is_role(&settings.app_role)).ok_or_else(|| Gap {
            what: "SECRETS_OPS_APP_ROLE".into(),
            subject: settings.app_role.clone(),
            reason: GapReason::NotConfigured,
            detail: "the account has no role of this name".into(),
        }),
        Err(gap) => Err((*gap).clone()),
    };
    let told = |judge: &dyn Fn(&Known<'_>, &Who<'_>) -> Told| match (&known, &role) {
        (Ok(known), Ok(who)) => judge(known, who),
        (_, Err(gap)) => Err(gap.clone()),
        (Err(gap), _) => Err((*gap).clone()),
    };
    let [reads_q, stage_q, write_q, wildcard_q, not_q] = questions::all();
    vec![
        (reads_q, told(&reads)),
        (stage_q, told(&other_stages)),
        (write_q, told(&writes)),
        (wildcard_q, told(&wildcards)),
        (not_q, told(&negations)),
    ]
}

fn reads(known: &Known<'_>, who: &Who<'_>) -> Told {
    let (mut found, mut open, mut seen) = (Vec::new(), BTreeMap::new(), 0);
    for secret in own(known) {
        seen += 1;
        match decide::read_grant(known, who, secret) {
            Some(Grant::Allowed) => {}
            Some(Grant::CannotSay(why)) => note(&mut open, why, &secret.name),
            None => found.push((
                secret.name.clone(),
                Severity::High,
                Text::new(
                    format!("ロール {} には読み取りが許可されていません", who.principal.name),
                    format!("the role {} may not read it", who.principal.name),
                ),
            )),
        }
    }
    if seen == 0 {
        return Err(Gap {
            what: "SECRETS_OPS_NAMING".into(),
            subject: String::new(),
            reason: GapReason::NoData,
            detail: "no secret has a name of this form".into(),
        });
    }
    Ok(Reply::of(summary(seen, found.len()), found, gaps(open, who)))
}

fn other_stages(known: &Known<'_>, who: &Who<'_>) -> Told {
    let (mut found, mut open) = (Vec::new(), BTreeMap::new());
    let foreign = foreign(known);
    if foreign.is_empty() {
        return Err(Gap {
            what: "SECRETS_OPS_STAGES".into(),
            subject: String::new(),
            reason: GapReason::NotConfigured,
            detail: "names no stage but our own".into(),
        });
    }
    for one in &foreign {
        match grant(known, who, one, 0) {
            None => {}
            Some(Grant::CannotSay(why)) => note(&mut open, why, &one.shown),
            Some(Grant::Allowed) => {
                let name = &who.principal.name;
                let (ja, en) = match one.secret {
                    Some(_) => ("", ""),
                    None => (
                        "（この環境のシークレットはなく、仮の ARN で確認）",
                        " (made up: there is no secret of this stage)",
                    ),
                };
                let text = Text::new(
                    format!("ロール {name} に {} が許可されています{ja}", ACTIONS[0]),
                    format!("the role {name} is allowed {}{en}", ACTIONS[0]),
                );
                found.push((one.shown.clone(), Severity::Critical, text));
            }
        }
    }
    Ok(Reply::of(summary(foreign.len(), found.len()), found, gaps(open, who)))
}

fn writes(known: &Known<'_>, who: &Who<'_>) -> Told {
    let own =
        own(known).map(|secret| Foreign { arn: secret.arn.clone(), secret: Some(secret), shown: secret.name.clone() });
    let all: Vec<Foreign<'_>> = own.chain(foreign(known)).collect();
    let (mut found, mut open) = (Vec::new(), BTreeMap::new());
    for (index, action) in ACTIONS.iter().enumerate().skip(1) {
        let mut allowed = Vec::new();
        for one in &all {
            match grant(known, who, one, index) {
                None => {}
                Some(Grant::Allowed) => allowed.push(one.shown.as_str()),
                Some(Grant::CannotSay(why)) => note(&mut open, why, &one.shown),
            }
        }
        if !allowed.is_empty() {
            let (number, names) = (allowed.len(), few(&allowed));
            let text = Text::new(
                format!("ロール {} に許可されています。対象 {number} 件: {names}", who.principal.name),
                format!("the role {} is allowed it on {number} secrets: {names}", who.principal.name),
            );
            found.push(((*action).to_owned(), Severity::High, text));
        }
    }
    Ok(Reply::of(summary(all.len(), found.len()), found, gaps(open, who)))
}

fn wildcards(known: &Known<'_>, who: &Who<'_>) -> Told {
    let Hits { mut wildcards, unreadable, .. } = hits(known, who);
    let mut open = BTreeMap::new();
    for (index, action) in ACTIONS.iter().enumerate() {
        match on(known, who, "*", index) {
            None => {}
            Some(Grant::CannotSay(why)) => note(&mut open, why, "*"),
            Some(Grant::Allowed) => wildcards.push((
                (*action).to_owned(),
                Severity::High,
                Text::new(
                    format!("ロール {} にすべてのリソース（*）で許可されています", who.principal.name),
                    format!("the role {} is allowed it on every resource (*)", who.principal.name),
                ),
            )),
        }
    }
    let mut gaps = gaps(open, who);
    gaps.extend(unread(unreadable));
    Ok(Reply::of(summary(who.policies.len(), wildcards.len()), wildcards, gaps))
}

fn negations(known: &Known<'_>, who: &Who<'_>) -> Told {
    let Hits { negations, unreadable, .. } = hits(known, who);
    Ok(Reply::of(summary(who.policies.len(), negations.len()), negations, unread(unreadable)))
}

fn hits(known: &Known<'_>, who: &Who<'_>) -> Hits {
    let arns: Vec<String> = foreign(known).into_iter().map(|foreign| foreign.arn).collect();
    scan(who, &arns)
}

fn unread(policies: Vec<String>) -> Vec<Gap> {
    let gap = |policy| Gap {
        what: "iam:GetAccountAuthorizationDetails".into(),
        subject: policy,
        reason: GapReason::Malformed,
        detail: "the policy was not among IAM's answers, or is no JSON".into(),
    };
    policies.into_iter().map(gap).collect()
}

/// Whether the role may do it, as far as the secret goes; of a made-up one there is no policy.
fn grant(known: &Known<'_>, who: &Who<'_>, one: &Foreign<'_>, index: usize) -> Option<Grant> {
    match one.secret {
        Some(secret) => secret_grant(known, who, secret, index),
        None => on(known, who, &one.arn, index),
    }
}

/// By identity policies alone.
fn on(known: &Known<'_>, who: &Who<'_>, resource: &str, index: usize) -> Option<Grant> {
    let identity = match known.simulated(who.arn, resource, index) {
        Some(simulated) => identity(who, simulated, ACTIONS[index], resource),
        None => Identity::Perhaps(decide::not_simulated(known, who)),
    };
    combine(identity, &Say::default(), who, false)
}

/// One gap for each reason, with the first of what it is about.
fn note(open: &mut BTreeMap<String, BTreeSet<String>>, why: String, about: &str) {
    open.entry(why).or_default().insert(about.to_owned());
}

fn gaps(open: BTreeMap<String, BTreeSet<String>>, who: &Who<'_>) -> Vec<Gap> {
    let gap = |(why, about): (String, BTreeSet<String>)| {
        let names: Vec<&str> = about.iter().map(String::as_str).collect();
        Gap {
            what: "iam:SimulatePrincipalPolicy".into(),
            subject: who.arn.to_owned(),
            reason: GapReason::NoData,
            detail: format!("cannot be said of {} ({why}): {}", names.len(), few(&names)),
        }
    };
    open.into_iter().map(gap).collect()
}

fn few(names: &[&str]) -> String {
    const SHOWN: usize = 10;
    let more = if names.len() > SHOWN { ", …" } else { "" };
    names.iter().take(SHOWN).copied().collect::<Vec<_>>().join(", ") + more
}

fn summary(seen: usize, bad: usize) -> Text {
    Text::new(
        format!("{seen} 件を確認、該当 {bad} 件。出典: IAM（シミュレーションとポリシー）"),
        format!("{seen} looked at, {bad} not in order; source: IAM (simulation and policies)"),
    )
}
