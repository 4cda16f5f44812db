//! Links between the pages of the repository lead somewhere.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use sluicegate_workspace as workspace;

/// All pages below a folder, those of builds left out, and those that a link shows in a second
/// place, where its own links do not hold.
fn pages(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_symlink() {
            continue;
        }
        let path = entry.path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            if name != "target" && name != "node_modules" && (!name.starts_with('.') || name == ".github") {
                pages(&path, found);
            }
        } else if name.ends_with(".md") {
            found.push(path);
        }
    }
}

/// The targets of the links in a page, code left out.
fn links(page: &str) -> Vec<&str> {
    let mut fenced = false;
    let prose = page.lines().filter(|line| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        !fence && !fenced
    });
    prose.flat_map(|line| line.split("](").skip(1).filter_map(|rest| rest.split([')', ' ']).next())).collect()
}

/// Returns the anchor of a heading.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().chars().filter(|char| char.is_alphanumeric() || " -_".contains(*char));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

fn anchors(page: &str) -> BTreeSet<String> {
    page.lines().filter(|line| line.starts_with('#')).map(|line| anchor(line.trim_start_matches('#'))).collect()
}

/// A page that is shown in a second place is a symbolic link there. A tool that rewrites files in
/// place makes a copy of it, which then says something else.
#[test]
fn no_page_is_a_copy_of_another() {
    let mut found = Vec::new();
    pages(workspace::root(), &mut found);
    let mut texts = BTreeMap::new();
    for page in found {
        if let Some(other) = texts.insert(fs::read_to_string(&page).unwrap(), page.clone()) {
            panic!("{} has the text of {}", page.display(), other.display());
        }
    }
}

#[test]
fn links_lead_somewhere() {
    let mut found = Vec::new();
    pages(workspace::root(), &mut found);
    assert!(found.len() > 30, "the pages are not found: {found:?}");
    let mut checked = 0;
    for page in found {
        let text = fs::read_to_string(&page).unwrap();
        for link in links(&text).into_iter().filter(|link| !link.contains("://") && !link.starts_with("mailto:")) {
            let (file, fragment) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { page.clone() } else { page.parent().unwrap().join(file) };
            assert!(target.exists(), "{}: {link} leads nowhere", page.display());
            if !fragment.is_empty() && target.extension().is_some_and(|kind| kind == "md") {
                let anchors = anchors(&fs::read_to_string(&target).unwrap());
                assert!(anchors.contains(fragment), "{}: {link}: there are {anchors:?}", page.display());
            }
            checked += 1;
        }
    }
    assert!(checked > 100, "only {checked} links are found");
}

#[test]
fn links_are_found_and_anchors_named() {
    assert_eq!(links("a [b](c.md) and ![d](e.svg \"f\")\n```\n[g](h)\n```\n[i](#j)"), ["c.md", "e.svg", "#j"]);
    assert_eq!(anchor(" Which plugins share a VM"), "which-plugins-share-a-vm");
    assert_eq!(anchor(" `cargo meter`: what it costs, in counts"), "cargo-meter-what-it-costs-in-counts");
}
