//! Which secrets are meant: a name in which `*` stands for anything and `?` for one character.

use std::str::FromStr;

/// A pattern for whole names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(Vec<char>);

impl Pattern {
    /// Whether the whole of `name` is of this pattern. Upper and lower case differ, as they do to AWS.
    pub fn matches(&self, name: &str) -> bool {
        let (pattern, name): (&[char], Vec<char>) = (&self.0, name.chars().collect());
        let (mut p, mut n) = (0, 0);
        // Behind the last star, and what it began to stand for: on a mismatch it takes one character more.
        let mut star: Option<(usize, usize)> = None;
        while n < name.len() {
            match pattern.get(p) {
                Some('*') => {
                    p += 1;
                    star = Some((p, n));
                }
                Some(c) if *c == '?' || *c == name[n] => {
                    p += 1;
                    n += 1;
                }
                _ => match &mut star {
                    Some((after, from)) => {
                        *from += 1;
                        (p, n) = (*after, *from);
                    }
                    None => return false,
                },
            }
        }
        pattern[p..].iter().all(|c| *c == '*')
    }
}

impl FromStr for Pattern {
    type Err = &'static str;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        if s.is_empty() { Err("a name, in which * stands for anything") } else { Ok(Self(s.chars().collect())) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_and_question_marks() {
        for (pattern, name, matches) in [
            ("a", "a", true),
            ("a", "A", false),
            ("a", "ab", false),
            ("a", "", false),
            ("*", "", true),
            ("*", "a/b", true),
            ("a*", "a", true),
            ("a*", "ba", false),
            ("*-db", "prod-db", true),
            ("*-db", "prod-db2", false),
            ("*a*b*", "xaxbx", true),
            ("*a*b*", "xbxax", false),
            ("*ab", "aab", true),
            ("?", "", false),
            ("?", "日", true),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("a.c", "abc", false),
            ("[a]", "a", false),
        ] {
            assert_eq!(pattern.parse::<Pattern>().unwrap().matches(name), matches, "{pattern} {name}");
        }
        let slow = "*a".repeat(50).parse::<Pattern>().unwrap();
        assert!(!slow.matches(&"a".repeat(49)), "and at once");
        assert!("".parse::<Pattern>().is_err());
    }
}
