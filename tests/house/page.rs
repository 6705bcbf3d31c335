//! Reads a page of `docs/`: its tables, its fenced blocks and its headings. It knows no rule.

/// A row of a table: cells by the heading of their column.
pub struct Row {
    cells: Vec<(String, String)>,
}

impl Row {
    /// The cell of a column, if the table has it.
    pub fn cell(&self, column: &str) -> Option<&str> {
        let found = self.cells.iter().find(|(name, _)| name == column);
        found.map(|(_, cell)| cell.as_str())
    }
}

/// Every row of every table that has all of these columns.
pub fn rows(page: &str, columns: &[&str]) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut heading: Option<Vec<String>> = None;
    for line in page.lines() {
        let Some(cells) = cells(line) else {
            heading = None;
            continue;
        };
        let rule =
            cells.iter().all(|cell| cell.contains('-') && cell.trim_matches(['-', ':']).is_empty());
        match &heading {
            None => heading = Some(cells),
            Some(_) if rule => {}
            Some(names) => rows.push(Row { cells: names.iter().cloned().zip(cells).collect() }),
        }
    }
    rows.retain(|row| columns.iter().all(|column| row.cell(column).is_some()));
    rows
}

fn cells(line: &str) -> Option<Vec<String>> {
    let inner = line.trim().strip_prefix('|')?.strip_suffix('|')?;
    Some(inner.split('|').map(|cell| cell.trim().to_owned()).collect())
}

/// The lines of the first fenced block of this kind.
pub fn block<'a>(page: &'a str, kind: &str) -> Option<Vec<&'a str>> {
    let mut lines = page.lines();
    lines.find(|line| line.trim() == format!("```{kind}"))?;
    Some(lines.take_while(|line| line.trim() != "```").collect())
}

/// What stands in backticks, in order.
pub fn quoted(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

/// The text of every heading.
pub fn headings(page: &str) -> impl Iterator<Item = &str> {
    let lines = page.lines().filter(|line| line.starts_with('#'));
    lines.map(|line| line.trim_start_matches('#').trim())
}

#[test]
fn tables_blocks_and_quotes_are_read() {
    let page = "# A\n| id | Tests |\n|---|:--|\n| x | `a`, `b` |\n\n| other |\n|---|\n| y |\n```arrows\na <- b\n```\n";
    let rows = rows(page, &["id", "Tests"]);
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].cell("id"), Some("x"));
    assert_eq!(quoted(rows[0].cell("Tests").unwrap()), ["a", "b"]);
    assert_eq!(block(page, "arrows"), Some(vec!["a <- b"]));
    assert_eq!(block(page, "owners"), None);
    assert_eq!(headings(page).collect::<Vec<_>>(), ["A"]);
}
