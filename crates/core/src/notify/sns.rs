//! A notice as an SNS message.

use super::Notice;
use crate::aws::{Aws, AwsError, sns};

/// SNS takes 256 KiB by default.
const MOST_BYTES: usize = 200 * 1024;

pub(super) async fn send(aws: &Aws, topic_arn: &str, notice: &Notice) -> Result<(), AwsError> {
    sns::publish(aws, topic_arn, &notice.subject, cut(&notice.body)).await
}

/// Cuts at a character's end.
fn cut(body: &str) -> &str {
    let mut end = body.len().min(MOST_BYTES);
    while !body.is_char_boundary(end) {
        end -= 1;
    }
    &body[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_bodies_are_cut_between_characters() {
        let long = "秘".repeat(100_000);
        assert_eq!(cut(&long).len(), MOST_BYTES / 3 * 3);
        assert_eq!(cut("short"), "short");
    }
}
