//! Patterns of actions and resources.

use serde_json::{Map, Value};

use super::texts;

/// A list of patterns, or of all that is not in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Patterns {
    /// `NotAction`, `NotResource`.
    pub not: bool,
    /// With `*` and `?`, and variables such as `${aws:username}`.
    pub list: Vec<String>,
}

impl Patterns {
    pub(super) fn of(statement: &Map<String, Value>, plain: &str, not: &str) -> Option<Self> {
        match (statement.get(plain), statement.get(not)) {
            (Some(value), _) => Some(Self { not: false, list: texts(Some(value)) }),
            (None, Some(value)) => Some(Self { not: true, list: texts(Some(value)) }),
            (None, None) => None,
        }
    }

    /// Whether a resource is among what is meant; `None` where that depends on a variable.
    pub fn cover(&self, resource: &str) -> Option<bool> {
        self.meant(|pattern| wildcard(pattern, resource))
    }

    /// Whether an action is; IAM does not tell upper from lower case in them.
    pub fn cover_action(&self, action: &str) -> Option<bool> {
        self.meant(|pattern| matches(pattern, action, |a, b| a.eq_ignore_ascii_case(&b)))
    }

    fn meant(&self, matches: impl Fn(&str) -> bool) -> Option<bool> {
        let mut variable = false;
        for pattern in &self.list {
            if !pattern.contains("${") {
                if matches(pattern) {
                    return Some(!self.not);
                }
            } else {
                variable |= matches(&with_stars(pattern));
            }
        }
        if variable { None } else { Some(self.not) }
    }
}

/// A variable may stand for anything.
pub(super) fn with_stars(pattern: &str) -> String {
    let mut stars = String::new();
    let mut rest = pattern;
    while let Some((before, after)) = rest.split_once("${") {
        stars += before;
        stars.push('*');
        rest = after.split_once('}').map_or("", |(_, behind)| behind);
    }
    stars + rest
}

/// `*` and `?` as in IAM, by bytes: what IAM allows in ARNs and actions is ASCII.
pub(super) fn wildcard(pattern: &str, text: &str) -> bool {
    matches(pattern, text, |a, b| a == b)
}

fn matches(pattern: &str, text: &str, same: impl Fn(u8, u8) -> bool) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut t) = (0, 0);
    // Behind the last star, and what it began to stand for: on a mismatch it takes one byte more.
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                p += 1;
                star = Some((p, t));
            }
            Some(c) if *c == b'?' || same(*c, text[t]) => {
                p += 1;
                t += 1;
            }
            _ => match &mut star {
                Some((after, from)) => {
                    *from += 1;
                    (p, t) = (*after, *from);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == b'*')
}
