//! An S3 that keeps its objects on disk, or nowhere.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use hyper::{Response, header};

/// The objects' folder, if there is one.
#[derive(Debug)]
pub(crate) struct Bucket(Option<PathBuf>);

type Answer = Response<Full<Bytes>>;

impl Bucket {
    pub(crate) fn new(folder: Option<PathBuf>) -> Self {
        Self(folder)
    }

    pub(crate) fn answer(&self, method: &Method, uri: &Uri, headers: &HeaderMap, body: &[u8]) -> Answer {
        let asked = Query(uri.query().unwrap_or_default());
        let answer = match &self.0 {
            Some(folder) => kept(folder, method, uri.path(), asked, headers, body),
            None => Ok(forgotten(method, asked)),
        };
        answer.unwrap_or_else(|error| match error.kind() {
            io::ErrorKind::NotFound => told(StatusCode::NOT_FOUND, "NoSuchKey", &error),
            io::ErrorKind::AlreadyExists => told(StatusCode::PRECONDITION_FAILED, "PreconditionFailed", &error),
            _ => told(StatusCode::BAD_REQUEST, "InvalidRequest", &error),
        })
    }
}

/// A request's query. Only what is asked for in lists is encoded.
#[derive(Clone, Copy)]
struct Query<'a>(&'a str);

impl<'a> Query<'a> {
    fn get(self, name: &str) -> Option<&'a str> {
        self.0
            .split('&')
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value)
    }
}

fn forgotten(method: &Method, asked: Query<'_>) -> Answer {
    if method == Method::GET {
        return match asked.get("list-type") {
            Some(_) => xml("<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>".to_owned(), "bench"),
            None => told(StatusCode::NOT_FOUND, "NoSuchKey", &"nothing is kept"),
        };
    }
    xml(done(asked, "bench"), "bench")
}

/// What both ends of an upload in parts are answered.
fn done(asked: Query<'_>, upload: &str) -> String {
    match asked.get("uploads") {
        Some(_) => {
            format!("<InitiateMultipartUploadResult><UploadId>{upload}</UploadId></InitiateMultipartUploadResult>")
        }
        None => "<CompleteMultipartUploadResult><ETag>\"bench\"</ETag></CompleteMultipartUploadResult>".to_owned(),
    }
}

fn kept(
    folder: &Path,
    method: &Method,
    path: &str,
    asked: Query<'_>,
    headers: &HeaderMap,
    body: &[u8],
) -> io::Result<Answer> {
    let object = folder.join(path.trim_start_matches('/'));
    let upload = |id: &str| folder.join(format!(".upload-{id}"));
    if let Some(prefix) = asked.get("prefix").filter(|_| method == Method::GET) {
        return list(&object, &decoded(prefix));
    }
    if asked.get("uploads").is_some() {
        let id = format!("{:x}", File::create_new(upload("next")).and_then(|file| file.metadata())?.ino());
        fs::rename(upload("next"), upload(&id))?;
        return Ok(xml(done(asked, &id), "bench"));
    }
    match (method.as_str(), asked.get("uploadId")) {
        // Parts come in their order.
        ("PUT", Some(id)) => OpenOptions::new().append(true).open(upload(id))?.write_all(body)?,
        ("DELETE", Some(id)) => fs::remove_file(upload(id))?,
        ("POST", Some(id)) => {
            expect(&object, headers)?;
            fs::create_dir_all(object.parent().unwrap_or(folder))?;
            fs::rename(upload(id), &object)?;
            return Ok(xml(done(asked, id), &etag(&object)?));
        }
        ("PUT", None) => {
            expect(&object, headers)?;
            fs::create_dir_all(object.parent().unwrap_or(folder))?;
            fs::write(&object, body)?;
            return Ok(xml(String::new(), &etag(&object)?));
        }
        ("GET", None) => {
            let etag = etag(&object)?;
            let mut answer = xml(String::new(), &etag);
            *answer.body_mut() = Full::new(fs::read(&object)?.into());
            return Ok(answer);
        }
        _ => return Err(io::Error::other("no such operation")),
    }
    Ok(xml(String::new(), "bench"))
}

/// `If-None-Match: *` and `If-Match`.
fn expect(object: &Path, headers: &HeaderMap) -> io::Result<()> {
    let found = etag(object).ok();
    let wanted = headers.get(header::IF_MATCH).map(|etag| etag.to_str().unwrap_or_default().trim_matches('"'));
    let taken = headers.contains_key(header::IF_NONE_MATCH) && found.is_some();
    if taken || (wanted.is_some() && wanted != found.as_deref()) {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    Ok(())
}

/// The file system knows best whether an object has been written anew.
fn etag(object: &Path) -> io::Result<String> {
    let metadata = fs::metadata(object)?;
    if !metadata.is_file() {
        return Err(io::ErrorKind::NotFound.into());
    }
    Ok(format!("{:x}-{:x}-{:x}", metadata.len(), metadata.mtime(), metadata.mtime_nsec()))
}

/// What lies directly in the prefix's folder and begins as it does.
fn list(bucket: &Path, prefix: &str) -> io::Result<Answer> {
    let (folder, beginning) = prefix.rsplit_once('/').unwrap_or(("", prefix));
    let mut objects = Vec::new();
    for entry in fs::read_dir(bucket.join(folder)).into_iter().flatten() {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.file_type()?.is_file() && name.starts_with(beginning) {
            let slash = if folder.is_empty() { "" } else { "/" };
            objects.push((format!("{folder}{slash}{name}"), entry.metadata()?.len()));
        }
    }
    objects.sort();
    let contents: String =
        objects.iter().map(|(key, size)| format!("<Contents><Key>{key}</Key><Size>{size}</Size></Contents>")).collect();
    Ok(xml(format!("<ListBucketResult><IsTruncated>false</IsTruncated>{contents}</ListBucketResult>"), "bench"))
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let mut digit = || rest.next().and_then(|digit| char::from(digit).to_digit(16)).unwrap_or_default();
        bytes.push(if byte == b'%' { u8::try_from(digit() * 16 + digit()).unwrap_or_default() } else { byte });
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn xml(body: String, etag: &str) -> Answer {
    let mut answer = Response::new(Full::new(body.into()));
    if let Ok(etag) = HeaderValue::from_str(&format!("\"{etag}\"")) {
        answer.headers_mut().insert(header::ETAG, etag);
    }
    answer
}

fn told(status: StatusCode, code: &str, why: &dyn std::fmt::Display) -> Answer {
    let mut answer = xml(format!("<Error><Code>{code}</Code><Message>{why}</Message></Error>"), "bench");
    *answer.status_mut() = status;
    answer
}
