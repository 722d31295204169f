//! The command line, as a person types it.

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};
use jiff::SignedDuration;
use secrets_ops::model::Pattern;
use secrets_ops::report::Format;
use secrets_ops::runbook::backup::Kind;

/// Operations for AWS Secrets Manager: checks, backups and audits that say what they could not see.
#[derive(Debug, Parser)]
#[command(name = "secrets-ops", version, max_term_width = 110, after_help = EXIT_CODES)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXIT_CODES: &str = "Exit codes: 0 clean, 1 findings, 2 wrong use, 3 incomplete coverage, 4 failed.\n\
                          Settings that have no option here: docs/SETTINGS.md.";

#[derive(ClapArgs, Debug)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// Stage; second part of every default name [default: prod]
    #[arg(long, global = true, env = "SECRETS_OPS_ENV", hide_env_values = true)]
    pub(crate) env: Option<String>,
    /// First part of every default name [default: goal-mandala]
    #[arg(long, global = true, env = "SECRETS_OPS_PREFIX", hide_env_values = true)]
    pub(crate) prefix: Option<String>,
    /// Region of the estate [default: AWS_REGION, the profile's, or ap-northeast-1]
    #[arg(long, global = true, env = "SECRETS_OPS_REGION", hide_env_values = true)]
    pub(crate) region: Option<String>,
    /// Profile of the AWS configuration files
    #[arg(long, global = true, env = "SECRETS_OPS_PROFILE", hide_env_values = true)]
    pub(crate) profile: Option<String>,
    /// Endpoint other than AWS's own
    #[arg(long, global = true, env = "SECRETS_OPS_ENDPOINT_URL", hide_env_values = true, value_name = "URL")]
    pub(crate) endpoint_url: Option<String>,
    /// table, json, csv, csv-bom (for Excel), markdown, html, junit (for CI), asff (for Security Hub) or ocsf
    #[arg(
        long,
        global = true,
        env = "SECRETS_OPS_OUTPUT",
        hide_env_values = true,
        default_value = "table",
        value_name = "FORMAT"
    )]
    pub(crate) output: Format,
    /// Language of what people read: ja or en [default: ja]
    #[arg(long, global = true, env = "SECRETS_OPS_LANG", hide_env_values = true)]
    pub(crate) lang: Option<String>,
    /// The moment to judge for, such as 2026-11-22 or 2026-11-22T09:00:00+09:00 [default: now]
    #[arg(long, global = true, env = "SECRETS_OPS_AS_OF", hide_env_values = true, value_name = "TIME")]
    pub(crate) as_of: Option<String>,
    /// Keep calls below the account's quotas: on or off [default: on]
    #[arg(long, global = true, env = "SECRETS_OPS_PACING", hide_env_values = true)]
    pub(crate) pacing: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Can secrets be reached and decrypted?
    Health,
    /// Back up what describes the estate, and prove backups
    #[command(subcommand)]
    Backup(BackupCommand),
    /// Plan a restore, apply the plan, and prove that backups restore
    #[command(subcommand)]
    Restore(RestoreCommand),
    /// Is every secret rotated as planned?
    #[command(subcommand)]
    Rotation(RotationCommand),
    /// The runbook's checklists
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Who reads which secret, and what is unusual in it?
    #[command(subcommand)]
    Access(AccessCommand),
    /// Write completions for a shell to standard output
    Completions {
        /// bash, zsh, fish, elvish or powershell
        shell: clap_complete::Shell,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum BackupCommand {
    /// Take a backup now; values are read only where SECRETS_OPS_VALUE_PREFIX says whose, and kept encrypted
    Run {
        /// daily, monthly or manual: decides where it is kept and for how long
        #[arg(long, default_value = "manual")]
        kind: Kind,
        /// A folder, or s3://BUCKET/PREFIX/ [default: the kind's folder in the backup bucket]
        #[arg(long, value_name = "DIR|s3://..")]
        to: Option<String>,
    },
    /// Show the backups in the bucket, and which one a restore would take
    List,
    /// Prove that an archive is what its manifest says
    Verify {
        /// A local file, s3://BUCKET/KEY, or `latest`
        archive: String,
    },
    /// Show what differs between two backups, or between a backup and the live estate
    Diff {
        /// The state to compare from: a local file, s3://BUCKET/KEY, or `latest`
        #[arg(value_name = "A")]
        before: String,
        /// The state to compare with: another backup, or `live`
        #[arg(value_name = "B|live")]
        after: String,
        /// Leave out which versions of values there are
        #[arg(long)]
        configuration: bool,
        /// Only secrets of these names; * stands for anything, ? for one character
        #[arg(long, value_name = "PATTERN")]
        filter: Option<Pattern>,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum RotationCommand {
    /// A verdict for each secret
    Check,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// Go through a checklist, live or from what was kept
    Run(AuditRun),
}

#[derive(Debug, Subcommand)]
pub(crate) enum AccessCommand {
    /// Hold the last part of a window against the part before it
    Report {
        /// How far back, such as 30d, 2w or 36h [default: SECRETS_OPS_ACCESS_DAYS]
        #[arg(long, value_name = "SPAN", value_parser = span)]
        since: Option<SignedDuration>,
        /// Read CloudTrail's files in place of CloudTrail: a file or folder as S3 holds them, or what `aws cloudtrail
        /// lookup-events` printed; may be given more than once
        #[arg(long, value_name = "FILE|DIR")]
        trail: Vec<std::path::PathBuf>,
        /// Take the secrets from a backup and not from the live list; with files and a local backup, nothing is called
        #[arg(long, value_name = "A", requires = "trail")]
        archive: Option<String>,
    },
}

impl Command {
    /// Whether the command does its work without AWS, and so without credentials.
    pub(crate) fn is_offline(&self) -> bool {
        let archive = match self {
            Self::Access(AccessCommand::Report { archive, .. }) => archive,
            Self::Audit(AuditCommand::Run(run)) => &run.archive,
            _ => return false,
        };
        archive.as_ref().is_some_and(|archive| archive != "latest" && !archive.starts_with("s3://"))
    }
}

/// A span such as `30d`.
fn span(text: &str) -> Result<SignedDuration, &'static str> {
    const WANTED: &str = "a number of hours, days or weeks such as 36h, 30d or 2w, at most ten years";
    let unit = text.chars().next_back().ok_or(WANTED)?;
    let hours = match unit {
        'h' => 1,
        'd' => 24,
        'w' => 7 * 24,
        _ => return Err(WANTED),
    };
    let number: i64 = text[..text.len() - 1].parse().map_err(|_| WANTED)?;
    let hours = number.checked_mul(hours).filter(|hours| (1..=3660 * 24).contains(hours)).ok_or(WANTED)?;
    Ok(SignedDuration::from_hours(hours))
}

#[derive(ClapArgs, Debug)]
pub(crate) struct AuditRun {
    /// Which one
    pub(crate) list: Checklist,
    /// Judge a backup in place of the live estate, and call AWS for nothing: a local file, s3://BUCKET/KEY, or `latest`
    #[arg(long, value_name = "A")]
    pub(crate) archive: Option<String>,
    /// CloudTrail's files, or folders of them, in place of LookupEvents; may be given more than once
    #[arg(long, value_name = "FILE|DIR", requires = "archive")]
    pub(crate) trail: Vec<std::path::PathBuf>,
    /// What an earlier audit saw around the secrets: keys, functions, principals, trails
    #[arg(long, value_name = "FILE", requires = "archive")]
    pub(crate) evidence: Option<std::path::PathBuf>,
    /// Write down what this audit saw around the secrets, for --evidence; must not exist
    #[arg(long, value_name = "FILE", conflicts_with = "archive")]
    pub(crate) save_evidence: Option<std::path::PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Checklist {
    /// Success rate, error rate, cache hit rate, unusual access, other jobs
    Daily,
    /// Rotation, keys, access, unused secrets; security audit and configuration scan
    Weekly,
    /// Costs, performance, rotation, unused secrets; security audit and configuration scan
    Monthly,
}

#[derive(Debug, Subcommand)]
pub(crate) enum RestoreCommand {
    /// Compare a backup with what is there, and write down the steps; changes nothing
    Plan(RestorePlan),
    /// Show a plan's steps, and apply them once they are approved; can be run again after any interruption
    Apply {
        /// The file that `restore plan` wrote
        file: std::path::PathBuf,
        /// The plan's hash, or its first 8 characters or more; asked for on a terminal where absent
        #[arg(long, value_name = "HASH")]
        approve: Option<String>,
    },
    /// Restore under throw-away names, compare field by field, and remove what was made
    Drill {
        /// A local file, s3://BUCKET/KEY, or `latest`
        archive: String,
        /// Beginning of the throw-away names; no live secret may have it [default: secrets-ops-drill/]
        #[arg(long, value_name = "PREFIX")]
        drill_prefix: Option<String>,
        /// Restore backed-up values too; takes the permission to open them
        #[arg(long)]
        values: bool,
    },
}

#[derive(ClapArgs, Debug)]
pub(crate) struct RestorePlan {
    /// A local file, s3://BUCKET/KEY, or `latest`
    pub(crate) archive: String,
    /// Where the plan is written; must not exist
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output_file: std::path::PathBuf,
    /// Only secrets of these names; * stands for anything, ? for one character; may be given more than once
    #[arg(long, value_name = "PATTERN")]
    pub(crate) filter: Vec<Pattern>,
    /// Make secrets that exist follow the backup
    #[arg(long)]
    pub(crate) overwrite: bool,
    /// Leave values as they are: none is restored, and none is moved back
    #[arg(long)]
    pub(crate) configuration: bool,
    /// Restore secrets whose names begin with FROM, under names that begin with TO; FROM may be empty
    #[arg(long, value_name = "FROM=TO")]
    pub(crate) rename: Option<String>,
    /// Use another key in place of one of the backup
    #[arg(long, value_name = "OLD=NEW")]
    pub(crate) kms_map: Vec<String>,
    /// Make a key, with an alias and rotation, in place of each that is gone
    #[arg(long)]
    pub(crate) create_keys: bool,
    /// Policy for new keys; {partition}, {account} and {region} are filled in
    #[arg(long, value_name = "FILE", requires = "create_keys")]
    pub(crate) key_policy: Option<std::path::PathBuf>,
    /// Use another rotation function in place of one of the backup
    #[arg(long, value_name = "OLD=NEW")]
    pub(crate) lambda_map: Vec<String>,
    /// Attach policies that might lock you out
    #[arg(long)]
    pub(crate) force_policies: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_of_time() {
        for (text, hours) in [("1h", 1), ("30d", 720), ("2w", 336), ("3660d", 87_840)] {
            assert_eq!(span(text), Ok(SignedDuration::from_hours(hours)), "{text}");
        }
        for bad in ["", "d", "30", "0d", "-1d", "3661d", "1m", "30日", "9223372036854775807w"] {
            assert!(span(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn only_files_and_a_local_backup_need_no_credentials() {
        for (line, want) in [
            (&["access", "report", "--trail", "t", "--archive", "x.tar.gz"][..], true),
            (&["access", "report", "--trail", "t", "--archive", "latest"], false),
            (&["access", "report", "--trail", "t", "--archive", "s3://b/k"], false),
            (&["access", "report", "--trail", "t"], false),
            (&["health"], false),
        ] {
            let args = Args::parse_from([&["secrets-ops"], line].concat());
            assert_eq!(args.command.is_offline(), want, "{line:?}");
        }
        assert!(Args::try_parse_from(["secrets-ops", "access", "report", "--archive", "x"]).is_err());
    }
}
