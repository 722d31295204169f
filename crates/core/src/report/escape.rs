//! What AWS, or a stranger through AWS, has put into a text must stay text in every form.

/// Without anything that moves the cursor, forges a line, or turns or hides the letters around it.
pub(super) fn plain(text: &str) -> String {
    text.chars().map(|c| if moves(c) { ' ' } else { c }).collect()
}

/// Control characters, line separators, and the invisible ones that change how others are shown.
fn moves(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// For HTML and XML, elements and attributes. What XML 1.0 cannot hold at all becomes a replacement character.
pub(super) fn markup(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            c if moves(c) => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

/// For Markdown: inside its cell, without markup or links of its own.
pub(super) fn markdown(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '|' | '#' | '&' | '~' | '$' => out.extend(['\\', c]),
            c if moves(c) => out.push(' '),
            c => out.push(c),
        }
    }
    // Many readers make a link of a bare address.
    out.replace("://", ":\\//").replace("www.", "www\\.")
}

/// For Markdown, of a text of ours that has commands between backticks: these stay code, in which nothing else is markup.
pub(super) fn markdown_with_code(text: &str) -> String {
    let parts: Vec<&str> = text.split('`').collect();
    let part = |(index, part): (usize, &&str)| match index % 2 {
        0 => markdown(part),
        // The last backtick has none to go with.
        _ if index + 1 == parts.len() => format!("\\`{}", markdown(part)),
        _ => format!("`{}`", plain(part)),
    };
    parts.iter().enumerate().map(part).collect()
}

/// For a code span of Markdown, in which nothing can be escaped.
pub(super) fn code(text: &str) -> String {
    plain(text).replace('`', "'").replace('|', "\\|")
}

/// For CSV: a spreadsheet runs a cell that begins like a formula, in Japanese ones with full-width signs too.
pub(super) fn cell(text: &str) -> String {
    let text = plain(text);
    match text.trim_start().chars().next() {
        Some('=' | '+' | '-' | '@' | '|' | '＝' | '＋' | '－' | '＠') => format!("'{text}"),
        _ => text,
    }
}

/// At most `most` characters as Java and JavaScript count them, cut between characters; never empty, and without line
/// breaks, since AWS wants a character that is no space.
pub(super) fn short(text: &str, most: usize) -> String {
    let text = plain(text);
    let text = text.trim();
    if text.is_empty() {
        return "-".to_owned();
    }
    if text.chars().map(char::len_utf16).sum::<usize>() <= most {
        return text.to_owned();
    }
    let mut left = most.saturating_sub(1);
    let mut out: String = text
        .chars()
        .take_while(|c| {
            let fits = c.len_utf16() <= left;
            left = left.saturating_sub(c.len_utf16());
            fits
        })
        .collect();
    out.push('…');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_turns_hides_or_forges() {
        assert_eq!(plain("a\u{1b}[2Jb\r\nc\u{202e}d\u{200b}e\u{2028}f"), "a [2Jb  c d e f");
        assert_eq!(plain("日本語 ～ é"), "日本語 ～ é");
    }

    #[test]
    fn xml_holds_only_what_xml_can() {
        assert_eq!(markup("<a href='x'>&\"\u{0}\u{8}\u{ffff}"), "&lt;a href=&#39;x&#39;&gt;&amp;&quot;  \u{fffd}");
    }

    #[test]
    fn a_bare_address_is_no_link() {
        assert_eq!(markdown("http://e.example www.e.example"), "http:\\//e.example www\\.e.example");
        assert_eq!(markdown("![x](y) ~~z~~ |"), "!\\[x\\](y) \\~\\~z\\~\\~ \\|");
        assert_eq!(code("a`b|c"), "a'b\\|c");
    }

    #[test]
    fn commands_stay_code() {
        for (text, want) in [
            ("run `aws x --y *_*` now", "run `aws x --y *_*` now"),
            ("a_b `c_d` e_f", "a\\_b `c_d` e\\_f"),
            ("one ` alone <b>", "one \\` alone \\<b\\>"),
            ("`a` `", "`a` \\`"),
            ("", ""),
        ] {
            assert_eq!(markdown_with_code(text), want, "{text}");
        }
    }

    #[test]
    fn formulas_are_text() {
        for (text, want) in [
            ("=1+1", "'=1+1"),
            ("\t=1", "' =1"),
            ("\r@x", "' @x"),
            ("＝1", "'＝1"),
            ("-", "'-"),
            ("a=b", "a=b"),
            ("", ""),
        ] {
            assert_eq!(cell(text), want, "{text:?}");
        }
    }

    #[test]
    fn texts_are_cut_between_characters() {
        for (text, most, want) in [
            ("abc", 3, "abc"),
            ("abcd", 3, "ab…"),
            ("秘密情報", 4, "秘密情報"),
            ("秘密情報", 3, "秘密…"),
            // An emoji counts two.
            ("a😀b", 4, "a😀b"),
            ("a😀bc", 4, "a😀…"),
            ("a😀bc", 3, "a…"),
            (" \n ", 5, "-"),
        ] {
            assert_eq!(short(text, most), want, "{text:?} {most}");
        }
    }
}
