//! What a restore leaves to a person, each with what to do about it.

use serde::{Deserialize, Serialize};

use crate::model::{Finding, Gap, GapReason, Severity, Text};

/// Something that no step of the plan does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Left {
    /// The secret's name where it is restored.
    pub secret: String,
    /// Why.
    pub reason: LeftReason,
    /// The key, the function, the properties, AWS's words. Never a value.
    pub detail: String,
}

/// Why a step is not in the plan, or was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LeftReason {
    /// The backup does not hold the value.
    ValueMissing,
    /// The live value is another one, and the backup does not hold its own.
    ValueDiffers,
    /// It is scheduled for deletion; what differs can be told once it is back.
    ComesBackFirst,
    /// It exists and differs, and overwriting was not asked for.
    Differs,
    /// The key is gone, disabled or about to be deleted.
    KeyMissing,
    /// The key could not be looked at.
    KeyUnknown,
    /// The name belongs to a copy of another Region's secret.
    NameIsReplica,
    /// Too long after renaming.
    NameTooLong,
    /// An AWS service made it and makes it again.
    ManagedByService,
    /// In the backup it is a copy of another Region's secret.
    WasReplica,
    /// It was scheduled for deletion when it was backed up.
    WasDeleted,
    /// The rotation function is not there.
    RotationFunctionMissing,
    /// The rotation function could not be looked at.
    RotationFunctionUnknown,
    /// The policy might lock the restorer out.
    PolicyLocksOut,
    /// The backup could not read this property.
    NotInBackup,
    /// Tags that only AWS can set, or that do not fit.
    TagsLeftOut,
    /// A copy in a Region that the backup does not know.
    ExtraReplica,
    /// The live secret could not be looked at.
    LiveUnknown,
}

impl Left {
    /// Something left for this secret.
    pub fn new(secret: &str, reason: LeftReason, detail: impl Into<String>) -> Self {
        Self { secret: secret.to_owned(), reason, detail: detail.into() }
    }

    /// What could not be looked at, as a gap; all else is a finding.
    pub fn gap(&self) -> Option<Gap> {
        let what = match self.reason {
            LeftReason::KeyUnknown => "kms:DescribeKey",
            LeftReason::RotationFunctionUnknown => "lambda:GetFunctionConfiguration",
            LeftReason::LiveUnknown => "secretsmanager:DescribeSecret",
            LeftReason::NotInBackup => "backup",
            _ => return None,
        };
        Some(Gap {
            what: what.to_owned(),
            subject: self.secret.clone(),
            reason: GapReason::NoData,
            detail: self.detail.clone(),
        })
    }

    /// As a finding, with what to do.
    pub fn finding(&self) -> Finding {
        let (severity, fact, next) = self.reason.words();
        let told =
            |fact: &str| if self.detail.is_empty() { fact.to_owned() } else { format!("{fact}: {}", self.detail) };
        Finding {
            check: "restore-left",
            severity,
            subject: self.secret.clone(),
            detail: Text::new(told(&fact.ja), told(&fact.en)),
            remediation: next,
            arn: None,
        }
    }
}

impl LeftReason {
    /// The word in tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ValueMissing => "value-missing",
            Self::ValueDiffers => "value-differs",
            Self::ComesBackFirst => "comes-back-first",
            Self::Differs => "differs",
            Self::KeyMissing => "key-missing",
            Self::KeyUnknown => "key-unknown",
            Self::NameIsReplica => "name-is-replica",
            Self::NameTooLong => "name-too-long",
            Self::ManagedByService => "managed-by-service",
            Self::WasReplica => "was-replica",
            Self::WasDeleted => "was-deleted",
            Self::RotationFunctionMissing => "rotation-function-missing",
            Self::RotationFunctionUnknown => "rotation-function-unknown",
            Self::PolicyLocksOut => "policy-locks-out",
            Self::NotInBackup => "not-in-backup",
            Self::TagsLeftOut => "tags-left-out",
            Self::ExtraReplica => "extra-replica",
            Self::LiveUnknown => "live-unknown",
        }
    }

    /// Whether it keeps the whole secret out of the plan.
    pub(super) const fn blocks(self) -> bool {
        matches!(
            self,
            Self::Differs
                | Self::KeyMissing
                | Self::KeyUnknown
                | Self::NameIsReplica
                | Self::NameTooLong
                | Self::ManagedByService
                | Self::WasReplica
                | Self::WasDeleted
                | Self::LiveUnknown
        )
    }

    const fn words(self) -> (Severity, Text, Text) {
        let (severity, fact_ja, fact_en, next_ja, next_en) = match self {
            Self::ValueMissing => (
                Severity::High,
                "値がバックアップにないため、値なしで作られます",
                "the backup does not hold its value: it is made without one",
                "正しい値を設定し（aws secretsmanager put-secret-value --secret-id 名前 --secret-string file://値のファイル）、タグ secrets-ops:value を外す",
                "Set the right value (aws secretsmanager put-secret-value --secret-id NAME --secret-string file://FILE) and remove the tag secrets-ops:value",
            ),
            Self::ValueDiffers => (
                Severity::Medium,
                "今の値はバックアップ時の版と異なり、バックアップに値はありません",
                "the live value is another version than the backup's, which the backup does not hold",
                "今の値が正しいか確認する。戻すなら版の履歴を使う（aws secretsmanager list-secret-version-ids --include-deprecated）",
                "See whether the live value is right; to go back, use the version history (aws secretsmanager list-secret-version-ids --include-deprecated)",
            ),
            Self::ComesBackFirst => (
                Severity::Medium,
                "削除予定を取り消すだけです。内容の差は取り消し後にわかります",
                "only its deletion is taken back; what differs can be told once it is back",
                "この計画を適用したあと、計画を作り直す",
                "Apply this plan, then plan again",
            ),
            Self::Differs => (
                Severity::Medium,
                "すでに存在し、バックアップと異なります",
                "it exists and differs from the backup",
                "内容を確認し、バックアップに合わせるなら --overwrite を付けて計画を作り直す",
                "Look at the differences; to follow the backup, plan again with --overwrite",
            ),
            Self::KeyMissing => (
                Severity::High,
                "暗号鍵が使えません",
                "its key cannot be used",
                "--kms-map 旧鍵=新鍵 で置き換えるか、--create-keys で作る。削除予定の鍵は aws kms cancel-key-deletion で戻せる",
                "Replace it with --kms-map OLD=NEW, or make one with --create-keys; a key that is pending deletion comes back with aws kms cancel-key-deletion",
            ),
            Self::KeyUnknown => (
                Severity::High,
                "暗号鍵の状態を確認できません",
                "its key could not be looked at",
                "kms:DescribeKey の権限を得るか、--kms-map で使う鍵を示す",
                "Get kms:DescribeKey, or name the key to use with --kms-map",
            ),
            Self::NameIsReplica => (
                Severity::High,
                "同じ名前のレプリカがこのリージョンにあります",
                "the name belongs to a replica of another Region's secret",
                "プライマリ側でレプリカを外すか（aws secretsmanager remove-regions-from-replication）、--rename で別名に復元する",
                "Remove the replica at its primary (aws secretsmanager remove-regions-from-replication), or restore under another name with --rename",
            ),
            Self::NameTooLong => (
                Severity::High,
                "変更後の名前が 512 文字を超えます",
                "its new name has more than 512 characters",
                "--rename の指定を短くする",
                "Choose a shorter --rename",
            ),
            Self::ManagedByService => (
                Severity::Low,
                "AWS サービスが管理するシークレットです",
                "an AWS service owns it",
                "そのサービスから作り直す",
                "Let that service make it again",
            ),
            Self::WasReplica => (
                Severity::Low,
                "バックアップ時点で他リージョンのレプリカでした",
                "in the backup it is a replica of another Region's secret",
                "プライマリのリージョンで復元する",
                "Restore it in the Region of its primary",
            ),
            Self::WasDeleted => (
                Severity::Low,
                "バックアップ時点で削除予定でした",
                "it was scheduled for deletion when it was backed up",
                "必要なら以前のバックアップから復元する",
                "Restore it from an earlier backup if it is needed",
            ),
            Self::RotationFunctionMissing => (
                Severity::High,
                "ローテーション関数がないため、ローテーションは無効のままです",
                "its rotation function does not exist, so that rotation stays off",
                "関数を用意し（別名なら --lambda-map 旧=新）、--overwrite を付けて計画を作り直す",
                "Bring the function back (another one: --lambda-map OLD=NEW), then plan again with --overwrite",
            ),
            Self::RotationFunctionUnknown => (
                Severity::High,
                "ローテーション関数を確認できないため、ローテーションは無効のままです",
                "its rotation function could not be looked at, so that rotation stays off",
                "lambda:GetFunctionConfiguration の権限を得て、計画を作り直す",
                "Get lambda:GetFunctionConfiguration, then plan again",
            ),
            Self::PolicyLocksOut => (
                Severity::High,
                "このポリシーは復元する本人を締め出すおそれがあり、付けません",
                "its policy might lock the restorer out, and is not attached",
                "ポリシーを読み、問題がなければ --force-policies を付けて計画を作り直す",
                "Read the policy; if it is right, plan again with --force-policies",
            ),
            Self::NotInBackup => (
                Severity::High,
                "バックアップ時に読み取れなかった項目があります",
                "the backup could not read this of it",
                "別のバックアップか構成管理から補う",
                "Take it from another backup or from your infrastructure code",
            ),
            Self::TagsLeftOut => (
                Severity::Low,
                "付けられないタグがあります",
                "some tags cannot be set",
                "aws: で始まるタグは AWS だけが付けられる。50 個を超える分は整理する",
                "Tags beginning with aws: are AWS's own; beyond 50 choose which to keep",
            ),
            Self::ExtraReplica => (
                Severity::Low,
                "バックアップにないレプリカがあります",
                "it has a replica that the backup does not know",
                "不要なら aws secretsmanager remove-regions-from-replication で外す",
                "Remove it with aws secretsmanager remove-regions-from-replication if it is not wanted",
            ),
            Self::LiveUnknown => (
                Severity::High,
                "今の状態を確認できません",
                "its present state could not be looked at",
                "権限とネットワークを確認し、計画を作り直す",
                "Look at permissions and network, then plan again",
            ),
        };
        (severity, Text::fixed(fact_ja, fact_en), Text::fixed(next_ja, next_en))
    }
}
