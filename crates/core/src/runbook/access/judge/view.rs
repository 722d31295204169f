//! The reads in the form in which they are judged: old and recent, each with the secret that it means.

use std::collections::{BTreeSet, HashMap};

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::{Kind, Known, gap, network, new_principal};
use crate::model::{Access, Accesses, Gap, GapReason};
use crate::runbook::access::settings::AccessSettings;

/// The shortest past that says what is usual: every weekday is in it.
const SHORTEST_BASELINE: SignedDuration = SignedDuration::from_hours(7 * 24);

/// What a read was about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::runbook::access) enum Target<'a> {
    /// A secret that there is, by its place in the list.
    Secret(usize),
    /// Something of this name or ARN, which no listed secret has.
    Stranger(&'a str),
    /// The record names none.
    Unnamed,
}

/// A read of one secret.
#[derive(Clone, Copy, Debug)]
pub(in crate::runbook::access) struct Read<'a> {
    pub(in crate::runbook::access) access: &'a Access,
    pub(in crate::runbook::access) target: Target<'a>,
}

/// Names and ARNs to secrets, so that each read is placed at once whatever the size of the estate.
struct Index<'a>(HashMap<&'a str, usize>);

impl<'a> Index<'a> {
    fn new(secrets: &[Known<'a>]) -> Self {
        let mut places = HashMap::with_capacity(secrets.len() * 3);
        for (place, secret) in secrets.iter().enumerate() {
            places.insert(secret.name, place);
            places.insert(secret.arn, place);
        }
        // A partial ARN gives way where another secret's whole ARN reads the same.
        for (place, secret) in secrets.iter().enumerate() {
            if let Some((partial, suffix)) = secret.arn.rsplit_once('-')
                && suffix.len() == 6
            {
                places.entry(partial).or_insert(place);
            }
        }
        Self(places)
    }

    fn target(&self, id: &'a str) -> Target<'a> {
        self.0.get(id).map_or(Target::Stranger(id), |place| Target::Secret(*place))
    }
}

/// All that a rule needs.
pub(in crate::runbook::access) struct View<'a> {
    pub(super) settings: &'a AccessSettings,
    pub(super) zone: &'a TimeZone,
    pub(in crate::runbook::access) secrets: &'a [Known<'a>],
    /// The baseline's reads, one for each secret of each call.
    pub(in crate::runbook::access) past: Vec<Read<'a>>,
    /// The reads that are judged.
    pub(in crate::runbook::access) recent: Vec<Read<'a>>,
    /// Calls, each once however many secrets it names.
    pub(super) past_calls: Vec<&'a Access>,
    pub(super) recent_calls: Vec<&'a Access>,
    baseline: Result<Option<Timestamp>, Gap>,
}

impl<'a> View<'a> {
    pub(in crate::runbook::access) fn new(
        accesses: &'a Accesses,
        secrets: &'a [Known<'a>],
        settings: &'a AccessSettings,
        recent_from: Timestamp,
        zone: &'a TimeZone,
    ) -> Self {
        let index = Index::new(secrets);
        let mut past_calls: Vec<&Access> = accesses.entries.iter().collect();
        past_calls.sort_by_key(|access| access.at);
        let recent_calls = past_calls.split_off(past_calls.partition_point(|access| access.at < recent_from));
        let reads = |calls: &[&'a Access]| calls.iter().flat_map(|access| targets(access, &index)).collect();
        let (past, recent): (Vec<Read<'_>>, Vec<Read<'_>>) = (reads(&past_calls), reads(&recent_calls));
        let baseline = baseline(accesses, recent_from, past.is_empty());
        Self { settings, zone, secrets, past, recent, past_calls, recent_calls, baseline }
    }

    /// When the baseline begins; `None`: none was asked for.
    ///
    /// # Errors
    /// One was, and not enough of it could be read.
    pub(super) fn baseline(&self) -> Result<Option<Timestamp>, Gap> {
        self.baseline.clone()
    }

    /// As [`Self::baseline`], for a rule that compares secret by secret.
    pub(super) fn baseline_of_secrets(&self) -> Result<Option<Timestamp>, Gap> {
        match &self.baseline {
            Ok(Some(_)) if self.secrets.is_empty() => Err(Gap {
                what: "secretsmanager:ListSecrets".to_owned(),
                subject: String::new(),
                reason: GapReason::NoData,
                detail: "no list of secrets to place the reads by".to_owned(),
            }),
            baseline => baseline.clone(),
        }
    }

    /// Name and ARN for people.
    pub(in crate::runbook::access) fn told(&self, target: Target<'_>) -> (String, Option<String>) {
        match target {
            Target::Secret(place) => (self.secrets[place].name.to_owned(), Some(self.secrets[place].arn.to_owned())),
            Target::Stranger(id) => (clean(id), None),
            Target::Unnamed => ("?".to_owned(), None),
        }
    }

    /// The secret, where it is older than the baseline: only then does the baseline say what is usual for it.
    pub(super) fn old_secret(&self, target: Target<'_>, baseline: Timestamp) -> Option<usize> {
        match target {
            Target::Secret(place) if self.secrets[place].created.is_none_or(|created| created <= baseline) => {
                Some(place)
            }
            _ => None,
        }
    }

    /// How many secrets the question leaves out, because they are younger than the baseline that it compares them with.
    pub(in crate::runbook::access) fn left_out(&self, kind: &Kind) -> usize {
        let compares =
            kind.id == new_principal::KIND.id || (kind.id == network::KIND.id && self.settings.networks.is_empty());
        let Ok(Some(baseline)) = self.baseline else { return 0 };
        let young = |place: &usize| self.old_secret(Target::Secret(*place), baseline).is_none();
        if compares { (0..self.secrets.len()).filter(young).count() } else { 0 }
    }

    /// The first names of several targets.
    pub(super) fn names(&self, targets: impl IntoIterator<Item = Target<'a>>) -> String {
        let targets: BTreeSet<Target<'_>> = targets.into_iter().collect();
        let names: Vec<String> = targets.into_iter().map(|target| self.told(target).0).collect();
        few(names.iter().map(String::as_str))
    }
}

/// One read for each secret that the call names.
fn targets<'a>(access: &'a Access, index: &Index<'a>) -> Vec<Read<'a>> {
    match &access.secret_id {
        None => vec![Read { access, target: Target::Unnamed }],
        Some(ids) => ids.split(',').map(|id| Read { access, target: index.target(id) }).collect(),
    }
}

fn baseline(accesses: &Accesses, recent_from: Timestamp, empty: bool) -> Result<Option<Timestamp>, Gap> {
    if recent_from <= accesses.from {
        return Ok(None);
    }
    let from = accesses.whole_from();
    let length = recent_from.duration_since(from);
    if length < SHORTEST_BASELINE {
        let hours = length.as_hours().max(0);
        let detail = format!(
            "only {} days and {} hours before {recent_from} were read whole; what is usual takes 7 days",
            hours / 24,
            hours % 24
        );
        return Err(gap(accesses, GapReason::Truncated, detail));
    }
    if empty {
        let detail = format!("no read of a secret from {from} to {recent_from}: what is usual cannot be told");
        return Err(gap(accesses, GapReason::NoData, detail));
    }
    Ok(Some(from))
}

/// Calls behind reads that are in the order of their calls: a batch that names several secrets is one.
pub(in crate::runbook::access) fn number<'a>(reads: impl IntoIterator<Item = &'a Read<'a>>) -> u64 {
    let mut last: Option<&Access> = None;
    let mut sum = 0_u64;
    for read in reads {
        if !last.replace(read.access).is_some_and(|last| std::ptr::eq(last, read.access)) {
            sum = sum.saturating_add(read.access.count);
        }
    }
    sum
}

/// How many of many are named.
const FEW: usize = 5;
/// Characters of each; the rest is in CloudTrail.
const SHORT: usize = 120;

/// A stranger's text on one line and cut short: neither a control character nor one that turns the direction of writing
/// gets into a report, whatever its form.
pub(in crate::runbook::access) fn clean(text: &str) -> String {
    let hidden = |c: char| {
        c.is_control() || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().take(SHORT).map(|c| if hidden(c) { ' ' } else { c }).collect()
}

/// The first of several texts, each once and [`clean`], and how many there are beside.
pub(in crate::runbook::access) fn few<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    let all: BTreeSet<&str> = texts.into_iter().collect();
    let mut shown: Vec<String> = all.iter().take(FEW).map(|text| clean(text)).collect();
    if all.len() > FEW {
        shown.push(format!("+{}", all.len() - FEW));
    }
    shown.join(", ")
}
