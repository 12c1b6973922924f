//! An object as S3 tells of it.

use std::collections::BTreeMap;

use aws_sdk_s3::operation::head_object::HeadObjectOutput;
use aws_sdk_s3::types::ChecksumType;
use aws_smithy_types::DateTime;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

/// An object without its content.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(crate) struct Object {
    /// `s3://BUCKET/KEY`
    pub(crate) url: String,
    pub(crate) key: String,
    /// In bytes.
    pub(crate) size: u64,
    /// The entity tag: the MD5 of the content, if it was uploaded in one piece and is not encrypted with a key of KMS.
    pub(crate) tag: String,
    #[schemars(with = "String")]
    pub(crate) modified: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) content_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cache_control: Option<String>,
    /// `STANDARD` if nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) storage_class: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) metadata: BTreeMap<String, String>,
    /// The CRC-64/NVME of the whole content, in base64, if S3 has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) crc64: Option<String>,
}

impl Object {
    pub(crate) fn of_head(url: String, key: &str, head: &HeadObjectOutput) -> Self {
        let whole = head.checksum_type().is_none_or(|kind| *kind == ChecksumType::FullObject);
        Object {
            url,
            key: key.to_owned(),
            size: size(head.content_length()),
            tag: tag(head.e_tag()),
            modified: told(head.last_modified()),
            version: head.version_id().map(str::to_owned),
            content_type: head.content_type().map(str::to_owned),
            cache_control: head.cache_control().map(str::to_owned),
            storage_class: head.storage_class().map(|class| class.as_str().to_owned()),
            metadata: head.metadata().into_iter().flatten().map(|(k, v)| (k.clone(), v.clone())).collect(),
            // moto gives another checksum this name: one of 64 bits has 12 digits.
            crc64: head.checksum_crc64_nvme().filter(|crc| whole && crc.len() == 12).map(str::to_owned),
        }
    }
}

pub(crate) fn size(length: Option<i64>) -> u64 {
    length.and_then(|length| u64::try_from(length).ok()).unwrap_or_default()
}

/// Without its quotes.
pub(crate) fn tag(tag: Option<&str>) -> String {
    tag.unwrap_or_default().trim_matches('"').to_owned()
}

pub(crate) fn told(at: Option<&DateTime>) -> Timestamp {
    let seconds = at.map(DateTime::secs).unwrap_or_default();
    Timestamp::from_second(seconds).unwrap_or_default()
}
