//! Whom a policy means.

use serde_json::{Map, Value};

use super::texts;

/// Whom a resource's policy means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principals {
    /// `NotPrincipal`.
    pub not: bool,
    /// Kind (`AWS`, `Service`, `Federated`, `CanonicalUser`) and name.
    pub list: Vec<(String, String)>,
}

/// By which name a policy means a caller. Later ones are closer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Through {
    /// By its account: an allowance leaves the say to the account's IAM, a denial means everybody in it.
    Account,
    /// By one of the sessions of the role.
    Session,
    /// As everybody.
    Everyone,
    /// By its own ARN.
    Name,
}

impl Principals {
    pub(super) fn of(statement: &Map<String, Value>) -> Option<Self> {
        let (not, value) = match (statement.get("Principal"), statement.get("NotPrincipal")) {
            (Some(value), _) => (false, value),
            (None, Some(value)) => (true, value),
            (None, None) => return None,
        };
        let list = match value {
            Value::String(all) => vec![("AWS".to_owned(), all.clone())],
            Value::Object(kinds) => kinds
                .iter()
                .flat_map(|(kind, names)| texts(Some(names)).into_iter().map(|name| (kind.clone(), name)))
                .collect(),
            _ => Vec::new(),
        };
        Some(Self { not, list })
    }

    /// Accounts, users, roles, sessions and `*`.
    pub fn aws(&self) -> impl Iterator<Item = &str> {
        self.list.iter().filter(|(kind, _)| kind == "AWS").map(|(_, name)| name.as_str())
    }
}

impl Through {
    /// Whether a principal of a policy means `caller`. An assumed role stands in policies as its role or as its session.
    pub(super) fn of(name: &str, caller: &str) -> Option<Self> {
        if name == "*" {
            return Some(Through::Everyone);
        }
        if name == caller {
            return Some(Through::Name);
        }
        let account = account_of(caller).filter(|account| !account.is_empty());
        let of_account = account.is_some_and(|account| name == account || is_root_of(name, account));
        if of_account {
            return Some(Through::Account);
        }
        if account.is_none() || account != account_of(name) {
            return None;
        }
        match (role_of(caller), role_of(name)) {
            // A role with a path keeps it in its own ARN and loses it in its sessions'.
            (Some((Kind::Session, caller)), Some((Kind::Role, name))) if caller == name => Some(Through::Name),
            (Some((Kind::Role, caller)), Some((Kind::Session, name))) if caller == name => Some(Through::Session),
            _ => None,
        }
    }
}

/// `arn:aws:iam::123456789012:root`.
fn is_root_of(name: &str, account: &str) -> bool {
    let rest = name.strip_suffix(":root").and_then(|rest| rest.strip_suffix(account));
    rest.is_some_and(|rest| rest.ends_with("::"))
}

#[derive(PartialEq, Eq)]
enum Kind {
    Role,
    Session,
}

/// The name, without its path, of the role in an ARN of a role or of one of its sessions.
fn role_of(arn: &str) -> Option<(Kind, &str)> {
    match arn.split_once(":assumed-role/") {
        Some((_, rest)) => Some((Kind::Session, rest.split('/').next()?)),
        None => Some((Kind::Role, arn.split_once(":role/")?.1.rsplit('/').next()?)),
    }
}

/// The account in an ARN.
pub fn account_of(arn: &str) -> Option<&str> {
    arn.starts_with("arn:").then(|| arn.split(':').nth(4))?
}
