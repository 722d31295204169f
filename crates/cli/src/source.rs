//! Where a backup lies: local files, S3 objects, or the newest finished one.

use std::fs::File;
use std::io::{self, BufReader, Read};

use anyhow::{Context, bail};
use secrets_ops::aws::s3::Bucket;
use secrets_ops::runbook::backup::{self, Backup, OneArchive, Opened, Opener, Seal};

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

/// Opens what the command line names. A backup in S3 is brought into unlinked local files first.
pub(crate) async fn open(session: &Session, archive: &str) -> anyhow::Result<Opened> {
    let bucket = session.settings.bucket.clone();
    let (bucket, key) = if archive == "latest" {
        let backups = backup::history(&session.aws, &bucket, &session.settings.time_zone).await?;
        let key = latest(&backups, &bucket.name)?.key.clone();
        (bucket, key)
    } else {
        match S3Url::parse(archive) {
            Some(S3Url { bucket: name, key }) if !name.is_empty() && !key.is_empty() => {
                (Bucket { name, ..bucket }, key)
            }
            Some(_) => return Err(WrongUse(format!("{archive:?} must be s3://BUCKET/KEY")).into()),
            None => return local(archive),
        }
    };
    Ok(backup::fetch::fetch(&session.aws, &bucket, &key).await?.0)
}

/// The backup that stands for all; where that is not the obvious one, the person is told.
fn latest<'a>(backups: &'a [Backup], bucket: &str) -> anyhow::Result<&'a Backup> {
    let unread = backups.iter().find_map(|backup| match &backup.seal {
        Seal::Unread(gap) => Some((backup, gap)),
        Seal::Absent | Seal::Broken(_) | Seal::Whole(_) => None,
    });
    match (backup::latest(backups), unread) {
        (None, Some((_, gap))) => bail!("there is no backup in s3://{bucket} whose manifest could be read: {gap}"),
        (None, None) => {
            bail!("there is no finished backup in s3://{bucket}; take one with `secrets-ops backup run`")
        }
        (Some(latest), unread) => {
            if !latest.is_complete() {
                tracing::warn!("no backup in s3://{bucket} is complete; the newest is taken, {}", latest.key);
            }
            if let Some((newer, gap)) = unread.filter(|(unread, _)| unread.at > latest.at) {
                tracing::warn!("{} is newer and was passed over, because its manifest was not read: {gap}", newer.key);
            }
            Ok(latest)
        }
    }
}

/// Finds the parts that the sealed manifest names. A wrong name is told before anything else.
fn local(path: &str) -> anyhow::Result<Opened> {
    let (stem, number) = backup::part_of(path);
    drop(optional(path)?.with_context(|| format!("{path} is not there"))?);
    let manifest = backup::manifest_key(path);
    // A part's own manifest seals nothing.
    let sealed = || if number == 1 { optional(&manifest) } else { Ok(None) };
    let parts = match sealed()? {
        // What is wrong with it is told by the one who reads it whole.
        Some(stream) => backup::head(stream).map(|summary| summary.parts).unwrap_or_default(),
        None => Vec::new(),
    };
    let own = if number == 1 { backup::part_manifest(stem, 1) } else { manifest.clone() };
    let mut archives = vec![one(path.to_owned(), own)];
    let folder = path.strip_suffix(file_name(path)).unwrap_or_default();
    // A name that leads elsewhere is left out here, and told by the one who reads.
    for part in parts.iter().skip(1).filter(|part| is_plain(&part.path)) {
        let path = format!("{folder}{}", part.path);
        let beside = backup::manifest_key(&path);
        archives.push(one(path, beside));
    }
    Ok(Opened { name: path.to_owned(), sealed: sealed()?, archives })
}

fn one(path: String, beside: String) -> OneArchive {
    OneArchive { name: path.clone(), content: opener(path), beside: Some(opener(beside)) }
}

/// Opens a file when its turn comes.
fn opener(path: String) -> Opener {
    Box::new(move || Ok(Box::new(BufReader::new(File::open(&path)?)) as Box<dyn Read + Send>))
}

fn optional(path: &str) -> anyhow::Result<Option<Box<dyn Read + Send>>> {
    match File::open(path) {
        Ok(file) => Ok(Some(Box::new(BufReader::new(file)))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("{path} cannot be opened")),
    }
}

fn file_name(path: &str) -> &str {
    path.rsplit(std::path::is_separator).next().unwrap_or_default()
}

/// Whether a name from a manifest stays in its folder.
fn is_plain(name: &str) -> bool {
    !matches!(name, "" | "." | "..") && !name.contains(['/', '\\', ':'])
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

    /// A sealed manifest of three parts, the last of which would lie elsewhere.
    const SEALED: &str = r#"{"schema":"secrets-ops/backup/v1","tool":"t","name":"x","kind":"daily","account":"","region":"r",
        "started":"2026-11-21T17:00:00Z","status":"ok","coverage":{"wanted":2,"seen":2},"listed":2,"described":2,"written":2,
        "parts":[{"path":"x.tar.gz","size":1,"sha256":"","written":1},
                 {"path":"x.part-0002.tar.gz","size":1,"sha256":"","written":1},
                 {"path":"../secret.tar.gz","size":1,"sha256":"","written":1}],"gaps":[]}"#;

    fn names(opened: &Opened) -> Vec<&str> {
        opened.archives.iter().map(|archive| file_name(&archive.name)).collect()
    }

    fn text(opener: Opener) -> Result<String, io::ErrorKind> {
        let mut text = String::new();
        opener().map_err(|error| error.kind())?.read_to_string(&mut text).unwrap();
        Ok(text)
    }

    #[test]
    fn the_parts_of_a_sealed_backup_are_opened_in_their_turn() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        let write = |name: &str, content: &str| std::fs::write(path(name), content).unwrap();
        let open = |name: &str| local(&path(name)).unwrap();
        write("x.tar.gz", "first");
        write("x.part-0001.manifest.json", "its own");

        let unsealed = open("x.tar.gz");
        assert!(unsealed.sealed.is_none());
        assert_eq!(names(&unsealed), ["x.tar.gz"]);

        write("x.manifest.json", SEALED);
        let mut sealed = open("x.tar.gz");
        assert!(sealed.sealed.is_some());
        assert_eq!(names(&sealed), ["x.tar.gz", "x.part-0002.tar.gz"], "nothing outside of the folder");
        write("x.part-0002.tar.gz", "second");
        let second = sealed.archives.remove(1);
        let first = sealed.archives.remove(0);
        assert_eq!(text(first.content), Ok("first".to_owned()));
        assert_eq!(text(first.beside.unwrap()), Ok("its own".to_owned()));
        assert_eq!(text(second.content), Ok("second".to_owned()));
        assert_eq!(text(second.beside.unwrap()), Err(io::ErrorKind::NotFound));

        let part = open("x.part-0002.tar.gz");
        assert!(part.sealed.is_none(), "a part seals nothing");
        assert_eq!(names(&part), ["x.part-0002.tar.gz"]);
        let absent = local(&path("y.tar.gz")).unwrap_err();
        assert!(absent.to_string().ends_with("y.tar.gz is not there"));
    }
}
