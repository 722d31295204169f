//! Settings, clients and clock of one command. The only place of the command line that reads the environment.

use std::io::IsTerminal;
use std::time::Duration;

use anyhow::Context;
use aws_config::BehaviorVersion;
use aws_config::profile::ProfileFileCredentialsProvider;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use jiff::Timestamp;
use jiff::civil::Date;
use secrets_ops::aws::{
    Aws, Class, Connection, Patience, ProvideCredentials, SharedCredentialsProvider, WRITE_RATE, sts,
};
use secrets_ops::model::Report;
use secrets_ops::runbook::changes;
use secrets_ops::runbook::plan::Place;
use secrets_ops::settings::Settings;
use tokio::time::Instant;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::args::{Command, Global};

/// The person asked for something that cannot be asked for.
#[derive(Debug)]
pub(crate) struct WrongUse(pub(crate) String);

impl std::fmt::Display for WrongUse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for WrongUse {}

/// What a command works with.
pub(crate) struct Session {
    pub(crate) settings: Settings,
    pub(crate) aws: Aws,
    pub(crate) now: Timestamp,
    /// Whether the person said for which moment, and it is not the clock's.
    pub(crate) stated: bool,
    global: Overrides,
}

/// Options in place of the environment variables of the same meaning: variable, option, value.
struct Overrides(Vec<(&'static str, &'static str, String)>);

impl Overrides {
    fn of(global: &Global) -> Self {
        let given = [
            ("SECRETS_OPS_ENV", "--env", &global.env),
            ("SECRETS_OPS_PREFIX", "--prefix", &global.prefix),
            ("SECRETS_OPS_LANG", "--lang", &global.lang),
            ("SECRETS_OPS_PACING", "--pacing", &global.pacing),
            ("AWS_REGION", "--region", &global.region),
        ];
        Self(given.into_iter().filter_map(|(name, option, value)| Some((name, option, value.clone()?))).collect())
    }

    fn get(&self, name: &str) -> Option<String> {
        self.0.iter().find(|(set, ..)| *set == name).map(|(.., value)| value.clone()).or_else(|| environment(name))
    }

    fn settings(&self) -> anyhow::Result<Settings> {
        Settings::read(&|name| self.get(name)).map_err(|error| {
            match self.0.iter().find(|(set, ..)| *set == error.name) {
                // By the name that the person knows it by.
                Some((_, option, _)) => {
                    WrongUse(format!("{option} must be {}; it is {:?}", error.wanted, error.got)).into()
                }
                None => error.into(),
            }
        })
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place where the command line reads the environment")]
fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

#[expect(clippy::disallowed_methods, reason = "one clock read per command")]
fn clock() -> Timestamp {
    let now = Timestamp::now();
    // Nobody reads nanoseconds.
    Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now)
}

/// Above any command's own time: a person has Ctrl-C.
const LONGEST: Duration = Duration::from_secs(12 * 3600);

impl Session {
    /// Reads settings and finds credentials, so that what is wrong with them is told before any work begins.
    pub(crate) async fn open(global: &Global, command: &Command) -> anyhow::Result<Self> {
        let mut overrides = Overrides::of(global);
        // Wrong settings are told before a profile is even looked for.
        overrides.settings()?;
        let mut loader = aws_config::defaults(BehaviorVersion::latest());
        if let Some(profile) = &global.profile {
            loader = loader.profile_name(profile);
        }
        if let Some(region) = overrides.get("AWS_REGION") {
            loader = loader.region(aws_types::region::Region::new(region));
        }
        let config = loader.load().await;
        if overrides.get("AWS_REGION").is_none()
            && let Some(region) = config.region()
        {
            overrides.0.push(("AWS_REGION", "the profile's region", region.to_string()));
        }
        let settings = overrides.settings()?;
        let now = global.as_of.as_deref().map_or_else(|| Ok(clock()), |text| as_of(text, &settings))?;
        if matches!(command, Command::Restore(_)) && now < clock() && global.as_of.is_some() {
            let text = "--as-of (SECRETS_OPS_AS_OF) in the past would make an expired plan look fresh; leave it out";
            return Err(WrongUse(text.to_owned()).into());
        }
        let patience = match command {
            Command::Health => Patience::Probe,
            // Half a restore is worse than a slow one.
            Command::Restore(_) => Patience::Job,
            _ => Patience::Person,
        };
        // Nobody else's need is greater while an estate is being restored; what is set on purpose stands.
        let own_rate = matches!(command, Command::Restore(_)) && overrides.get("SECRETS_OPS_POLICY_RATE").is_none();
        let policy_rate = settings.policy_rate.map(|rate| if own_rate { WRITE_RATE } else { rate });
        let aws = Aws::connect(Connection {
            region: settings.region.clone(),
            credentials: credentials(global, config.credentials_provider(), command.is_offline()).await?,
            endpoint: global
                .endpoint_url
                .clone()
                .or_else(|| environment("AWS_ENDPOINT_URL"))
                .filter(|url| !url.is_empty()),
            patience,
            policy_rate,
        });
        Ok(Self { settings, aws, now, stated: global.as_of.is_some(), global: overrides })
    }

    /// Who works here, and where.
    pub(crate) async fn place(&self) -> anyhow::Result<Place> {
        let (account, caller) = sts::caller(&self.aws).await.map_err(|error| match error.class {
            Class::Denied => anyhow::anyhow!(
                "AWS did not take the credentials; choose a --profile, or sign in again (aws sso login): {error}"
            ),
            _ => error.into(),
        })?;
        Ok(Place { caller, account, region: self.settings.region.clone() })
    }

    /// A report for systems that keep track of findings: with the account, and with what scheduled runs remember.
    pub(crate) async fn for_export(&self, mut report: Report) -> anyhow::Result<Report> {
        if report.extras.account.is_empty() {
            report.extras.account = self.place().await?.account;
        }
        anyhow::ensure!(
            !report.extras.account.is_empty(),
            "AWS did not say which account this is; asff and ocsf need it"
        );
        let (report, gap) = changes::dated(&self.aws, &self.settings, report).await;
        if let Some(gap) = gap {
            tracing::warn!("findings that are resolved cannot be told of: {gap}");
        }
        Ok(report)
    }

    /// The getter for settings of a command's own.
    pub(crate) fn get(&self) -> impl Fn(&str) -> Option<String> + '_ {
        |name| self.global.get(name)
    }

    pub(crate) fn deadline(&self) -> Instant {
        Instant::now() + LONGEST
    }

    /// Shows that something is going on, on a terminal only.
    pub(crate) fn spinner(&self) -> ProgressBar {
        let spinner = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        if std::io::stderr().is_terminal()
            && let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed}")
        {
            spinner.set_style(style);
            spinner.enable_steady_tick(Duration::from_millis(200));
        }
        spinner
    }
}

/// The credentials of the profile that is named, whatever the environment holds, or else of the SDK's chain. Asked for
/// here, so that their absence is told once and not by every call.
async fn credentials(
    global: &Global,
    chain: Option<SharedCredentialsProvider>,
    offline: bool,
) -> anyhow::Result<SharedCredentialsProvider> {
    let (provider, advice) = match &global.profile {
        Some(profile) => {
            let provider = ProfileFileCredentialsProvider::builder().profile_name(profile).build();
            let advice = format!(
                "the profile {profile:?} has no usable AWS credentials; look at its name, or sign in again (aws sso login)"
            );
            (SharedCredentialsProvider::new(provider), advice)
        }
        None => {
            let advice = "no AWS credentials found; choose a --profile, sign in (aws sso login), or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY";
            (chain.context(advice)?, advice.to_owned())
        }
    };
    if !offline {
        provider.provide_credentials().await.context(advice)?;
    }
    Ok(provider)
}

/// A moment, or a day in the settings' time zone, which begins at midnight.
fn as_of(text: &str, settings: &Settings) -> anyhow::Result<Timestamp> {
    let day = |day: Date| Ok(day.to_zoned(settings.time_zone.clone())?.timestamp());
    text.parse()
        .or_else(|_| text.parse().and_then(day))
        .map_err(|_| WrongUse(format!("--as-of takes 2026-11-22 or 2026-11-22T09:00:00+09:00; it is {text:?}")).into())
}

/// Warnings and worse, to standard error. The SDK's own are left out: what they say comes back as an error.
pub(crate) fn init_logging() {
    let only_ours = tracing_subscriber::filter::Targets::new().with_target("secrets_ops", LevelFilter::WARN);
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .without_time();
    tracing_subscriber::registry().with(only_ours).with(lines).init();
}
