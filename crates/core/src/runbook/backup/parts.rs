//! How the archives of a backup in several parts are called, and their manifests: `x.tar.gz`, `x.part-0002.tar.gz`, ...;
//! `x.part-0001.manifest.json`, ...; and `x.manifest.json`, which seals them all.

/// The archive with this number; the first is 1.
pub fn part_archive(stem: &str, number: usize) -> String {
    if number == 1 { format!("{stem}.tar.gz") } else { format!("{stem}.part-{number:04}.tar.gz") }
}

/// The manifest of the archive with this number, which does not seal the backup.
pub fn part_manifest(stem: &str, number: usize) -> String {
    format!("{stem}.part-{number:04}.manifest.json")
}

/// What comes before the first part's `.tar.gz`, and the number of the part that `archive` names. A backup of one
/// archive is called like the first part of several.
pub fn part_of(archive: &str) -> (&str, usize) {
    let stem = archive.strip_suffix(".tar.gz").unwrap_or(archive);
    let later = stem.rsplit_once(".part-").and_then(|(stem, digits)| {
        // What was tried again has the attempt behind its number.
        let (digits, attempt) = digits.split_once('-').map_or((digits, None), |(digits, rest)| (digits, Some(rest)));
        if attempt.is_some_and(|attempt| attempt.parse::<usize>().is_err()) {
            return None;
        }
        let number = digits.parse().ok().filter(|number| *number > 1 && digits.len() >= 4)?;
        Some((stem, number))
    });
    later.unwrap_or((stem, 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_tells_its_part() {
        for number in [1, 2, 9_999, 10_000] {
            assert_eq!(part_of(&part_archive("k/x", number)), ("k/x", number));
        }
        assert_eq!(part_of("k/x.part-0002-2.tar.gz"), ("k/x", 2), "tried again");
        assert_eq!(part_archive("x", 2), "x.part-0002.tar.gz");
        assert_eq!(part_manifest("x", 1), "x.part-0001.manifest.json");
        for odd in ["x.part-2", "x.part-0001", "x.part-000a", "x.part-", "x.part-0002-", "x.part-0002-a"] {
            assert_eq!(part_of(&format!("{odd}.tar.gz")), (odd, 1));
        }
    }
}
