//! `secrets-ops backup diff`

use anyhow::{Context, anyhow};
use secrets_ops::model::Report;
use secrets_ops::runbook::backup::Fault;
use secrets_ops::runbook::backup::diff::{self, Base, Scope};

use crate::session::Session;
use crate::source;

pub(crate) async fn run(session: &Session, before: &str, after: &str, scope: Scope) -> anyhow::Result<Report> {
    let live = after == "live";
    let opened = source::open(session, before).await?;
    if !live {
        // A wrong name is told before the first backup has been read to its end.
        drop(source::open(session, after).await?);
    }
    let name = opened.name.clone();
    let base = blocking(move || Base::of(opened)).await?.map_err(|faults| damaged(&name, &faults))?;
    if live {
        return Ok(diff::live(&session.aws, base, scope, session.now, session.deadline()).await?);
    }
    let other = source::open(session, after).await?;
    let (name, now) = (other.name.clone(), session.now);
    blocking(move || diff::archives(base, other, scope, now)).await?.map_err(|faults| damaged(&name, &faults))
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> anyhow::Result<T> {
    tokio::task::spawn_blocking(work).await.context("the comparison broke off")
}

/// One line a fault; what the archive's author chose must not forge another.
fn damaged(name: &str, faults: &[Fault]) -> anyhow::Error {
    let line = |fault: &Fault| fault.to_string().replace(char::is_control, " ");
    let lines: Vec<String> = faults.iter().map(line).collect();
    anyhow!("{name} is not what its manifest says; nothing was compared\n  {}", lines.join("\n  "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fault_is_one_line() {
        let faults = [Fault::Missing("a\u{1b}[2J\nb".into()), Fault::NoManifest];
        let text = damaged("x.tar.gz", &faults).to_string();
        assert_eq!(text.lines().count(), 3);
        assert!(text.starts_with("x.tar.gz is not what its manifest says; nothing was compared\n  a [2J b is in the "));
    }
}
