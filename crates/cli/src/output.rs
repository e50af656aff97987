//! Data on stdout: tables that fit the terminal, JSON and CSV.

use std::io::{self, BufWriter, Write};

use comfy_table::{Cell, CellAlignment, ColumnConstraint, ContentArrangement, Row, Table};
use serde::Serialize;

use crate::errors::Result;

/// How wide a table is when it does not go to a terminal.
const WIDTH: u16 = 80;

/// What a piece of text means, for those who see colours.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Style {
    /// A failure.
    Bad,
    /// Something that went well.
    Good,
    /// What to do next.
    Hint,
    /// A heading.
    Strong,
}

/// Whether colours are wanted, on a terminal or not: <https://no-color.org>.
pub(crate) fn colours(terminal: bool) -> bool {
    let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    terminal && !dumb && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// The text in the colour of its meaning, on a terminal that shows colours.
pub(crate) fn paint(terminal: bool, style: Style, text: &str) -> String {
    use anstyle::AnsiColor::{Cyan, Green, Red};
    if !colours(terminal) {
        return text.to_owned();
    }
    let style = match style {
        Style::Bad => Red.on_default().bold(),
        Style::Good => Green.on_default(),
        Style::Hint => Cyan.on_default(),
        Style::Strong => anstyle::Style::new().bold(),
    };
    format!("{style}{text}{style:#}")
}

/// Text from outside for a person's terminal: control characters could move its cursor or fake output.
pub(crate) fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' { ' ' } else { c }).collect()
}

/// Standard output with a buffer. A reader that goes away is an error that ends the program quietly.
pub(crate) fn stdout() -> BufWriter<io::StdoutLock<'static>> {
    BufWriter::with_capacity(64 << 10, io::stdout().lock())
}

/// Prints a line.
pub(crate) fn line(text: impl AsRef<str>) -> Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{}", text.as_ref())?;
    Ok(())
}

/// Prints a value as JSON over several lines.
pub(crate) fn json(value: &impl Serialize) -> Result<()> {
    let mut out = stdout();
    serde_json::to_writer_pretty(&mut out, value)?;
    out.write_all(b"\n")?;
    out.flush()?;
    Ok(())
}

/// Prints a value as JSON on one line.
pub(crate) fn json_line(value: &impl Serialize) -> Result<()> {
    let mut out = stdout();
    serde_json::to_writer(&mut out, value)?;
    out.write_all(b"\n")?;
    out.flush()?;
    Ok(())
}

/// A table: it fits the terminal, or 80 columns; each row is one line, and what does not fit is cut.
#[derive(Debug)]
pub(crate) struct Sheet {
    table: Table,
    /// Rows of several lines are let be.
    wraps: bool,
    /// The columns that may be left out where they do not fit, the least important first.
    spare: Vec<usize>,
}

impl Sheet {
    /// A table with these columns.
    pub(crate) fn new(header: &[&str]) -> Self {
        let mut table = Table::new();
        table
            .load_style(comfy_table::presets::NOTHING)
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_header(header.iter().map(|name| name.to_uppercase()));
        let width = table.width().unwrap_or(WIDTH);
        table.set_width(width);
        let mut sheet = Self { table, wraps: false, spare: Vec::new() };
        sheet.pad(2);
        sheet
    }

    /// So many spaces between columns.
    fn pad(&mut self, spaces: u16) {
        let last = self.table.column_count().saturating_sub(1);
        for (i, column) in self.table.column_iter_mut().enumerate() {
            column.set_padding((0, if i == last { 0 } else { spaces }));
        }
    }

    /// With one space alone between columns.
    pub(crate) fn tight(mut self) -> Self {
        self.pad(1);
        self
    }

    /// Lets long texts go on in the next line instead of being cut.
    pub(crate) fn wrapping(mut self) -> Self {
        self.wraps = true;
        self
    }

    /// Sets a column of numbers flush right.
    pub(crate) fn numbers(mut self, columns: impl IntoIterator<Item = usize>) -> Self {
        for column in columns {
            if let Some(column) = self.table.column_mut(column) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        self
    }

    /// Never cuts this column.
    pub(crate) fn whole(mut self, column: usize) -> Self {
        if let Some(column) = self.table.column_mut(column) {
            column.set_constraint(ColumnConstraint::ContentWidth);
        }
        self
    }

    /// Leaves these columns out, one after the other, until the others fit.
    pub(crate) fn spares(mut self, columns: impl IntoIterator<Item = usize>) -> Self {
        self.spare.extend(columns);
        self
    }

    /// Adds a row.
    pub(crate) fn row<T: AsRef<str>>(&mut self, cells: impl IntoIterator<Item = T>) {
        let one_line = |text: &str| plain(text).replace('\n', " ");
        let mut row =
            Row::from(cells.into_iter().map(|cell| Cell::new(one_line(cell.as_ref()))).collect::<Vec<_>>());
        if !self.wraps {
            row.max_height(1);
        }
        self.table.add_row(row);
    }

    /// Its lines.
    fn lines(mut self) -> Vec<String> {
        let room = self.table.width().unwrap_or(WIDTH);
        let mut widths: Vec<u16> = self.table.column_max_content_widths();
        for (width, column) in widths.iter_mut().zip(self.table.column_iter()) {
            *width = width.saturating_add(column.padding_width());
        }
        for spare in self.spare {
            if widths.iter().map(|width| u32::from(*width)).sum::<u32>() <= u32::from(room) {
                break;
            }
            if let Some(column) = self.table.column_mut(spare) {
                column.set_constraint(ColumnConstraint::Hidden);
                widths[spare] = 0;
            }
        }
        self.table.lines().collect()
    }

    /// Prints it.
    pub(crate) fn print(self) -> Result<()> {
        let mut out = stdout();
        for line in self.lines() {
            writeln!(out, "{}", line.trim_end())?;
        }
        out.flush()?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_as_narrow_as_a_page_and_keeps_rows_on_one_line() {
        let mut sheet = Sheet::new(&["id", "name", "content"]);
        sheet.row(["003xx000004TmiQAAS", "Grüße\u{1b}[31m\nan alle", &"long ".repeat(100)]);
        sheet.row(["003xx000004TmiRAAS", "", ""]);
        let lines = sheet.lines();
        assert_eq!(lines.len(), 3);
        assert!(lines.iter().all(|line| line.trim_end().chars().count() <= 80), "{lines:#?}");
        assert!(!lines[1].contains('\u{1b}'));
    }

    #[test]
    fn what_does_not_fit_is_left_out_from_the_least_important_on() {
        for (width, heading) in [
            (59, "NAME PROVIDER STATUS LAST SYNC"),
            (58, "NAME STATUS LAST SYNC"),
            (40, "NAME STATUS"),
            (24, "NAME STATUS"),
        ] {
            let mut sheet =
                Sheet::new(&["name", "provider", "status", "last sync"]).wrapping().whole(2).spares([1, 3]);
            sheet.table.set_width(width);
            sheet.row(["acme-europe-01", "salesforce", "relink_needed", "2026-11-22T10:00"]);
            let lines = sheet.lines();
            assert_eq!(lines[0].split_whitespace().collect::<Vec<_>>().join(" "), heading);
            assert!(lines[1].contains("relink_needed"), "{lines:#?}");
            assert!(lines.iter().all(|line| line.trim_end().len() <= usize::from(width)), "{lines:#?}");
        }
    }

    #[test]
    fn colours_are_for_terminals() {
        assert_eq!(paint(false, Style::Bad, "x"), "x");
    }
}
