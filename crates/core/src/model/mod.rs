//! Plain types that the rest speaks in. No SDK, no clock, no I/O, and never a secret's value.

mod difference;
mod pattern;
mod report;
mod rotation;
mod secret;
mod text;

pub use difference::Difference;
pub(crate) use difference::{Macs, differences, differences_by_mac, incomparable, same_key, same_policy};
pub use pattern::Pattern;
pub use report::{Coverage, Finding, Gap, GapReason, Item, Outcome, Report, Severity, Status};
pub use rotation::{EXEMPT_TAG, PolicyDays, RotationVerdict, judge_rotation};
pub use secret::{Replica, RotationRules, Secret, Version};
pub use text::{Lang, Text};
