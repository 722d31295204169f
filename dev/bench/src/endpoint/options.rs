//! What the command line says.

use std::path::PathBuf;

use crate::Failure;

/// See the program's own description.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) secrets: usize,
    pub(crate) tls: Option<String>,
    pub(crate) changed: Option<usize>,
    pub(crate) empty: bool,
    pub(crate) quotas: bool,
    pub(crate) speed: f64,
    pub(crate) objects: Option<PathBuf>,
}

impl Options {
    pub(crate) fn of(mut words: impl Iterator<Item = String>) -> Result<Self, Failure> {
        let secrets = words.next().ok_or("how many secrets?")?.parse()?;
        let mut options =
            Self { secrets, tls: None, changed: None, empty: false, quotas: false, speed: 1.0, objects: None };
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or_else(|| format!("{word} needs a value"));
            match word.as_str() {
                "--tls" => options.tls = Some(value()?),
                "--changed" => options.changed = Some(value()?.parse()?),
                "--empty" => options.empty = true,
                "--quotas" => options.quotas = true,
                "--speed" => options.speed = value()?.parse()?,
                "--objects" => options.objects = Some(value()?.into()),
                _ => return Err(format!("there is no option {word}").into()),
            }
        }
        Ok(options)
    }
}
