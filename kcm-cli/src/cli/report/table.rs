//! A plain table of a report.

use std::io::{self, Write};

use super::status::shortened;

/// Largest width of a column.
const WIDEST: usize = 100;

/// Writes rows below a heading, in columns of equal width.
pub(super) fn table<const N: usize>(
    out: &mut dyn Write,
    heading: [&str; N],
    rows: &[[String; N]],
) -> io::Result<()> {
    let heading = heading.map(str::to_owned);
    let rows: Vec<_> =
        rows.iter().map(|row| row.clone().map(|cell| shortened(&cell, WIDEST))).collect();
    let all = || std::iter::once(&heading).chain(&rows);
    let widths: Vec<_> = (0..N)
        .map(|column| {
            let cells = all().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        })
        .collect();
    for row in all() {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        writeln!(out, "  {}", cells.collect::<Vec<_>>().join("  ").trim_end())?;
    }
    Ok(())
}
