//! Lists the folders of `examples/`, so that an example without an end-to-end test does not
//! compile.

use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs};

/// The folder of `examples/` that is no example.
const TESTS: &str = "tests";

fn main() {
    println!("cargo::rerun-if-changed=..");
    let entries = fs::read_dir("..").expect("the examples are beside their tests").flatten();
    let folders = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    let mut names: Vec<_> = folders.filter_map(|folder| folder.file_name().into_string().ok()).collect();
    names.retain(|name| name != TESTS);
    names.sort();
    let mut text = "const EXAMPLES: &[(&str, Test)] = &[\n".to_owned();
    for name in names {
        writeln!(text, "    (\"{name}\", of_example::{name}),").expect("a string takes all");
    }
    text.push_str("];\n");
    let out = env::var_os("OUT_DIR").expect("cargo names the folder for what is generated");
    fs::write(Path::new(&out).join("examples.rs"), text).expect("the folder can be written to");
}
