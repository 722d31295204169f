//! Files as CloudTrail writes them, and as nobody should.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::*;

fn packed(text: &[u8]) -> Vec<u8> {
    let mut gz = GzEncoder::new(Vec::new(), Compression::fast());
    gz.write_all(text).unwrap();
    gz.finish().unwrap()
}

fn names(input: &[u8]) -> (Vec<String>, Result<u64, String>) {
    let mut names = Vec::new();
    let read = read_records(input, "f", &mut |record| names.push(record.event_name.unwrap_or_default()));
    (names, read.map_err(|error| error.to_string()))
}

#[test]
fn both_forms_are_read_packed_or_not() {
    let s3 = r#"{"Records":[{"eventName":"a","unknown":[1]},{"eventName":"b"},7,null,"x",{"eventName":9}]}"#;
    let printed = r#"{"Events":[{"EventId":"1","EventTime":1.7e9,"CloudTrailEvent":"{\"eventName\":\"a\"}"},
        {"CloudTrailEvent":"{\"eventName\":\"b\"}"},{"CloudTrailEvent":"{"},{"CloudTrailEvent":null},{"EventId":"2"}],
        "NextToken":"more"}"#;
    let good = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    assert_eq!(names(s3.as_bytes()), (good(&["a", "b", ""]), Ok(3)));
    assert_eq!(names(&packed(s3.as_bytes())), (good(&["a", "b", ""]), Ok(3)));
    assert_eq!(names(printed.as_bytes()), (good(&["a", "b", ""]), Ok(2)));
    let two_members = [packed(&s3.as_bytes()[..20]), packed(&s3.as_bytes()[20..])].concat();
    assert_eq!(names(&two_members).1, Ok(3));
    assert_eq!(names(br#"{"Records":[]}"#), (vec![], Ok(0)), "CloudTrail writes such files");
}

#[test]
fn what_is_no_file_of_cloudtrails_is_an_error() {
    let whole = br#"{"Records":[{"eventName":"a"}]}"#;
    let gz = packed(whole);
    for (input, kept, words) in [
        (&b""[..], 0, "EOF"),
        (b"[]", 0, "an object with Records or Events"),
        (b"{}", 0, "neither Records nor Events"),
        (br#"{"awsAccountId":"1","digestStartTime":"x","logFiles":[]}"#, 0, "neither Records nor Events"),
        (br#"{"Records":{}}"#, 0, "a list of records"),
        (&whole[..whole.len() - 1], 1, "EOF"),
        (&whole[..14], 0, "EOF"),
        (br#"{"Records":[{"eventName":"a"}]} {}"#, 1, "trailing"),
        (&gz[..gz.len() - 9], 1, ""),
        (&gz[..12], 0, ""),
    ] {
        let (names, read) = names(input);
        let error = read.unwrap_err();
        assert!(error.starts_with("f: ") && error.contains(words), "{error}");
        assert!(names.len() <= kept, "{error}");
    }
}

#[test]
fn nothing_fills_the_memory() {
    let long = |size: usize| format!(r#"{{"Records":[{{"eventName":"{}"}}]}}"#, "x".repeat(size)).into_bytes();
    assert_eq!(names(&packed(&long(1000 * 1000))).0[0].len(), 1000 * 1000);
    for bomb in [
        long(1024 * 1024),
        [&br#"{"Records":["#[..], &vec![b' '; 1024 * 1024 + 1]].concat(),
        [&b"{\""[..], &vec![b'x'; 1024 * 1024 + 1]].concat(),
        [&br#"{"other":"#[..], &vec![b'1'; 1024 * 1024 + 1]].concat(),
    ] {
        let error = names(&packed(&bomb)).1.unwrap_err();
        assert!(error.contains("a record is larger than any of CloudTrail's"), "{error}");
    }
    let deep = format!(r#"{{"Records":[{{"requestParameters":{}"#, "[".repeat(100_000));
    assert!(names(deep.as_bytes()).1.unwrap_err().contains("recursion"));
    let many = format!(r#"{{"Records":[{{}}{}]}}"#, ",{}".repeat(100));
    let mut seen = 0;
    let error = read_within(100, many.as_bytes(), "f", &mut |_| seen += 1).unwrap_err();
    assert!(error.to_string().contains("the file is larger than any of CloudTrail's") && seen > 20, "{error}");
}

fn moment(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn record(id: u32, at: &str, name: &str, rest: &str) -> String {
    format!(
        r#"{{"eventID":"00000000-0000-4000-8000-{id:012}","eventTime":"{at}","eventName":"{name}","requestParameters":{{"secretId":"a"}},
            "eventSource":"secretsmanager.amazonaws.com"{rest}}}"#
    )
}

fn file(records: &[String]) -> String {
    format!(r#"{{"Records":[{}]}}"#, records.join(","))
}

fn read(paths: &[&Path]) -> Result<(Accesses, Rotations), FileError> {
    let paths: Vec<PathBuf> = paths.iter().map(|path| path.to_path_buf()).collect();
    let ours = |record: &Record| is_ours(record, Some("123456789012"), "ap-northeast-1");
    from_files(&paths, moment("2026-11-20T00:00:00Z"), moment("2026-11-22T00:00:00Z"), &ours)
}

#[test]
fn a_folder_is_read_once_and_only_what_is_ours() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    fs::create_dir_all(root.join("CloudTrail/2026")).unwrap();
    fs::create_dir_all(root.join("CloudTrail-Digest")).unwrap();
    fs::create_dir_all(root.join("CloudTrail-Insight")).unwrap();
    let here = r#","awsRegion":"ap-northeast-1","recipientAccountId":"123456789012""#;
    let one = file(&[
        record(1, "2026-11-20T00:00:00Z", "GetSecretValue", here),
        record(2, "2026-11-21T23:59:59Z", "GetSecretValue", ""),
        record(3, "2026-11-19T23:59:59Z", "GetSecretValue", here),
        record(4, "2026-11-22T00:00:00Z", "GetSecretValue", here),
        record(5, "2026-11-21T00:00:00Z", "GetSecretValue", r#","awsRegion":"us-east-1""#),
        record(6, "2026-11-21T00:00:00Z", "GetSecretValue", r#","recipientAccountId":"210987654321""#),
        record(7, "2026-11-21T00:00:00Z", "BatchGetSecretValue", here),
        record(8, "2026-11-21T00:00:00Z", "RotationSucceeded", here),
        record(9, "2026-11-21T00:00:00Z", "TestRotationSucceeded", here),
        record(10, "2026-11-21T00:00:00Z", "ConsoleLogin", here),
        record(11, "soon", "GetSecretValue", here),
        record(12, "soon", "RotationFailed", here),
        record(13, "soon", "ConsoleLogin", here),
    ]);
    fs::write(root.join("CloudTrail/2026/one.json.gz"), packed(one.as_bytes())).unwrap();
    let again = file(&[record(1, "2026-11-20T00:00:00Z", "GetSecretValue", here)]);
    fs::write(root.join("again.json"), again).unwrap();
    fs::write(root.join("CloudTrail-Digest/x.json.gz"), "no").unwrap();
    fs::write(root.join("CloudTrail-Insight/x.json.gz"), "no").unwrap();
    fs::write(root.join("README.txt"), "no").unwrap();
    let (accesses, rotations) = read(&[root, &root.join("again.json")]).unwrap();
    let times: Vec<String> = accesses.entries.iter().map(|read| read.at.to_string()).collect();
    assert_eq!(times, ["2026-11-20T00:00:00Z", "2026-11-21T23:59:59Z"], "oldest first, each once, in the window");
    assert_eq!((accesses.unreadable, accesses.truncated_at, accesses.gaps.len()), (2, None, 0));
    assert_eq!((rotations.events.len(), rotations.unreadable), (1, 2));
    assert!(accesses.read_from.starts_with("2 files ("), "{}", accesses.read_from);
}

#[test]
fn a_damaged_file_costs_its_own_rest_and_proves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let good = file(&[
        record(1, "2026-11-20T00:00:00Z", "GetSecretValue", ""),
        record(2, "2026-11-21T23:00:00Z", "GetSecretValue", ""),
    ]);
    let (a, b) = (folder.path().join("a.json"), folder.path().join("b.json"));
    fs::write(&a, &good).unwrap();
    fs::write(&b, &good[..good.len() - 5]).unwrap();
    let (accesses, rotations) = read(&[&a, &b]).unwrap();
    assert_eq!((accesses.entries.len(), accesses.unreadable, rotations.unreadable), (2, 1, 1));
    assert_eq!((accesses.truncated_at, accesses.gaps[0].reason), (Some(accesses.to), GapReason::Malformed));
    assert_eq!(rotations.truncated_at, accesses.truncated_at);
    assert!(accesses.gaps[0].subject.ends_with("b.json"));
}

#[test]
fn files_that_do_not_reach_over_the_window_say_so() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.json");
    for (first, last, whole_from, gaps) in [
        ("2026-11-21T00:00:00Z", "2026-11-21T00:00:00Z", "2026-11-20T00:00:00Z", 0),
        ("2026-11-21T00:00:01Z", "2026-11-21T00:00:01Z", "2026-11-21T00:00:01Z", 1),
        ("2026-11-20T00:00:00Z", "2026-11-20T23:59:59Z", "2026-11-22T00:00:00Z", 1),
        ("2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z", "2026-11-20T00:00:00Z", 0),
        ("2026-11-01T00:00:00Z", "2026-11-02T00:00:00Z", "2026-11-22T00:00:00Z", 1),
        ("2026-12-01T00:00:00Z", "2026-12-02T00:00:00Z", "2026-11-22T00:00:00Z", 1),
    ] {
        let records = [record(1, first, "ConsoleLogin", ""), record(2, last, "ConsoleLogin", "")];
        fs::write(&path, file(&records)).unwrap();
        let (accesses, _) = read(&[&path]).unwrap();
        assert_eq!((accesses.whole_from(), accesses.gaps.len()), (moment(whole_from), gaps), "{first} {last}");
    }
    fs::write(&path, file(&[record(1, "2026-11-21T00:00:00Z", "GetSecretValue", r#","awsRegion":"far""#)])).unwrap();
    let (accesses, _) = read(&[&path]).unwrap();
    assert_eq!((accesses.truncated_at, accesses.gaps.len()), (Some(accesses.to), 1), "nothing of ours");
}

#[test]
fn what_is_not_there_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    assert!(read(&[&folder.path().join("absent")]).is_err());
    assert!(read(&[folder.path()]).unwrap_err().to_string().contains("no .json or .json.gz file"));
}
