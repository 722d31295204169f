//! Where a backup goes: a bucket, or a folder. Neither ever overwrites.

use std::fs::File;
use std::io::{Read, Write};
use std::path::PathBuf;

use tempfile::NamedTempFile;

use super::Kind;
use crate::aws::Aws;
use crate::aws::s3::{self, Bucket, PART_BYTES, Upload};
use crate::runbook::JobError;

/// The place that keeps archive and manifest.
#[derive(Clone, Debug)]
pub enum Destination {
    /// In a folder for each kind, or below a prefix of the operator's.
    Bucket {
        /// The bucket.
        bucket: Bucket,
        /// In place of the kind's folder; ends in `/` unless empty.
        prefix: Option<String>,
    },
    /// A local folder, which must exist.
    Folder(PathBuf),
}

/// One object or file in the making; nothing is visible under its name before `finish`.
pub(super) enum Target<'a> {
    Object(Upload<'a>),
    File { path: PathBuf, name: String, file: NamedTempFile },
}

impl Destination {
    /// What comes before an archive's name.
    pub(super) fn folder(&self, kind: Kind) -> String {
        match self {
            Self::Bucket { prefix: None, .. } => kind.folder().to_owned(),
            Self::Bucket { prefix: Some(prefix), .. } => prefix.clone(),
            Self::Folder(_) => String::new(),
        }
    }

    pub(super) fn create<'a>(&'a self, aws: &'a Aws, key: &str) -> Result<Target<'a>, JobError> {
        Ok(match self {
            Self::Bucket { bucket, .. } => {
                let content_type = if key.ends_with(".json") { "application/json" } else { "application/gzip" };
                Target::Object(Upload::new(aws, bucket, key.to_owned(), content_type))
            }
            Self::Folder(folder) => {
                let path = folder.join(key);
                let name = path.display().to_string();
                Target::File { path, name, file: NamedTempFile::new_in(folder)? }
            }
        })
    }

    /// How many archives begin with `stem`: what dead attempts have left.
    pub(super) async fn attempts(&self, aws: &Aws, stem: &str) -> Result<usize, JobError> {
        let Self::Bucket { bucket, .. } = self else { return Ok(0) };
        // What is asked for as a folder may be any beginning of names.
        let found = s3::list_folder(aws, bucket, stem).await?;
        Ok(found.iter().filter(|object| object.key.ends_with(".tar.gz")).count())
    }

    /// Writes a manifest and returns its name. What is at that name stays.
    pub(super) async fn put_manifest(
        &self,
        aws: &Aws,
        key: &str,
        mut manifest: Box<dyn Read + Send>,
    ) -> Result<String, JobError> {
        let mut target = self.create(aws, key)?;
        let name = target.name().to_owned();
        loop {
            let mut part = Vec::new();
            manifest.by_ref().take(PART_BYTES as u64).read_to_end(&mut part)?;
            if part.len() < PART_BYTES {
                target.finish(part).await?;
                return Ok(name);
            }
            if let Err(error) = target.part(part).await {
                target.abort().await;
                return Err(error);
            }
        }
    }
}

/// `x.tar.gz` has its manifest in `x.manifest.json`.
pub fn manifest_key(archive: &str) -> String {
    format!("{}.manifest.json", archive.strip_suffix(".tar.gz").unwrap_or(archive))
}

impl Target<'_> {
    /// The key, or the path.
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Object(upload) => upload.key(),
            Self::File { name, .. } => name,
        }
    }

    pub(super) async fn part(&mut self, bytes: Vec<u8>) -> Result<(), JobError> {
        match self {
            Self::Object(upload) => upload.part(bytes).await?,
            Self::File { file, .. } => file.write_all(&bytes)?,
        }
        Ok(())
    }

    pub(super) async fn finish(self, rest: Vec<u8>) -> Result<(), JobError> {
        match self {
            Self::Object(upload) => upload.finish(rest).await?,
            Self::File { path, mut file, .. } => {
                file.write_all(&rest)?;
                file.as_file().sync_all()?;
                let file: File = file.persist_noclobber(&path).map_err(|failed| failed.error)?;
                drop(file);
            }
        }
        Ok(())
    }

    pub(super) async fn abort(self) {
        match self {
            Self::Object(upload) => upload.abort().await,
            // The temporary file goes with its handle.
            Self::File { file, .. } => drop(file),
        }
    }
}
