//! For which secrets a rotation function's resource policy lets Secrets Manager invoke it.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Gap, GapReason, Pattern, Reading};

/// Who may set Secrets Manager on a function: one statement that allows it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invoker {
    /// Patterns of the secrets' account; absent: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accounts: Option<Vec<String>>,
    /// Patterns of the secrets' ARNs; absent: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secrets: Option<Vec<String>>,
}

impl Invoker {
    /// Whether it may for this secret.
    pub fn covers(&self, secret_arn: &str) -> bool {
        let account = secret_arn.split(':').nth(4).unwrap_or_default();
        let any = |patterns: &Option<Vec<String>>, text: &str| {
            patterns.as_ref().is_none_or(|all| all.iter().any(|one| is_like(text, one)))
        };
        any(&self.accounts, account) && any(&self.secrets, secret_arn)
    }
}

fn is_like(text: &str, pattern: &str) -> bool {
    pattern.parse::<Pattern>().is_ok_and(|pattern| pattern.matches(text))
}

/// Reads a function's policy.
///
/// # Errors
/// A gap where the policy is no JSON, or where it depends on a condition other than `aws:SourceAccount` and
/// `aws:SourceArn`, so that only AWS can say.
pub fn invokers(policy: &str, function: &str) -> Reading<Vec<Invoker>> {
    let gap = |reason, detail: &str| Gap {
        what: "lambda:GetPolicy".into(),
        subject: function.to_owned(),
        reason,
        detail: detail.to_owned(),
    };
    let document: Value =
        serde_json::from_str(policy).map_err(|_| gap(GapReason::Malformed, "the function's policy is no JSON"))?;
    let (mut allowed, mut perhaps_allowed, mut perhaps_denied) = (Vec::new(), false, false);
    for statement in listed(&document["Statement"]) {
        let allows = statement["Effect"] == "Allow";
        match reach(statement) {
            Reach::None => {}
            Reach::Some(invoker) if allows => allowed.push(invoker),
            Reach::Some(invoker) if invoker == Invoker::default() => return Ok(Vec::new()),
            Reach::Unsure if allows => perhaps_allowed = true,
            // Also where some secrets are denied: too rare to be told one by one.
            _ => perhaps_denied = true,
        }
    }
    let all = allowed.contains(&Invoker::default());
    if (perhaps_allowed && !all) || (perhaps_denied && !allowed.is_empty()) {
        return Err(gap(GapReason::Undecidable, "whether Secrets Manager may invoke it depends on a condition"));
    }
    Ok(allowed)
}

/// Which calls of Secrets Manager a statement speaks of.
enum Reach {
    None,
    Some(Invoker),
    Unsure,
}

fn reach(statement: &Value) -> Reach {
    if !statement["NotPrincipal"].is_null() || !statement["NotAction"].is_null() {
        return Reach::Unsure;
    }
    let principal = &statement["Principal"];
    let everybody = principal == "*" || listed(&principal["AWS"]).any(|who| who == "*");
    let service = listed(&principal["Service"]).any(|who| who == "secretsmanager.amazonaws.com");
    let invokes = |action: &Value| {
        // IAM takes actions in whatever case.
        action.as_str().is_some_and(|action| is_like("lambda:invokefunction", &action.to_ascii_lowercase()))
    };
    if !(everybody || service) || !listed(&statement["Action"]).any(invokes) {
        return Reach::None;
    }
    let mut invoker = Invoker::default();
    let conditions = statement["Condition"].as_object().into_iter().flatten();
    for (operator, keys) in conditions {
        if !keys.as_object().is_some_and(|keys| narrow(&mut invoker, operator, keys)) {
            return Reach::Unsure;
        }
    }
    Reach::Some(invoker)
}

/// Whether the condition is one of those that are understood.
fn narrow(invoker: &mut Invoker, operator: &str, keys: &Map<String, Value>) -> bool {
    let operator = operator.to_ascii_lowercase();
    // Secrets Manager always tells both, so that "if it exists" changes nothing.
    let exact = match operator.strip_suffix("ifexists").unwrap_or(&operator) {
        "stringequals" => true,
        "stringlike" | "arnlike" | "arnequals" => false,
        _ => return false,
    };
    keys.iter().all(|(key, values)| {
        let part = match key.to_ascii_lowercase().as_str() {
            "aws:sourceaccount" => &mut invoker.accounts,
            "aws:sourcearn" => &mut invoker.secrets,
            _ => return false,
        };
        let values = listed(values).filter_map(Value::as_str);
        // To StringEquals a star is a star, and no account or ARN has one.
        let values = values.filter(|value| !exact || !value.contains(['*', '?']));
        part.replace(values.map(str::to_owned).collect()).is_none()
    })
}

/// One or several: IAM writes a list of one without brackets.
fn listed(value: &Value) -> impl Iterator<Item = &Value> {
    let (one, several) = match value {
        Value::Array(items) => (None, items.as_slice()),
        Value::Null => (None, [].as_slice()),
        one => (Some(one), [].as_slice()),
    };
    one.into_iter().chain(several)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "arn:aws:secretsmanager:ap-northeast-1:123456789012:secret:prod/db-AbCdEf";

    fn statement(condition: &str) -> String {
        format!(
            r#"{{"Effect":"Allow","Principal":{{"Service":"secretsmanager.amazonaws.com"}},
                "Action":"lambda:InvokeFunction","Resource":"arn:f"{condition}}}"#
        )
    }

    fn may(statements: &str) -> Result<bool, GapReason> {
        let policy = format!(r#"{{"Version":"2012-10-17","Statement":[{statements}]}}"#);
        let invocable = invokers(&policy, "arn:f").map_err(|gap| gap.reason)?;
        Ok(invocable.iter().any(|invoker| invoker.covers(SECRET)))
    }

    #[test]
    fn conditions_that_are_understood_decide() {
        for (condition, want) in [
            ("", Ok(true)),
            (r#","Condition":{"StringEquals":{"AWS:SourceAccount":"123456789012"}}"#, Ok(true)),
            (r#","Condition":{"StringEquals":{"aws:SourceAccount":["210987654321","123456789012"]}}"#, Ok(true)),
            (r#","Condition":{"StringEquals":{"aws:SourceAccount":"210987654321"}}"#, Ok(false)),
            (
                r#","Condition":{"ArnLike":{"AWS:SourceArn":"arn:aws:secretsmanager:*:123456789012:secret:prod/*"}}"#,
                Ok(true),
            ),
            (
                r#","Condition":{"ArnLike":{"AWS:SourceArn":"arn:aws:secretsmanager:*:123456789012:secret:stg/*"}}"#,
                Ok(false),
            ),
            (
                r#","Condition":{"StringEquals":{"aws:SourceAccount":"210987654321"},"ArnLike":{"aws:SourceArn":"*"}}"#,
                Ok(false),
            ),
            // A star that StringEquals takes for a star: a common mistake.
            (r#","Condition":{"StringEquals":{"aws:SourceArn":"arn:aws:secretsmanager:*"}}"#, Ok(false)),
            (r#","Condition":{"StringEquals":{"aws:PrincipalOrgID":"o-x"}}"#, Err(GapReason::Undecidable)),
            (r#","Condition":{"StringNotEquals":{"aws:SourceAccount":"1"}}"#, Err(GapReason::Undecidable)),
            (r#","Condition":{"StringEquals":7}"#, Err(GapReason::Undecidable)),
        ] {
            assert_eq!(may(&statement(condition)), want, "{condition}");
        }
    }

    #[test]
    fn only_what_speaks_of_secrets_manager_counts() {
        for (statement, want) in [
            (r#"{"Effect":"Allow","Principal":"*","Action":"lambda:*"}"#, Ok(true)),
            (r#"{"Effect":"Allow","Principal":{"AWS":"*"},"Action":["x","*"]}"#, Ok(true)),
            (r#"{"Effect":"Allow","Principal":{"AWS":"123456789012"},"Action":"*"}"#, Ok(false)),
            (r#"{"Effect":"Allow","Principal":{"Service":"events.amazonaws.com"},"Action":"*"}"#, Ok(false)),
            (
                r#"{"Effect":"Allow","Principal":{"Service":["a","secretsmanager.amazonaws.com"]},"Action":"Lambda:invokeFunction"}"#,
                Ok(true),
            ),
            (r#"{"Effect":"Allow","Principal":"*","Action":"lambda:GetFunction"}"#, Ok(false)),
            (r#"{"Effect":"Allow","NotPrincipal":{"AWS":"x"},"Action":"*"}"#, Err(GapReason::Undecidable)),
            ("{}", Ok(false)),
            ("7", Ok(false)),
        ] {
            assert_eq!(may(statement), want, "{statement}");
        }
        assert_eq!(may(""), Ok(false));
        assert_eq!(invokers("<policy>", "f").unwrap_err().reason, GapReason::Malformed);
    }

    #[test]
    fn a_denial_wins() {
        let deny = |condition: &str| statement(condition).replace("Allow", "Deny");
        let allow = statement("");
        assert_eq!(may(&format!("{allow},{}", deny(""))), Ok(false));
        let of_one = r#","Condition":{"ArnLike":{"aws:SourceArn":"*"}}"#;
        assert_eq!(may(&format!("{allow},{}", deny(of_one))), Err(GapReason::Undecidable));
        assert_eq!(
            may(&format!("{},{allow}", statement(r#","Condition":{"X":{}}"#))),
            Ok(true),
            "one of two is enough"
        );
        assert_eq!(may(&deny("")), Ok(false));
    }
}
