//! A small Secrets Manager, S3 and SNS in memory for tests, in place of the HTTP connector: what the SDK really sends is
//! answered, and what it really does with faults, its retries among them, is seen.

mod estate;

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_types::body::SdkBody;
use serde_json::{Value, json};
use tokio::time::{Duration, Instant};

pub(crate) use estate::{CHANGES, Estate, FakeKey, FakeSecret, KEY};

use super::{Aws, Connection, Patience, SharedCredentialsProvider};

/// The first call of an operation, or of one secret or key with it, that fails; and how often.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    pub(crate) operation: &'static str,
    pub(crate) about: &'static str,
    pub(crate) code: &'static str,
    pub(crate) status: u16,
    pub(crate) times: usize,
}

impl Fault {
    /// Fails for good.
    pub(crate) fn of(operation: &'static str, about: &'static str, code: &'static str, status: u16) -> Self {
        Self { operation, about, code, status, times: usize::MAX }
    }
}

/// As a fault's code on PutObject: the object is written, and the answer is a failure all the same.
pub(crate) const LOST: &str = "Lost";

/// What the fakes hold; tests look into it.
#[derive(Debug)]
pub(crate) struct World {
    /// Secrets, keys and functions with a memory; used where there are no `secrets` by name alone.
    pub(crate) estate: Estate,
    /// Secrets on a page of the list.
    pub(crate) page: usize,
    /// What is wrong with the bucket, by the query of the call that would tell.
    pub(crate) unfit: Vec<&'static str>,
    /// The change at which the program dies, counted from 1, and whether AWS still makes that change.
    pub(crate) dies_at: Option<(usize, bool)>,
    /// Changes so far.
    pub(crate) changes: usize,
    pub(crate) dead: bool,
    /// The pace of the clients; `None`: nothing is paced.
    pub(crate) rate: Option<f64>,
    /// Policies, and lists of versions, that are given out in any second.
    pub(crate) quota: Option<usize>,
    /// When the last calls of each operation came.
    pub(crate) recent: BTreeMap<&'static str, VecDeque<Instant>>,

    /// CloudTrail's records.
    pub(crate) trail: Vec<Value>,

    pub(crate) secrets: Vec<String>,
    pub(crate) policies: BTreeMap<String, String>,
    pub(crate) objects: BTreeMap<String, Vec<u8>>,
    pub(crate) uploads: BTreeMap<String, Vec<u8>>,
    pub(crate) aborted: usize,
    pub(crate) calls: BTreeMap<&'static str, usize>,
    pub(crate) notices: Vec<(String, String)>,
    pub(crate) faults: Vec<Fault>,
    pub(crate) writes: usize,
    pub(crate) etags: BTreeMap<String, String>,
}

impl Default for World {
    fn default() -> Self {
        Self {
            estate: Estate { clock: 1_000_000_000, ..Estate::default() },
            page: 2,
            unfit: Vec::new(),
            dies_at: None,
            changes: 0,
            dead: false,
            rate: None,
            quota: None,
            recent: BTreeMap::new(),
            trail: Vec::new(),
            secrets: Vec::new(),
            policies: BTreeMap::new(),
            objects: BTreeMap::new(),
            uploads: BTreeMap::new(),
            aborted: 0,
            calls: BTreeMap::new(),
            notices: Vec::new(),
            faults: Vec::new(),
            writes: 0,
            etags: BTreeMap::new(),
        }
    }
}

impl World {
    fn call(&mut self, operation: &'static str, about: &str) -> Option<Fault> {
        *self.calls.entry(operation).or_default() += 1;
        let limited = ["GetResourcePolicy", "ListSecretVersionIds"].contains(&operation);
        if let Some(quota) = self.quota.filter(|_| limited) {
            let (now, recent) = (Instant::now(), self.recent.entry(operation).or_default());
            recent.retain(|at| now.duration_since(*at) < Duration::from_secs(1));
            if recent.len() >= quota {
                *self.calls.entry("throttled").or_default() += 1;
                return Some(Fault::of(operation, "", "ThrottlingException", 400));
            }
            recent.push_back(now);
        }
        let fault = self.faults.iter_mut().find(|fault| {
            fault.operation == operation && fault.times > 0 && (fault.about.is_empty() || about.contains(fault.about))
        })?;
        fault.times -= 1;
        Some(fault.clone())
    }

    fn write(&mut self, key: &str, body: Vec<u8>) -> String {
        self.writes += 1;
        let etag = format!("\"{}\"", self.writes);
        self.objects.insert(key.to_owned(), body);
        self.etags.insert(key.to_owned(), etag.clone());
        etag
    }

    /// An object as text.
    pub(crate) fn text(&self, key: &str) -> String {
        String::from_utf8(self.objects[key].clone()).unwrap()
    }
}

/// Shared between the fakes and the test.
pub(crate) type Shared = Arc<Mutex<World>>;

/// Clients over `world`, as patient as a job's. Each page of the list has two secrets.
pub(crate) fn clients(world: World) -> (Aws, Shared) {
    let rate = world.rate;
    let shared = Arc::new(Mutex::new(world));
    let connector = SharedHttpConnector::new(Fake(shared.clone()));
    let credentials = aws_sdk_secretsmanager::config::Credentials::new("id", "key", None, None, "test");
    let connection = Connection {
        region: "ap-northeast-1".into(),
        credentials: SharedCredentialsProvider::new(credentials),
        endpoint: Some("http://aws.test".into()),
        patience: Patience::Job,
        policy_rate: rate,
    };
    let mut config = Aws::connect(connection).config.into_builder();
    config.set_http_client(Some(http_client_fn(move |_, _| connector.clone())));
    (Aws::from_config(config.build(), rate), shared)
}

#[derive(Debug)]
struct Fake(Shared);

impl HttpConnector for Fake {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let body = request.body().bytes().expect("bodies are in memory").to_vec();
        let mut world = self.0.lock().unwrap();
        let operation = request.headers().get("x-amz-target").and_then(|target| target.rsplit('.').next());
        if operation.is_some_and(|operation| CHANGES.contains(&operation)) {
            world.changes += 1;
            let now = world.changes;
            if let Some((_, and_made)) = world.dies_at.filter(|(at, _)| *at == now) {
                world.dead = true;
                if and_made {
                    secrets_manager(&mut world, operation.unwrap_or_default(), &body);
                }
            }
        }
        if world.dead {
            return HttpConnectorFuture::new(std::future::pending());
        }
        let reply = match request.headers().get("x-amz-target") {
            Some(target) if target.ends_with(".LookupEvents") => lookup_events(&mut world, &body),
            Some(target) => secrets_manager(&mut world, target.rsplit('.').next().unwrap_or_default(), &body),
            None if request.uri().contains("/2015-03-31/functions/") => function(&mut world, request.uri()),
            None if body.starts_with(b"Action=Publish") => sns(&mut world, &String::from_utf8_lossy(&body)),
            None => s3(&mut world, &request, body),
        };
        HttpConnectorFuture::ready(Ok(reply))
    }
}

/// Operations that tests count, or let fail, over a world with a memory.
const OPERATIONS: &[&str] = &[
    "ListSecrets",
    "DescribeSecret",
    "GetResourcePolicy",
    "ListSecretVersionIds",
    "GetSecretValue",
    "CreateSecret",
    "PutSecretValue",
    "PutResourcePolicy",
    "TagResource",
    "ReplicateSecretToRegions",
    "RotateSecret",
    "RestoreSecret",
    "DeleteSecret",
    "DescribeKey",
    "CreateKey",
    "GenerateDataKey",
    "GenerateMac",
    "Decrypt",
];

fn respond(status: u16, body: String) -> HttpResponse {
    HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body))
}

/// The ARN that the fakes give a secret.
pub(crate) fn arn(name: &str) -> String {
    format!("arn:aws:secretsmanager:ap-northeast-1:123456789012:secret:{name}-AbCdEf")
}

fn name_of(arn: &str) -> &str {
    arn.rsplit(':').next().unwrap().strip_suffix("-AbCdEf").unwrap()
}

/// One page a record, the newest first.
fn lookup_events(world: &mut World, body: &[u8]) -> HttpResponse {
    let input: Value = serde_json::from_slice(body).unwrap();
    let name = input["LookupAttributes"][0]["AttributeValue"].as_str().unwrap().to_owned();
    if let Some(fault) = world.call("LookupEvents", &name) {
        return respond(fault.status, json!({"__type": fault.code, "message": "as the test wants it"}).to_string());
    }
    let from: usize = input["NextToken"].as_str().map_or(0, |token| token.parse().unwrap());
    let mut found: Vec<&Value> = world.trail.iter().filter(|record| record["eventName"] == name.as_str()).collect();
    found.sort_by_key(|record| std::cmp::Reverse(record["eventTime"].as_str()));
    let page: Vec<Value> =
        found.iter().skip(from).take(1).map(|record| json!({"CloudTrailEvent": record.to_string()})).collect();
    let next = (from + 1 < found.len()).then(|| (from + 1).to_string());
    respond(200, json!({"Events": page, "NextToken": next}).to_string())
}

fn function(world: &mut World, uri: &str) -> HttpResponse {
    let path = uri.split('?').next().unwrap().rsplit("/functions/").next().unwrap();
    let (operation, name) = match path.strip_suffix("/policy") {
        Some(name) => ("GetPolicy", name),
        None => ("GetFunctionConfiguration", path.trim_end_matches("/configuration")),
    };
    let name = percent_decoded(name);
    if let Some(fault) = world.call(operation, &name) {
        let mut reply = respond(fault.status, json!({"message": "as the test wants it"}).to_string());
        reply.headers_mut().insert("x-amzn-errortype", fault.code);
        return reply;
    }
    if world.estate.functions.contains(&name) {
        let open = json!({"Statement": {"Effect": "Allow", "Principal": "*", "Action": "*"}}).to_string();
        let answer = match operation {
            "GetPolicy" => json!({"Policy": open}),
            _ => json!({"FunctionArn": name, "State": "Active"}),
        };
        return respond(200, answer.to_string());
    }
    let mut reply = respond(404, json!({"Type": "User", "Message": "not there"}).to_string());
    reply.headers_mut().insert("x-amzn-errortype", "ResourceNotFoundException");
    reply
}

fn secrets_manager(world: &mut World, operation: &str, body: &[u8]) -> HttpResponse {
    let input: Value = serde_json::from_slice(body).unwrap();
    let id = input["SecretId"].as_str().unwrap_or_default();
    if world.secrets.is_empty() {
        let counted = OPERATIONS.iter().find(|known| **known == operation).copied().unwrap_or("Other");
        let about = ["SecretId", "Name", "KeyId", "NextToken"].iter().find_map(|field| input[field].as_str());
        if let Some(fault) = world.call(counted, about.unwrap_or_default()) {
            return respond(fault.status, json!({"__type": fault.code, "message": "as the test wants it"}).to_string());
        }
        return estate::answer(world, operation, &input);
    }
    let (operation, about) = match operation {
        "ListSecrets" => ("ListSecrets", input["NextToken"].as_str().unwrap_or_default()),
        "DescribeSecret" => ("DescribeSecret", id),
        "GetResourcePolicy" => ("GetResourcePolicy", id),
        "ListSecretVersionIds" => ("ListSecretVersionIds", id),
        other => panic!("nobody should call {other}"),
    };
    if let Some(fault) = world.call(operation, about) {
        let body = json!({"__type": fault.code, "message": "as the test wants it"});
        return respond(fault.status, body.to_string());
    }
    let answer = match operation {
        "ListSecrets" => {
            assert_eq!(input["IncludePlannedDeletion"], true);
            let from: usize = about.parse().unwrap_or(0);
            let to = (from + 2).min(world.secrets.len());
            let page: Vec<Value> =
                world.secrets[from..to].iter().map(|name| json!({"Name": name, "ARN": arn(name)})).collect();
            let next = (to < world.secrets.len()).then(|| to.to_string());
            json!({"SecretList": page, "NextToken": next})
        }
        "DescribeSecret" => json!({
            "ARN": id,
            "Name": name_of(id),
            "Description": format!("about {}", name_of(id)),
            "VersionIdsToStages": {"v1": ["AWSCURRENT"]},
        }),
        "ListSecretVersionIds" => json!({
            "ARN": id,
            "Versions": [{"VersionId": "v1", "VersionStages": ["AWSCURRENT"], "CreatedDate": 1.0}],
        }),
        _ => json!({"ARN": id, "ResourcePolicy": world.policies.get(name_of(id))}),
    };
    respond(200, answer.to_string())
}

fn s3(world: &mut World, request: &HttpRequest, body: Vec<u8>) -> HttpResponse {
    let uri = request.uri();
    let (path, query) = uri.split_once('?').unwrap_or((uri, ""));
    let key = path.splitn(5, '/').nth(4).unwrap_or_default();
    let has = |name: &str| query.split('&').any(|part| part.split('=').next() == Some(name));
    if let Some(question) =
        ["versioning", "encryption", "publicAccessBlock", "policy"].into_iter().find(|name| has(name))
    {
        return bucket(world, question);
    }
    let operation = match request.method() {
        "GET" if has("list-type") => "ListObjectsV2",
        "GET" => "GetObject",
        "POST" if has("uploads") => "CreateMultipartUpload",
        "POST" => "CompleteMultipartUpload",
        "PUT" if has("partNumber") => "UploadPart",
        "PUT" => "PutObject",
        _ => "AbortMultipartUpload",
    };
    if let Some(fault) = world.call(operation, key) {
        if fault.code == LOST {
            world.write(key, body);
        }
        return s3_error(fault.code, fault.status);
    }
    let there = world.etags.get(key).cloned();
    let header = |name: &str| request.headers().get(name);
    let if_match = header("if-match");
    if (header("if-none-match").is_some() && there.is_some()) || (if_match.is_some() && there.as_deref() != if_match) {
        return s3_error("PreconditionFailed", 412);
    }
    let mut reply = respond(200, String::new());
    match operation {
        "PutObject" => {
            let etag = world.write(key, body);
            reply.headers_mut().insert("etag", etag);
        }
        "GetObject" => match world.objects.get(key) {
            Some(found) => {
                let last =
                    header("range").map(|range| range.strip_prefix("bytes=0-").unwrap().parse::<usize>().unwrap());
                let end = last.map_or(found.len(), |last| found.len().min(last + 1));
                *reply.body_mut() = SdkBody::from(found[..end].to_vec());
                reply.headers_mut().insert("etag", there.unwrap_or_default());
            }
            None => return s3_error("NoSuchKey", 404),
        },
        "CreateMultipartUpload" => {
            world.uploads.insert(key.to_owned(), Vec::new());
            let xml = "<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>";
            *reply.body_mut() = SdkBody::from(xml);
        }
        "UploadPart" => {
            world.uploads.get_mut(key).unwrap().extend(body);
            reply.headers_mut().insert("etag", "\"p\"");
        }
        "CompleteMultipartUpload" => {
            assert_eq!(header("if-none-match"), Some("*"));
            let whole = world.uploads.remove(key).unwrap();
            world.write(key, whole);
            *reply.body_mut() = SdkBody::from("<CompleteMultipartUploadResult/>");
        }
        "ListObjectsV2" => {
            let prefix = query.split('&').find_map(|part| part.strip_prefix("prefix=")).unwrap_or_default();
            let prefix = prefix.replace("%2F", "/");
            assert!(has("delimiter"), "nobody lists what lies deeper");
            let contents = world
                .objects
                .iter()
                .filter(|(key, _)| key.strip_prefix(&prefix).is_some_and(|rest| !rest.contains('/')))
                .map(|(key, body)| format!("<Contents><Key>{key}</Key><Size>{}</Size></Contents>", body.len()));
            let xml = format!("<ListBucketResult>{}</ListBucketResult>", contents.collect::<String>());
            *reply.body_mut() = SdkBody::from(xml);
        }
        _ => {
            world.aborted += 1;
            world.uploads.remove(key);
        }
    }
    reply
}

/// A bucket that is fit to keep values, but for what the test wants.
fn bucket(world: &World, question: &str) -> HttpResponse {
    let fit = !world.unfit.contains(&question);
    let body = match question {
        "versioning" if fit => "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>".to_owned(),
        "versioning" => "<VersioningConfiguration/>".to_owned(),
        "encryption" if fit => format!(
            "<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>aws:kms</SSEAlgorithm><KMSMasterKeyID>{KEY}</KMSMasterKeyID></ApplyServerSideEncryptionByDefault></Rule></ServerSideEncryptionConfiguration>"
        ),
        "encryption" => return s3_error("ServerSideEncryptionConfigurationNotFoundError", 404),
        "publicAccessBlock" => format!(
            "<PublicAccessBlockConfiguration><BlockPublicAcls>true</BlockPublicAcls><IgnorePublicAcls>true</IgnorePublicAcls><BlockPublicPolicy>{fit}</BlockPublicPolicy><RestrictPublicBuckets>true</RestrictPublicBuckets></PublicAccessBlockConfiguration>"
        ),
        _ if fit => json!({"Statement": [{"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "*",
            "Condition": {"Bool": {"aws:SecureTransport": "false"}}}]})
        .to_string(),
        _ => return s3_error("NoSuchBucketPolicy", 404),
    };
    respond(200, body)
}

fn s3_error(code: &str, status: u16) -> HttpResponse {
    respond(status, format!("<Error><Code>{code}</Code><Message>as the test wants it</Message></Error>"))
}

fn sns(world: &mut World, form: &str) -> HttpResponse {
    if let Some(fault) = world.call("Publish", form) {
        let body = format!(
            "<ErrorResponse><Error><Code>{}</Code><Message>as the test wants it</Message></Error></ErrorResponse>",
            fault.code
        );
        return respond(fault.status, body);
    }
    let field = |name: &str| {
        let value = form.split('&').find_map(|pair| pair.strip_prefix(name)).unwrap_or_default();
        percent_decoded(value)
    };
    world.notices.push((field("Subject="), field("Message=")));
    respond(200, "<PublishResponse><PublishResult><MessageId>m</MessageId></PublishResult></PublishResponse>".into())
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        match (first, tail) {
            (b'%', [high, low, after @ ..]) => {
                let hex = [*high, *low];
                bytes.push(u8::from_str_radix(std::str::from_utf8(&hex).unwrap(), 16).unwrap());
                rest = after;
            }
            (byte, tail) => {
                bytes.push(*byte);
                rest = tail;
            }
        }
    }
    String::from_utf8(bytes).unwrap()
}
