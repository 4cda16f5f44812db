//! The order of a crate's modules, as the table in the comment of its root says it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

pub(crate) struct Row {
    pub(crate) name: String,
    /// Files without `.rs`, and folders with `/`.
    files: Vec<String>,
}

pub(crate) struct Order {
    /// The rows, highest first.
    pub(crate) rows: Vec<Row>,
}

impl Order {
    /// Reads the table of a crate's root.
    pub(crate) fn read(root: &Path) -> Self {
        let text = fs::read_to_string(root).unwrap();
        let mut lines = text.lines().skip_while(|line| !line.starts_with("// | row | files |"));
        lines.next().unwrap_or_else(|| panic!("{} has no table of its modules", root.display()));
        let mut rows: Vec<Row> = Vec::new();
        for line in lines.skip(1).map_while(|line| line.strip_prefix("// |")) {
            let mut cells = line.split('|').map(str::trim);
            let name = cells.next().unwrap_or_default();
            // A row without a name goes on with the one before.
            if !name.is_empty() {
                rows.push(Row { name: name.to_owned(), files: Vec::new() });
            }
            let files = cells.next().unwrap_or_default().split_whitespace().map(str::to_owned);
            rows.last_mut().expect("the first row has a name").files.extend(files);
        }
        Self { rows }
    }

    /// Returns the row of a file: that of the longest name that stands for the file.
    pub(crate) fn row(&self, file: &str) -> Option<usize> {
        let names = self.rows.iter().enumerate().flat_map(|(row, of)| of.files.iter().map(move |name| (row, name)));
        names.filter(|(_, name)| stands_for(name, file)).max_by_key(|(_, name)| name.len()).map(|(row, _)| row)
    }

    /// Returns the names that stand for no file.
    pub(crate) fn unused<'a>(&'a self, files: &'a [String]) -> impl Iterator<Item = &'a str> {
        let names: BTreeSet<&str> = self.rows.iter().flat_map(|row| &row.files).map(String::as_str).collect();
        names.into_iter().filter(|name| !files.iter().any(|file| stands_for(name, file)))
    }
}

fn stands_for(name: &str, file: &str) -> bool {
    if name.ends_with('/') { file.starts_with(name) } else { file.strip_suffix(".rs") == Some(name) }
}

/// Returns the folder of a file. A file beside a folder of its name belongs to the folder.
pub(crate) fn folder(file: &str) -> &str {
    file.split_once('/').map_or(file.trim_end_matches(".rs"), |(folder, _)| folder)
}
