//! Estates that nobody would think of.

use proptest::prelude::*;

use super::*;
use crate::model::{Replica, RotationRules, Version};

fn word() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-zA-Z0-9/_+=.@-]{1,80}",
        "\\PC{0,40}",
        Just("日本語/シークレット".to_owned()),
        Just("../../etc/passwd".to_owned()),
        Just("a\u{1b}[2J\n\"\\".to_owned()),
        "[a-z/]{300,512}",
    ]
}

fn date() -> impl Strategy<Value = Option<jiff::Timestamp>> {
    proptest::option::of((0..4_000_000_000_000_i64).prop_map(|ms| jiff::Timestamp::from_millisecond(ms).unwrap()))
}

fn pairs() -> impl Strategy<Value = std::collections::BTreeMap<String, String>> {
    proptest::collection::btree_map(word(), word(), 0..4)
}

fn any_secret() -> impl Strategy<Value = Secret> {
    let option = || proptest::option::of(word());
    let rules = (proptest::option::of(1..1000_i64), option(), option()).prop_map(|(days, duration, expression)| {
        RotationRules { automatically_after_days: days, duration, schedule_expression: expression }
    });
    let replica = (option(), option(), option(), option(), date()).prop_map(
        |(region, kms_key_id, status, status_message, last_accessed_date)| Replica {
            region,
            kms_key_id,
            status,
            status_message,
            last_accessed_date,
        },
    );
    let stages = || proptest::collection::vec(word(), 0..3);
    let version =
        (word(), stages(), date(), date(), stages()).prop_map(|(version_id, stages, created, accessed, keys)| {
            Version {
                version_id,
                version_stages: stages,
                created_date: created,
                last_accessed_date: accessed,
                kms_key_ids: keys,
            }
        });
    let texts = (word(), option(), option(), option(), option(), option(), option(), option(), option());
    let dates = (date(), date(), date(), date(), date(), date(), date());
    let lists = (
        proptest::option::of(any::<bool>()),
        proptest::option::of(rules),
        pairs(),
        pairs(),
        proptest::collection::btree_map(word(), stages(), 0..3),
        proptest::collection::vec(replica, 0..3),
        proptest::collection::vec(version, 0..3),
        stages(),
    );
    (texts, dates, lists).prop_map(|(texts, dates, lists)| Secret {
        arn: texts.0,
        name: String::new(),
        description: texts.1,
        kms_key_id: texts.2,
        secret_type: texts.3,
        owning_service: texts.4,
        rotation_lambda_arn: texts.5,
        external_secret_rotation_role_arn: texts.6,
        primary_region: texts.7,
        resource_policy: texts.8,
        last_rotated_date: dates.0,
        last_changed_date: dates.1,
        last_accessed_date: dates.2,
        deleted_date: dates.3,
        next_rotation_date: dates.4,
        created_date: dates.5,
        resource_policy_as_of: dates.6,
        rotation_enabled: lists.0,
        rotation_rules: lists.1,
        external_secret_rotation_metadata: lists.2,
        tags: lists.3,
        version_ids_to_stages: lists.4,
        replication_status: lists.5,
        versions: lists.6,
        unread: lists.7,
    })
}

pub(super) fn any_estate() -> impl Strategy<Value = Vec<Secret>> {
    proptest::collection::btree_map(word(), any_secret(), 0..12)
        .prop_map(|named| named.into_iter().map(|(name, secret)| Secret { name, ..secret }).collect::<Vec<_>>())
        .prop_shuffle()
}
