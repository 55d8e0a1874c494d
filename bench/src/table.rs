//! Markdown tables and the figures in them.

/// What a column is for when a table is compared with an earlier one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Says what was measured: rows with equal keys are compared.
    Key,
    /// A figure in proportion to another of the same run. It can be compared from machine to machine.
    Ratio,
    /// A figure that holds on one machine.
    Figure,
    /// Nothing to compare.
    Note,
}

/// A column of a table.
#[derive(Clone, Debug)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) role: Role,
}

impl Column {
    pub(crate) fn new(name: impl Into<String>, role: Role) -> Self {
        Self { name: name.into(), role }
    }
}

/// Whether a greater figure is a better one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Better {
    Less,
    More,
}

/// What was measured of one thing: a text for each column.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) cells: Vec<String>,
    pub(crate) better: Better,
}

/// Columns of text, aligned so that the source reads as well as the page.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    pub(crate) columns: Vec<Column>,
    pub(crate) rows: Vec<Row>,
}

impl Table {
    pub(crate) fn new(columns: Vec<Column>) -> Self {
        Self { columns, rows: Vec::new() }
    }

    /// Adds a row whose figures are the better the less they are.
    pub(crate) fn push(&mut self, cells: Vec<String>) {
        self.push_row(Row { cells, better: Better::Less });
    }

    pub(crate) fn push_row(&mut self, row: Row) {
        assert_eq!(row.cells.len(), self.columns.len(), "a row must fill the columns");
        self.rows.push(row);
    }

    pub(crate) fn markdown(&self) -> String {
        let header: Vec<String> = self.columns.iter().map(|column| column.name.clone()).collect();
        let lines = || std::iter::once(&header).chain(self.rows.iter().map(|row| &row.cells));
        let width = |column: usize| {
            lines().map(|cells| cells[column].chars().count()).max().unwrap_or(0).max(3)
        };
        let widths: Vec<usize> = (0..header.len()).map(width).collect();
        let mut text = String::new();
        for (number, cells) in lines().enumerate() {
            let cells =
                cells.iter().zip(&widths).map(|(cell, &width)| format!(" {cell:<width$} |"));
            text += &format!("|{}\n", cells.collect::<String>());
            if number == 0 {
                let dashes = widths.iter().map(|&width| format!(" {} |", "-".repeat(width)));
                text += &format!("|{}\n", dashes.collect::<String>());
            }
        }
        text
    }
}

/// A figure of several turns: the median, and the smallest and largest value around it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Figure {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
}

impl Figure {
    /// NaN of no values.
    pub(crate) fn of(values: &[f64]) -> Self {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let middle = sorted.len() / 2;
        let median = match sorted.len() {
            0 => f64::NAN,
            len if len % 2 == 1 => sorted[middle],
            _ => f64::midpoint(sorted[middle - 1], sorted[middle]),
        };
        let end = |value: Option<&f64>| value.copied().unwrap_or(f64::NAN);
        Self { median, least: end(sorted.first()), most: end(sorted.last()) }
    }

    /// Reads what [`Figure::show`] wrote, or the first of several figures with slashes between them.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let first = text.split(" / ").next()?.trim();
        let Some((median, range)) = first.split_once(" (") else {
            let only = first.parse().ok()?;
            return Some(Self { median: only, least: only, most: only });
        };
        let (least, most) = range.strip_suffix(')')?.split_once('-')?;
        let [median, least, most] = [median, least, most].map(|text| text.trim().parse().ok());
        Some(Self { median: median?, least: least?, most: most? })
    }

    /// The median with the range in brackets, if there is one; a dash for no figure at all.
    pub(crate) fn show(self, digits: usize) -> String {
        let Self { median, least, most } = self;
        match (median.is_finite(), least < most) {
            (false, _) => "-".to_owned(),
            (true, true) => format!("{median:.digits$} ({least:.digits$}-{most:.digits$})"),
            (true, false) => format!("{median:.digits$}"),
        }
    }
}

/// A part of 1 in per cent.
pub(crate) fn percent(part: f64) -> String {
    format!("{:.0} %", part * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let columns = [("name", Role::Key), ("µs", Role::Figure)];
        let mut table = Table::new(columns.map(|(name, role)| Column::new(name, role)).to_vec());
        table.push(vec!["hairpin".into(), "3.4".into()]);
        let expected = "| name    | µs  |\n| ------- | --- |\n| hairpin | 3.4 |\n";
        assert_eq!(table.markdown(), expected);
    }

    #[test]
    fn the_median_ignores_the_outlier() {
        assert_eq!(Figure::of(&[9.0, 1.0, 2.0]).median, 2.0);
        assert_eq!(Figure::of(&[4.0, 1.0, 2.0, 9.0]).median, 3.0);
        assert!(Figure::of(&[]).median.is_nan());
    }

    #[test]
    fn a_range_is_shown_when_there_is_one() {
        assert_eq!(Figure::of(&[3.0, 1.0, 2.0]).show(2), "2.00 (1.00-3.00)");
        assert_eq!(Figure::of(&[3.0]).show(1), "3.0");
        assert_eq!(Figure::of(&[]).show(2), "-");
    }

    #[test]
    fn what_was_shown_is_read_again() {
        for values in [&[3.0, 1.0, 2.0][..], &[4.5]] {
            let figure = Figure::of(values);
            assert_eq!(Figure::read(&figure.show(2)), Some(figure));
        }
        let first = Figure { median: 35.0, least: 30.0, most: 41.0 };
        assert_eq!(Figure::read("35 (30-41) / 50 (49-52)"), Some(first));
        assert_eq!(Figure::read("-"), None);
        assert_eq!(Figure::read("97 % / 99 %"), None);
    }
}
