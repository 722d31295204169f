//! What IAM is still to be asked. What has an answer is not asked again.

use std::collections::BTreeSet;

use super::decide::{key_say, secret_grant};
use super::known::{Key, Known, Who, concerns};
use super::{ACTIONS, KEY_ACTIONS, app};
use crate::model::Through;

/// One call of SimulatePrincipalPolicy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ask {
    pub(super) principal: String,
    pub(super) actions: &'static [&'static str],
    pub(super) resources: Vec<String>,
}

/// With eight actions, 800 answers: one page.
const RESOURCES: usize = 100;

/// Each principal and secret that could go together, the application's role and what it must not reach first.
pub(super) fn of_secrets(known: &Known<'_>) -> Vec<Ask> {
    let mut asks = Vec::new();
    for who in &known.principals {
        let mut resources = if who.is_role(&known.settings.app_role) { app::resources(known) } else { BTreeSet::new() };
        resources.extend(known.estate.secrets.iter().map(|one| &one.arn).filter(|arn| may(known, who, arn)).cloned());
        push(known, who, ACTIONS, resources, &mut asks);
    }
    asks
}

/// Each principal and customer key that stands between it and a secret that it could read.
pub(super) fn of_keys(known: &Known<'_>) -> Vec<Ask> {
    let mut asks = Vec::new();
    for who in &known.principals {
        let mut keys = BTreeSet::new();
        for secret in known.estate.secrets {
            let Key::Customer(key) = known.key(secret) else { continue };
            if !keys.contains(&key.arn) && secret_grant(known, who, secret, 0).is_some() {
                let say = key_say(known, who, &key.arn);
                if say.is_ok_and(|say| say.allow.is_some() || say.delegates.is_some()) {
                    keys.insert(key.arn.clone());
                }
            }
        }
        push(known, who, KEY_ACTIONS, keys, &mut asks);
    }
    asks
}

/// Whether the principal's own policies could allow anything on the secret, or the secret's policy does, whatever the
/// conditions.
pub(super) fn may(known: &Known<'_>, who: &Who<'_>, secret: &str) -> bool {
    who.may(ACTIONS, secret)
        || known.of_secrets.get(secret).and_then(|policy| policy.as_ref().ok()).is_some_and(|policy| {
            policy.statements.iter().any(|one| {
                one.allow
                    && one.reaches(who.arn).is_some_and(|(through, _)| through != Through::Account)
                    && ACTIONS.iter().any(|action| concerns(one, action))
            })
        })
}

fn push(
    known: &Known<'_>,
    who: &Who<'_>,
    actions: &'static [&'static str],
    resources: BTreeSet<String>,
    asks: &mut Vec<Ask>,
) {
    if known.facts.failed.contains_key(who.arn) {
        return;
    }
    let open: Vec<String> =
        resources.into_iter().filter(|resource| known.simulated(who.arn, resource, 0).is_none()).collect();
    // Everything at once is a question of its own: IAM answers it in another form.
    let (star, open): (Vec<String>, Vec<String>) = open.into_iter().partition(|resource| resource == "*");
    asks.extend(open.chunks(RESOURCES).chain(star.chunks(1)).map(|chunk| Ask {
        principal: who.arn.to_owned(),
        actions,
        resources: chunk.to_vec(),
    }));
}
