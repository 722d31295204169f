//! Brings a backup from a bucket into unlinked local files, from where it is read: a connection that is held open while
//! thousands of paced calls are made would not last.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom, Write};

use jiff::Timestamp;
use tokio::io::AsyncReadExt;

use super::manifest::Summary;
use super::{OneArchive, Opened, head, manifest_key, part_manifest, part_of};
use crate::aws::s3::{self, Bucket};
use crate::aws::{Aws, AwsError, Class};
use crate::runbook::JobError;

/// Bytes that are moved at a time.
const STEP: usize = 256 * 1024;

/// The key of the newest sealed backup directly in `folder`; names sort by time.
pub(super) async fn newest(aws: &Aws, bucket: &Bucket, folder: &str) -> Result<Option<String>, JobError> {
    let sealed = s3::list_folder(aws, bucket, folder).await?.into_iter().filter_map(|object| {
        let run = object.key.strip_suffix(".manifest.json")?;
        let name = run.strip_prefix(folder)?;
        (!name.contains('/') && !name.contains(".part-")).then(|| format!("{run}.tar.gz"))
    });
    Ok(sealed.max())
}

/// Fetches the backup whose archive (the first, where it has several) is at `key`, with its manifests and all parts, and
/// says when it was made: [`Timestamp::UNIX_EPOCH`] without a manifest that can be read.
///
/// # Errors
/// Where the first archive is not there, or the connection breaks. A part that is missing is left to the reader to name.
pub async fn fetch(aws: &Aws, bucket: &Bucket, key: &str) -> Result<(Opened, Timestamp), JobError> {
    // A part's own manifest seals nothing.
    let whole = part_of(key).1 == 1;
    let mut sealed = if whole { optional(aws, bucket, &manifest_key(key)).await? } else { None };
    let mut summary = None;
    if let Some(file) = &mut sealed {
        summary = head(&mut *file).ok();
        file.seek(SeekFrom::Start(0))?;
    }
    let mut archives = Vec::new();
    for (path, beside) in parts(key, summary.as_ref()) {
        let Some(content) = optional(aws, bucket, &path).await? else {
            if path == key {
                return Err(absent(bucket, key));
            }
            continue;
        };
        let beside = match beside {
            Some(beside) => optional(aws, bucket, &beside).await?,
            None => None,
        };
        archives.push(OneArchive {
            name: path.rsplit('/').next().unwrap_or(&path).to_owned(),
            content: opener(content),
            beside: beside.map(opener),
        });
    }
    let name = format!("s3://{}/{key}", bucket.name);
    let started = summary.map_or(Timestamp::UNIX_EPOCH, |summary| summary.started);
    let sealed = match sealed {
        Some(file) => Some(opener(file)()?),
        None => None,
    };
    Ok((Opened { name, sealed, archives }, started))
}

/// Archives and their own manifests, by key.
fn parts(key: &str, summary: Option<&Summary>) -> Vec<(String, Option<String>)> {
    let folder = key.rfind('/').map_or("", |slash| &key[..=slash]);
    let run = key.strip_suffix(".tar.gz").unwrap_or(key);
    match summary.map(|summary| summary.parts.as_slice()) {
        None | Some([]) => vec![(key.to_owned(), None)],
        Some(parts) => parts
            .iter()
            .enumerate()
            .map(|(index, part)| {
                let path = format!("{folder}{}", part.path);
                let beside = if index == 0 { part_manifest(run, 1) } else { manifest_key(&path) };
                (path, Some(beside))
            })
            .collect(),
    }
}

fn absent(bucket: &Bucket, key: &str) -> JobError {
    JobError::NotThere(format!("there is no s3://{}/{key}; `secrets-ops backup list` shows what there is", bucket.name))
}

async fn optional(aws: &Aws, bucket: &Bucket, key: &str) -> Result<Option<File>, JobError> {
    let mut body = match s3::open(aws, bucket, key).await {
        Ok(body) => body,
        Err(error) if error.class == Class::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let mut file = tempfile::tempfile()?;
    let mut buffer = vec![0; STEP];
    loop {
        let read = body.read(&mut buffer).await.map_err(|error| AwsError::broken_body("s3:GetObject", error))?;
        if read == 0 {
            file.seek(SeekFrom::Start(0))?;
            return Ok(Some(file));
        }
        file.write_all(&buffer[..read])?;
    }
}

fn opener(file: File) -> super::Opener {
    Box::new(move || Ok(Box::new(BufReader::new(file)) as Box<dyn Read + Send>))
}
