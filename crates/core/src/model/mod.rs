//! Plain types that the rest speaks in. No SDK, no clock, no I/O, and never a secret's value.

mod changes;
mod difference;
mod identities;
mod invoker;
mod measures;
mod pattern;
mod policy;
mod report;
pub(crate) mod rotation;
mod schedule;
mod secret;
mod suppression;
mod surroundings;
mod text;
mod trail;

pub use changes::{Changes, State, changes};
pub use difference::Difference;
pub(crate) use difference::{Macs, differences, differences_by_mac, incomparable, same_key, same_policy};
pub use identities::{Attached, Identities, Principal, ReaderFacts, Simulated, Verdict};
pub use invoker::{Invoker, invokers};
pub use measures::{
    Bill, BillLine, CostFacts, DecryptFailure, DecryptFailures, Figures, FunctionsFacts, PerformanceFacts,
};
pub use pattern::Pattern;
pub use policy::{
    Condition, Context, NotAPolicy, Patterns, Policy, Principals, Say, Statement, Sure, Through, account_of,
};
pub use report::{
    Coverage, Extras, Finding, GAP, Gap, GapReason, Item, Outcome, Report, Resolved, Severity, Status, Suppressed,
    Table, Verdicts,
};
pub use rotation::{
    EXEMPT_TAG, OverdueBy, PolicyDays, RotationVerdict, SuccessRate, judge_rotation, rotation_event, success_rate,
};
pub use schedule::{Schedule, Window};
pub use secret::{Replica, RotationRules, Secret, Version};
pub use suppression::{Applied, SUPPRESS_TAG, Suppressions, apply};
pub use surroundings::{
    FunctionFacts, Grant, KeyFacts, LastUse, Reader, Readers, Reading, RotationFunction, Surroundings, TrailFacts,
    unread,
};
pub use text::{Lang, Text};
pub use trail::{
    Access, Accesses, Identity, Record, RotationEvent, RotationStep, Rotations, access, is_denial, is_read,
    names_secret,
};
