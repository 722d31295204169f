//! Do reads come from where they should?

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::IpAddr;

use super::view::{Read, View, number};
use super::{Answer, Kind, Unusual, clean, few};
use crate::model::{Gap, GapReason, Severity, Text};
use crate::runbook::access::settings::Network;

pub(super) const KIND: Kind = Kind {
    id: "access-network",
    severity: Severity::Medium,
    title: Text::fixed("取得の送信元が想定内のネットワークである", "Reads come from expected networks"),
    remediation: Text::fixed(
        "送信元の持ち主を確認する。想定内なら SECRETS_OPS_NETWORKS に加え、想定外なら認証情報を無効にする",
        "Find out whose network it is; add it to SECRETS_OPS_NETWORKS if it is ours, or else disable the credentials",
    ),
    runbook: "R04",
};

pub(super) fn judge(view: &View<'_>) -> Answer {
    let found = if view.settings.networks.is_empty() { unknown(view)? } else { Some(outside(view)) };
    let silent = view.recent_calls.iter().filter(|access| access.source.is_none()).count();
    match found {
        Some(found) if found.is_empty() && silent > 0 => Err(Gap {
            what: "CloudTrail sourceIPAddress".to_owned(),
            subject: String::new(),
            reason: GapReason::Malformed,
            detail: format!("{silent} reads do not say where they came from"),
        }),
        found => Ok(found),
    }
}

/// The address of a read; the name of an AWS service is none.
fn address(read: &Read<'_>) -> Option<IpAddr> {
    read.access.source.as_deref()?.parse().ok()
}

/// Against the settings, whoever reads what.
fn outside(view: &View<'_>) -> Vec<Unusual> {
    let mut by_principal: BTreeMap<&str, Vec<&Read<'_>>> = BTreeMap::new();
    for read in &view.recent {
        if address(read).is_some_and(|address| !view.settings.networks.iter().any(|ours| ours.contains(address))) {
            by_principal.entry(&read.access.principal).or_default().push(read);
        }
    }
    let told = |(principal, reads): (&str, Vec<&Read<'_>>)| {
        let number = number(reads.iter().copied());
        let from = few(reads.iter().filter_map(|read| read.access.source.as_deref()));
        let secrets = view.names(reads.iter().map(|read| read.target));
        Unusual {
            severity: Severity::High,
            subject: clean(principal),
            arn: None,
            detail: Text::new(
                format!("SECRETS_OPS_NETWORKS 外からの取得 {number} 回（送信元 {from}、対象 {secrets}）"),
                format!("{number} reads from outside of SECRETS_OPS_NETWORKS (from {from}; of {secrets})"),
            ),
        }
    };
    by_principal.into_iter().map(told).collect()
}

/// Against each secret's own past. A secret that nobody read then has none; whoever reads it now is a new principal.
fn unknown(view: &View<'_>) -> Result<Option<Vec<Unusual>>, Gap> {
    let Some(baseline) = view.baseline_of_secrets()? else { return Ok(None) };
    let read = |read: &&Read<'_>| read.access.error.is_none();
    let mut known: HashMap<usize, HashSet<Network>> = HashMap::new();
    for read in view.past.iter().filter(read) {
        if let (Some(secret), Some(address)) = (view.old_secret(read.target, baseline), address(read)) {
            known.entry(secret).or_default().insert(neighbourhood(address));
        }
    }
    let mut by_secret: BTreeMap<usize, Vec<(&Read<'_>, Network)>> = BTreeMap::new();
    for read in view.recent.iter().filter(read) {
        if let (Some(secret), Some(address)) = (view.old_secret(read.target, baseline), address(read))
            && known.get(&secret).is_some_and(|known| !known.contains(&neighbourhood(address)))
        {
            by_secret.entry(secret).or_default().push((read, neighbourhood(address)));
        }
    }
    let told = |(secret, reads): (usize, Vec<(&Read<'_>, Network)>)| {
        let number = number(reads.iter().map(|(read, _)| *read));
        let networks: Vec<String> = reads.iter().map(|(_, network)| network.to_string()).collect();
        let networks = few(networks.iter().map(String::as_str));
        let who = few(reads.iter().map(|(read, _)| &*read.access.principal));
        Unusual {
            severity: KIND.severity,
            subject: view.secrets[secret].name.to_owned(),
            arn: Some(view.secrets[secret].arn.to_owned()),
            detail: Text::new(
                format!("{baseline} からの基準期間にないネットワーク {networks} から取得 {number} 回（{who}）"),
                format!(
                    "{number} reads from networks that the baseline from {baseline} does not know: {networks} (by {who})"
                ),
            ),
        }
    };
    Ok(Some(by_secret.into_iter().map(told).collect()))
}

/// What an office or a provider has at least: a /24, or a /48 of IPv6.
fn neighbourhood(address: IpAddr) -> Network {
    Network::around(address, if address.to_canonical().is_ipv4() { 24 } else { 48 })
}
