//! One secret value as a message of the AWS Encryption SDK, so that AWS's own tools can open it without this program.
//!
//! One form alone is written and read: message version 2, algorithm suite 0x0478 (AES-256-GCM, HKDF-SHA512, key
//! commitment, no signature), one data key that KMS wrapped, one frame, which is the final one. Nothing here calls KMS
//! or knows what the context means.

use std::collections::BTreeMap;
use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::hkdf::{HKDF_SHA512, Salt};
use aws_lc_rs::rand;
use zeroize::Zeroizing;

use crate::aws::kms::DataKey;

/// Secrets Manager's own limit; larger values cannot exist.
const MAX_VALUE: usize = 65_536;
/// More than the largest value: AWS's Python library refuses a final frame that is as long as the frame length.
const FRAME_LENGTH: u32 = 131_072;

/// The one with a commitment in the header.
const VERSION: u8 = 2;
/// AES_256_GCM_HKDF_SHA512_COMMIT_KEY: a signature would only say that the holder of the data key wrote it.
const SUITE: u16 = 0x0478;
/// The provider's information is then the ARN of a KMS key.
const PROVIDER: &[u8] = b"aws-kms";
/// Keys of the context that begin so belong to the Encryption SDK.
const RESERVED: &str = "aws-crypto-";
/// The other kind of body is for old messages only.
const FRAMED: u8 = 2;
/// Stands before the number of the last frame.
const FINAL: u32 = u32::MAX;
/// Tells the last frame from the others in what its tag covers.
const FINAL_AAD: &[u8] = b"AWSKMSEncryptionClient Final Frame";

/// Nonces are fixed: the key that they are used with is derived anew for each message.
const HEADER_NONCE: [u8; NONCE_LEN] = [0; NONCE_LEN];
/// The number of the only frame.
const SEQUENCE: u32 = 1;
/// The number again, which is how the specification wants it.
const FRAME_NONCE: [u8; NONCE_LEN] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];

/// Random; salt of the derivation.
type Id = [u8; 32];
/// Derived from the data key, so that no second data key opens the same message to another value.
type Commitment = [u8; 32];
/// What GCM proves integrity with.
type Tag = [u8; 16];

/// Why a value could not be sealed, or a message not be opened; never holds a byte of key or value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum MessageError {
    /// More than the format or Secrets Manager allows.
    #[error("the {0} is too long")]
    TooLong(&'static str),
    /// The Encryption SDK keeps these keys for itself.
    #[error("the encryption context has a key that begins with {RESERVED}")]
    Reserved,
    /// The suite takes no other length.
    #[error("the data key has {0} bytes, not 32")]
    DataKeyLength(usize),
    /// Random numbers or the cipher are not to be had.
    #[error("the cryptographic library failed")]
    Library,
    /// The message ends before its last field.
    #[error("the message is cut short")]
    Cut,
    /// Something follows the last field.
    #[error("the message is followed by other bytes")]
    Trailing,
    /// A message perhaps, but not of the one form.
    #[error("the message's {what} is {found:#x}, not {wanted:#x}")]
    Foreign {
        /// The field.
        what: &'static str,
        /// Its value.
        found: u32,
        /// The one value that is read.
        wanted: u32,
    },
    /// No valid message has this.
    #[error("the message's {0} is malformed")]
    Malformed(&'static str),
    /// The commitment tells.
    #[error("the message was not sealed with this data key")]
    WrongKey,
    /// A tag tells.
    #[error("the message's {0} was altered")]
    Altered(&'static str),
}

/// A value under a data key; `context` must be the one that the key was generated with, or KMS will not unwrap it.
pub(crate) fn seal(key: &DataKey, context: &BTreeMap<String, String>, value: &[u8]) -> Result<Vec<u8>, MessageError> {
    let mut id = [0; 32];
    rand::fill(&mut id)?;
    seal_as(&id, key, context, value)
}

/// As [`seal`], under a given id.
fn seal_as(id: &Id, key: &DataKey, context: &BTreeMap<String, String>, value: &[u8]) -> Result<Vec<u8>, MessageError> {
    if value.len() > MAX_VALUE {
        return Err(MessageError::TooLong("value"));
    }
    let (cipher, commitment) = derive(&key.plaintext, id)?;

    let mut out = vec![VERSION];
    out.extend(SUITE.to_be_bytes());
    out.extend(id);
    put(&mut out, "encryption context", &encode(context)?)?;
    out.extend(1_u16.to_be_bytes());
    put(&mut out, "key provider", PROVIDER)?;
    put(&mut out, "key ARN", key.key_arn.as_bytes())?;
    put(&mut out, "wrapped key", &key.wrapped)?;
    out.push(FRAMED);
    out.extend(FRAME_LENGTH.to_be_bytes());
    out.extend(commitment);
    let tag = cipher.seal_in_place_separate_tag(nonce(HEADER_NONCE), Aad::from(&out), &mut [])?;
    out.extend(tag.as_ref());

    // Should the cipher fail, this copy of the value does not stay in memory.
    let mut content = Zeroizing::new(value.to_vec());
    let aad = frame_aad(id, content.len());
    let tag = cipher.seal_in_place_separate_tag(nonce(FRAME_NONCE), Aad::from(aad), &mut content)?;
    out.extend(FINAL.to_be_bytes());
    out.extend(SEQUENCE.to_be_bytes());
    out.extend(FRAME_NONCE);
    out.extend((content.len() as u32).to_be_bytes());
    out.extend_from_slice(&content);
    out.extend(tag.as_ref());
    Ok(out)
}

/// A message whose form is right. Only [`Message::open`] proves that nothing in it was altered.
pub(crate) struct Message<'a> {
    context: BTreeMap<String, String>,
    key_arn: &'a str,
    wrapped: &'a [u8],
    id: &'a Id,
    commitment: &'a Commitment,
    /// All that the header's tag covers.
    header: &'a [u8],
    header_tag: &'a Tag,
    content: &'a [u8],
    content_tag: &'a Tag,
}

/// Reads a message of the one form, and nothing else.
pub(crate) fn parse(bytes: &[u8]) -> Result<Message<'_>, MessageError> {
    let mut rest = Reader(bytes);
    expect("version", rest.array::<1>()?[0], VERSION)?;
    expect("algorithm suite", rest.u16()?, SUITE)?;
    let id = rest.array()?;
    let context = rest.context()?;
    expect("number of data keys", rest.u16()?, 1_u16)?;
    if rest.field()? != PROVIDER {
        return Err(MessageError::Malformed("key provider"));
    }
    let key_arn = rest.text("key ARN")?;
    let wrapped = rest.field()?;
    expect("content type", rest.array::<1>()?[0], FRAMED)?;
    expect("frame length", rest.u32()?, FRAME_LENGTH)?;
    let commitment = rest.array()?;
    let header = &bytes[..bytes.len() - rest.0.len()];
    let header_tag = rest.array()?;

    expect("first frame", rest.u32()?, FINAL)?;
    expect("frame number", rest.u32()?, SEQUENCE)?;
    if *rest.array()? != FRAME_NONCE {
        return Err(MessageError::Malformed("nonce"));
    }
    let length = rest.u32()? as usize;
    if length > MAX_VALUE {
        return Err(MessageError::TooLong("value"));
    }
    let content = rest.take(length)?;
    let content_tag = rest.array()?;
    if !rest.0.is_empty() {
        return Err(MessageError::Trailing);
    }
    Ok(Message { context, key_arn, wrapped, id, commitment, header, header_tag, content, content_tag })
}

impl Message<'_> {
    /// What the value was sealed with. Whoever opens it must find there what is wanted: an honest message about another
    /// secret opens just as well.
    pub(crate) fn context(&self) -> &BTreeMap<String, String> {
        &self.context
    }

    /// ARN of the KMS key, and what KMS has to decrypt. Compare the ARN before that: anybody can wrap a key of their
    /// own.
    pub(crate) fn wrapped_key(&self) -> (&str, &[u8]) {
        (self.key_arn, self.wrapped)
    }

    /// The value, if this is the data key and no bit was altered.
    pub(crate) fn open(&self, data_key: &[u8]) -> Result<Zeroizing<Vec<u8>>, MessageError> {
        let (cipher, commitment) = derive(data_key, self.id)?;
        verify_slices_are_equal(&commitment, self.commitment).map_err(|_| MessageError::WrongKey)?;
        cipher
            .open_separate_gather(nonce(HEADER_NONCE), Aad::from(self.header), &[], self.header_tag, &mut [])
            .map_err(|_| MessageError::Altered("header"))?;
        let mut value = Zeroizing::new(vec![0; self.content.len()]);
        let aad = Aad::from(frame_aad(self.id, self.content.len()));
        cipher
            .open_separate_gather(nonce(FRAME_NONCE), aad, self.content, self.content_tag, &mut value)
            .map_err(|_| MessageError::Altered("content"))?;
        Ok(value)
    }
}

impl fmt::Debug for Message<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("context", &self.context)
            .field("key_arn", &self.key_arn)
            .finish_non_exhaustive()
    }
}

impl From<Unspecified> for MessageError {
    fn from(_: Unspecified) -> Self {
        Self::Library
    }
}

/// The cipher of one message, and the commitment that shows which data key it came from.
fn derive(data_key: &[u8], id: &Id) -> Result<(LessSafeKey, Commitment), MessageError> {
    if data_key.len() != AES_256_GCM.key_len() {
        return Err(MessageError::DataKeyLength(data_key.len()));
    }
    let secret = Salt::new(HKDF_SHA512, id).extract(data_key);
    let mut key = Zeroizing::new([0; 32]);
    secret.expand(&[&SUITE.to_be_bytes(), b"DERIVEKEY"], &AES_256_GCM)?.fill(&mut *key)?;
    // The commitment is as long as the key.
    let mut commitment = [0; 32];
    secret.expand(&[b"COMMITKEY"], &AES_256_GCM)?.fill(&mut commitment)?;
    Ok((LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &*key)?), commitment))
}

/// An array as the cipher takes it.
fn nonce(bytes: [u8; NONCE_LEN]) -> Nonce {
    Nonce::assume_unique_for_key(bytes)
}

/// Binds the frame to its message, place and length.
fn frame_aad(id: &Id, length: usize) -> Vec<u8> {
    [id, FINAL_AAD, &SEQUENCE.to_be_bytes(), &(length as u64).to_be_bytes()].concat()
}

/// The context in the order of its keys, which the format wants and the map has.
fn encode(context: &BTreeMap<String, String>) -> Result<Vec<u8>, MessageError> {
    if context.is_empty() {
        return Ok(Vec::new());
    }
    let what = "encryption context";
    let count = u16::try_from(context.len()).map_err(|_| MessageError::TooLong(what))?;
    let mut out = count.to_be_bytes().to_vec();
    for (name, text) in context {
        if name.starts_with(RESERVED) {
            return Err(MessageError::Reserved);
        }
        put(&mut out, what, name.as_bytes())?;
        put(&mut out, what, text.as_bytes())?;
    }
    Ok(out)
}

/// Appends a field behind its length.
fn put(out: &mut Vec<u8>, what: &'static str, field: &[u8]) -> Result<(), MessageError> {
    let length = u16::try_from(field.len()).map_err(|_| MessageError::TooLong(what))?;
    out.extend(length.to_be_bytes());
    out.extend(field);
    Ok(())
}

/// Refuses whatever is not the one value.
fn expect(what: &'static str, found: impl Into<u32>, wanted: impl Into<u32>) -> Result<(), MessageError> {
    let (found, wanted) = (found.into(), wanted.into());
    if found == wanted { Ok(()) } else { Err(MessageError::Foreign { what, found, wanted }) }
}

/// What is still to be read. Lengths in a message are never trusted further than there are bytes.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// So many bytes.
    fn take(&mut self, length: usize) -> Result<&'a [u8], MessageError> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(MessageError::Cut)?;
        self.0 = rest;
        Ok(taken)
    }

    /// As many bytes as the caller's type has.
    fn array<const N: usize>(&mut self) -> Result<&'a [u8; N], MessageError> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(MessageError::Cut)?;
        self.0 = rest;
        Ok(taken)
    }

    /// Two bytes.
    fn u16(&mut self) -> Result<u16, MessageError> {
        self.array().copied().map(u16::from_be_bytes)
    }

    /// Four bytes.
    fn u32(&mut self) -> Result<u32, MessageError> {
        self.array().copied().map(u32::from_be_bytes)
    }

    /// Bytes behind their length.
    fn field(&mut self) -> Result<&'a [u8], MessageError> {
        let length = self.u16()?;
        self.take(length.into())
    }

    /// A field in UTF-8.
    fn text(&mut self, what: &'static str) -> Result<&'a str, MessageError> {
        str::from_utf8(self.field()?).map_err(|_| MessageError::Malformed(what))
    }

    /// Takes only what [`encode`] could have written.
    fn context(&mut self) -> Result<BTreeMap<String, String>, MessageError> {
        let what = "encryption context";
        let mut inner = Reader(self.field()?);
        let mut context = BTreeMap::new();
        if inner.0.is_empty() {
            return Ok(context);
        }
        // Within the field a length that leads beyond it is nonsense, not a cut.
        let malformed = |error| if error == MessageError::Cut { MessageError::Malformed(what) } else { error };
        let count = inner.u16().map_err(malformed)?;
        for _ in 0..count {
            let name = inner.text(what).map_err(malformed)?;
            let text = inner.text(what).map_err(malformed)?;
            if name.starts_with(RESERVED) {
                return Err(MessageError::Reserved);
            }
            if context.last_key_value().is_some_and(|(last, _): (&String, _)| last.as_str() >= name) {
                return Err(MessageError::Malformed(what));
            }
            context.insert(name.to_owned(), text.to_owned());
        }
        if count == 0 || !inner.0.is_empty() { Err(MessageError::Malformed(what)) } else { Ok(context) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARN: &str = "arn:aws:kms:eu-west-1:111122223333:key/k";
    /// Made by AWS's library for Python, aws-encryption-sdk 3.3.1, from `key(0)`'s data key.
    const FROM_AWS: &str = "\
        020478e0ec76da0fb00dc9214740475f75229f6b1a5f024a90f0253536d382c98f76a2000f00020001610002c3a900016200\
        0132000100076177732d6b6d73002861726e3a6177733a6b6d733a65752d776573742d313a3131313132323232333333333a\
        6b65792f6b0007777261707065640200020000ee6030acfd32b45483f9d45ad929bee592551b935a6588e8fb058cb44ebdd6\
        7bc2eb3b0bbdf0cee38328aead47392ef4ffffffff0000000100000000000000000000000100000008f1ba842c9fd7070326\
        289ae996a9f82634ad5067adc736d4";

    fn key(first: u8) -> DataKey {
        let plaintext = Zeroizing::new((first..first + 32).collect());
        DataKey { plaintext, wrapped: b"wrapped".to_vec(), key_arn: ARN.to_owned() }
    }

    fn context(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
    }

    fn usual() -> BTreeMap<String, String> {
        context(&[("a", "é"), ("b", "2")])
    }

    fn from_aws() -> Vec<u8> {
        let digits = |at| u8::from_str_radix(&FROM_AWS[at..at + 2], 16).unwrap();
        (0..FROM_AWS.len()).step_by(2).map(digits).collect()
    }

    fn open(bytes: &[u8]) -> Result<Zeroizing<Vec<u8>>, MessageError> {
        parse(bytes)?.open(&key(0).plaintext)
    }

    /// The message of AWS with some bytes replaced by others.
    fn changed(at: usize, remove: usize, put: &[u8]) -> Vec<u8> {
        let mut bytes = from_aws();
        bytes.splice(at..at + remove, put.iter().copied());
        bytes
    }

    #[test]
    fn writes_what_aws_writes() {
        let bytes = from_aws();
        let id = bytes[3..35].try_into().unwrap();
        assert_eq!(seal_as(id, &key(0), &usual(), b"from AWS").unwrap(), bytes);
    }

    #[test]
    fn every_value_comes_back() {
        let binary: Vec<u8> = (0..=u8::MAX).collect();
        for value in [&b""[..], b"x", &binary, &[0xa5; MAX_VALUE]] {
            for context in [usual(), context(&[])] {
                let bytes = seal(&key(0), &context, value).unwrap();
                let message = parse(&bytes).unwrap();
                assert_eq!((message.context(), message.wrapped_key()), (&context, (ARN, &b"wrapped"[..])));
                assert_eq!(*message.open(&key(0).plaintext).unwrap(), value);
            }
        }
        let twice = || seal(&key(0), &usual(), b"x").unwrap();
        assert_ne!(twice()[3..35], twice()[3..35], "two messages never share an id");
    }

    #[test]
    fn what_cannot_be_sealed() {
        let with = |name: &str, text: &str| seal(&key(0), &context(&[(name, text)]), b"x").unwrap_err();
        let many = (0..7_000).map(|number| (format!("key {number}"), String::new())).collect();
        let long = "x".repeat(65_536);
        for (error, expected) in [
            (with("aws-crypto-public-key", "x"), MessageError::Reserved),
            (with("x", &long), MessageError::TooLong("encryption context")),
            (seal(&key(0), &many, b"x").unwrap_err(), MessageError::TooLong("encryption context")),
            (seal(&key(0), &usual(), &[0; MAX_VALUE + 1]).unwrap_err(), MessageError::TooLong("value")),
            (
                seal(&DataKey { wrapped: long.into(), ..key(0) }, &usual(), b"x").unwrap_err(),
                MessageError::TooLong("wrapped key"),
            ),
            (
                seal(&DataKey { plaintext: Zeroizing::new(vec![0; 16]), ..key(0) }, &usual(), b"x").unwrap_err(),
                MessageError::DataKeyLength(16),
            ),
        ] {
            assert_eq!(error, expected);
        }
    }

    #[test]
    fn a_message_altered_at_any_bit_is_refused() {
        let bytes = from_aws();
        for (at, byte) in bytes.iter().enumerate() {
            for bit in 0..8 {
                open(&changed(at, 1, &[byte ^ (1 << bit)])).unwrap_err();
            }
        }
        for (at, expected) in [
            (3, MessageError::WrongKey),             // the message's id
            (51, MessageError::Altered("header")),   // the context
            (113, MessageError::Altered("header")),  // the wrapped key
            (121, MessageError::WrongKey),           // the commitment
            (154, MessageError::Altered("header")),  // the header's tag
            (195, MessageError::Altered("content")), // the value
            (214, MessageError::Altered("content")), // its tag
        ] {
            assert_eq!(open(&changed(at, 1, &[bytes[at] ^ 1])).unwrap_err(), expected, "{at}");
        }
    }

    #[test]
    fn a_message_cut_or_lengthened_anywhere_is_refused() {
        let bytes = from_aws();
        for length in 0..bytes.len() {
            assert_eq!(parse(&bytes[..length]).unwrap_err(), MessageError::Cut, "{length}");
        }
        assert_eq!(parse(&[&bytes[..], &[0]].concat()).unwrap_err(), MessageError::Trailing);
        for at in 0..bytes.len() {
            open(&changed(at, 0, &[0])).unwrap_err();
            open(&changed(at, 1, &[])).unwrap_err();
        }
    }

    #[test]
    fn other_messages_are_refused() {
        let foreign = |what, found, wanted| MessageError::Foreign { what, found, wanted };
        let malformed = MessageError::Malformed;
        for (at, put, expected) in [
            (0, &[1][..], foreign("version", 1, 2)),
            (1, &[5, 0x78], foreign("algorithm suite", 0x578, 0x478)),
            (35, &[0xff, 0xff], MessageError::Cut),
            (37, &[0, 0], malformed("encryption context")),
            (37, &[0, 1], malformed("encryption context")),
            (37, &[0, 3], malformed("encryption context")),
            (37, &[0xff, 0xff], malformed("encryption context")),
            (39, &[0xff, 0xff], malformed("encryption context")),
            (41, b"b", malformed("encryption context")), // twice the same key
            (41, b"c", malformed("encryption context")), // not in order
            (44, &[0xff], malformed("encryption context")),
            (52, &[0, 2], foreign("number of data keys", 2, 1)),
            (56, b"x", malformed("key provider")),
            (65, &[0xff], malformed("key ARN")),
            (114, &[1], foreign("content type", 1, 2)),
            (115, &[0, 0, 0x10, 0], foreign("frame length", 0x1000, 0x2_0000)),
            (167, &[0, 0, 0, 1], foreign("first frame", 1, u32::MAX)),
            (171, &[0, 0, 0, 2], foreign("frame number", 2, 1)),
            (186, &[2], malformed("nonce")),
            (187, &[0, 1, 0, 1], MessageError::TooLong("value")),
            (187, &[0, 0, 0, 7], MessageError::Trailing),
            (187, &[0, 0, 0, 9], MessageError::Cut),
        ] {
            assert_eq!(parse(&changed(at, put.len(), put)).unwrap_err(), expected, "{at} {put:?}");
        }
        let reserved = [&[0, 17, 0, 1, 0, 11][..], b"aws-crypto-", &[0, 0]].concat();
        assert_eq!(parse(&changed(35, 17, &reserved)).unwrap_err(), MessageError::Reserved);
        parse(b"a value that is no message").unwrap_err();
    }

    #[test]
    fn another_data_key_is_told_by_the_commitment() {
        let bytes = from_aws();
        let message = parse(&bytes).unwrap();
        assert_eq!(message.open(&key(1).plaintext).unwrap_err(), MessageError::WrongKey);
        for length in [0, 31, 33] {
            assert_eq!(message.open(&vec![0; length]).unwrap_err(), MessageError::DataKeyLength(length));
        }
    }

    #[test]
    fn another_context_cannot_be_put_in() {
        let bytes = from_aws();
        let other = seal_as(bytes[3..35].try_into().unwrap(), &key(0), &context(&[("a", "é"), ("b", "3")]), b"");
        assert_eq!(*open(&other.clone().unwrap()).unwrap(), b"");
        let forged = changed(0, 151, &other.unwrap()[..151]);
        assert_eq!(parse(&forged).unwrap().context()["b"], "3");
        assert_eq!(open(&forged).unwrap_err(), MessageError::Altered("header"));
    }

    #[test]
    fn debug_shows_neither_key_nor_value() {
        let bytes = from_aws();
        assert_eq!(format!("{:?}", key(0)), format!("DataKey {{ key_arn: {ARN:?}, .. }}"));
        let shown = format!("Message {{ context: {:?}, key_arn: {ARN:?}, .. }}", usual());
        assert_eq!(format!("{:?}", parse(&bytes).unwrap()), shown);
    }
}
