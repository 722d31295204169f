//! Policy documents of IAM, of secrets and of keys: what a statement is about, and what a whole policy says to one request.
//!
//! A condition is believed only where its key is among what is known of the request; of all else the answer is "perhaps".

mod condition;
mod pattern;
mod principal;

use std::collections::BTreeMap;

use serde_json::Value;

use condition::conditions;

pub use condition::Condition;
pub use pattern::Patterns;
pub use principal::{Principals, Through, account_of};

/// Condition keys of a request that are known beforehand, in lower case, each with its one value.
pub type Context = BTreeMap<String, String>;

/// A policy document.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// In the order of the document.
    pub statements: Vec<Statement>,
}

/// One statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// Its `Sid`, or `#1` for the first where it has none.
    pub id: String,
    /// Allow, and not Deny.
    pub allow: bool,
    /// `Action` or `NotAction`, to be asked by `cover_action`.
    pub actions: Patterns,
    /// `Resource` or `NotResource`; absent, as in trust policies: everything.
    pub resources: Patterns,
    /// `Principal` or `NotPrincipal`; absent in policies of identities.
    pub principals: Option<Principals>,
    /// All must hold.
    pub conditions: Vec<Condition>,
}

/// How sure an answer is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sure {
    /// Whatever else the request holds.
    Yes,
    /// Depends on this.
    Perhaps(String),
}

/// What a policy says to one request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Say {
    /// A denial, which wins over every allowance.
    pub deny: Option<Sure>,
    /// The caller's account is allowed, which leaves the say to its IAM.
    pub delegates: Option<Sure>,
    /// The caller itself is allowed: the surest allowance, and of several the closest.
    pub allow: Option<(Through, Sure)>,
}

/// A document that is no policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a policy document: {0}")]
pub struct NotAPolicy(&'static str);

impl Policy {
    /// Reads a document.
    pub fn parse(text: &str) -> Result<Self, NotAPolicy> {
        let document: Value = serde_json::from_str(text).map_err(|_| NotAPolicy("not JSON"))?;
        let statements = match document.get("Statement") {
            Some(Value::Array(many)) => many.iter().collect(),
            Some(one) => vec![one],
            None => return Err(NotAPolicy("it has no Statement")),
        };
        let statements = statements.into_iter().enumerate().map(|(index, value)| Statement::parse(index, value));
        Ok(Self { statements: statements.collect::<Result<_, _>>()? })
    }

    /// What the policy says to `caller` (the ARN of a user, a role or a session), for an action and a resource.
    pub fn say(&self, caller: &str, action: &str, resource: &str, context: &Context) -> Say {
        let mut say = Say::default();
        for statement in
            self.statements.iter().filter(|statement| statement.actions.cover_action(action) != Some(false))
        {
            let Some((through, mut sure)) = statement.reaches(caller) else { continue };
            match (statement.resources.cover(resource), statement.holds(context)) {
                (Some(false), _) | (_, Ok(false)) => continue,
                (_, Err(condition)) => sure = Sure::Perhaps(format!("{}: {condition}", statement.id)),
                (None, _) => sure = Sure::Perhaps(format!("{}: a variable in Resource", statement.id)),
                (Some(true), Ok(true)) => {}
            }
            if !statement.allow {
                if say.deny != Some(Sure::Yes) {
                    say.deny = Some(sure);
                }
            } else if through == Through::Account {
                if say.delegates != Some(Sure::Yes) {
                    say.delegates = Some(sure);
                }
            } else if say.allow.as_ref().is_none_or(|best| rank(&(through, sure.clone())) > rank(best)) {
                say.allow = Some((through, sure));
            }
        }
        say
    }
}

/// A sure allowance counts more than a close one, because whoever has it needs no other.
fn rank((through, sure): &(Through, Sure)) -> (bool, Through) {
    (*sure == Sure::Yes, *through)
}

impl Statement {
    fn parse(index: usize, value: &Value) -> Result<Self, NotAPolicy> {
        let statement = value.as_object().ok_or(NotAPolicy("a statement is not an object"))?;
        let allow = match statement.get("Effect").and_then(Value::as_str) {
            Some("Allow") => true,
            Some("Deny") => false,
            _ => return Err(NotAPolicy("a statement has no Effect")),
        };
        let actions = Patterns::of(statement, "Action", "NotAction").ok_or(NotAPolicy("a statement has no Action"))?;
        let everything = || Patterns { not: false, list: vec!["*".to_owned()] };
        let sid = statement.get("Sid").and_then(Value::as_str).filter(|sid| !sid.is_empty());
        Ok(Self {
            id: sid.map_or_else(|| format!("#{}", index + 1), str::to_owned),
            allow,
            actions,
            resources: Patterns::of(statement, "Resource", "NotResource").unwrap_or_else(everything),
            principals: Principals::of(statement),
            conditions: conditions(statement.get("Condition")),
        })
    }

    /// Whether, and by which name, the statement means `caller`.
    ///
    /// Whom NotPrincipal spares takes account, role and session together; nobody should rely on having read that right.
    pub fn reaches(&self, caller: &str) -> Option<(Through, Sure)> {
        let principals = self.principals.as_ref()?;
        if principals.not {
            return Some((Through::Everyone, Sure::Perhaps(format!("{}: NotPrincipal", self.id))));
        }
        match principals.aws().filter_map(|name| Through::of(name, caller)).max()? {
            Through::Session => {
                Some((Through::Session, Sure::Perhaps(format!("{}: one session of the role", self.id))))
            }
            through => Some((through, Sure::Yes)),
        }
    }

    /// Whether all conditions hold; the error is the first one that nobody can tell of.
    pub fn holds(&self, context: &Context) -> Result<bool, String> {
        let mut open = None;
        for condition in &self.conditions {
            match condition.holds(context) {
                Some(false) => return Ok(false),
                Some(true) => {}
                None => open = open.or_else(|| Some(condition.to_string())),
            }
        }
        open.map_or(Ok(true), Err)
    }
}

/// One text or a list of them; `true` and numbers as they are written.
fn texts(value: Option<&Value>) -> Vec<String> {
    let text = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        _ => None,
    };
    match value {
        Some(Value::Array(many)) => many.iter().filter_map(text).collect(),
        Some(one) => text(one).into_iter().collect(),
        None => Vec::new(),
    }
}

#[cfg(test)]
mod tests;
