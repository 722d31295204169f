//! One file per command: what it asks of the capability, and nothing of how that works.

pub(crate) mod access;
pub(crate) mod audit;
pub(crate) mod backup;
pub(crate) mod diff;
pub(crate) mod health;
pub(crate) mod restore;
pub(crate) mod rotation;
