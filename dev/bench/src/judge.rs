//! Judges an estate by every check, as often as it is told to, and prints what it found: the benchmark takes the CPU time of
//! more rounds and of fewer, so that making the estate does not count.

use std::io::Write;

use secrets_ops::checks::{ALL, Around, Limits, Subject, Verdict, evaluate};
use secrets_ops::model::{
    Access, Accesses, Grant, Invoker, KeyFacts, LastUse, Reader, Readers, RotationEvent, RotationFunction,
    RotationRules, RotationStep, Rotations, Secret, Surroundings, Version,
};

const ACCOUNT: &str = "123456789012";
const REGION: &str = "ap-northeast-1";
const POLICY: &str = r#"{"Version":"2012-10-17","Statement":[
    {"Sid":"App","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:role/app"},"Action":"secretsmanager:GetSecretValue","Resource":"*"},
    {"Sid":"Org","Effect":"Allow","Principal":"*","Action":"secretsmanager:GetSecretValue","Resource":"*","Condition":{"StringEquals":{"aws:PrincipalOrgID":"o-exampleorgid"}}},
    {"Sid":"Tls","Effect":"Deny","Principal":"*","Action":"secretsmanager:*","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":"false"}}}]}"#;

type Error = Box<dyn std::error::Error>;

fn main() -> Result<(), Error> {
    let mut arguments = std::env::args().skip(1).map(|text| text.parse::<usize>());
    let (Some(secrets), Some(rounds)) = (arguments.next().transpose()?, arguments.next().transpose()?) else {
        return Err("usage: judge SECRETS ROUNDS".into());
    };
    let now: jiff::Timestamp = "2026-11-22T00:00:00Z".parse()?;
    let ago = |days: usize| now - jiff::SignedDuration::from_hours(24 * i64::try_from(days).unwrap_or_default());
    let estate: Vec<Secret> = (0..secrets).map(|number| secret(number, &ago)).collect();
    let surroundings = surroundings(&estate, &ago);
    let limits = Limits::read(&|_| None)?;
    let (mut failed, mut unknown) = (0_u64, 0_u64);
    for _ in 0..rounds {
        let around = Around::new(&surroundings, &limits, (ACCOUNT, REGION), now);
        for secret in &estate {
            let subject = Subject::new(secret, &[], &around);
            for (_, verdict) in evaluate(ALL, &subject) {
                failed += u64::from(matches!(verdict, Ok(Verdict::Fail(_))));
                unknown += u64::from(verdict.is_err());
            }
        }
    }
    let line = format!(
        r#"{{"secrets":{secrets},"checks":{},"rounds":{rounds},"failed":{failed},"unknown":{unknown}}}"#,
        ALL.len()
    );
    Ok(writeln!(std::io::stdout(), "{line}")?)
}

fn secret(number: usize, ago: &dyn Fn(usize) -> jiff::Timestamp) -> Secret {
    let name = format!("goal-mandala-prod-secret-{number:06}");
    let rotated = number.is_multiple_of(3);
    let version = |days: usize, label: &str| Version {
        version_id: format!("00000000-0000-4000-8000-{days:012}"),
        version_stages: vec![label.to_owned()],
        created_date: Some(ago(days)),
        ..Version::default()
    };
    let versions = vec![version(number % 90, "AWSCURRENT"), version(number % 90 + 30, "AWSPREVIOUS")];
    Secret {
        arn: arn(&name),
        kms_key_id: (!number.is_multiple_of(10)).then(|| format!("arn:aws:kms:{REGION}:{ACCOUNT}:key/{}", number % 7)),
        created_date: Some(ago(400)),
        last_accessed_date: Some(ago(number % 120)),
        rotation_enabled: rotated.then_some(true),
        rotation_lambda_arn: rotated.then(|| function(number % 5)),
        rotation_rules: rotated
            .then(|| RotationRules { automatically_after_days: Some(30), ..RotationRules::default() }),
        last_rotated_date: rotated.then(|| ago(number % 40)),
        next_rotation_date: rotated.then(|| ago(number % 40) + jiff::SignedDuration::from_hours(30 * 24)),
        tags: [("Owner".to_owned(), "platform".to_owned())].into(),
        version_ids_to_stages: versions
            .iter()
            .map(|version| (version.version_id.clone(), version.version_stages.clone()))
            .collect(),
        versions,
        resource_policy: number.is_multiple_of(2).then(|| POLICY.to_owned()),
        name,
        ..Secret::default()
    }
}

fn arn(name: &str) -> String {
    format!("arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:{name}-AbCdEf")
}

fn function(number: usize) -> String {
    format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:rotate-{number}")
}

fn surroundings(estate: &[Secret], ago: &dyn Fn(usize) -> jiff::Timestamp) -> Surroundings {
    let key = |number: usize| {
        let arn = format!("arn:aws:kms:{REGION}:{ACCOUNT}:key/{number}");
        let state = if number == 6 { "PendingDeletion" } else { "Enabled" };
        let facts = KeyFacts {
            arn: arn.clone(),
            state: state.to_owned(),
            customer_managed: true,
            deletion_date: None,
            rotation: Ok(Some(true)),
            last_use: Ok(LastUse::At(ago(1))),
        };
        (arn, Ok(facts))
    };
    let there = |number| {
        let role = Some(format!("arn:aws:iam::{ACCOUNT}:role/rotate"));
        (
            function(number),
            Ok(RotationFunction::There { state: Some("Active".into()), role, invocable: Ok(vec![Invoker::default()]) }),
        )
    };
    let access = |(number, secret): (usize, &Secret)| Access {
        at: ago(number % 30),
        count: 1,
        event: "GetSecretValue".into(),
        secret_id: Some(if number.is_multiple_of(2) { secret.name.clone() } else { secret.arn.clone() }),
        principal: format!("arn:aws:sts::{ACCOUNT}:assumed-role/app"),
        kind: Some("AssumedRole".into()),
        by_person: false,
        source: Some("203.0.113.10".into()),
        user_agent: Some("aws-sdk-rust/1.3".into()),
        error: None,
        marked_for_deletion: false,
    };
    let rotation = |(number, secret): (usize, &Secret)| RotationEvent {
        at: ago(number % 40),
        step: if number.is_multiple_of(90) { RotationStep::Failed } else { RotationStep::Succeeded },
        secret_id: secret.arn.clone(),
        error: None,
    };
    let reader = |name: &str| Reader {
        principal: format!("arn:aws:iam::{ACCOUNT}:role/{name}"),
        read: Some(Grant::Allowed),
        write: None,
    };
    let readers = || vec![reader("goal-mandala-prod-lambda"), reader("admin")];
    let (from, to) = (ago(90), ago(0));
    Surroundings {
        keys: (0..7).map(key).collect(),
        functions: (0..5).map(there).collect(),
        rotations: Ok(Rotations::new(
            from,
            to,
            estate.iter().enumerate().filter(|(number, _)| number.is_multiple_of(3)).map(rotation),
        )),
        accesses: Ok(Accesses {
            from,
            to,
            truncated_at: None,
            gaps: Vec::new(),
            unreadable: 0,
            read_from: "the benchmark".into(),
            entries: estate.iter().enumerate().chain(estate.iter().enumerate()).map(access).collect(),
        }),
        trails: Ok(Vec::new()),
        readers: Ok(Readers {
            by_secret: estate.iter().map(|secret| (secret.arn.clone(), readers())).collect(),
            unknown: Default::default(),
        }),
    }
}
