//! Text for operators, always in both languages, so that none can be forgotten.

use std::borrow::Cow;
use std::str::FromStr;

use serde::Serialize;

/// The language that a report or notice is written in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lang {
    /// Japanese.
    #[default]
    Ja,
    /// English.
    En,
}

impl FromStr for Lang {
    type Err = &'static str;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        match s {
            "ja" => Ok(Self::Ja),
            "en" => Ok(Self::En),
            _ => Err("ja or en"),
        }
    }
}

/// One message in Japanese and English.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Text {
    /// Japanese.
    pub ja: Cow<'static, str>,
    /// English.
    pub en: Cow<'static, str>,
}

impl Text {
    /// A message known at build time.
    pub const fn fixed(ja: &'static str, en: &'static str) -> Self {
        Self { ja: Cow::Borrowed(ja), en: Cow::Borrowed(en) }
    }

    /// A message made at run time.
    pub fn new(ja: impl Into<Cow<'static, str>>, en: impl Into<Cow<'static, str>>) -> Self {
        Self { ja: ja.into(), en: en.into() }
    }

    /// The message in `lang`.
    pub fn get(&self, lang: Lang) -> &str {
        match lang {
            Lang::Ja => &self.ja,
            Lang::En => &self.en,
        }
    }
}
