//! What the three checks on keys share.

use super::Subject;
use crate::model::{Gap, GapReason, KeyFacts, Secret};

/// How the secret names its key; `None`: the AWS managed key `aws/secretsmanager`.
pub(super) fn of(secret: &Secret) -> Option<&str> {
    secret.kms_key_id.as_deref().filter(|id| !id.ends_with("alias/aws/secretsmanager"))
}

/// What was read of that key.
pub(super) fn facts<'a>(subject: &Subject<'a>, id: &str) -> Result<&'a KeyFacts, Gap> {
    match subject.around.surroundings.keys.get(id) {
        Some(Ok(key)) => Ok(key),
        Some(Err(gap)) => Err(gap.clone()),
        None => Err(Gap {
            what: "kms:DescribeKey".into(),
            subject: id.to_owned(),
            reason: GapReason::NoData,
            detail: "was not read in this run".into(),
        }),
    }
}
