//! Markdown tables and the figures in them.

/// Columns of text, aligned so that the source reads as well as the page.
#[derive(Debug)]
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new<S: Into<String>>(header: impl IntoIterator<Item = S>) -> Self {
        Self { rows: vec![header.into_iter().map(Into::into).collect()] }
    }

    pub(crate) fn push(&mut self, row: Vec<String>) {
        assert_eq!(row.len(), self.rows[0].len(), "a row must fill the header's columns");
        self.rows.push(row);
    }

    pub(crate) fn markdown(&self) -> String {
        let columns = self.rows[0].len();
        let width = |column: usize| {
            self.rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0).max(3)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let mut text = String::new();
        for (number, row) in self.rows.iter().enumerate() {
            let cells = row.iter().zip(&widths).map(|(cell, &width)| format!(" {cell:<width$} |"));
            text += &format!("|{}\n", cells.collect::<String>());
            if number == 0 {
                let dashes = widths.iter().map(|&width| format!(" {} |", "-".repeat(width)));
                text += &format!("|{}\n", dashes.collect::<String>());
            }
        }
        text
    }
}

/// The middle one of `values`, or the mean of the middle two. NaN of none.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => f64::NAN,
        len if len % 2 == 1 => values[middle],
        _ => f64::midpoint(values[middle - 1], values[middle]),
    }
}

/// The median with the smallest and the largest value behind it.
pub(crate) fn with_range(values: &[f64]) -> String {
    let middle = median(values.to_vec());
    if values.len() < 2 {
        return format!("{middle:.2}");
    }
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    format!("{middle:.2} ({least:.2}-{most:.2})")
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
        let mut table = Table::new(["name", "µs"]);
        table.push(vec!["hairpin".into(), "3.4".into()]);
        let expected = "| name    | µs  |\n| ------- | --- |\n| hairpin | 3.4 |\n";
        assert_eq!(table.markdown(), expected);
    }

    #[test]
    fn the_median_ignores_the_outlier() {
        assert_eq!(median(vec![9.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0, 2.0, 9.0]), 3.0);
        assert!(median(vec![]).is_nan());
    }

    #[test]
    fn a_range_is_shown_when_there_is_one() {
        assert_eq!(with_range(&[3.0, 1.0, 2.0]), "2.00 (1.00-3.00)");
        assert_eq!(with_range(&[3.0]), "3.00");
    }
}
