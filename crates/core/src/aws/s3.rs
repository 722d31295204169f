//! S3: objects that are never overwritten by accident, and uploads whose length is not known beforehand.

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{ChecksumAlgorithm, CompletedMultipartUpload, CompletedPart, ServerSideEncryption};
use jiff::Timestamp;
use tokio::io::AsyncRead;

use super::{Aws, AwsError, Class, timestamp};

/// The bucket that keeps backups, reports and run markers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// Its name.
    pub name: String,
    /// The key for SSE-KMS, by id, ARN or alias; `None`: as the bucket's default encryption says.
    pub kms_key: Option<String>,
    /// The account that must own the bucket, so that a bucket of the same name elsewhere gets nothing.
    pub owner: Option<String>,
}

/// An object's body and its ETag.
#[derive(Debug)]
pub struct Object {
    /// The whole body: only for small objects.
    pub bytes: Vec<u8>,
    /// For `replace`.
    pub etag: String,
}

/// One object of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its key.
    pub key: String,
    /// In bytes.
    pub size: u64,
    /// When it was written.
    pub modified: Option<Timestamp>,
}

/// What may already be at a key.
#[derive(Clone, Debug)]
pub enum Expect<'a> {
    /// Whatever there is; it becomes an earlier version of the object.
    Anything,
    /// Nothing (`If-None-Match: *`).
    Absent,
    /// The object with this ETag (`If-Match`).
    Etag(&'a str),
}

/// Headers that every write needs alike: the encryption, where one is named, and the owner.
macro_rules! write_to {
    ($request:expr, $bucket:expr, $key:expr) => {{
        let request = $request.bucket(&$bucket.name).key($key).set_expected_bucket_owner($bucket.owner.clone());
        match &$bucket.kms_key {
            Some(key) => {
                request.server_side_encryption(ServerSideEncryption::AwsKms).ssekms_key_id(key).bucket_key_enabled(true)
            }
            None => request,
        }
    }};
}

/// Writes a small object and returns its ETag. The class is `Conflict` where the expectation does not hold.
pub async fn put(
    aws: &Aws,
    bucket: &Bucket,
    key: &str,
    content_type: &str,
    body: Vec<u8>,
    expect: Expect<'_>,
) -> Result<String, AwsError> {
    let request = write_to!(aws.s3().put_object(), bucket, key).content_type(content_type).body(body.into());
    let request = match expect {
        Expect::Anything => request,
        Expect::Absent => request.if_none_match("*"),
        Expect::Etag(etag) => request.if_match(etag),
    };
    let answer = request.send().await.map_err(|error| AwsError::new("s3:PutObject", error))?;
    Ok(answer.e_tag.unwrap_or_default())
}

/// Reads a small object whole; `None` if there is none.
///
/// Without `s3:ListBucket`, S3 answers for an absent key with AccessDenied, which stays an error here.
pub async fn get(aws: &Aws, bucket: &Bucket, key: &str) -> Result<Option<Object>, AwsError> {
    let (etag, body) = match get_object(aws, bucket, key, None).await {
        Ok(fetched) => fetched,
        Err(error) if error.class == Class::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let bytes = body.collect().await.map_err(|error| AwsError::broken_body("s3:GetObject", error))?;
    Ok(Some(Object { bytes: bytes.to_vec(), etag }))
}

/// Opens an object for streaming.
pub async fn open(aws: &Aws, bucket: &Bucket, key: &str) -> Result<impl AsyncRead + Send + Unpin + use<>, AwsError> {
    get_object(aws, bucket, key, None).await.map(|(_, body)| body.into_async_read())
}

/// Reads the first bytes of an object, at most `most`.
pub async fn start(aws: &Aws, bucket: &Bucket, key: &str, most: usize) -> Result<Vec<u8>, AwsError> {
    let range = format!("bytes=0-{}", most.saturating_sub(1));
    let mut body = match get_object(aws, bucket, key, Some(range)).await {
        Ok((_, body)) => body,
        // There is no first byte of nothing.
        Err(error) if error.code.as_deref() == Some("InvalidRange") => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut bytes = Vec::new();
    while let Some(chunk) = body.next().await {
        bytes.extend_from_slice(&chunk.map_err(|error| AwsError::broken_body("s3:GetObject", error))?);
        // Whoever does not know ranges sends all.
        if bytes.len() >= most {
            bytes.truncate(most);
            break;
        }
    }
    Ok(bytes)
}

async fn get_object(
    aws: &Aws,
    bucket: &Bucket,
    key: &str,
    range: Option<String>,
) -> Result<(String, ByteStream), AwsError> {
    let answer = aws
        .s3()
        .get_object()
        .bucket(&bucket.name)
        .key(key)
        .set_range(range)
        .set_expected_bucket_owner(bucket.owner.clone())
        .send()
        .await
        .map_err(|error| AwsError::new("s3:GetObject", error))?;
    Ok((answer.e_tag.unwrap_or_default(), answer.body))
}

/// Every object that lies directly in `folder`, which ends in `/`, in the order of keys. What lies deeper is not listed.
pub async fn list_folder(aws: &Aws, bucket: &Bucket, folder: &str) -> Result<Vec<Listed>, AwsError> {
    let mut all = Vec::new();
    let mut token = None;
    loop {
        let page = aws
            .s3()
            .list_objects_v2()
            .bucket(&bucket.name)
            .prefix(folder)
            .delimiter("/")
            .set_expected_bucket_owner(bucket.owner.clone())
            .set_continuation_token(token)
            .send()
            .await
            .map_err(|error| AwsError::new("s3:ListObjectsV2", error))?;
        all.extend(page.contents.unwrap_or_default().into_iter().filter_map(|object| {
            Some(Listed {
                key: object.key?,
                size: object.size.unwrap_or_default().try_into().unwrap_or_default(),
                modified: object.last_modified.as_ref().and_then(timestamp),
            })
        }));
        token = page.next_continuation_token;
        if token.is_none() {
            return Ok(all);
        }
    }
}

/// The least that S3 takes as a part of a multipart upload, the last one excepted.
pub const PART_BYTES: usize = 5 * 1024 * 1024;

/// An object of unknown length, sent in parts of 5 MiB as it grows. Nothing is visible at the key before `finish`, and
/// nothing that is already there is overwritten.
#[derive(Debug)]
pub struct Upload<'a> {
    aws: &'a Aws,
    bucket: &'a Bucket,
    key: String,
    content_type: &'static str,
    /// Absent until the first part is full: a short object is one plain PutObject.
    id: Option<String>,
    parts: Vec<CompletedPart>,
}

impl<'a> Upload<'a> {
    /// Prepares an upload; calls nothing yet.
    pub fn new(aws: &'a Aws, bucket: &'a Bucket, key: String, content_type: &'static str) -> Self {
        Self { aws, bucket, key, content_type, id: None, parts: Vec::new() }
    }

    /// The key that it writes to.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Sends one part. All but the last must have at least [`PART_BYTES`]; S3 takes 10,000 of them.
    pub async fn part(&mut self, bytes: Vec<u8>) -> Result<(), AwsError> {
        let id = match &self.id {
            Some(id) => id.clone(),
            None => self.begin().await?,
        };
        let number = i32::try_from(self.parts.len() + 1).unwrap_or(i32::MAX);
        let sent = self
            .aws
            .s3()
            .upload_part()
            .bucket(&self.bucket.name)
            .key(&self.key)
            .set_expected_bucket_owner(self.bucket.owner.clone())
            .upload_id(&id)
            .part_number(number)
            .checksum_algorithm(ChecksumAlgorithm::Crc32)
            .body(bytes.into())
            .send()
            .await
            .map_err(|error| AwsError::new("s3:UploadPart", error))?;
        self.parts.push(
            CompletedPart::builder()
                .part_number(number)
                .set_e_tag(sent.e_tag)
                .set_checksum_crc32(sent.checksum_crc32)
                .build(),
        );
        Ok(())
    }

    async fn begin(&mut self) -> Result<String, AwsError> {
        let begun = write_to!(self.aws.s3().create_multipart_upload(), self.bucket, &self.key)
            .content_type(self.content_type)
            .checksum_algorithm(ChecksumAlgorithm::Crc32)
            .send()
            .await
            .map_err(|error| AwsError::new("s3:CreateMultipartUpload", error))?;
        let id = begun.upload_id.unwrap_or_default();
        self.id = Some(id.clone());
        Ok(id)
    }

    /// Sends the rest and makes the object visible. The class is `Conflict` where the key is taken.
    pub async fn finish(mut self, rest: Vec<u8>) -> Result<(), AwsError> {
        if self.id.is_none() {
            return put(self.aws, self.bucket, &self.key, self.content_type, rest, Expect::Absent).await.map(|_| ());
        }
        let done = match self.part(rest).await {
            Ok(()) => self.complete().await,
            Err(error) => Err(error),
        };
        if done.is_err() {
            self.abort().await;
        }
        done
    }

    async fn complete(&mut self) -> Result<(), AwsError> {
        let parts = CompletedMultipartUpload::builder().set_parts(Some(std::mem::take(&mut self.parts))).build();
        self.aws
            .s3()
            .complete_multipart_upload()
            .bucket(&self.bucket.name)
            .key(&self.key)
            .set_expected_bucket_owner(self.bucket.owner.clone())
            .set_upload_id(self.id.clone())
            .multipart_upload(parts)
            .if_none_match("*")
            .send()
            .await
            .map(|_| ())
            .map_err(|error| AwsError::new("s3:CompleteMultipartUpload", error))
    }

    /// Gives up. Parts that cannot be removed are left to the bucket's lifecycle rule.
    pub async fn abort(self) {
        let Some(id) = self.id else { return };
        let aborted = self
            .aws
            .s3()
            .abort_multipart_upload()
            .bucket(&self.bucket.name)
            .key(&self.key)
            .set_expected_bucket_owner(self.bucket.owner.clone())
            .upload_id(id)
            .send()
            .await;
        if let Err(error) = aborted {
            let error = AwsError::new("s3:AbortMultipartUpload", error);
            tracing::warn!(%error, key = self.key, "parts of an upload are left behind");
        }
    }
}
