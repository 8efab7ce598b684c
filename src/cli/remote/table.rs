//! Tables for people: columns as wide as what is in them, numbers to the right.

use std::io::{self, Write};

/// A table: heads, and rows of as many cells.
pub struct Table<const COLUMNS: usize> {
    heads: [&'static str; COLUMNS],
    rows: Vec<[String; COLUMNS]>,
}

impl<const COLUMNS: usize> Table<COLUMNS> {
    /// A table of these rows.
    pub fn new(
        heads: [&'static str; COLUMNS],
        rows: impl IntoIterator<Item = [String; COLUMNS]>,
    ) -> Self {
        let rows = rows.into_iter().collect();
        Self { heads, rows }
    }

    /// Prints it; a table without rows is its heads.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        let columns: Vec<Column> = (0..COLUMNS).map(|at| self.column(at)).collect();
        line(out, &columns, self.heads.iter().copied())?;
        for row in &self.rows {
            line(out, &columns, row.iter().map(String::as_str))?;
        }
        Ok(())
    }

    fn column(&self, at: usize) -> Column {
        let cells = self.rows.iter().map(|row| row[at].as_str());
        let widths = cells.clone().map(|cell| cell.chars().count());
        Column {
            width: widths.fold(self.heads[at].chars().count(), usize::max),
            numbers: cells.clone().next().is_some() && cells.clone().all(is_number),
        }
    }
}

struct Column {
    width: usize,
    numbers: bool,
}

fn is_number(cell: &str) -> bool {
    cell == "-" || !cell.is_empty() && cell.bytes().all(|byte| byte.is_ascii_digit())
}

fn line<'c>(
    out: &mut dyn Write,
    columns: &[Column],
    cells: impl Iterator<Item = &'c str>,
) -> io::Result<()> {
    let padded = columns.iter().zip(cells).map(|(column, cell)| {
        let width = column.width;
        if column.numbers {
            format!("{cell:>width$}")
        } else {
            format!("{cell:width$}")
        }
    });
    let cells: Vec<String> = padded.collect();
    writeln!(out, "{}", cells.join("  ").trim_end())
}

/// Names with their values, one a line; values that are not there are left out.
///
/// # Errors
/// When they can't be written.
pub fn list<const LINES: usize>(
    out: &mut dyn Write,
    lines: [(&str, Option<String>); LINES],
) -> io::Result<()> {
    let width = lines.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    for (name, value) in lines {
        if let Some(value) = value {
            writeln!(out, "{name:width$}  {value}")?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed<const COLUMNS: usize>(table: &Table<COLUMNS>) -> String {
        let mut out = Vec::new();
        table.print(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn words_stand_left_and_numbers_right() {
        let rows = [("web", 5), ("blühend", 100)].map(|(name, n)| [name.into(), n.to_string()]);
        let table = Table::new(["NAME", "WEIGHT"], rows);
        assert_eq!(
            printed(&table),
            "NAME     WEIGHT\nweb           5\nblühend     100\n"
        );
    }

    #[test]
    fn an_empty_table_is_its_heads() {
        assert_eq!(printed(&Table::new(["NAME", "POOL"], [])), "NAME  POOL\n");
    }
}
