//! Puts texts of others into Markdown, so that they stay text. Removes control sequences ([`plain`]).

use workflow_commands::plain;

/// For a cell of a table. Text between backticks becomes code.
pub(super) fn cell(text: &str) -> String {
    let text = &*plain(text);
    let parts: Vec<_> = text.split('`').collect();
    if parts.len().is_multiple_of(2) {
        return escaped(text);
    }
    parts
        .iter()
        .enumerate()
        .map(|(index, part)| match (index % 2, part.is_empty()) {
            (0, _) => escaped(part),
            (_, true) => String::new(),
            (_, false) => code(part),
        })
        .collect()
}

fn escaped(text: &str) -> String {
    let mut cell = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\n' => cell.push(' '),
            // A name or number after it must not become a mention. An invisible comment separates them.
            '@' => cell.push_str("@<!-- -->"),
            '#' if rest.peek().is_some_and(char::is_ascii_digit) => cell.push_str("#<!-- -->"),
            // GitHub takes text between two of them as a formula.
            '$' => cell.push_str("<span>$</span>"),
            '<' => cell.push_str("&lt;"),
            '>' => cell.push_str("&gt;"),
            '&' => cell.push_str("&amp;"),
            '|' | '\\' | '`' | '*' | '_' | '[' | ']' | '#' | '~' => {
                cell.push('\\');
                cell.push(c);
            }
            _ => cell.push(c),
        }
    }
    cell
}

/// As inline code; text that holds a backtick gets a longer fence. A cell of a table would end at a `|`. The escape for it
/// works only in tables, so text with a `|` becomes code in HTML.
pub(super) fn code(text: &str) -> String {
    let text = plain(text).replace('\n', " ");
    if text.contains('|') {
        return format!("<code>{}</code>", escaped(&text));
    }
    let fence = "`".repeat(longest_run(&text) + 1);
    if text.starts_with('`') || text.ends_with('`') {
        format!("{fence} {text} {fence}")
    } else {
        format!("{fence}{text}{fence}")
    }
}

/// A link whose text is Markdown already. Only the text, if the URL is not valid in Markdown.
pub(super) fn link(text: &str, url: &str) -> String {
    let plain = |c: char| c.is_ascii_graphic() && !"()<>[]\\|\"`".contains(c);
    if !url.is_empty() && url.chars().all(plain) { format!("[{text}]({url})") } else { text.to_owned() }
}

/// A code block that nothing in the text can end.
pub(super) fn block<'a>(lines: impl Iterator<Item = &'a str> + Clone) -> String {
    let longest = lines.clone().map(longest_run).max().unwrap_or(0);
    let fence = "`".repeat((longest + 1).max(3));
    let mut block = format!("{fence}text\n");
    for line in lines {
        block.push_str(&plain(line));
        block.push('\n');
    }
    block.push_str(&fence);
    block.push('\n');
    block
}

/// A sentence of others, with a full stop.
pub(super) fn sentence(text: &str) -> String {
    let end = if text.ends_with(['.', '!', '?', ':']) { "" } else { "." };
    cell(text) + end
}

/// For HTML, where Markdown has no effect.
pub(super) fn html(text: &str) -> String {
    let text = plain(text).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    text.replace('\n', " ").replace('@', "@<!-- -->")
}

/// A part that is folded under an HTML title.
pub(super) fn folded(title: &str, text: &str) -> String {
    format!("\n<details><summary>{title}</summary>\n\n{text}\n</details>\n\n")
}

fn longest_run(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_ends_only_where_it_ends() {
        assert_eq!(block(["a", "````", "b"].into_iter()), "`````text\na\n````\nb\n`````\n");
    }

    #[test]
    fn a_cell_holds_no_markup() {
        assert_eq!(cell("a|b <img> *c*\n`d_e` f_g"), "a\\|b &lt;img&gt; \\*c\\* `d_e` f\\_g");
        assert_eq!(cell("@acme #7 # $x$"), "@<!-- -->acme #<!-- -->7 \\# <span>$</span>x<span>$</span>");
        assert_eq!(cell("one ` alone"), "one \\` alone");
        assert_eq!(code("a`b"), "``a`b``");
        assert_eq!(code("`"), "`` ` ``");
        assert_eq!(code("a | b_c"), "<code>a \\| b\\_c</code>");
    }
}
