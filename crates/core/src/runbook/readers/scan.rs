//! R10: what the application's role has in its policies that is wider than it must be, by policy and statement.

use super::ACTIONS;
use super::known::{Source, Who, concerns};
use crate::model::{Severity, Statement, Text};

/// Where, how bad, and what.
pub(super) type Hit = (String, Severity, Text);

/// Wildcards in actions and resources, and statements of `NotAction` or `NotResource`. `foreign` are ARNs of secrets of
/// other stages. What cannot be read is named.
#[derive(Default)]
pub(super) struct Hits {
    pub(super) wildcards: Vec<Hit>,
    pub(super) negations: Vec<Hit>,
    pub(super) unreadable: Vec<String>,
}

pub(super) fn scan(who: &Who<'_>, foreign: &[String]) -> Hits {
    let mut hits = Hits::default();
    for source in &who.policies {
        look(source, false, foreign, &mut hits);
    }
    if let Some(boundary) = &who.boundary {
        look(boundary, true, foreign, &mut hits);
    }
    hits
}

fn look(source: &Source, boundary: bool, foreign: &[String], hits: &mut Hits) {
    let Some(policy) = &source.policy else {
        hits.unreadable.push(source.name.clone());
        return;
    };
    // A statement that denies "all but" is the careful way to write it.
    for statement in policy.statements.iter().filter(|statement| statement.allow) {
        let subject = format!("{} {}", source.name, statement.id);
        // A boundary gives nothing by itself.
        let graded = |severity| if boundary { Severity::Low } else { severity };
        let mut told = Told { subject, conditional: !statement.conditions.is_empty(), boundary, graded: &graded };
        hits.negations.extend(told.negations(statement));
        hits.wildcards.extend(told.wildcards(statement, foreign));
    }
}

struct Told<'a> {
    subject: String,
    conditional: bool,
    boundary: bool,
    graded: &'a dyn Fn(Severity) -> Severity,
}

impl Told<'_> {
    fn hit(&self, severity: Severity, ja: String, en: String) -> Hit {
        let (mut of_ja, mut of_en) = (String::new(), String::new());
        if self.boundary {
            of_ja += "アクセス許可の境界: ";
            of_en += "permissions boundary: ";
        }
        let (tail_ja, tail_en) =
            if self.conditional { ("（条件付き）", " (under conditions)") } else { ("", "") };
        let text = Text::new(format!("{of_ja}{ja}{tail_ja}"), format!("{of_en}{en}{tail_en}"));
        (self.subject.clone(), (self.graded)(severity), text)
    }

    fn negations(&mut self, statement: &Statement) -> Vec<Hit> {
        let mut hits = Vec::new();
        if statement.actions.not {
            let list = statement.actions.list.join(", ");
            hits.push(self.hit(
                Severity::High,
                format!("Allow と NotAction: {list} 以外のすべてを許可"),
                format!("allows everything but {list} (NotAction)"),
            ));
        }
        if statement.resources.not && ours(statement) {
            let list = statement.resources.list.join(", ");
            hits.push(self.hit(
                Severity::High,
                format!("Allow と NotResource: {list} 以外のすべてが対象"),
                format!("is about everything but {list} (NotResource)"),
            ));
        }
        hits
    }

    fn wildcards(&mut self, statement: &Statement, foreign: &[String]) -> Vec<Hit> {
        if statement.actions.not || !ours(statement) {
            return Vec::new();
        }
        let mut hits = Vec::new();
        for action in wide_actions(statement) {
            hits.push(self.hit(
                Severity::High,
                format!("アクションのワイルドカード {action}"),
                format!("wildcard in Action: {action}"),
            ));
        }
        if statement.resources.not {
            return hits;
        }
        if ACTIONS.iter().any(|action| concerns(statement, action)) {
            for resource in wide_resources(statement, foreign) {
                hits.push(self.hit(
                    Severity::High,
                    format!("他の環境のシークレットも対象になるリソース {resource}"),
                    format!("Resource covers other stages' secrets: {resource}"),
                ));
            }
        }
        if concerns(statement, "kms:Decrypt") {
            let severity = if self.conditional { Severity::Medium } else { Severity::High };
            for resource in statement.resources.list.iter().filter(|resource| all_keys(resource)) {
                hits.push(self.hit(
                    severity,
                    format!("kms:Decrypt がすべてのキーを対象: {resource}"),
                    format!("kms:Decrypt on every key: {resource}"),
                ));
            }
        }
        hits
    }
}

/// Whether a statement is about secrets' values, their changes, or decryption.
fn ours(statement: &Statement) -> bool {
    ACTIONS.iter().any(|action| concerns(statement, action)) || concerns(statement, "kms:Decrypt")
}

/// Patterns that give more than a reader needs: all of a service, or a change by the way. `Get*` gives none.
fn wide_actions(statement: &Statement) -> impl Iterator<Item = &String> {
    statement.actions.list.iter().filter(|pattern| {
        let alone = crate::model::Patterns { not: false, list: vec![(*pattern).clone()] };
        let writes = ACTIONS[1..].iter().any(|action| alone.cover_action(action) != Some(false));
        pattern.contains(['*', '?']) && (writes || pattern.as_str() == "kms:*")
    })
}

/// Patterns that another stage's secret is of.
fn wide_resources<'a>(statement: &'a Statement, foreign: &'a [String]) -> impl Iterator<Item = &'a String> {
    statement.resources.list.iter().filter(|pattern| {
        let alone = crate::model::Patterns { not: false, list: vec![(*pattern).clone()] };
        foreign.iter().any(|arn| alone.cover(arn) != Some(false))
    })
}

/// `*`, `arn:aws:kms:*:*:key/*` and the like.
fn all_keys(resource: &str) -> bool {
    resource == "*" || (resource.contains(":kms:") && (resource.ends_with(":key/*") || resource.ends_with(":*")))
}
