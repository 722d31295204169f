//! Where an archive lies: a local file, an S3 object, or the newest finished one.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use anyhow::Context;
use secrets_ops::aws::s3::{self, Bucket};
use secrets_ops::runbook::backup;
use tokio_util::io::SyncIoBridge;

use crate::session::{Session, WrongUse};

/// A place in S3: `s3://BUCKET/KEY`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct S3Url {
    pub(crate) bucket: String,
    pub(crate) key: String,
}

impl S3Url {
    /// `None` if `text` is no S3 URL at all.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (bucket, key) = text.strip_prefix("s3://")?.split_once('/').unwrap_or((text.strip_prefix("s3://")?, ""));
        Some(Self { bucket: bucket.to_owned(), key: key.to_owned() })
    }
}

/// An archive, open for reading.
pub(crate) struct Archive {
    /// As the person knows it.
    pub(crate) name: String,
    pub(crate) content: Box<dyn Read + Send>,
    /// The manifest that lies beside it.
    pub(crate) manifest: Option<Vec<u8>>,
}

/// Opens what the command line names.
pub(crate) async fn open(session: &Session, archive: &str) -> anyhow::Result<Archive> {
    let bucket = session.settings.bucket.clone();
    if archive == "latest" {
        let backups = backup::history(&session.aws, &bucket, &session.settings.time_zone).await?;
        let latest = backup::latest(&backups).with_context(|| {
            format!("there is no finished backup in s3://{}; take one with `secrets-ops backup run`", bucket.name)
        })?;
        return object(session, bucket, latest.key.clone()).await;
    }
    match S3Url::parse(archive) {
        Some(S3Url { bucket: name, key }) if !name.is_empty() && !key.is_empty() => {
            object(session, Bucket { name, ..bucket }, key).await
        }
        Some(_) => Err(WrongUse(format!("{archive:?} must be s3://BUCKET/KEY")).into()),
        None => local(Path::new(archive)),
    }
}

async fn object(session: &Session, bucket: Bucket, key: String) -> anyhow::Result<Archive> {
    let manifest = s3::get(&session.aws, &bucket, &backup::manifest_key(&key)).await?;
    let content = s3::open(&session.aws, &bucket, &key).await?;
    Ok(Archive {
        name: format!("s3://{}/{key}", bucket.name),
        content: Box::new(SyncIoBridge::new(content)),
        manifest: manifest.map(|object| object.bytes),
    })
}

fn local(path: &Path) -> anyhow::Result<Archive> {
    let file = File::open(path).with_context(|| format!("{} cannot be opened", path.display()))?;
    let beside = PathBuf::from(backup::manifest_key(&path.to_string_lossy()));
    let manifest = match std::fs::read(&beside) {
        Ok(bytes) => Some(bytes),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => return Err(error).with_context(|| format!("{} cannot be read", beside.display())),
    };
    Ok(Archive { name: path.display().to_string(), content: Box::new(BufReader::new(file)), manifest })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s3_urls() {
        let url = |bucket: &str, key: &str| Some(S3Url { bucket: bucket.into(), key: key.into() });
        assert_eq!(S3Url::parse("s3://b/k/x.tar.gz"), url("b", "k/x.tar.gz"));
        assert_eq!(S3Url::parse("s3://b/"), url("b", ""));
        assert_eq!(S3Url::parse("s3://b"), url("b", ""));
        assert_eq!(S3Url::parse("x.tar.gz"), None);
        assert_eq!(S3Url::parse("latest"), None);
    }
}
