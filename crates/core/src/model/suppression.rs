//! Findings that somebody has accepted: by a file or by a tag on the secret, each with owner, reason and a last day.
//! Whatever is wrong with one, it does not suppress.

use std::collections::BTreeMap;

use jiff::ToSpan;
use jiff::civil::Date;
use serde::Deserialize;

use super::{Finding, Pattern, Severity, Suppressed, Text};

/// Beginning of the tags that suppress; the check's id follows.
pub const SUPPRESS_TAG: &str = "secrets-ops:suppress:";

/// The schema of the file.
const SCHEMA: &str = "secrets-ops/suppressions/v1";

/// Ids of findings about suppressions themselves. They cannot be suppressed.
const VALID: &str = "suppression-valid";
const CURRENT: &str = "suppression-current";

/// Nothing is accepted for longer: the last day may be this many days ahead.
const MOST_DAYS: i64 = 366;

/// What a file says, and which checks may be named.
#[derive(Clone, Debug, Default)]
pub struct Suppressions {
    known: Vec<String>,
    entries: Vec<Result<Suppression, Fault>>,
}

/// One accepted kind of finding.
#[derive(Clone, Debug)]
struct Suppression {
    /// `None`: any check.
    check: Option<String>,
    subject: Subject,
    owner: String,
    reason: String,
    until: Date,
    /// Where it stands, for whoever has to mend it.
    place: String,
}

#[derive(Clone, Debug)]
enum Subject {
    Like(Pattern),
    /// A tag is about the secret that has it, whatever its name looks like.
    Only(String),
}

/// A suppression that cannot be used.
#[derive(Clone, Debug)]
struct Fault {
    place: String,
    what: Text,
}

/// A list of findings after suppression.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// What remains, in its order.
    pub findings: Vec<Finding>,
    /// What somebody has accepted.
    pub suppressed: Vec<Suppressed>,
    /// What is wrong with suppressions: `suppression-valid` and `suppression-current`.
    pub extra: Vec<Finding>,
}

#[derive(Deserialize)]
struct File {
    schema: String,
    suppressions: Vec<serde_json::Value>,
}

/// As it is written down; what is missing is named by name.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    check: Option<String>,
    subject: Option<String>,
    owner: Option<String>,
    reason: Option<String>,
    until: Option<String>,
}

impl Suppressions {
    /// No file: only tags suppress. `known` are the ids of all checks.
    pub fn none(known: &[&str]) -> Self {
        Self { known: known.iter().map(|id| (*id).to_owned()).collect(), entries: Vec::new() }
    }

    /// Reads a file of `secrets-ops/suppressions/v1`; `place` is its name for people. An entry that is wrong takes no other
    /// with it.
    pub fn parse(bytes: &[u8], place: &str, known: &[&str]) -> Self {
        let mut all = Self::none(known);
        let fault = |ja: String, en: String| Err(Fault { place: place.to_owned(), what: Text::new(ja, en) });
        match serde_json::from_slice::<File>(bytes) {
            Ok(file) if file.schema == SCHEMA => {
                let entries = file.suppressions.into_iter().enumerate().map(|(index, value)| {
                    let place = format!("{place} #{}", index + 1);
                    match serde_json::from_value::<Written>(value) {
                        Ok(written) => all.judged(written, None, place),
                        Err(error) => Err(Fault {
                            place,
                            what: Text::new(format!("形式の誤り: {error}"), format!("is malformed: {error}")),
                        }),
                    }
                });
                all.entries = entries.collect();
            }
            Ok(file) => all.entries.push(fault(
                format!("schema は {SCHEMA} でなければならない（{:?}）", file.schema),
                format!("must have the schema {SCHEMA}; it has {:?}", file.schema),
            )),
            Err(error) => all.entries.push(fault(
                format!("{SCHEMA} として読めない: {error}"),
                format!("cannot be read as {SCHEMA}: {error}"),
            )),
        }
        all
    }

    /// Checks all but the date's distance, which depends on the day.
    fn judged(&self, written: Written, secret: Option<&str>, place: String) -> Result<Suppression, Fault> {
        let fault = |ja: String, en: String| Fault { place: place.clone(), what: Text::new(ja, en) };
        let missing = |name: &str| fault(format!("{name} がない"), format!("has no {name}"));
        let given = |value: Option<String>, name: &str| {
            value.map(|value| value.trim().to_owned()).filter(|value| !value.is_empty()).ok_or_else(|| missing(name))
        };
        let check = given(written.check, "check")?;
        if check != "*" && !self.known.contains(&check) {
            return Err(fault(
                format!("{check:?} というチェックはない"),
                format!("names {check:?}, which is no check"),
            ));
        }
        let subject = match secret {
            Some(name) => Subject::Only(name.to_owned()),
            None => Subject::Like(given(written.subject, "subject")?.parse().map_err(|_| missing("subject"))?),
        };
        let until = given(written.until, "until")?;
        Ok(Suppression {
            check: Some(check).filter(|check| check != "*"),
            subject,
            owner: given(written.owner, "owner")?,
            reason: given(written.reason, "reason")?,
            until: until.parse().map_err(|_| {
                fault(
                    format!("until は 2026-12-31 の形の日付（{until:?}）"),
                    format!("wants until as a date such as 2026-12-31; it is {until:?}"),
                )
            })?,
            place,
        })
    }

    /// From a tag `secrets-ops:suppress:<check>` = `until=2026-12-31 owner=platform reason=any words`.
    fn of_tag(&self, secret: &str, check: &str, value: &str) -> Result<Suppression, Fault> {
        let place = format!("{secret} {SUPPRESS_TAG}{check}");
        let mut fields: BTreeMap<&str, String> = BTreeMap::new();
        let mut current = None;
        for word in value.split_whitespace() {
            match word.split_once('=') {
                // A name that comes again is a word like any other: a reason may hold `=`.
                Some((name @ ("until" | "owner" | "reason"), rest)) if !fields.contains_key(name) => {
                    fields.insert(name, rest.to_owned());
                    current = Some(name);
                }
                _ => match current.and_then(|name| fields.get_mut(name)) {
                    Some(text) => text.extend([" ", word]),
                    None => {
                        let what = Text::new(
                            format!("値は until=2026-12-31 owner=.. reason=.. の形で書く（現在は {value:?}）"),
                            format!("wants until=2026-12-31 owner=.. reason=..; it is {value:?}"),
                        );
                        return Err(Fault { place, what });
                    }
                },
            }
        }
        if check == "*" {
            return Err(Fault {
                place, what: Text::fixed("タグには check を 1 つだけ書く", "must name one check")
            });
        }
        let mut field = |name: &str| fields.remove(name);
        let written = Written {
            check: Some(check.to_owned()),
            subject: None,
            owner: field("owner"),
            reason: field("reason"),
            until: field("until"),
        };
        self.judged(written, Some(secret), place)
    }
}

impl Suppression {
    fn covers(&self, finding: &Finding) -> bool {
        let subject = match &self.subject {
            Subject::Only(name) => *name == finding.subject,
            Subject::Like(pattern) => {
                pattern.matches(&finding.subject) || finding.arn.as_deref().is_some_and(|arn| pattern.matches(arn))
            }
        };
        subject && self.check.as_deref().is_none_or(|check| check == finding.check)
    }
}

/// Takes what is accepted out of `findings`. `tags` are those of every secret, by its name; `today` is the day in the
/// settings' time zone. A suppression's last day still counts.
pub fn apply(
    findings: Vec<Finding>,
    suppressions: &Suppressions,
    tags: &BTreeMap<&str, &BTreeMap<String, String>>,
    today: Date,
) -> Applied {
    let of_tags = tags.iter().flat_map(|(secret, tags)| {
        tags.iter().filter_map(move |(key, value)| Some((*secret, key.strip_prefix(SUPPRESS_TAG)?, value.as_str())))
    });
    let of_tags = of_tags.map(|(secret, check, value)| suppressions.of_tag(secret, check, value));
    let mut applied = Applied::default();
    let mut active = Vec::new();
    for entry in suppressions.entries.iter().cloned().chain(of_tags) {
        match entry.and_then(|entry| in_reach(entry, today)) {
            Ok(entry) if entry.until < today => applied.extra.push(expired(&entry)),
            Ok(entry) => active.push(entry),
            Err(fault) => applied.extra.push(invalid(fault)),
        }
    }
    for finding in findings {
        match active.iter().find(|entry| entry.covers(&finding)) {
            Some(entry) => applied.suppressed.push(Suppressed {
                finding,
                owner: entry.owner.clone(),
                reason: entry.reason.clone(),
                until: entry.until,
            }),
            None => applied.findings.push(finding),
        }
    }
    applied
}

/// A date so far away is a way to never look again.
fn in_reach(entry: Suppression, today: Date) -> Result<Suppression, Fault> {
    // A day that cannot be computed is beyond any calendar.
    let last = today.checked_add(MOST_DAYS.days()).unwrap_or(today);
    if entry.until <= last {
        return Ok(entry);
    }
    let what = Text::new(
        format!("until={} は {MOST_DAYS} 日より先", entry.until),
        format!("ends on {}, more than {MOST_DAYS} days ahead", entry.until),
    );
    Err(Fault { place: entry.place, what })
}

fn invalid(fault: Fault) -> Finding {
    Finding {
        check: VALID,
        severity: Severity::Low,
        subject: fault.place,
        arn: None,
        detail: Text::new(
            format!("この抑制は無効であり、何も抑制していない: {}", fault.what.ja),
            format!("this suppression suppresses nothing: it {}", fault.what.en),
        ),
        remediation: Text::fixed(
            "check、subject、owner、reason、until（366 日以内の日付）をそろえて書き直すか、削除する",
            "Write it with check, subject, owner, reason and until (a date at most 366 days ahead), or remove it",
        ),
    }
}

fn expired(entry: &Suppression) -> Finding {
    Finding {
        check: CURRENT,
        severity: Severity::Low,
        subject: entry.place.clone(),
        arn: None,
        detail: Text::new(
            format!("抑制の期限が {} に切れた（担当 {}、理由: {}）", entry.until, entry.owner, entry.reason),
            format!("the suppression ended on {} (owner {}, reason: {})", entry.until, entry.owner, entry.reason),
        ),
        remediation: Text::fixed(
            "担当者に確認し、検出事項を直して抑制を削除するか、理由を改めて期限を延ばす",
            "Ask its owner: mend the finding and remove the suppression, or give it a new date and reason",
        ),
    }
}

#[cfg(test)]
mod tests;
