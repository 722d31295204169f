//! Puts together what IAM's simulation, the secret's policy and the key's policy say.

use std::collections::BTreeMap;

use super::asks::may;
use super::known::{Key, Known, Who, concerns, context};
use super::{ACTIONS, Estate, IamSettings, KEY_ACTIONS};
use crate::model::{
    Gap, GapReason, Grant, Reader, ReaderFacts, Readers, Reading, Say, Secret, Simulated, Sure, Through, Verdict,
    account_of,
};

/// Who can do what with which secret. What was not asked, or depends on what only AWS knows, is [`Grant::CannotSay`].
pub fn judge(facts: &ReaderFacts, estate: Estate<'_>, settings: &IamSettings) -> Reading<Readers> {
    let known = Known::new(facts, estate, settings).map_err(Clone::clone)?;
    let mut readers = Readers { unknown: facts.failed.clone(), ..Readers::default() };
    let mut open: BTreeMap<&str, usize> = BTreeMap::new();
    for secret in estate.secrets {
        let mut of_secret = Vec::new();
        for who in &known.principals {
            if !may(&known, who, &secret.arn) {
                continue;
            }
            if known.simulated(who.arn, &secret.arn, 0).is_none() {
                *open.entry(who.arn).or_default() += 1;
            }
            let read = read_grant(&known, who, secret);
            let write = write_grant(&known, who, secret);
            if read.is_some() || write.is_some() {
                of_secret.push(Reader { principal: who.arn.to_owned(), read, write });
            }
        }
        of_secret.extend(outsiders(&known, secret));
        readers.by_secret.insert(secret.arn.clone(), of_secret);
    }
    for (principal, number) in open {
        let gap = facts.unfinished.clone().unwrap_or_else(|| Gap {
            what: "iam:SimulatePrincipalPolicy".into(),
            subject: String::new(),
            reason: GapReason::NoData,
            detail: String::new(),
        });
        let detail = format!("{number} secrets not simulated; {}", gap.detail);
        let gap = Gap { subject: principal.to_owned(), detail, ..gap };
        readers.unknown.entry(principal.to_owned()).or_insert(gap);
    }
    Ok(readers)
}

/// GetSecretValue, and decryption of what it gets.
pub(super) fn read_grant(known: &Known<'_>, who: &Who<'_>, secret: &Secret) -> Option<Grant> {
    both(secret_grant(known, who, secret, 0), || key_grant(known, who, secret))
}

/// Both are needed.
fn both(first: Option<Grant>, second: impl FnOnce() -> Option<Grant>) -> Option<Grant> {
    match (first?, second()?) {
        (Grant::Allowed, Grant::Allowed) => Some(Grant::Allowed),
        (Grant::CannotSay(why), _) | (_, Grant::CannotSay(why)) => Some(Grant::CannotSay(why)),
    }
}

/// Any of the writes.
fn write_grant(known: &Known<'_>, who: &Who<'_>, secret: &Secret) -> Option<Grant> {
    let mut best = None;
    for index in 1..ACTIONS.len() {
        match secret_grant(known, who, secret, index) {
            Some(Grant::Allowed) => return Some(Grant::Allowed),
            Some(open) => best = best.or(Some(open)),
            None => {}
        }
    }
    best
}

/// What the secret's policy says to the principal; nothing where it has none.
pub(super) fn secret_say(known: &Known<'_>, who: &Who<'_>, secret: &str, action: &str) -> Result<Say, Gap> {
    match known.of_secrets.get(secret) {
        None => Ok(Say::default()),
        Some(Ok(policy)) => Ok(policy.say(who.arn, action, secret, &who.context)),
        Some(Err(gap)) => Err(gap.clone()),
    }
}

/// What the key's policy says to the principal about decryption through Secrets Manager.
pub(super) fn key_say(known: &Known<'_>, who: &Who<'_>, key: &str) -> Result<Say, Gap> {
    match known.of_keys.get(key) {
        None => Err(crate::model::unread("kms:GetKeyPolicy")),
        Some(Ok(policy)) => Ok(policy.say(who.arn, KEY_ACTIONS[0], key, &who.context)),
        Some(Err(gap)) => Err(gap.clone()),
    }
}

/// Whether identity policies and the secret's policy together allow the action of this index. The key is not looked at.
pub(super) fn secret_grant(known: &Known<'_>, who: &Who<'_>, secret: &Secret, index: usize) -> Option<Grant> {
    let action = ACTIONS[index];
    let Some(simulated) = known.simulated(who.arn, &secret.arn, index) else {
        return may(known, who, &secret.arn).then(|| Grant::CannotSay(not_simulated(known, who)));
    };
    let identity = identity(who, simulated, action, &secret.arn);
    match secret_say(known, who, &secret.arn, action) {
        Ok(say) => combine(identity, &say, who, false),
        // A policy that nobody could read may deny all, or allow all.
        Err(_) if identity == Identity::No(Verdict::Denied) => None,
        Err(gap) => Some(Grant::CannotSay(gap.to_string())),
    }
}

pub(super) fn not_simulated(known: &Known<'_>, who: &Who<'_>) -> String {
    let failed = known.facts.failed.get(who.arn).or(known.facts.unfinished.as_ref());
    failed.map_or_else(|| "not simulated".to_owned(), ToString::to_string)
}

/// Whether the principal can decrypt the secret's value.
fn key_grant(known: &Known<'_>, who: &Who<'_>, secret: &Secret) -> Option<Grant> {
    let key = match known.key(secret) {
        Key::Unknown(gap) => return Some(Grant::CannotSay(gap.to_string())),
        Key::OfAws => {
            let denial = who.statements().find(|one| !one.allow && concerns(one, KEY_ACTIONS[0]));
            let told =
                |one: &crate::model::Statement| Grant::CannotSay(format!("{} denies kms:Decrypt somewhere", one.id));
            return Some(denial.map_or(Grant::Allowed, told));
        }
        Key::Customer(key) => key,
    };
    let say = match key_say(known, who, &key.arn) {
        Ok(say) => say,
        Err(gap) => return Some(Grant::CannotSay(gap.to_string())),
    };
    if say.deny == Some(Sure::Yes) || (say.allow.is_none() && say.delegates.is_none()) {
        return None;
    }
    let Some(simulated) = known.simulated(who.arn, &key.arn, 0) else {
        return Some(Grant::CannotSay(not_simulated(known, who)));
    };
    combine(identity(who, simulated, KEY_ACTIONS[0], &key.arn), &say, who, true)
}

/// What the principal's side says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Identity {
    Yes,
    No(Verdict),
    Perhaps(String),
}

/// IAM names every condition key that any policy asks for. Only those in statements about this very action and resource
/// make its answer doubtful.
pub(super) fn identity(who: &Who<'_>, simulated: Simulated, action: &str, resource: &str) -> Identity {
    let open = || who.open_condition(action, resource);
    match simulated.verdict {
        Verdict::NoAnswer => Identity::Perhaps("IAM gave no answer".to_owned()),
        _ if simulated.missing
            && let Some(condition) = open() =>
        {
            Identity::Perhaps(condition)
        }
        Verdict::Allowed => Identity::Yes,
        verdict => Identity::No(verdict),
    }
}

/// Within one account an explicit denial wins, and an allowance on either side is enough; a key's policy, though, has to
/// leave the say to IAM before an allowance of an identity counts (`delegated`).
pub(super) fn combine(identity: Identity, say: &Say, who: &Who<'_>, delegated: bool) -> Option<Grant> {
    if say.deny == Some(Sure::Yes) {
        return None;
    }
    let granted = match identity {
        Identity::No(Verdict::Denied) => None,
        Identity::Perhaps(condition) => Some(Grant::CannotSay(condition)),
        Identity::No(verdict) => direct(say, verdict, who),
        Identity::Yes if !delegated => Some(Grant::Allowed),
        Identity::Yes => match (&say.delegates, direct(say, Verdict::Silent, who)) {
            (Some(Sure::Yes), _) | (_, Some(Grant::Allowed)) => Some(Grant::Allowed),
            (Some(Sure::Perhaps(condition)), _) => Some(Grant::CannotSay(condition.clone())),
            (None, direct) => direct,
        },
    };
    match (&say.deny, granted) {
        (Some(Sure::Perhaps(condition)), Some(_)) => Some(Grant::CannotSay(condition.clone())),
        (_, granted) => granted,
    }
}

/// What a resource's policy allows by itself, where the identity's policies are silent for this reason.
///
/// A boundary binds what a policy gives to a role by its ARN, and does not bind what it gives to a user; of `*` AWS does not
/// say.
fn direct(say: &Say, silent: Verdict, who: &Who<'_>) -> Option<Grant> {
    let (through, sure) = say.allow.as_ref()?;
    let role = who.arn.contains(":role/");
    match (sure, silent, through) {
        (_, Verdict::Organization, _) => {
            Some(Grant::CannotSay("the organization's policies may not allow it".to_owned()))
        }
        (_, Verdict::Bounded, Through::Name) if role => None,
        (_, Verdict::Bounded, Through::Everyone) => {
            Some(Grant::CannotSay("allowed to everybody, and not by its boundary".to_owned()))
        }
        (Sure::Perhaps(condition), ..) => Some(Grant::CannotSay(condition.clone())),
        (Sure::Yes, ..) => Some(Grant::Allowed),
    }
}

/// Principals outside the account that the secret's policy lets in. Their own account decides too, unseen from here.
fn outsiders(known: &Known<'_>, secret: &Secret) -> Vec<Reader> {
    let Some(Ok(policy)) = known.of_secrets.get(secret.arn.as_str()) else { return Vec::new() };
    let mut found: BTreeMap<&str, Reader> = BTreeMap::new();
    for statement in policy.statements.iter().filter(|one| one.allow) {
        for (kind, name) in statement.principals.iter().flat_map(|principals| &principals.list) {
            let account = account_of(name).unwrap_or(name);
            if kind == "AWS" && account == known.account {
                continue;
            }
            let caller = if name.len() == 12 && name.bytes().all(|byte| byte.is_ascii_digit()) {
                format!("arn:{}:iam::{name}:root", known.partition)
            } else {
                name.clone()
            };
            let mut context = context(&caller, &known.account, known.estate.region);
            // Its account is another one, and so may be the way it calls.
            for key in ["aws:principalaccount", "kms:calleraccount", "aws:principalisawsservice"] {
                context.remove(key);
            }
            let denied = |action: &str| policy.say(&caller, action, &secret.arn, &context).deny == Some(Sure::Yes);
            let may = |action: &&&str| concerns(statement, action) && !denied(action);
            let (read, write) = (ACTIONS[..1].iter().any(|a| may(&a)), ACTIONS[1..].iter().any(|a| may(&a)));
            let grant = || Grant::CannotSay(format!("{} lets it in; its own account decides", statement.id));
            let read = (read && outsider_decrypts(known, secret, &caller)).then(grant);
            let write = write.then(grant);
            if read.is_some() || write.is_some() {
                let reader =
                    found.entry(name).or_insert_with(|| Reader { principal: name.clone(), read: None, write: None });
                reader.read = reader.read.take().or(read);
                reader.write = reader.write.take().or(write);
            }
        }
    }
    found.into_values().collect()
}

/// Nobody outside the account can use `aws/secretsmanager`; a customer key's policy must name whoever can.
fn outsider_decrypts(known: &Known<'_>, secret: &Secret, caller: &str) -> bool {
    match known.key(secret) {
        Key::OfAws => false,
        Key::Unknown(_) => true,
        Key::Customer(key) => match known.of_keys.get(key.arn.as_str()) {
            Some(Ok(policy)) => {
                let say = policy.say(caller, KEY_ACTIONS[0], &key.arn, &crate::model::Context::new());
                say.deny != Some(Sure::Yes) && (say.allow.is_some() || say.delegates.is_some())
            }
            _ => true,
        },
    }
}
