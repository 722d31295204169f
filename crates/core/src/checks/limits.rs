//! The limits and names that the checks judge by.

use crate::model::{Pattern, PolicyDays};
use crate::settings::{self, Reader, SettingError};

/// What the operator has decided.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Of rotation.
    pub rotation: PolicyDays,
    /// Days without a read after which a secret is named.
    pub unused_soon: i64,
    /// Days without a read after which a secret counts as unused.
    pub unused: i64,
    /// Tags that must be there; none: any one tag will do.
    pub required_tags: Vec<String>,
    /// The rule of names, for people.
    pub naming: String,
    /// The rule of names for each stage.
    pub names: Vec<Pattern>,
    /// Names that are our own: the canary and the drill's.
    pub own_names: Vec<Pattern>,
    /// Stages, with the beginnings of their names.
    pub stages: Vec<(String, String)>,
    /// Our organization.
    pub org_id: Option<String>,
    /// Other accounts that policies may name.
    pub trusted_accounts: Vec<String>,
    /// Most versions.
    pub versions_max: usize,
    /// Whose values the backup reads.
    pub value_prefix: Option<String>,
    /// Roles whose reads are no use: that of the backup of values.
    pub machinery: Vec<String>,
}

impl Limits {
    /// Reads the limits of the checks.
    pub fn read(get: &dyn Fn(&str) -> Option<String>) -> Result<Self, SettingError> {
        let reader = Reader::new(get)?;
        let (prefix, env) = (reader.text(settings::PREFIX), reader.text(settings::ENV));
        let stages = reader.items(settings::STAGES, |stage| !stage.is_empty())?;
        let all = stages.iter().filter(|stage| **stage != env).chain([&env]);
        let stages: Vec<(String, String)> = all.map(|stage| (stage.clone(), format!("{prefix}-{stage}-"))).collect();
        let naming = reader.checked(settings::NAMING, |rule| rule.parse::<Pattern>().is_ok())?;
        // The rule is written for our own stage; the other stages' names differ from it in the stage alone.
        let own = format!("{prefix}-{env}-");
        let names =
            stages.iter().filter_map(|(_, beginning)| naming.replacen(&own, beginning, 1).parse().ok()).collect();
        let digits = |account: &str| account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
        let own_names = [reader.text(settings::CANARY), format!("{}*", reader.text(settings::DRILL_PREFIX))];
        Ok(Self {
            rotation: PolicyDays::read(get)?,
            unused_soon: reader.parsed(settings::UNUSED_SOON, |days| (1..=3650).contains(days))?,
            unused: reader.parsed(settings::UNUSED, |days| (1..=3650).contains(days))?,
            required_tags: reader.items(settings::REQUIRED_TAGS, |_| true)?,
            naming,
            names,
            own_names: own_names.iter().filter_map(|name| name.parse().ok()).collect(),
            stages,
            org_id: reader
                .optional(settings::ORG_ID)
                .map(|_| reader.checked(settings::ORG_ID, |id| id.starts_with("o-")))
                .transpose()?,
            trusted_accounts: reader.items(settings::TRUSTED_ACCOUNTS, digits)?,
            versions_max: reader.parsed(settings::VERSIONS_MAX, |most| (2..=100).contains(most))?,
            value_prefix: reader.optional(settings::VALUE_PREFIX),
            machinery: reader.items(settings::BACKUP_ROLE, |_| true)?,
        })
    }

    /// The stage that a name of a secret or a role begins with.
    pub fn stage_of(&self, name: &str) -> Option<&str> {
        // `app-prod/db` is of the stage `prod` just like `app-prod-db`; `app-production` is not.
        let of =
            |beginning: &str| name.strip_prefix(beginning).is_some_and(|rest| !rest.starts_with(char::is_alphanumeric));
        let stage = self.stages.iter().find(|(_, beginning)| of(beginning.trim_end_matches('-')));
        stage.map(|(stage, _)| stage.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_of_the_stage_that_it_begins_with() {
        let limits = Limits::read(&|_| None).unwrap();
        for (name, want) in [
            ("goal-mandala-prod-secret-x", Some("prod")),
            ("goal-mandala-prod/team/x", Some("prod")),
            ("goal-mandala-prod", Some("prod")),
            ("goal-mandala-production-x", None),
            ("goal-mandala-dev-lambda", Some("dev")),
            ("goal-mandala-qa-x", None),
            ("prod-x", None),
        ] {
            assert_eq!(limits.stage_of(name), want, "{name}");
        }
    }
}
