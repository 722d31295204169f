//! Health as JSON for HTTP, and as a report for the command line.

use serde_json::{Value, json};

use super::{CANARY, Health, KEY, Probe, SECRET, State};
use crate::model::{Coverage, Extras, Finding, Gap, Item, Outcome, Report, Severity, Text};

impl Health {
    /// The worst of all probes.
    pub fn state(&self) -> State {
        self.probes.iter().map(|probe| probe.state).max().unwrap_or(State::Fail)
    }

    /// 200 or 503.
    pub fn http_status(&self) -> u16 {
        if self.state() == State::Fail { 503 } else { 200 }
    }

    /// In the draft format `application/health+json` (draft-inadarei-api-health-check-06). Without `detail`, one entry
    /// a kind: no names, no error texts.
    pub fn to_json(&self, detail: bool) -> Value {
        let mut checks = serde_json::Map::new();
        for kind in [SECRET, KEY, CANARY] {
            let of_kind: Vec<&Probe> = self.probes.iter().filter(|probe| probe.kind == kind).collect();
            let entries = if detail {
                of_kind.iter().map(|probe| self.entry(probe, true)).collect()
            } else {
                // The worst one, and among equals the slowest.
                let worst = of_kind.iter().max_by_key(|probe| (probe.state, probe.millis));
                worst.map(|probe| self.entry(probe, false)).into_iter().collect::<Vec<_>>()
            };
            checks.insert(kind.to_owned(), entries.into());
        }
        json!({
            "status": self.state().name(),
            "version": "1",
            "releaseId": env!("CARGO_PKG_VERSION"),
            "description": "Secrets Manager: reachable and decryptable",
            "checks": checks,
        })
    }

    fn entry(&self, probe: &Probe, detail: bool) -> Value {
        let mut entry = json!({
            "componentType": "datastore",
            "observedValue": probe.millis,
            "observedUnit": "ms",
            "status": probe.state.name(),
            "time": self.at,
        });
        if detail {
            entry["componentId"] = probe.component.clone().into();
            if let Some(output) = &probe.output {
                entry["output"] = output.clone().into();
            }
        }
        entry
    }

    /// As the command line prints it.
    pub fn to_report(&self, region: &str) -> Report {
        let text = |probe: &Probe| {
            let output = probe.output.clone().unwrap_or_else(|| format!("{} ms", probe.millis));
            Text::new(output.clone(), output)
        };
        let seen: Vec<&Probe> = self.probes.iter().filter(|probe| probe.gap.is_none()).collect();
        Report {
            schema: "secrets-ops/health/v1",
            title: Text::fixed("ヘルスチェック", "Health"),
            as_of: self.at,
            region: region.to_owned(),
            items: self
                .probes
                .iter()
                .map(|probe| Item {
                    subject: probe.component.clone(),
                    title: None,
                    runbook: Some("R24"),
                    outcome: match (probe.gap, probe.state) {
                        (Some(_), _) => Outcome::Unknown,
                        (None, State::Pass) => Outcome::Pass,
                        (None, _) => Outcome::Fail,
                    },
                    verdict: probe.state.name(),
                    detail: text(probe),
                    next: None,
                })
                .collect(),
            findings: seen
                .iter()
                .filter(|probe| probe.state != State::Pass)
                .map(|probe| Finding {
                    check: probe.kind,
                    severity: if probe.state == State::Fail { Severity::Critical } else { Severity::Low },
                    subject: probe.component.clone(),
                    detail: text(probe),
                    remediation: remediation(probe.kind),
                    arn: None,
                })
                .collect(),
            gaps: self
                .probes
                .iter()
                .filter_map(|probe| {
                    Some(Gap {
                        what: probe.kind.to_owned(),
                        subject: probe.component.clone(),
                        reason: probe.gap?,
                        detail: probe.output.clone().unwrap_or_default(),
                    })
                })
                .collect(),
            coverage: Coverage { wanted: self.probes.len() as u64, seen: seen.len() as u64 },
            extras: Extras::default(),
        }
    }
}

fn remediation(kind: &str) -> Text {
    match kind {
        KEY => Text::fixed(
            "キーの状態を確認し、削除待ちなら `aws kms cancel-key-deletion`、無効なら `aws kms enable-key` を検討する",
            "Look at the key; `aws kms cancel-key-deletion` if it is pending deletion, `aws kms enable-key` if disabled",
        ),
        CANARY => Text::fixed(
            "canary の値、キーのポリシー、api-health のロールを確認する",
            "Look at the canary's value, the key's policy and api-health's role",
        ),
        _ => Text::fixed(
            "シークレット名と状態を確認し、削除予定なら `aws secretsmanager restore-secret` を検討する",
            "Look at the secret's name and state; `aws secretsmanager restore-secret` if it is scheduled for deletion",
        ),
    }
}
