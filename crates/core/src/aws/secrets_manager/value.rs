//! Values of secrets: the only place that asks for one, and the only type that holds one.

use aws_sdk_secretsmanager::primitives::Blob;
use zeroize::{Zeroize, Zeroizing};

use super::super::{Aws, AwsError};

/// A secret's value. It cannot be printed or serialised, and its memory is wiped when it goes.
///
/// The SDK's and the HTTP client's own buffers are not wiped: they are theirs, and gone with the call.
pub struct SecretValue {
    kind: ValueKind,
    bytes: Zeroizing<Vec<u8>>,
}

/// Secrets Manager keeps text and bytes apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueKind {
    /// `SecretString`.
    Text,
    /// `SecretBinary`.
    Binary,
}

impl ValueKind {
    /// The word in archives and encryption contexts.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Text => "string",
            Self::Binary => "binary",
        }
    }
}

impl std::fmt::Debug for SecretValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretValue(..)")
    }
}

impl SecretValue {
    /// Takes a value over. Text that is not UTF-8 cannot be one that Secrets Manager gave out: `None`.
    pub fn new(kind: ValueKind, bytes: Zeroizing<Vec<u8>>) -> Option<Self> {
        let fits = kind == ValueKind::Binary || std::str::from_utf8(&bytes).is_ok();
        fits.then_some(Self { kind, bytes })
    }

    /// Text or bytes.
    pub const fn kind(&self) -> ValueKind {
        self.kind
    }

    /// What must not be kept: for encryption and for keyed hashes.
    pub fn expose(&self) -> &[u8] {
        &self.bytes
    }

    /// In the form that requests take; exactly one of the two is there.
    pub(super) fn wire(&self) -> (Option<String>, Option<Blob>) {
        match self.kind {
            ValueKind::Text => (std::str::from_utf8(&self.bytes).ok().map(str::to_owned), None),
            ValueKind::Binary => (None, Some(Blob::new(self.bytes.to_vec()))),
        }
    }
}

/// Reads one version's value; `None` for a version that has none, such as a rotation's that failed.
///
/// Moves LastAccessedDate of secret and version.
pub async fn read(aws: &Aws, arn: &str, version_id: &str) -> Result<Option<SecretValue>, AwsError> {
    let answer = aws
        .secrets_manager()
        .get_secret_value()
        .secret_id(arn)
        .version_id(version_id)
        .send()
        .await
        .map_err(|error| AwsError::new("secretsmanager:GetSecretValue", error))?;
    let bytes = match (answer.secret_string, answer.secret_binary) {
        (Some(text), _) => return Ok(SecretValue::new(ValueKind::Text, Zeroizing::new(text.into_bytes()))),
        (None, Some(blob)) => Zeroizing::new(blob.into_inner()),
        (None, None) => return Ok(None),
    };
    Ok(SecretValue::new(ValueKind::Binary, bytes))
}

/// Whether the value of `id` can be read and decrypted. The value itself is wiped here, unseen.
///
/// Moves LastAccessedDate, so it must only ever be asked of a canary.
pub async fn can_read(aws: &Aws, id: &str) -> Result<bool, AwsError> {
    let answer = aws
        .secrets_manager()
        .get_secret_value()
        .secret_id(id)
        .send()
        .await
        .map_err(|error| AwsError::new("secretsmanager:GetSecretValue", error))?;
    let there = answer.secret_string.is_some() || answer.secret_binary.is_some();
    if let Some(mut text) = answer.secret_string {
        text.zeroize();
    }
    if let Some(blob) = answer.secret_binary {
        blob.into_inner().zeroize();
    }
    Ok(there)
}
