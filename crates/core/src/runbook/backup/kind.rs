//! Daily, monthly, manual: where a backup lies and for how long it is kept.

use std::str::FromStr;

/// Why a backup was made; each kind is kept for its own time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Every night.
    Daily,
    /// On the first of the month.
    Monthly,
    /// By hand.
    Manual,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Daily, Self::Monthly, Self::Manual];

    /// The word in names.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Daily => "daily",
            Self::Monthly => "monthly",
            Self::Manual => "manual",
        }
    }

    /// Where its archives lie in the bucket; `manual-backups/` is the runbook's own.
    pub const fn folder(self) -> &'static str {
        match self {
            Self::Daily => "daily-backups/",
            Self::Monthly => "monthly-backups/",
            Self::Manual => "manual-backups/",
        }
    }

    /// The job's name in events, markers and metrics.
    pub const fn job(self) -> &'static str {
        match self {
            Self::Daily => "backup-daily",
            Self::Monthly => "backup-monthly",
            Self::Manual => "backup-manual",
        }
    }
}

impl FromStr for Kind {
    type Err = &'static str;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|kind| kind.name() == s).ok_or("daily, monthly or manual")
    }
}
