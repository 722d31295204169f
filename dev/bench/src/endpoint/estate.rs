//! Secrets that are made up from their numbers, so that no memory is needed for them. The JSON is written by hand: it is
//! most of what this endpoint does.

use std::collections::HashSet;
use std::fmt::Write;

use serde_json::Value;

const PAGE: usize = 100;

/// N secrets.
#[derive(Debug)]
pub(crate) struct Estate {
    secrets: usize,
    changed: Option<usize>,
    /// Those that have been created, where there was none before.
    created: Option<HashSet<usize>>,
    /// Tokens of an earlier generation have expired.
    generation: u64,
    pub(crate) refused_tokens: u64,
}

impl Estate {
    pub(crate) fn new(secrets: usize, changed: Option<usize>, empty: bool) -> Self {
        Self { secrets, changed, created: empty.then(HashSet::new), generation: 0, refused_tokens: 0 }
    }

    /// All tokens that were given out so far are refused from now on.
    pub(crate) fn expire_tokens(&mut self) {
        self.generation += 1;
    }

    /// The answer, or the code of an error.
    pub(crate) fn answer(&mut self, operation: &str, input: &Value) -> Result<String, &'static str> {
        let n = number(&input["SecretId"]);
        let there = || n.filter(|n| self.is_there(*n)).ok_or("ResourceNotFoundException");
        match operation {
            "ListSecrets" => self.list(input["NextToken"].as_str()),
            "DescribeSecret" => Ok(self.describe(there()?, "VersionIdsToStages")),
            "GetResourcePolicy" => Ok(policy(there()?)),
            "ListSecretVersionIds" => Ok(versions(there()?)),
            "GetSecretValue" => {
                let value = serde_json::json!({"ARN": input["SecretId"], "SecretString": "bench"});
                Ok(value.to_string())
            }
            "CreateSecret" => {
                let n = number(&input["Name"]).ok_or("InvalidParameterException")?;
                let created = self.created.as_mut().is_some_and(|created| created.insert(n));
                if created { Ok(self.describe(n, "Ignored")) } else { Err("ResourceExistsException") }
            }
            "PutResourcePolicy" => there().map(|n| format!(r#"{{"ARN":"{}","Name":"{}"}}"#, arn(n), name(n))),
            _ => Err("InvalidRequestException"),
        }
    }

    pub(crate) fn created(&self) -> usize {
        self.created.as_ref().map_or(0, HashSet::len)
    }

    fn is_there(&self, n: usize) -> bool {
        self.created.as_ref().map_or(n < self.secrets, |created| created.contains(&n))
    }

    /// The oldest first, whatever is asked for. A token says where its page begins and when it was given out.
    fn list(&mut self, token: Option<&str>) -> Result<String, &'static str> {
        let place = |token: &str| {
            let (from, generation) = token.strip_prefix("page-")?.split_once('-')?;
            (generation.parse() == Ok(self.generation)).then(|| from.parse().ok()).flatten()
        };
        let Some(from) = token.map_or(Some(0), place) else {
            self.refused_tokens += 1;
            return Err("InvalidNextTokenException");
        };
        let to = if self.created.is_some() { from } else { (from + PAGE).min(self.secrets) };
        let mut page = String::with_capacity(64 * 1024);
        page.push_str(r#"{"SecretList":["#);
        for n in from..to {
            if n > from {
                page.push(',');
            }
            page.push_str(&self.describe(n, "SecretVersionsToStages"));
        }
        page.push(']');
        if to < self.secrets && self.created.is_none() {
            let _ = write!(page, r#","NextToken":"page-{to}-{}""#, self.generation);
        }
        page.push('}');
        Ok(page)
    }

    fn describe(&self, n: usize, versions: &str) -> String {
        let what = if self.changed.is_some_and(|every| n.is_multiple_of(every)) { "changed" } else { "as ever" };
        let rotation = if n.is_multiple_of(3) {
            r#""RotationEnabled":true,"RotationLambdaARN":"arn:aws:lambda:ap-northeast-1:123456789012:function:rotate","RotationRules":{"AutomaticallyAfterDays":30},"LastRotatedDate":1760000000.5,"#
        } else {
            ""
        };
        format!(
            r#"{{"ARN":"{}","Name":"{}","Description":"Credentials of service {n}, {what}",{rotation}"CreatedDate":{},"LastChangedDate":{},"LastAccessedDate":1763683200,"Tags":[{{"Key":"owner","Value":"team-{:02}"}},{{"Key":"environment","Value":"prod"}},{{"Key":"cost-centre","Value":"{}"}},{{"Key":"number","Value":"{n}"}}],"{versions}":{{"{}":["AWSCURRENT"],"{}":["AWSPREVIOUS"]}}}}"#,
            arn(n),
            name(n),
            created(n),
            1_750_000_000 + n,
            n % 97,
            4000 + n % 13,
            version(n, 2),
            version(n, 1),
        )
    }
}

/// Three in a row are of the same moment, as a template makes them.
fn created(n: usize) -> usize {
    1_500_000_000 + n / 3 * 60
}

fn name(n: usize) -> String {
    format!("bench/service-{n:06}")
}

fn arn(n: usize) -> String {
    format!("arn:aws:secretsmanager:ap-northeast-1:123456789012:secret:bench/service-{n:06}-AbCdEf")
}

fn version(n: usize, number: usize) -> String {
    format!("{n:08}-0000-4000-8000-{number:012}")
}

/// Two secrets of three have a policy, which allows one role to read and wants TLS.
fn policy(n: usize) -> String {
    let policy = match n % 3 {
        0 => String::new(),
        _ => format!(
            r#","ResourcePolicy":"{{\"Version\":\"2012-10-17\",\"Statement\":[{{\"Sid\":\"ReadByService\",\"Effect\":\"Allow\",\"Principal\":{{\"AWS\":\"arn:aws:iam::123456789012:role/service-{n:06}\"}},\"Action\":\"secretsmanager:GetSecretValue\",\"Resource\":\"*\"}},{{\"Sid\":\"OnlyOverTls\",\"Effect\":\"Deny\",\"Principal\":\"*\",\"Action\":\"secretsmanager:*\",\"Resource\":\"*\",\"Condition\":{{\"Bool\":{{\"aws:SecureTransport\":\"false\"}}}}}}]}}""#
        ),
    };
    format!(r#"{{"ARN":"{}","Name":"{}"{policy}}}"#, arn(n), name(n))
}

/// The current version, the previous one, and one that has no label any more.
fn versions(n: usize) -> String {
    let mut all = String::new();
    for (number, stages) in [(0, ""), (1, r#""AWSPREVIOUS""#), (2, r#""AWSCURRENT""#)] {
        let comma = if number == 0 { "" } else { "," };
        let _ = write!(
            all,
            r#"{comma}{{"VersionId":"{}","VersionStages":[{stages}],"CreatedDate":{},"LastAccessedDate":1763683200,"KmsKeyIds":["DefaultEncryptionKey"]}}"#,
            version(n, number),
            1_740_000_000 + n + number * 2_592_000,
        );
    }
    format!(r#"{{"ARN":"{}","Name":"{}","Versions":[{all}]}}"#, arn(n), name(n))
}

/// Of a secret's name or ARN.
fn number(id: &Value) -> Option<usize> {
    let (_, rest) = id.as_str()?.split_once("service-")?;
    rest.split('-').next()?.parse().ok()
}
