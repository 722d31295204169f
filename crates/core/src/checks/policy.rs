//! What the four checks on resource policies share: a policy's statements, and whom its grants reach.

use serde_json::Value;

use super::{Around, Subject};
use crate::model::{Gap, GapReason, Pattern};

/// A statement, as far as the checks need it.
#[derive(Debug)]
pub(super) struct Statement<'a> {
    /// For people: its Sid, or its place.
    pub(super) name: String,
    pub(super) allows: bool,
    whom: Whom<'a>,
    conditions: Vec<Condition<'a>>,
    /// Whether a Deny is about everybody, and about this secret; what a Deny spares is never taken for denied.
    denies: Denies,
}

/// What a Deny denies for certain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Denies {
    Nothing,
    Reads,
    Everything,
}

#[derive(Debug)]
enum Whom<'a> {
    Everybody,
    /// ARNs or account ids of principals; services and identity providers are none.
    These(Vec<&'a str>),
}

#[derive(Debug)]
struct Condition<'a> {
    operator: &'a str,
    key: &'a str,
    values: Vec<&'a str>,
}

/// How far a grant reaches; a later one reaches further.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reach {
    /// Nobody outside of the account.
    Account,
    /// Accounts that the settings trust, or our organization.
    Trusted,
    /// It depends on a condition that only AWS can evaluate.
    Unsure,
    /// Accounts that the settings do not trust.
    Others,
    /// Anybody at all.
    Public,
}

/// The statements of the secret's policy; `None` if it has none.
pub(super) fn statements<'a>(subject: &Subject<'a>, parsed: &'a mut Value) -> Result<Option<Vec<Statement<'a>>>, Gap> {
    if let Some(gap) = subject.unread("ResourcePolicy", "secretsmanager:GetResourcePolicy") {
        return Err(gap);
    }
    let Some(text) = &subject.secret.resource_policy else { return Ok(None) };
    *parsed = serde_json::from_str(text).map_err(|_| Gap {
        what: "secretsmanager:GetResourcePolicy".into(),
        subject: subject.secret.name.clone(),
        reason: GapReason::Malformed,
        detail: "the policy is not JSON".into(),
    })?;
    let all = match parsed.get("Statement") {
        Some(Value::Array(many)) => many.iter().collect(),
        Some(one) => vec![one],
        None => vec![],
    };
    Ok(Some(
        all.into_iter().enumerate().map(|(index, statement)| parse(index, statement, &subject.secret.arn)).collect(),
    ))
}

fn parse<'a>(index: usize, statement: &'a Value, arn: &str) -> Statement<'a> {
    let sid = statement.get("Sid").and_then(Value::as_str).filter(|sid| !sid.is_empty());
    let allows = statement.get("Effect").and_then(Value::as_str) == Some("Allow");
    Statement {
        name: sid.map_or_else(|| format!("#{}", index + 1), str::to_owned),
        allows,
        whom: whom(statement),
        conditions: conditions(statement),
        denies: if allows { Denies::Nothing } else { denies(statement, arn) },
    }
}

/// A Deny must be read exactly: one that spares somebody, something or another secret closes nothing.
fn denies(statement: &Value, arn: &str) -> Denies {
    let everybody = matches!(whom(statement), Whom::Everybody) && statement.get("Principal").is_some();
    let covers = |list: Option<&Value>, wanted: &str| {
        texts(list).iter().any(|pattern| {
            let pattern = pattern.to_lowercase();
            pattern.parse::<Pattern>().is_ok_and(|pattern| pattern.matches(wanted))
        })
    };
    let here = covers(statement.get("Resource"), &arn.to_lowercase());
    let actions = statement.get("Action");
    match everybody && here {
        false => Denies::Nothing,
        true if texts(actions).iter().any(|one| ["*", "secretsmanager:*"].contains(&&*one.to_lowercase())) => {
            Denies::Everything
        }
        true if covers(actions, "secretsmanager:getsecretvalue") => Denies::Reads,
        true => Denies::Nothing,
    }
}

fn whom(statement: &Value) -> Whom<'_> {
    // An Allow with NotPrincipal grants to everybody but those; what a Deny with it spares is left to those who read it.
    let Some(principal) = statement.get("Principal") else { return Whom::Everybody };
    let named = match principal {
        Value::String(_) => texts(Some(principal)),
        other => texts(other.get("AWS")),
    };
    if named.contains(&"*") { Whom::Everybody } else { Whom::These(named) }
}

fn conditions(statement: &Value) -> Vec<Condition<'_>> {
    let Some(Value::Object(operators)) = statement.get("Condition") else { return Vec::new() };
    let each = operators.iter().filter_map(|(operator, keys)| Some((operator, keys.as_object()?)));
    each.flat_map(|(operator, keys)| {
        keys.iter().map(|(key, values)| Condition { operator, key, values: texts(Some(values)) })
    })
    .collect()
}

fn texts(value: Option<&Value>) -> Vec<&str> {
    match value {
        Some(Value::String(one)) => vec![one],
        Some(Value::Bool(true)) => vec!["true"],
        Some(Value::Bool(false)) => vec!["false"],
        Some(Value::Array(many)) => many.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

impl Statement<'_> {
    /// Whom an Allow reaches; `None` for a Deny and for an Allow that reaches no principal.
    pub(super) fn reach(&self, subject: &Subject<'_>) -> Option<Reach> {
        if !self.allows {
            return None;
        }
        let around = subject.around;
        let home = around.account;
        match &self.whom {
            Whom::Everybody => Some(self.narrowed(around).unwrap_or(Reach::Public)),
            Whom::These(named) => named.iter().map(|one| reach_of(one, home, around)).max(),
        }
    }

    /// What conditions make of a grant to everybody; `None` where there are none.
    ///
    /// Keys that only a known set of callers can meet are those that AWS's own analysis of public access knows. A
    /// condition with `IfExists` or `ForAllValues` is met by those who do not bring the key at all, and narrows nothing.
    fn narrowed(&self, around: &Around<'_>) -> Option<Reach> {
        let mut result = None;
        for condition in &self.conditions {
            let operator = condition.operator.to_lowercase();
            let narrows = ["string", "arn", "ipaddress", "foranyvalue:string", "foranyvalue:arn"];
            let open = condition.values.iter().any(|value| ["*", "0.0.0.0/0", "::/0"].contains(value));
            let wild = condition.values.iter().any(|value| value.contains(['*', '?']));
            let reach = match condition.key.to_lowercase().as_str() {
                // It decides which call is let through, not whose.
                "aws:securetransport" | "secretsmanager:versionstage" | "aws:requestedregion" => continue,
                _ if operator.contains("ifexists") || operator.contains("not") => Reach::Unsure,
                _ if !narrows.iter().any(|kind| operator.starts_with(kind)) => Reach::Unsure,
                _ if open => continue,
                "aws:principalarn" | "aws:sourcearn" => {
                    let accounts: Vec<&str> =
                        condition.values.iter().map(|arn| arn.split(':').nth(4).unwrap_or_default()).collect();
                    if accounts.iter().any(|account| account.contains(['*', '?'])) {
                        Reach::Unsure
                    } else {
                        around.accounts(&accounts)
                    }
                }
                "aws:principalorgpaths" => around.org(&condition.values),
                _ if wild => Reach::Unsure,
                "aws:principalorgid" | "aws:sourceorgid" => around.org(&condition.values),
                "aws:principalaccount" | "aws:sourceaccount" | "aws:sourceowner" => around.accounts(&condition.values),
                "aws:sourcevpc" | "aws:sourcevpce" | "aws:sourceip" | "aws:userid" => Reach::Trusted,
                _ => Reach::Unsure,
            };
            // The narrowest condition decides, because all of them must be met.
            result = Some(result.map_or(reach, |known: Reach| known.min(reach)));
        }
        result
    }

    /// Whether it denies every action to everybody who comes without TLS.
    pub(super) fn denies_insecure_transport(&self) -> bool {
        let insecure = |condition: &Condition<'_>| {
            condition.operator.to_lowercase().starts_with("bool")
                && condition.key.eq_ignore_ascii_case("aws:SecureTransport")
                && condition.values == ["false"]
        };
        self.denies == Denies::Everything && self.conditions.len() == 1 && self.conditions.iter().all(insecure)
    }

    /// Whether it denies reading to everybody outside of our organization or accounts.
    pub(super) fn denies_outsiders(&self, around: &Around<'_>) -> bool {
        let outside = |condition: &Condition<'_>| {
            let negated = condition.operator.to_lowercase().starts_with("stringnot");
            let reach = match condition.key.to_lowercase().as_str() {
                "aws:principalorgid" | "aws:principalorgpaths" => around.org(&condition.values),
                "aws:principalaccount" => around.accounts(&condition.values),
                _ => Reach::Public,
            };
            negated && matches!(reach, Reach::Account | Reach::Trusted)
        };
        // A second condition lets through whoever does not meet it, unless it only spares AWS's own services.
        let spares_services =
            |condition: &Condition<'_>| condition.key.to_lowercase().starts_with("aws:principalisawsservice");
        self.denies >= Denies::Reads
            && self.conditions.iter().any(outside)
            && self.conditions.iter().all(|condition| outside(condition) || spares_services(condition))
    }
}

fn reach_of(principal: &str, home: &str, around: &Around<'_>) -> Reach {
    let account =
        if principal.starts_with("arn:") { principal.split(':').nth(4).unwrap_or_default() } else { principal };
    // A principal that has been deleted stands in policies by its id (AROA...), which reaches nobody any more.
    if account == home || !account.bytes().all(|byte| byte.is_ascii_digit()) {
        return Reach::Account;
    }
    around.accounts(&[account])
}

impl Around<'_> {
    fn org(&self, values: &[&str]) -> Reach {
        // A path may end in a star; the organization itself must be named.
        let named =
            |value: &&str| value.split('/').next().is_some_and(|id| id.starts_with("o-") && !id.contains(['*', '?']));
        let ours = |value: &&str| self.limits.org_id.as_deref().is_none_or(|id| value.split('/').next() == Some(id));
        match values {
            [] => Reach::Unsure,
            _ if !values.iter().all(named) => Reach::Unsure,
            _ if values.iter().all(ours) => Reach::Trusted,
            _ => Reach::Others,
        }
    }

    fn accounts(&self, accounts: &[&str]) -> Reach {
        let known =
            |account: &&str| *account == self.account || self.limits.trusted_accounts.iter().any(|t| t == account);
        if accounts.iter().all(|account| *account == self.account) {
            Reach::Account
        } else if accounts.iter().all(known) {
            Reach::Trusted
        } else {
            Reach::Others
        }
    }
}

/// The widest reach of all grants, with the statement that has it.
pub(super) fn widest(statements: &[Statement<'_>], subject: &Subject<'_>) -> Option<(Reach, String)> {
    statements
        .iter()
        .filter_map(|statement| Some((statement.reach(subject)?, statement.name.clone())))
        .max_by_key(|(reach, _)| *reach)
}

/// The gap of a policy that only AWS can judge.
pub(super) fn undecidable(subject: &Subject<'_>, statement: &str) -> Gap {
    Gap {
        what: "secretsmanager:GetResourcePolicy".into(),
        subject: subject.secret.name.clone(),
        reason: GapReason::Undecidable,
        detail: format!("statement {statement} grants to everybody under a condition that only AWS can evaluate"),
    }
}
