//! Reads a manifest as a stream. Its lists grow with the estate, and a hostile one might never end: nothing of them is
//! kept but a digest and two counts, and no field or item may be larger than anything of ours.

use std::fmt;
use std::io::{self, BufReader, Read};
use std::rc::Rc;

use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, IntoDeserializer, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::super::fault::Fault;
use super::super::manifest::{Entry, Part, SCHEMA, Summary};
use super::MOST_FILES;
use super::limits::{Limited, Limits};
use crate::model::Gap;

/// The most that both lists may have together: a secret may have three gaps.
const MOST_ITEMS: u64 = 2 * MOST_FILES;

/// What is known of a manifest after it has gone by.
#[derive(Debug)]
pub(super) struct Listing {
    pub(super) summary: Summary,
    /// Entries that are a secret's configuration, and a secret's values.
    pub(super) configs: u64,
    pub(super) values: u64,
    /// Over both lists.
    pub(super) digest: [[u8; 32]; 2],
}

/// Why a manifest could not be read.
#[derive(Debug)]
pub(super) enum Failed {
    /// It is not one.
    Bad(Fault),
    /// What it comes from broke off, or where its entries go to.
    Io(io::Error),
}

/// Reads a manifest to its end; `which` names it in faults, `entry` takes each entry.
pub(super) fn parse(
    which: &'static str,
    input: impl Read,
    entry: &mut dyn FnMut(Entry) -> io::Result<()>,
) -> Result<Listing, Failed> {
    let mut state = State { entry: Some(entry), ..State::default() };
    let parsed = state.run(input);
    let lists = state.gaps.is_some() && (state.entries.is_some() || !state.parts().is_empty());
    match state.judged(which, parsed)? {
        Some(_) if !lists => {
            let absent = if state.gaps.is_none() { "gaps" } else { "entries" };
            Err(Failed::Bad(Fault::BadManifest(which, serde_json::Error::missing_field(absent))))
        }
        Some(summary) => Ok(Listing {
            summary,
            configs: state.configs,
            values: state.values,
            digest: [state.gaps, state.entries].map(|list| list.unwrap_or_default().finalize().into()),
        }),
        // `run` returns without a summary only together with an error.
        None => Err(Failed::Io(io::ErrorKind::UnexpectedEof.into())),
    }
}

/// The fields that stand before the lists; reads no further, so that the start of a manifest is enough.
///
/// # Errors
/// Not a manifest of ours, or not enough of one.
pub fn head(input: impl Read) -> Result<Summary, Fault> {
    const WHICH: &str = "the manifest beside the archive";
    let mut state = State::default();
    let parsed = state.run(input);
    let parsed = if state.summary.is_some() { Ok(()) } else { parsed };
    match state.judged(WHICH, parsed) {
        Ok(Some(summary)) => Ok(summary),
        Ok(None) => Err(Fault::Unreadable(io::ErrorKind::UnexpectedEof.into())),
        Err(Failed::Bad(fault)) => Err(fault),
        Err(Failed::Io(error)) => Err(Fault::Unreadable(error)),
    }
}

/// What the visitors share.
#[derive(Default)]
struct State<'a> {
    limits: Rc<Limits>,
    /// Absent: only the head is wanted.
    entry: Option<&'a mut dyn FnMut(Entry) -> io::Result<()>>,
    summary: Option<Summary>,
    gaps: Option<Sha256>,
    entries: Option<Sha256>,
    configs: u64,
    values: u64,
    items: u64,
    other_schema: Option<String>,
    bad_list: Option<serde_json::Error>,
    failed: Option<io::Error>,
}

impl State<'_> {
    fn run(&mut self, input: impl Read) -> Result<(), serde_json::Error> {
        let input = Limited { inner: BufReader::new(input), limits: self.limits.clone() };
        let mut json = serde_json::Deserializer::from_reader(input);
        json.deserialize_map(Whole(self))?;
        self.limits.begin();
        json.end()
    }

    fn parts(&self) -> &[Part] {
        self.summary.as_ref().map_or(&[], |summary| &summary.parts)
    }

    /// The worst first: of a schema that is not ours nothing else can be told.
    fn judged(
        &mut self,
        which: &'static str,
        parsed: Result<(), serde_json::Error>,
    ) -> Result<Option<Summary>, Failed> {
        if let Some(other) = self.other_schema.take() {
            return Err(Failed::Bad(Fault::OtherSchema(other)));
        }
        if let Some(error) = self.failed.take() {
            return Err(Failed::Io(error));
        }
        match parsed {
            Err(error) if error.is_io() && !self.limits.tripped.get() => return Err(Failed::Io(error.into())),
            Err(error) => return Err(Failed::Bad(Fault::BadManifest(which, error))),
            Ok(()) => {}
        }
        match self.bad_list.take() {
            Some(error) => Err(Failed::Bad(Fault::BadManifest(which, error))),
            None => Ok(self.summary.take()),
        }
    }

    fn gap(&mut self, gap: &Gap) {
        digest(self.gaps.get_or_insert_default(), gap);
    }

    fn entry(&mut self, entry: Entry) {
        digest(self.entries.get_or_insert_default(), &entry);
        self.configs += u64::from(entry.path.ends_with("-config.json"));
        self.values += u64::from(entry.path.ends_with("-values.json"));
        if let Some(take) = &mut self.entry
            && let Err(error) = take(entry)
        {
            self.failed.get_or_insert(error);
        }
    }
}

fn digest(hash: &mut Sha256, item: &impl Serialize) {
    // Strings, numbers and names of reasons: this cannot fail.
    hash.update(serde_json::to_vec(item).unwrap_or_default());
    hash.update(b"\n");
}

/// The manifest's object.
struct Whole<'s, 'a>(&'s mut State<'a>);

impl<'de> Visitor<'de> for Whole<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a manifest")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        let fields = Fields { map, state: self.0, schema: None };
        let (summary, state) = fields.summary()?;
        state.summary = Some(summary);
        Ok(())
    }
}

/// The object without its lists, which go by meanwhile: what remains is a `Summary`.
struct Fields<'s, 'a, A> {
    map: A,
    state: &'s mut State<'a>,
    schema: Option<String>,
}

impl<'de, 's, 'a, A: MapAccess<'de>> Fields<'s, 'a, A> {
    fn summary(mut self) -> Result<(Summary, &'s mut State<'a>), A::Error> {
        let summary = Summary::deserialize(MapAccessDeserializer::new(&mut self))?;
        Ok((summary, self.state))
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for &mut Fields<'_, '_, A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        loop {
            self.state.limits.begin();
            let Some(key) = self.map.next_key::<String>()? else { return Ok(None) };
            match key.as_str() {
                "gaps" | "entries" if self.state.entry.is_none() => return Ok(None),
                "gaps" => self.map.next_value_seed(List { state: self.state, take: State::gap_of })?,
                "entries" => self.map.next_value_seed(List { state: self.state, take: State::entry_of })?,
                "schema" => {
                    let schema: String = self.map.next_value()?;
                    if schema != SCHEMA {
                        self.state.other_schema = Some(schema);
                        return Err(A::Error::custom("another schema"));
                    }
                    self.schema = Some(schema);
                    return seed.deserialize(key.into_deserializer()).map(Some);
                }
                _ => return seed.deserialize(key.into_deserializer()).map(Some),
            }
        }
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        match self.schema.take() {
            Some(schema) => seed.deserialize(schema.into_deserializer()),
            None => self.map.next_value_seed(seed),
        }
    }
}

impl State<'_> {
    fn gap_of(&mut self, item: Option<serde_json::Value>) -> Result<(), serde_json::Error> {
        self.gaps.get_or_insert_default();
        item.map_or(Ok(()), |item| serde_json::from_value(item).map(|gap| self.gap(&gap)))
    }

    fn entry_of(&mut self, item: Option<serde_json::Value>) -> Result<(), serde_json::Error> {
        self.entries.get_or_insert_default();
        item.map_or(Ok(()), |item| serde_json::from_value(item).map(|entry| self.entry(entry)))
    }
}

/// One of the two lists. An item of another form is kept for later: should the schema turn out to be a newer one, that
/// is what has to be said.
struct List<'s, 'a> {
    state: &'s mut State<'a>,
    take: fn(&mut State<'a>, Option<serde_json::Value>) -> Result<(), serde_json::Error>,
}

impl<'de> DeserializeSeed<'de> for List<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, input: D) -> Result<(), D::Error> {
        input.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for List<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let mut next = (self.take)(self.state, None);
        loop {
            if let Err(error) = next {
                self.state.bad_list.get_or_insert(error);
            }
            self.state.limits.begin();
            let Some(item) = list.next_element::<serde_json::Value>()? else { return Ok(()) };
            self.state.items += 1;
            if self.state.items > MOST_ITEMS || self.state.failed.is_some() {
                return Err(A::Error::custom("more items than any estate has"));
            }
            next = (self.take)(self.state, Some(item));
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        self.state.bad_list.get_or_insert_with(|| Error::custom("an object where a list should be"));
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {
            self.state.limits.begin();
        }
        Ok(())
    }
}
