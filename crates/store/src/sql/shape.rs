//! Results that are meant to be drawn.
//!
//! A result whose columns have certain names, in any order and with no others, is a chart and not a
//! table. The names are those of django-sql-dashboard ("Widgets" in its documentation).

use super::{Table, Value};

/// How a result is to be shown.
#[derive(Clone, Debug, PartialEq)]
pub enum Shape<'t> {
    /// Columns `bar_label` and `bar_quantity`.
    Bars(Vec<Bar<'t>>),
    /// Columns `big_number` and `label`: numbers that stand alone.
    BigNumbers(Vec<(&'t Value, &'t Value)>),
    /// Columns `wordcloud_word` and `wordcloud_count`.
    WordCloud(Vec<Bar<'t>>),
    /// Column `markdown`: texts to be rendered.
    Markdown(Vec<&'t Value>),
    /// Column `html`: texts that a page may render, after cleaning them.
    Html(Vec<&'t Value>),
    /// Columns `completed_count` and `total_count`: how far something has come.
    Progress(Vec<(f64, f64)>),
    /// Anything else.
    Table,
}

/// Something and how much of it there is.
#[derive(Clone, Debug, PartialEq)]
pub struct Bar<'t> {
    /// What.
    pub label: &'t Value,
    /// How much.
    pub quantity: f64,
}

impl Table {
    /// How it is to be shown. What is named like a chart but has no numbers is a table.
    pub fn shape(&self) -> Shape<'_> {
        self.drawn().unwrap_or(Shape::Table)
    }

    fn drawn(&self) -> Option<Shape<'_>> {
        let mut names: Vec<&str> = self.columns.iter().map(String::as_str).collect();
        names.sort_unstable();
        Some(match names[..] {
            ["bar_label", "bar_quantity"] => Shape::Bars(self.bars("bar_label", "bar_quantity")?),
            ["wordcloud_count", "wordcloud_word"] => {
                Shape::WordCloud(self.bars("wordcloud_word", "wordcloud_count")?)
            }
            ["big_number", "label"] => {
                let (numbers, labels) = (self.column("big_number")?, self.column("label")?);
                Shape::BigNumbers(numbers.zip(labels).collect())
            }
            ["completed_count", "total_count"] => {
                let number = |value: &Value| value.as_number().filter(|&x| x >= 0.0);
                let done = self.column("completed_count")?.map(number);
                let total = self.column("total_count")?.map(number);
                let pairs = done.zip(total).map(|(done, total)| Some((done?, total?)));
                Shape::Progress(pairs.collect::<Option<_>>()?)
            }
            ["markdown"] => Shape::Markdown(self.column("markdown")?.collect()),
            ["html"] => Shape::Html(self.column("html")?.collect()),
            _ => return None,
        })
    }

    fn bars(&self, label: &str, quantity: &str) -> Option<Vec<Bar<'_>>> {
        let (labels, quantities) = (self.column(label)?, self.column(quantity)?);
        let bar =
            |(label, quantity): (_, &Value)| Some(Bar { label, quantity: quantity.as_number()? });
        labels.zip(quantities).map(bar).collect()
    }

    fn column(&self, name: &str) -> Option<impl Iterator<Item = &Value>> {
        let column = self.columns.iter().position(|column| column == name)?;
        Some(self.rows.iter().map(move |row| &row[column]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(columns: &[&str], rows: &[&[Value]]) -> Table {
        Table {
            columns: columns.iter().map(ToString::to_string).collect(),
            rows: rows.iter().map(|row| row.to_vec()).collect(),
            is_cut: false,
        }
    }

    #[test]
    fn charts_are_known_by_the_names_of_their_columns() {
        let (text, n) = (Value::Text("a".into()), Value::Integer(3));
        let row: &[&[Value]] = &[&[text.clone(), n.clone()]];
        let bar = vec![Bar { label: &text, quantity: 3.0 }];
        assert_eq!(table(&["bar_label", "bar_quantity"], row).shape(), Shape::Bars(bar.clone()));
        let cloud = table(&["wordcloud_word", "wordcloud_count"], row);
        assert_eq!(cloud.shape(), Shape::WordCloud(bar));
        let big = table(&["label", "big_number"], row);
        assert_eq!(big.shape(), Shape::BigNumbers(vec![(&n, &text)]));
        let done = table(&["total_count", "completed_count"], &[&[n.clone(), Value::Real(1.5)]]);
        assert_eq!(done.shape(), Shape::Progress(vec![(1.5, 3.0)]));
        assert_eq!(table(&["markdown"], &[]).shape(), Shape::Markdown(vec![]));
        assert_eq!(table(&["html"], &[]).shape(), Shape::Html(vec![]));
    }

    #[test]
    fn what_cannot_be_drawn_is_a_table() {
        let (text, n) = (Value::Text("a".into()), Value::Integer(3));
        for (columns, row) in [
            (&["bar_label", "bar_quantity"][..], &[n.clone(), text.clone()][..]),
            (&["bar_label", "bar_quantity"], &[text.clone(), Value::Real(f64::INFINITY)]),
            (&["bar_label", "bar_quantity", "x"], &[text.clone(), n.clone(), n.clone()]),
            (&["completed_count", "total_count"], &[Value::Integer(-1), n.clone()]),
            (&["label"], std::slice::from_ref(&text)),
            (&["Markdown"], std::slice::from_ref(&text)),
        ] {
            assert_eq!(table(columns, &[row]).shape(), Shape::Table, "{columns:?}");
        }
    }
}
