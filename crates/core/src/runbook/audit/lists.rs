//! The weekly and the monthly list: the runbook's own lines, its security audit and its scan of configurations.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use super::estate::{self, Estate};
use super::evidence::Evidence;
use super::tally::Tally;
use super::{Question, Reply, Sheet, suppress};
use crate::aws::Aws;
use crate::checks::{ALL, Around};
use crate::model::{
    Accesses, DecryptFailures, FunctionsFacts, Gap, Item, Outcome, ReaderFacts, Reading, Report, Rotations, Secret,
    Severity, Suppressions, Text, TrailFacts, unread,
};
use crate::runbook::access::{self, AccessSettings};
use crate::runbook::performance::PerformanceSettings;
use crate::runbook::readers::{self, IamSettings};
use crate::runbook::rotation::RotationSettings;
use crate::runbook::{JobError, calls, cost, functions, keys, performance, rotation};
use crate::settings::{Reader, SettingError, Settings, TRAIL_LOG_GROUP};

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum List {
    /// R05 to R08, with the security audit and the scan of configurations, R40 to R46.
    Weekly,
    /// R09 to R11 and R18 to R20, with the same audit and scan.
    Monthly,
}

impl List {
    /// Its name in events, markers, metrics and reports.
    pub const fn job(self) -> &'static str {
        match self {
            Self::Weekly => "audit-weekly",
            Self::Monthly => "audit-monthly",
        }
    }

    /// The line of this list that asks what another list asks, too: reads are R04 by the day, R07 by the week and R42 in
    /// the audit; rotation is R05 by the week and R18 by the month.
    fn step(self, step: &'static str) -> &'static str {
        match (self, step) {
            (Self::Weekly, "R04") => "R07",
            (Self::Monthly, "R04") => "R42",
            (Self::Monthly, "R05") => "R18",
            (Self::Monthly, "R06") => "R43",
            (Self::Monthly, "R08") => "R19",
            _ => step,
        }
    }

    const fn schema(self) -> &'static str {
        match self {
            Self::Weekly => "secrets-ops/audit-weekly/v1",
            Self::Monthly => "secrets-ops/audit-monthly/v1",
        }
    }

    const fn title(self) -> Text {
        match self {
            Self::Weekly => Text::fixed("週次チェックリストとセキュリティ監査", "Weekly checklist and security audit"),
            Self::Monthly => {
                Text::fixed("月次チェックリストとセキュリティ監査", "Monthly checklist and security audit")
            }
        }
    }
}

/// What the lists judge by, and where they look.
#[derive(Clone, Debug)]
pub struct ListSettings {
    pub(super) access: AccessSettings,
    iam: IamSettings,
    performance: PerformanceSettings,
    function: String,
    pub(super) rotation: RotationSettings,
    trail_log_group: String,
}

impl ListSettings {
    /// Reads them.
    pub fn read(get: &dyn Fn(&str) -> Option<String>) -> Result<Self, SettingError> {
        Ok(Self {
            access: AccessSettings::read(get)?,
            iam: IamSettings::read(get)?,
            performance: PerformanceSettings::read(get)?,
            function: functions::app_function(get)?,
            rotation: RotationSettings::read(get)?,
            trail_log_group: Reader::new(get)?.text(TRAIL_LOG_GROUP),
        })
    }
}

/// One run over a list.
#[derive(Clone, Copy, Debug)]
pub struct Run<'a> {
    /// Which list.
    pub list: List,
    /// The deployment's.
    pub settings: &'a Settings,
    /// The lists' own.
    pub own: &'a ListSettings,
    /// What has been accepted for a time.
    pub suppressions: &'a Suppressions,
    /// The estate's account; empty where it could not be told.
    pub account: &'a str,
    /// The moment that the run speaks of.
    pub now: Timestamp,
}

/// Looks at the live estate. `already` is what IAM said to an earlier run that could not ask all: it is not asked again.
///
/// # Errors
/// A list of secrets that fails; anything else that cannot be read is a gap.
pub async fn look(
    run: Run<'_>,
    aws: &Aws,
    already: Option<ReaderFacts>,
    deadline: Instant,
) -> Result<(Report, Evidence), JobError> {
    let before = aws.calls();
    let mut evidence = Evidence::none(run.account, aws.region(), run.now);
    let estate = gather(run, aws, already, &mut evidence, deadline).await?;
    let mut report = judge(run, estate, &mut evidence)?;
    calls::note(&mut report, &before, aws);
    Ok((report, evidence))
}

/// All that is read, none of it twice. What does not need the list of secrets is read beside it.
async fn gather(
    run: Run<'_>,
    aws: &Aws,
    already: Option<ReaderFacts>,
    evidence: &mut Evidence,
    deadline: Instant,
) -> Result<Estate, JobError> {
    let Run { own, now, .. } = run;
    let days = |days: i64| now - SignedDuration::from_hours(24 * days);
    let (estate, history) = tokio::join!(
        estate::live(aws, deadline),
        history(run, aws, (days(own.rotation.window_days), days(own.access.days)), deadline)
    );
    let estate = estate?;
    let names = estate.functions.iter().cloned().chain([own.function.clone()]).collect();
    let (keys, mut looked) =
        tokio::join!(keys::gather(aws, &estate.keys, deadline), functions::gather(aws, &names, deadline));
    let rotating = rotation::functions_of(aws, &estate.functions, &looked, deadline).await;
    // That a rotation function is gone is told of its secrets; there is nothing of it to look at.
    looked.functions.retain(|name, reading| *name == own.function || !matches!(reading, Ok(None)));
    if run.list == List::Monthly {
        monthly(run, aws, evidence, deadline).await;
    }
    evidence.functions = Ok(looked);
    evidence.decryptions = history.decryptions;
    let around = &mut evidence.surroundings;
    (around.rotations, around.accesses, around.trails) = (history.rotations, history.accesses, history.trails);
    (around.keys, around.functions) = (keys, rotating);
    let known = readers::Estate { region: aws.region(), secrets: &estate.known, keys: &around.keys };
    evidence.readers = readers::gather(aws, known, &own.iam, already, deadline).await;
    Ok(estate)
}

/// What CloudTrail tells of rotations since the first moment, and of reads and decryptions since the second.
async fn history(run: Run<'_>, aws: &Aws, (rotations, reads): (Timestamp, Timestamp), deadline: Instant) -> History {
    let (access, now) = (&run.own.access, run.now);
    let (rotations, accesses, trails, decryptions) = tokio::join!(
        rotation::events(aws, rotations, now, run.own.rotation.lookup_pages, deadline),
        access::gather(aws, access, reads, now, deadline),
        access::trails(aws, deadline),
        keys::failures(aws, &run.own.trail_log_group, reads, now, deadline),
    );
    History { rotations, accesses, trails, decryptions }
}

struct History {
    rotations: Reading<Rotations>,
    accesses: Reading<Accesses>,
    trails: Reading<Vec<TrailFacts>>,
    decryptions: Reading<DecryptFailures>,
}

/// What only the monthly list asks for: one of it costs money.
async fn monthly(run: Run<'_>, aws: &Aws, evidence: &mut Evidence, deadline: Instant) {
    let (costs, durations) = tokio::join!(
        cost::gather(aws, &run.settings.bucket, run.account, run.now, deadline),
        performance::gather(aws, &run.own.performance, 30, run.now, deadline)
    );
    (evidence.costs, evidence.performance) = (costs, Ok(durations));
}

/// The whole judgement. Pure but for the file that the secrets lie in.
pub(super) fn judge(run: Run<'_>, mut estate: Estate, evidence: &mut Evidence) -> Result<Report, JobError> {
    let Run { own, now, .. } = run;
    let region = evidence.region.clone();
    for key in &estate.keys {
        let unasked = || Err(Gap { subject: key.clone(), ..unread("kms:DescribeKey") });
        evidence.surroundings.keys.entry(key.clone()).or_insert_with(unasked);
    }
    let known = readers::Estate { region: &region, secrets: &estate.known, keys: &evidence.surroundings.keys };
    let readers = readers::judge(&evidence.readers, known, &own.iam);
    let mut questions = readers::answers(&evidence.readers, known, &own.iam);
    questions.extend(keys::answers(&evidence.surroundings.keys, &evidence.decryptions, &estate.known));
    questions.extend(match &evidence.functions {
        Ok(facts) => functions::answers(facts, now),
        Err(gap) => vec![unseen("functions", "R45", gap)],
    });
    evidence.surroundings.readers = readers;

    let around = Around::new(&evidence.surroundings, &own.rotation.limits, (&evidence.account, &region), now);
    let mut tally = Tally::new(ALL);
    while let Some((_, line)) = estate.lines.next()? {
        tally.judge(&line.secret, &line.gaps, &around);
    }
    if estate.listed == 0 {
        estate.gaps.push(rotation::no_secrets(&region));
    }
    let mut sheet = Sheet::default();
    let verdicts = tally.verdicts();
    let suppressing = std::mem::take(&mut tally.suppressing);
    sheet.tables.push(tally.keys(&evidence.surroundings));
    if run.list == List::Monthly {
        questions.extend(cost::answers(&evidence.costs, tally.unused(estate.gaps.first()), now));
        questions.extend(match &evidence.performance {
            Ok(facts) => performance::answers(facts, own.performance.latency_max),
            Err(gap) => vec![unseen("performance", "R11", gap)],
        });
        sheet.tables.extend(evidence.costs.as_ref().ok().and_then(cost::table));
        sheet.tables.extend(evidence.performance.as_ref().ok().and_then(performance::table));
    }
    sheet.take(tally);
    let cut_off = !estate.gaps.is_empty();
    sheet.gaps.extend(estate.gaps);
    let reads = reads(run, evidence, &estate.known);
    questions.push(sources(run, &evidence.surroundings.accesses));
    sheet.absorb(reads);
    for (question, reply) in questions {
        sheet.answer(question, reply);
    }
    sheet.items.push(dependencies());
    for item in &mut sheet.items {
        item.runbook = item.runbook.map(|step| run.list.step(step));
    }
    sheet.items.sort_by_key(|item| step(item.runbook));
    if cut_off {
        // What was not even listed may be what the line is about.
        for item in sheet.items.iter_mut().filter(|item| item.outcome == Outcome::Pass) {
            (item.outcome, item.verdict) = (Outcome::Unknown, "unknown");
        }
    }
    let partly = std::mem::take(&mut sheet.partly);
    let mut report = sheet.into_report(run.list.schema(), run.list.title(), &region, now);
    report.extras.account.clone_from(&evidence.account);
    report.extras.verdicts = Some(verdicts);
    suppress::suppress(run, &mut report, &suppressing, &partly);
    Ok(report)
}

/// The report on reads, which becomes part of the list.
fn reads(run: Run<'_>, evidence: &Evidence, known: &[Secret]) -> Report {
    let secrets: Vec<access::Known<'_>> = known
        .iter()
        .map(|secret| access::Known {
            name: &secret.name,
            arn: &secret.arn,
            created: secret.created_date,
            deleted: secret.deleted_date.is_some(),
        })
        .collect();
    let around = &evidence.surroundings;
    let recent_from = match &around.accesses {
        Ok(accesses) => access::recent_from(accesses.from, accesses.to),
        Err(_) => run.now,
    };
    access::report(&access::Case {
        accesses: &around.accesses,
        trails: Some(&around.trails),
        secrets: &secrets,
        settings: &run.own.access,
        recent_from,
        now: run.now,
        region: &evidence.region,
        zone: &run.settings.time_zone,
    })
}

/// The ids of all questions that are asked besides the checks.
pub(super) fn question_ids() -> Vec<&'static str> {
    let (nothing, now) = (Evidence::none("", "", Timestamp::UNIX_EPOCH), Timestamp::UNIX_EPOCH);
    let nobody = FunctionsFacts { functions: BTreeMap::new(), by_role: Err(unread("lambda:ListFunctions")) };
    let no_keys = BTreeMap::new();
    let estate = readers::Estate { region: "", secrets: &[], keys: &no_keys };
    let mut all = functions::answers(&nobody, now);
    all.extend(keys::answers(&no_keys, &nothing.decryptions, &[]));
    all.extend(cost::answers(&nothing.costs, Ok(cost::Unused::default()), now));
    if let Ok(iam) = IamSettings::read(&|_| None) {
        all.extend(readers::answers(&nothing.readers, estate, &iam));
    }
    all.into_iter().map(|(question, _)| question.id).collect()
}

/// One line in place of several that nothing is known of.
fn unseen(id: &'static str, runbook: &'static str, gap: &Gap) -> (Question, Result<Reply, Gap>) {
    let question = Question {
        id,
        runbook,
        title: Text::fixed("記録にないもの", "What nobody wrote down"),
        severity: Severity::Low,
        remediation: gap.reason.next(),
    };
    (question, Err(gap.clone()))
}

/// R07, R42: where reads come from; the ten busiest sources are in the table.
fn sources(run: Run<'_>, accesses: &Reading<Accesses>) -> (Question, Result<Reply, Gap>) {
    let question = Question {
        id: "access-sources",
        runbook: if run.list == List::Weekly { "R07" } else { "R42" },
        title: Text::fixed("取得元の集計", "Where reads come from"),
        severity: Severity::Low,
        remediation: Text::fixed(
            "表の送信元に心当たりがあるか確認する",
            "Look whether the sources in the table are known",
        ),
    };
    let reply = accesses.as_ref().map_err(Clone::clone).map(|accesses| {
        let sources: BTreeSet<&str> = accesses.entries.iter().filter_map(|access| access.source.as_deref()).collect();
        let reads: u64 = accesses.entries.iter().map(|access| access.count).sum();
        let since = accesses.whole_from().to_zoned(run.settings.time_zone.clone()).strftime("%Y-%m-%d").to_string();
        let (number, source) = (sources.len(), &accesses.read_from);
        let told = Text::new(
            format!("{since} から {reads} 回、送信元 {number} か所（表を参照）。出典: {source}"),
            format!("{reads} reads since {since}, from {number} places (see the table); source: {source}"),
        );
        Reply::of(told, Vec::new(), accesses.gaps.clone())
    });
    (question, reply)
}

/// R44: what a running function cannot know of itself is said, not passed.
fn dependencies() -> Item {
    Item {
        subject: "dependencies".into(),
        title: Some(Text::fixed("依存関係の脆弱性", "Vulnerable dependencies")),
        runbook: Some("R44"),
        outcome: Outcome::NotApplicable,
        verdict: "elsewhere",
        detail: Text::fixed(
            "実行中の環境からは判定できません。アプリケーションの CI（npm audit）と Amazon Inspector で確認してください",
            "cannot be told from here: it belongs into the application's CI (npm audit) and Amazon Inspector",
        ),
        next: None,
    }
}

/// The runbook's own order: `R05` before `R17b` before `R40`.
fn step(runbook: Option<&str>) -> u32 {
    let digits = |step: &str| step.trim_matches(|c: char| !c.is_ascii_digit()).parse().unwrap_or(u32::MAX);
    runbook.map_or(u32::MAX, digits)
}
