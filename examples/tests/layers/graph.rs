//! The arrows between the files of a crate: a file imports another if it names something that the
//! other declares. What is passed on by a `pub use` counts where it is declared.

use std::collections::{BTreeMap, BTreeSet};

use crate::source::{Module, Name, Source};

/// From each file to the files that it imports, each with a path that names it.
pub(crate) type Arrows = BTreeMap<usize, BTreeMap<usize, String>>;

/// The most `use` that one name is followed through.
const MOST_ALIASES: usize = 16;

pub(crate) fn arrows(source: &Source) -> Arrows {
    let mut arrows = Arrows::new();
    for (file, used) in source.used.iter().enumerate() {
        let to = arrows.entry(file).or_default();
        for used in used {
            for target in targets(source, &used.within, &used.path, true) {
                if target != file {
                    to.entry(target).or_insert_with(|| used.path.join("::"));
                }
            }
        }
    }
    arrows
}

/// Returns the files that declare what a path names.
fn targets(source: &Source, within: &Module, path: &[String], textual: bool) -> BTreeSet<usize> {
    let mut found = BTreeSet::new();
    resolve(source, within, path, MOST_ALIASES, &mut found);
    // A macro that is not exported by a path is known to all files behind it.
    if let [name, mark] = path
        && mark == "!"
        && textual
        && found.is_empty()
    {
        found.extend(source.macros.get(name));
    }
    found
}

/// Follows a path from a module to the files that declare its end.
fn resolve(source: &Source, within: &Module, path: &[String], left: usize, found: &mut BTreeSet<usize>) {
    let Some(left) = left.checked_sub(1) else { return };
    let Some((first, rest)) = path.split_first() else { return };
    match first.as_str() {
        "crate" => follow(source, &Module::new(), rest, left, found),
        "self" => follow(source, within, rest, left, found),
        "super" => {
            let mut above = within.clone();
            above.pop();
            if rest.first().is_some_and(|next| next == "super") {
                resolve(source, &above, rest, left, found);
            } else {
                follow(source, &above, rest, left, found);
            }
        }
        _ => follow(source, within, path, left, found),
    }
}

/// Follows a path whose first name is one of this module.
fn follow(source: &Source, module: &Module, path: &[String], left: usize, found: &mut BTreeSet<usize>) {
    let Some(left) = left.checked_sub(1) else { return };
    let Some((first, rest)) = path.split_first() else { return };
    let Some(names) = source.names.get(module) else { return };
    let mut known = false;
    // A macro may have the name of a module.
    let module_first =
        !rest.is_empty() && names.get(first).into_iter().flatten().any(|name| matches!(name, Name::Module(_)));
    for name in names.get(first).into_iter().flatten() {
        known = true;
        match name {
            Name::Item(file) => {
                if module_first {
                    continue;
                }
                found.insert(*file);
            }
            Name::Module(inner) => follow(source, inner, rest, left, found),
            Name::Alias(alias) => {
                // A name that stands for itself, as in `use name;`, is another crate's.
                if alias.first() != Some(first) || alias.len() > 1 {
                    let whole: Vec<String> = alias.iter().chain(rest).cloned().collect();
                    resolve(source, module, &whole, left, found);
                }
            }
        }
    }
    if !known {
        for glob in source.globs.get(module).into_iter().flatten() {
            let whole: Vec<String> = glob.iter().chain(path).cloned().collect();
            resolve(source, module, &whole, left, found);
        }
    }
}

/// Returns the loops: the largest sets of at least two files that all reach each other.
pub(crate) fn loops(arrows: &Arrows) -> Vec<Vec<usize>> {
    let reached: BTreeMap<usize, BTreeSet<usize>> = arrows.keys().map(|&file| (file, reach(arrows, file))).collect();
    let mut found: Vec<Vec<usize>> = Vec::new();
    for (&file, from) in &reached {
        if found.iter().any(|known| known.contains(&file)) {
            continue;
        }
        let same: Vec<usize> =
            from.iter().copied().filter(|other| reached.get(other).is_some_and(|back| back.contains(&file))).collect();
        if same.len() > 1 {
            found.push(same);
        }
    }
    found.sort_by_key(|files| core::cmp::Reverse(files.len()));
    found
}

fn reach(arrows: &Arrows, file: usize) -> BTreeSet<usize> {
    let mut reached = BTreeSet::new();
    let mut open = vec![file];
    while let Some(file) = open.pop() {
        for &next in arrows.get(&file).into_iter().flat_map(BTreeMap::keys) {
            if reached.insert(next) {
                open.push(next);
            }
        }
    }
    reached
}
