//! Markdown from texts of the code.

/// Returns a documentation text as one line of Markdown.
pub(super) fn line(text: &str) -> String {
    assert!(!text.contains("[`") && !text.contains("::"), "a link that only rustdoc knows: {text}");
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    // A value that Rust calls `None`.
    let text = text.replace(". `None`", ". Not set").replace("`None`", "not set");
    // In a code span, these characters stand for themselves.
    let spans = text.split('`').enumerate().map(|(place, span)| match place % 2 {
        0 => span.replace('<', "&lt;").replace('*', "\\*"),
        _ => span.to_owned(),
    });
    spans.collect::<Vec<_>>().join("`")
}

/// Returns a documentation text as a sentence with a full stop.
pub(super) fn sentence(text: &str) -> String {
    let line = line(text);
    let end = if line.is_empty() || line.ends_with(['.', ':']) { "" } else { "." };
    format!("{line}{end}")
}

/// Returns a code span.
pub(super) fn code(text: impl std::fmt::Display) -> String {
    format!("`{text}`")
}

/// Returns values as code spans, separated by commas.
pub(super) fn codes<T: std::fmt::Display>(values: impl IntoIterator<Item = T>) -> String {
    values.into_iter().map(code).collect::<Vec<_>>().join(", ")
}

/// Returns a table. Columns without any text are left out.
pub(super) fn table<const N: usize>(headings: [&str; N], rows: &[[String; N]]) -> String {
    let columns: Vec<_> =
        (0..N).filter(|column| rows.iter().any(|row| !row[*column].is_empty())).collect();
    let line = |cells: &[&str]| {
        let cells =
            columns.iter().map(|column| format!(" {} |", cells[*column].replace('|', "\\|")));
        format!("|{}\n", cells.collect::<String>().replace("  |", " |"))
    };
    let rule = format!("|{}\n", "---|".repeat(columns.len()));
    let rows = rows.iter().map(|row| line(&row.each_ref().map(String::as_str)));
    format!("{}{rule}{}", line(&headings), rows.collect::<String>())
}
