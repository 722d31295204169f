//! Reads the estate, secret by secret, from wherever an earlier invocation left off.

use std::sync::{Arc, Mutex};

use futures_util::future::join;
use futures_util::{Stream, StreamExt, TryStreamExt, stream};

use super::carried::Carried;
use super::chunk::Cursor;
use super::values::{self, ValueSettings, Values};
use crate::aws::{Aws, AwsError, Class, secrets_manager};
use crate::model::{Gap, Secret};

/// Secrets that are being read at the same time: enough to hold 50 policies a second at 300 ms each.
const AT_ONCE: usize = 16;

/// What is read besides the configuration, and what need not be read again.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wishes<'a> {
    /// Whose values; `None`: nobody's.
    pub(super) values: Option<&'a ValueSettings>,
    /// Policies of an earlier backup; `None`: all are read.
    pub(super) carried: Option<&'a Carried>,
    /// Where to note how far the list has been passed over.
    pub(super) reached: Option<&'a Reached>,
}

/// The token of the last page on which nothing was new.
pub(super) type Reached = Mutex<Option<String>>;

/// One secret as far as it could be read, with what could not.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) secret: Secret,
    pub(super) described: bool,
    /// The policy was taken over from an earlier backup.
    pub(super) reused: bool,
    pub(super) values: Option<Values>,
    pub(super) gaps: Vec<Gap>,
    /// The token of the list's page that showed it.
    pub(super) page: Arc<Option<String>>,
}

/// Every secret of the estate from `from` on, the oldest first, read a few at a time. Ends after the first error.
pub(super) fn everything<'a>(
    aws: &'a Aws,
    from: Option<&'a Cursor>,
    wishes: Wishes<'a>,
) -> impl Stream<Item = Result<Read, AwsError>> + 'a {
    list(aws, from, wishes.reached)
        .map(move |listed| async move {
            let (listed, page) = listed?;
            Ok(read(aws, listed, page, wishes).await)
        })
        .buffered(AT_ONCE)
}

/// Every secret without values, with what of it could not be read.
pub(in crate::runbook) fn configuration(aws: &Aws) -> impl Stream<Item = Result<(Secret, Vec<Gap>), AwsError>> + '_ {
    everything(aws, None, Wishes::default()).map_ok(|read| (read.secret, read.gaps))
}

/// Where the list stands.
enum Next {
    Page { token: Option<String>, resumed: bool },
    End,
}

type Listed = (Secret, Arc<Option<String>>);

/// The list from `from` on. A token that has expired meanwhile is made good by the order of the list: all that is older
/// than where the cursor stood is passed over.
fn list<'a>(
    aws: &'a Aws,
    from: Option<&'a Cursor>,
    reached: Option<&'a Reached>,
) -> impl Stream<Item = Result<Listed, AwsError>> + 'a {
    let first = Next::Page { token: from.and_then(|cursor| cursor.page.clone()), resumed: from.is_some() };
    let pages = stream::try_unfold(first, move |next| async move {
        let Next::Page { token, resumed } = next else { return Ok(None) };
        let mut shown = Arc::new(token.clone());
        let page = match (secrets_manager::list_page(aws, token).await, from) {
            (Err(error), Some(cursor)) if resumed && cursor.ordered && expired(&error) => {
                shown = Arc::new(None);
                secrets_manager::list_page(aws, None).await?
            }
            (page, _) => page?,
        };
        let fresh: Vec<_> = page
            .secrets
            .into_iter()
            .filter(|secret| from.is_none_or(|cursor| !cursor.has_passed(secret)))
            .map(|secret| Ok((secret, shown.clone())))
            .collect();
        if let Some(mut reached) = reached.filter(|_| fresh.is_empty()).and_then(|reached| reached.lock().ok()) {
            reached.clone_from(&shown);
        }
        let after = page.next.map_or(Next::End, |token| Next::Page { token: Some(token), resumed: false });
        Ok::<_, AwsError>(Some((stream::iter(fresh), after)))
    });
    pages.try_flatten()
}

fn expired(error: &AwsError) -> bool {
    error.code.as_deref() == Some("InvalidNextTokenException")
}

/// Describes one secret and reads its policy and versions. What is denied or gone leaves what the list said of it.
async fn read(aws: &Aws, listed: Secret, page: Arc<Option<String>>, wishes: Wishes<'_>) -> Read {
    let arn = listed.arn.clone();
    let mut gaps = Vec::new();
    let (mut secret, described) = match secrets_manager::describe(aws, &arn).await {
        Ok(secret) => (secret, true),
        Err(error) => {
            gaps.push(error.gap(&listed.name));
            let gone = error.class == Class::NotFound;
            let unread = vec!["ReplicationStatus".to_owned()];
            let secret = Secret { unread, ..listed };
            if gone {
                return Read { secret, described: false, reused: false, values: None, gaps, page };
            }
            (secret, false)
        }
    };
    let carried = wishes.carried.and_then(|carried| carried.policy_of(&secret));
    let reused = carried.is_some();
    let policy = async {
        match carried {
            Some(kept) => Ok((kept.policy, Some(kept.as_of))),
            None => secrets_manager::resource_policy(aws, &arn).await.map(|policy| (policy, None)),
        }
    };
    // Each has a quota of its own, so that both at once take no longer than one.
    let (policy, versions) = join(policy, secrets_manager::versions(aws, &arn)).await;
    let mut unread = |error: AwsError, property: &str, secret: &mut Secret| {
        gaps.push(error.gap(&secret.name));
        secret.unread.push(property.to_owned());
    };
    match policy {
        Ok((policy, as_of)) => (secret.resource_policy, secret.resource_policy_as_of) = (policy, as_of),
        Err(error) => unread(error, "ResourcePolicy", &mut secret),
    }
    match versions {
        Ok(versions) => secret.versions = versions,
        Err(error) => unread(error, "Versions", &mut secret),
    }
    let mut kept = None;
    if let Some(settings) = wishes.values.filter(|settings| secret.name.starts_with(&settings.prefix)) {
        // AWS gives no values of secrets that are about to be deleted, nor of copies that are judged at home.
        if secret.deleted_date.is_none() && !secret.version_ids_to_stages.is_empty() {
            let (values, missing) = values::seal(aws, settings, &secret).await;
            gaps.extend(missing);
            kept = Some(values).filter(|values| !values.versions.is_empty());
        }
    }
    Read { secret, described, reused, values: kept, gaps, page }
}
