//! The table of the results, and its place in docs/versions.md.

use anyhow::{Context as _, Result};

use super::results::Outcomes;

/// The marks between which the table is written.
const START: &str = "<!-- written by `cargo compat` -->\n";
const END: &str = "<!-- end -->";

/// Renders the table, with a row for each example and a column for each version.
pub(super) fn render(examples: &[String], columns: &[(&str, Outcomes)]) -> String {
    let mut table = format!("| example | {} |\n", join(columns.iter().map(|(version, _)| (*version).to_owned())));
    table += &format!("|---|{}\n", "---|".repeat(columns.len()));
    for example in examples {
        let cells = columns.iter().map(|(_, outcomes)| cell(outcomes.of(example)));
        table += &format!("| `{example}` | {} |\n", join(cells));
    }
    table
}

fn join(cells: impl Iterator<Item = String>) -> String {
    cells.collect::<Vec<_>>().join(" | ")
}

fn cell((passed, all): (usize, usize)) -> String {
    match all {
        0 => "not tested".into(),
        _ if passed == all => format!("{all} passed"),
        _ => format!("**{} of {all} failed**", all - passed),
    }
}

/// Replaces the table in a text.
///
/// # Errors
///
/// Fails if the text has no place for the table.
pub(super) fn insert(text: &str, table: &str) -> Result<String> {
    let found = text.split_once(START).and_then(|(before, rest)| Some((before, rest.split_once(END)?.1)));
    let (before, after) = found.with_context(|| format!("no place for the table: {} … {END}", START.trim_end()))?;
    Ok(format!("{before}{START}{table}{END}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_failed_stands_out() {
        let examples = ["a", "b"].map(str::to_owned);
        let old = Outcomes::read("test a ... ok\ntest a_more ... FAILED\n", &examples).unwrap();
        let new = Outcomes::read("test a ... ok\ntest a_more ... ok\ntest b ... ok\n", &examples).unwrap();
        assert_eq!(
            render(&examples, &[("1.0", old), ("2.0", new)]),
            "| example | 1.0 | 2.0 |\n|---|---|---|\n| `a` | **1 of 2 failed** | 2 passed |\n| `b` | not tested | 1 passed |\n"
        );
    }

    #[test]
    fn the_table_replaces_the_one_before() {
        let text = format!("before\n{START}| old |\n{END}\nafter\n");
        let replaced = insert(&text, "| new |\n").unwrap();
        assert_eq!(replaced, format!("before\n{START}| new |\n{END}\nafter\n"));
        assert_eq!(insert(&replaced, "| new |\n").unwrap(), replaced);
        assert!(insert("nothing", "").is_err());
    }

    #[test]
    fn the_page_has_a_place_for_it() {
        let page = std::fs::read_to_string(super::super::page()).unwrap();
        assert!(insert(&page, "").is_ok());
    }
}
