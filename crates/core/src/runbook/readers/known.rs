//! What was gathered, with every policy parsed once.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::{ACTIONS, Estate, IamSettings};
use crate::model::{
    Attached, Context, Gap, GapReason, Identities, KeyFacts, Policy, Principal, ReaderFacts, Reading, Secret,
    Simulated, Statement, account_of,
};
use crate::runbook::keys::key_of;

/// The facts, ready to be asked.
pub(super) struct Known<'a> {
    pub(super) facts: &'a ReaderFacts,
    pub(super) estate: Estate<'a>,
    pub(super) settings: &'a IamSettings,
    /// In the order in which they are simulated: the application's role first.
    pub(super) principals: Vec<Who<'a>>,
    /// The secrets' own policies, by the secret's ARN.
    pub(super) of_secrets: BTreeMap<&'a str, Reading<Policy>>,
    /// The keys' policies, by the key's ARN.
    pub(super) of_keys: BTreeMap<&'a str, Reading<Policy>>,
    pub(super) account: String,
    pub(super) partition: String,
}

/// A principal and its policies.
pub(super) struct Who<'a> {
    pub(super) arn: &'a str,
    pub(super) principal: &'a Principal,
    pub(super) policies: Vec<Source>,
    pub(super) boundary: Option<Source>,
    /// What is known of each of its requests.
    pub(super) context: Context,
    /// Whether some statement could allow one of our actions on something.
    relevant: bool,
}

/// A policy of a principal; unparsed: nobody knows what it allows.
pub(super) struct Source {
    pub(super) name: String,
    pub(super) policy: Option<Rc<Policy>>,
}

/// What a secret is encrypted under.
pub(super) enum Key<'a> {
    /// `aws/secretsmanager`, whose policy lets everybody of the account use it through Secrets Manager.
    OfAws,
    Customer(&'a KeyFacts),
    Unknown(&'a Gap),
}

impl<'a> Known<'a> {
    /// The error is the reason why nothing is known of principals.
    pub(super) fn new(facts: &'a ReaderFacts, estate: Estate<'a>, settings: &'a IamSettings) -> Result<Self, &'a Gap> {
        let identities = facts.identities.as_ref()?;
        let managed: BTreeMap<&str, Option<Rc<Policy>>> = identities
            .managed
            .iter()
            .map(|(arn, text)| (arn.as_str(), Policy::parse(text).ok().map(Rc::new)))
            .collect();
        let mut principals: Vec<Who<'a>> = identities
            .principals
            .iter()
            .map(|(arn, one)| Who::new(arn, one, identities, &managed, estate.region))
            .collect();
        principals.sort_by_key(|who| !who.is_role(&settings.app_role));
        let any = identities.principals.keys().next().map(String::as_str);
        let any = any.or_else(|| estate.secrets.first().map(|secret| secret.arn.as_str())).unwrap_or_default();
        Ok(Self {
            facts,
            estate,
            settings,
            principals,
            of_secrets: estate.secrets.iter().filter_map(own_policy).collect(),
            of_keys: facts.key_policies.iter().map(|(arn, text)| (arn.as_str(), key_policy(arn, text))).collect(),
            account: account_of(any).unwrap_or_default().to_owned(),
            partition: any.split(':').nth(1).unwrap_or("aws").to_owned(),
        })
    }

    /// What IAM said of the action of this index in the list that is always asked.
    pub(super) fn simulated(&self, principal: &str, resource: &str, index: usize) -> Option<Simulated> {
        let letters = self.facts.simulated.get(principal)?.get(resource)?;
        Simulated::of_letter(letters.chars().nth(index)?)
    }

    pub(super) fn key(&self, secret: &Secret) -> Key<'a> {
        match (&secret.kms_key_id, self.estate.keys.get(key_of(secret))) {
            (None, _) => Key::OfAws,
            (Some(name), None) if name.ends_with("alias/aws/secretsmanager") => Key::OfAws,
            (Some(_), Some(Ok(key))) if key.customer_managed => Key::Customer(key),
            (Some(_), Some(Ok(_))) => Key::OfAws,
            (Some(_), Some(Err(gap))) => Key::Unknown(gap),
            (Some(_), None) => Key::Unknown(&NOT_ASKED),
        }
    }
}

/// What is known of a request by `principal`.
pub(super) fn context(principal: &str, account: &str, region: &str) -> Context {
    [
        ("aws:securetransport", "true"),
        ("aws:principalarn", principal),
        ("aws:principalaccount", account),
        ("aws:principalisawsservice", "false"),
        ("kms:calleraccount", account),
        ("kms:viaservice", format!("secretsmanager.{region}.amazonaws.com").as_str()),
    ]
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .into()
}

static NOT_ASKED: std::sync::LazyLock<Gap> = std::sync::LazyLock::new(|| crate::model::unread("kms:DescribeKey"));

fn own_policy(secret: &Secret) -> Option<(&str, Reading<Policy>)> {
    let gap = |reason, detail: String| Gap {
        what: "secretsmanager:GetResourcePolicy".into(),
        subject: secret.name.clone(),
        reason,
        detail,
    };
    let policy = match &secret.resource_policy {
        Some(text) => Policy::parse(text).map_err(|error| gap(GapReason::Malformed, error.to_string())),
        None if secret.unread.iter().any(|property| property == "ResourcePolicy") => {
            Err(gap(GapReason::NoData, "its policy could not be read".to_owned()))
        }
        None => return None,
    };
    Some((&secret.arn, policy))
}

fn key_policy(arn: &str, text: &Reading<String>) -> Reading<Policy> {
    Policy::parse(text.as_ref().map_err(Clone::clone)?).map_err(|error| Gap {
        what: "kms:GetKeyPolicy".into(),
        subject: arn.to_owned(),
        reason: GapReason::Malformed,
        detail: error.to_string(),
    })
}

impl<'a> Who<'a> {
    fn new(
        arn: &'a str,
        principal: &'a Principal,
        identities: &Identities,
        managed: &BTreeMap<&str, Option<Rc<Policy>>>,
        region: &str,
    ) -> Self {
        let by_arn = |arn: &String| Source { name: arn.clone(), policy: managed.get(arn.as_str()).cloned().flatten() };
        let all = |attached: &Attached, of: &str| -> Vec<Source> {
            let inline = attached.inline.iter().map(|(name, text)| Source {
                name: format!("{of}{name}"),
                policy: Policy::parse(text).ok().map(Rc::new),
            });
            inline.chain(attached.managed.iter().map(by_arn)).collect()
        };
        let mut policies = all(&principal.attached, "");
        for group in &principal.groups {
            match identities.groups.get(group) {
                Some(attached) => policies.extend(all(attached, &format!("{group}/"))),
                None => policies.push(Source { name: group.clone(), policy: None }),
            }
        }
        let boundary = principal.boundary.as_ref().map(by_arn);
        let context = context(arn, account_of(arn).unwrap_or_default(), region);
        let mut who = Self { arn, principal, policies, boundary, context, relevant: true };
        who.relevant = who.unreadable().is_some()
            || who.statements().any(|one| one.allow && ACTIONS.iter().any(|action| concerns(one, action)));
        who
    }

    /// A policy that could not be read: whatever it is, it may allow everything.
    pub(super) fn unreadable(&self) -> Option<&str> {
        self.policies.iter().find(|source| source.policy.is_none()).map(|source| source.name.as_str())
    }

    pub(super) fn is_role(&self, name: &str) -> bool {
        self.principal.name == name && self.arn.contains(":role/")
    }

    /// The statements of its identity policies.
    pub(super) fn statements(&self) -> impl Iterator<Item = &Statement> {
        self.policies.iter().filter_map(|source| source.policy.as_deref()).flat_map(|policy| &policy.statements)
    }

    /// Whether a policy of its own could allow one of the actions on the resource, whatever the conditions.
    pub(super) fn may(&self, actions: &[&str], resource: &str) -> bool {
        self.relevant
            && (self.unreadable().is_some()
                || self.statements().any(|one| {
                    one.allow
                        && one.resources.cover(resource) != Some(false)
                        && actions.iter().any(|action| concerns(one, action))
                }))
    }

    /// A condition that the simulation could not know, in a statement about this action and resource.
    pub(super) fn open_condition(&self, action: &str, resource: &str) -> Option<String> {
        if let Some(name) = self.unreadable() {
            return Some(format!("the policy {name} could not be read"));
        }
        let bounds = self.boundary.iter().filter_map(|source| source.policy.as_deref()).flat_map(|one| &one.statements);
        self.statements()
            .chain(bounds)
            .filter(|one| concerns(one, action) && one.resources.cover(resource) != Some(false))
            .find_map(|one| one.holds(&self.context).err().map(|condition| format!("{}: {condition}", one.id)))
    }
}

/// Whether a statement is about an action, on whatever resource.
pub(super) fn concerns(statement: &Statement, action: &str) -> bool {
    statement.actions.cover_action(action) != Some(false)
}
