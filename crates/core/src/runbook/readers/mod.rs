//! R10, R40: who can read and change each secret, and what the application's role is allowed beyond its own stage.
//!
//! IAM's own simulation decides about identity policies, boundaries and the organization; the secret's policy and its
//! key's are read here, because the simulation does not take them for roles. Simulated is only what could be allowed at all:
//! principals that have an Allow for an action on the secret, whatever its conditions, and those that the secret's own
//! policy names; roles of AWS's services are principals like others. Grants of KMS keys are not looked at.

mod app;
mod asks;
mod decide;
mod known;
mod scan;

use std::collections::BTreeMap;

use futures_util::future::join_all;
use tokio::time::{Instant, timeout_at};

use self::asks::Ask;
use self::known::Known;
use super::job::{deadline_gap, in_time};
use crate::aws::{Aws, AwsError, iam, kms};
use crate::model::{Gap, GapReason, KeyFacts, Pattern, ReaderFacts, Reading, Secret, Simulated, Verdict, account_of};
use crate::settings::{APP_ROLE, ENV, NAMING, PREFIX, Reader, SIMULATIONS, STAGES, SettingError};

pub(crate) use app::answers;
pub use decide::judge;

/// IAM actions of [`gather`].
pub const IAM_ACTIONS: &[&str] =
    &["iam:GetAccountAuthorizationDetails", "iam:SimulatePrincipalPolicy", "kms:GetKeyPolicy"];

/// What is asked of each principal and secret, in the order of the letters of [`ReaderFacts::simulated`]: the read first.
pub(crate) const ACTIONS: &[&str] = &[
    "secretsmanager:GetSecretValue",
    "secretsmanager:PutSecretValue",
    "secretsmanager:UpdateSecret",
    "secretsmanager:DeleteSecret",
    "secretsmanager:PutResourcePolicy",
    "secretsmanager:UpdateSecretVersionStage",
    "secretsmanager:RestoreSecret",
    "secretsmanager:RotateSecret",
];

/// What is asked of each principal and key.
pub(crate) const KEY_ACTIONS: &[&str] = &["kms:Decrypt"];

/// Whose role must read what, and how many simulations a run may make.
#[derive(Clone, Debug)]
pub struct IamSettings {
    /// First part of the secrets' names.
    pub prefix: String,
    /// Our stage, the second part.
    pub env: String,
    /// All stages.
    pub stages: Vec<String>,
    /// The application's role, by name.
    pub app_role: String,
    /// The names of the secrets that it must be able to read.
    pub naming: Pattern,
    /// Calls of SimulatePrincipalPolicy.
    pub simulations: usize,
}

impl IamSettings {
    /// Reads them.
    pub fn read(get: &dyn Fn(&str) -> Option<String>) -> Result<Self, SettingError> {
        let reader = Reader::new(get)?;
        Ok(Self {
            prefix: reader.text(PREFIX),
            env: reader.text(ENV),
            stages: reader.items(STAGES, |_| true)?,
            app_role: reader.text(APP_ROLE),
            naming: reader.parsed(NAMING, |_| true)?,
            simulations: reader.parsed(SIMULATIONS, |calls| (1..=100_000).contains(calls))?,
        })
    }
}

/// The secrets, with their policies read, and their keys.
#[derive(Clone, Copy, Debug)]
pub struct Estate<'a> {
    /// Where.
    pub region: &'a str,
    /// All secrets of account and Region.
    pub secrets: &'a [Secret],
    /// By each name that a secret calls one by, as `keys::gather` gives them.
    pub keys: &'a BTreeMap<String, Reading<KeyFacts>>,
}

/// Simulations under way at once; the pace is what limits them, this only covers their latency.
const AT_ONCE: usize = 4;

/// Reads policies and simulates until all is asked, the budget is used up or the deadline comes. `already` is what an
/// earlier run gave back: what it holds is not asked again, except for what failed.
pub async fn gather(
    aws: &Aws,
    estate: Estate<'_>,
    settings: &IamSettings,
    already: Option<ReaderFacts>,
    deadline: Instant,
) -> ReaderFacts {
    let mut facts = already.unwrap_or_else(ReaderFacts::none);
    facts.failed.clear();
    facts.unfinished = None;
    if facts.identities.is_err() {
        facts.identities = in_time(iam::identities(aws), "iam:GetAccountAuthorizationDetails", "", deadline).await;
    }
    if facts.identities.is_err() {
        return facts;
    }
    key_policies(aws, estate, &mut facts, deadline).await;
    let mut budget = settings.simulations;
    // Who can decrypt is asked only where the secret itself could be read.
    for phase in [asks::of_secrets, asks::of_keys] {
        let asks = Known::new(&facts, estate, settings).map(|known| phase(&known)).unwrap_or_default();
        simulate(aws, estate.region, asks, &mut budget, &mut facts, deadline).await;
        if facts.unfinished.is_some() {
            break;
        }
    }
    facts
}

async fn key_policies(aws: &Aws, estate: Estate<'_>, facts: &mut ReaderFacts, deadline: Instant) {
    for key in estate.keys.values().filter_map(|reading| reading.as_ref().ok()).filter(|key| key.customer_managed) {
        if !facts.key_policies.get(&key.arn).is_some_and(Result::is_ok) {
            let reading = in_time(kms::policy(aws, &key.arn), "kms:GetKeyPolicy", &key.arn, deadline).await;
            facts.key_policies.insert(key.arn.clone(), reading);
        }
    }
}

async fn simulate(
    aws: &Aws,
    region: &str,
    asks: Vec<Ask>,
    budget: &mut usize,
    facts: &mut ReaderFacts,
    deadline: Instant,
) {
    let all = asks.len();
    let within = &asks[..all.min(*budget)];
    *budget -= within.len();
    for (number, batch) in within.chunks(AT_ONCE).enumerate() {
        let open: Vec<&Ask> = batch.iter().filter(|ask| !facts.failed.contains_key(&ask.principal)).collect();
        let service = format!("secretsmanager.{region}.amazonaws.com");
        let done = join_all(open.iter().map(|ask| {
            let account = account_of(&ask.principal).unwrap_or_default();
            timeout_at(deadline, run(aws, ask, [("kms:ViaService", &service), ("kms:CallerAccount", account)]))
        }));
        let mut late = false;
        for (ask, result) in open.iter().zip(done.await) {
            match result {
                Ok(Ok(simulation)) => take(ask, simulation, facts),
                Ok(Err(error)) => {
                    facts.failed.insert(ask.principal.clone(), error.gap(&ask.principal));
                }
                Err(_) => late = true,
            }
        }
        if late {
            let detail = format!("about {} of {all} simulations made", number * AT_ONCE);
            facts.unfinished = Some(deadline_gap("iam:SimulatePrincipalPolicy", detail));
            return;
        }
    }
    if within.len() < all {
        facts.unfinished = Some(Gap {
            what: "iam:SimulatePrincipalPolicy".into(),
            subject: String::new(),
            reason: GapReason::Truncated,
            detail: format!("{} of {all} simulations made (SECRETS_OPS_SIMULATIONS)", within.len()),
        });
    }
}

/// Of keys, the simulation is told that Secrets Manager calls; a secret's reader calls by himself.
async fn run(aws: &Aws, ask: &Ask, via: [(&str, &str); 2]) -> Result<iam::Simulation, AwsError> {
    let mut context = vec![("aws:SecureTransport", "true")];
    if ask.actions == KEY_ACTIONS {
        context.extend(via);
    }
    iam::simulate(aws, &ask.principal, ask.actions, &ask.resources, &context).await
}

/// A resource that IAM left out of its answer has been asked about all the same.
fn take(ask: &Ask, mut simulation: iam::Simulation, facts: &mut ReaderFacts) {
    facts.calls += simulation.calls;
    let of_principal = facts.simulated.entry(ask.principal.clone()).or_default();
    for resource in &ask.resources {
        let letters = ask.actions.iter().map(|action| {
            let silent = Simulated { verdict: Verdict::NoAnswer, missing: false };
            simulation.decisions.remove(&((*action).to_owned(), resource.clone())).unwrap_or(silent).letter()
        });
        of_principal.insert(resource.clone(), letters.collect());
    }
}

#[cfg(test)]
mod tests;
