//! What is asked about the application's role.

use crate::model::{Severity, Text};
use crate::runbook::audit::Question;

/// Reads of its own, of other stages, writes, wildcards, negations.
pub(super) fn all() -> [Question; 5] {
    let narrow = Text::fixed(
        "該当ステートメントを必要なアクションと、その環境のシークレットの ARN だけに絞る",
        "Narrow the statement to the actions that are needed and to the ARNs of the stage's own secrets",
    );
    [
        Question {
            id: "iam-app-reads",
            runbook: "R40",
            title: Text::fixed(
                "アプリケーションのロールが自分の環境のシークレットを読める",
                "The application's role can read its own stage's secrets",
            ),
            severity: Severity::High,
            remediation: Text::fixed(
                "ロールのポリシー、シークレットのリソースポリシー、キーポリシーの順に確認する",
                "Look at the role's policies, then the secret's own policy, then the key's",
            ),
        },
        Question {
            id: "iam-other-stage",
            runbook: "R40",
            title: Text::fixed(
                "アプリケーションのロールが他の環境のシークレットを読めない",
                "The application's role cannot read other stages' secrets",
            ),
            severity: Severity::Critical,
            remediation: narrow.clone(),
        },
        Question {
            id: "iam-write",
            runbook: "R40",
            title: Text::fixed(
                "アプリケーションのロールがシークレットを変更できない",
                "The application's role cannot change secrets",
            ),
            severity: Severity::High,
            remediation: Text::fixed(
                "変更のアクションをロールから外す。ローテーションは専用のロールで行う",
                "Take the changing actions out of the role; rotation has a role of its own",
            ),
        },
        Question {
            id: "iam-wildcard",
            runbook: "R10",
            title: Text::fixed("ロールのポリシーにワイルドカードがない", "No wildcards in the role's policies"),
            severity: Severity::High,
            remediation: narrow.clone(),
        },
        Question {
            id: "iam-not-action",
            runbook: "R10",
            title: Text::fixed(
                "ロールのポリシーに Allow の NotAction・NotResource がない",
                "No Allow with NotAction or NotResource in the role's policies",
            ),
            severity: Severity::High,
            remediation: narrow,
        },
    ]
}
