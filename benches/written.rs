//! Figures in a document: what lies between a mark of their name and the next `<!-- end -->` is
//! written by a program, the rest by hand.

use std::fs;
use std::io::{Error, Result};
use std::path::Path;

/// Puts a text into the part of this name.
///
/// # Errors
///
/// The file cannot be read or written, or has no such part.
pub fn write(path: &Path, part: &str, text: &str) -> Result<()> {
    let document = fs::read_to_string(path)?;
    let document = replaced(&document, part, text)
        .ok_or_else(|| Error::other(format!("{} has no part \"{part}\"", path.display())))?;
    fs::write(path, document)
}

fn replaced(document: &str, part: &str, text: &str) -> Option<String> {
    let mark = format!("<!-- {part}: written by `benches/measure` -->\n");
    let (before, rest) = document.split_once(&mark)?;
    let (_, after) = rest.split_once("<!-- end -->")?;
    Some(format!("{before}{mark}\n{}\n\n<!-- end -->{after}", text.trim_end()))
}

#[cfg(test)]
mod tests {
    use super::replaced;

    #[test]
    fn only_the_part_of_the_name_is_replaced() {
        let part = |name: &str, text: &str| {
            format!("by hand\n<!-- {name}: written by `benches/measure` -->\n\n{text}\n\n<!-- end -->\n")
        };
        let document = part("counts", "1") + &part("times", "2");
        let expected = part("counts", "1") + &part("times", "3");
        assert_eq!(replaced(&document, "times", "3\n"), Some(expected));
        assert_eq!(replaced(&document, "pages", "3"), None);
    }
}
