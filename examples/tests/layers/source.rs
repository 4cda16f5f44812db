//! A crate's files as tokens: its modules, what each file declares, and the paths that it names.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The path of a module within its crate. The crate's root is empty.
pub(crate) type Module = Vec<String>;

/// A name of a module, and what it stands for.
#[derive(Clone, Debug)]
pub(crate) enum Name {
    /// An item of this file.
    Item(usize),
    /// Another path, as it is written in a `use`.
    Alias(Vec<String>),
    /// A module.
    Module(Module),
}

/// A path that a file names, and the module that names it.
#[derive(Debug)]
pub(crate) struct Used {
    pub(crate) within: Module,
    pub(crate) path: Vec<String>,
}

/// A crate that was read.
#[derive(Default)]
pub(crate) struct Source {
    /// The files, relative to the crate's `src`.
    pub(crate) files: Vec<String>,
    /// The names of each module. Feature twins give one name several meanings.
    pub(crate) names: BTreeMap<Module, BTreeMap<String, Vec<Name>>>,
    /// The modules whose names a module takes over.
    pub(crate) globs: BTreeMap<Module, Vec<Vec<String>>>,
    /// The paths that each file names.
    pub(crate) used: Vec<Vec<Used>>,
    /// Names of the macros, and the file that declares each.
    pub(crate) macros: BTreeMap<String, usize>,
    /// The functions, types and constants that each file declares, and the methods of its types.
    pub(crate) declared: Vec<BTreeSet<String>>,
}

impl Source {
    /// Reads the crate whose root is `src/lib.rs`.
    pub(crate) fn read(src: &Path) -> Self {
        let mut source = Self::default();
        source.file(src, "lib.rs", &Module::new(), true);
        source
    }

    /// Reads a file and the files below it, whose folder is the file's own if the file is a `root`.
    fn file(&mut self, src: &Path, file: &str, module: &Module, root: bool) {
        let text = fs::read_to_string(src.join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
        // Two feature twins may declare one file.
        let index = self.files.iter().position(|known| known == file).unwrap_or(self.files.len());
        if index == self.files.len() {
            self.files.push(file.to_owned());
            self.used.push(Vec::new());
            self.declared.push(BTreeSet::new());
        }
        let tokens = tokens(&text);
        let mut parser = Parser { source: self, src, file: index, root, tokens: &tokens, at: 0, children: Vec::new() };
        parser.items(module, 0);
        for (child, module, root) in parser.children {
            self.file(src, &child, &module, root);
        }
    }

    fn name(&mut self, module: &Module, name: &str, is: Name) {
        self.names.entry(module.clone()).or_default().entry(name.to_owned()).or_default().push(is);
    }
}

/// Splits a source into words, literals (each as `"`) and signs, without comments.
fn tokens(text: &str) -> Vec<String> {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    let mut at = 0;
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    while let Some(&byte) = bytes.get(at) {
        let rest = &text[at..];
        if rest.starts_with("//") {
            at += rest.find('\n').unwrap_or(rest.len());
        } else if rest.starts_with("/*") {
            at += rest.find("*/").map_or(rest.len(), |end| end + 2);
        } else if let Some(hashes) = raw(rest) {
            let end = format!("\"{}", "#".repeat(hashes));
            let open = rest.find('"').unwrap() + 1;
            at += open + rest[open..].find(&end).unwrap() + end.len();
            found.push("\"".to_owned());
        } else if byte == b'"' || rest.starts_with("b\"") || rest.starts_with("c\"") {
            let start = at + rest.find('"').unwrap() + 1;
            at = start;
            while bytes[at] != b'"' {
                at += if bytes[at] == b'\\' { 2 } else { 1 };
            }
            // The text is kept, because an attribute may give a path in it.
            found.push(format!("\"{}", &text[start..at]));
            at += 1;
        } else if byte == b'\'' {
            let character = rest[1..].chars().next().unwrap();
            let closed = rest[1 + character.len_utf8()..].starts_with('\'');
            if character == '\\' {
                at += 3 + rest[3..].find('\'').unwrap() - 1 + 1;
            } else if closed {
                at += 2 + character.len_utf8();
            } else {
                at += 1;
                while bytes.get(at).copied().is_some_and(word) {
                    at += 1;
                }
            }
            found.push("'".to_owned());
        } else if word(byte) {
            let start = at;
            while bytes.get(at).copied().is_some_and(word) {
                at += 1;
            }
            found.push(text[start..at].to_owned());
        } else if rest.starts_with("::") {
            found.push("::".to_owned());
            at += 2;
        } else {
            let character = rest.chars().next().unwrap();
            if !character.is_whitespace() {
                found.push(character.to_string());
            }
            at += character.len_utf8();
        }
    }
    found
}

/// The number of `#` of a raw string that begins here.
fn raw(rest: &str) -> Option<usize> {
    let rest = rest.strip_prefix("br").or_else(|| rest.strip_prefix('r'))?;
    let hashes = rest.len() - rest.trim_start_matches('#').len();
    rest[hashes..].starts_with('"').then_some(hashes)
}

struct Parser<'a> {
    source: &'a mut Source,
    src: &'a Path,
    file: usize,
    root: bool,
    tokens: &'a [String],
    at: usize,
    /// The files of the modules that this file declares.
    children: Vec<(String, Module, bool)>,
}

/// The attributes in front of an item.
#[derive(Default)]
struct Attributes {
    test: bool,
    exported: bool,
    path: Option<String>,
}

impl Parser<'_> {
    fn peek(&self, ahead: usize) -> &str {
        self.tokens.get(self.at + ahead).map_or("", String::as_str)
    }

    /// Passes over a bracketed group that begins here.
    fn group(&mut self) {
        let mut depth = 0_usize;
        while self.at < self.tokens.len() {
            match self.peek(0) {
                "(" | "[" | "{" => depth += 1,
                ")" | "]" | "}" => depth -= 1,
                _ => {}
            }
            self.at += 1;
            if depth == 0 {
                return;
            }
        }
    }

    /// Passes over an item, up to its `;` or its block.
    fn item(&mut self) {
        while self.at < self.tokens.len() {
            match self.peek(0) {
                ";" => {
                    self.at += 1;
                    return;
                }
                "{" => return self.group(),
                "(" | "[" => self.group(),
                "}" => return,
                _ => self.at += 1,
            }
        }
    }

    fn attributes(&mut self) -> Attributes {
        let mut found = Attributes::default();
        while self.peek(0) == "#" && (self.peek(1) == "[" || self.peek(1) == "!") {
            self.at += if self.peek(1) == "!" { 2 } else { 1 };
            let start = self.at;
            self.group();
            let attribute: Vec<&str> = self.tokens[start..self.at].iter().map(String::as_str).collect();
            found.test |= attribute.starts_with(&["[", "cfg", "(", "test", ")"])
                || attribute.starts_with(&["[", "cfg", "(", "doctest", ")"])
                || attribute == ["[", "test", "]"];
            found.exported |= attribute == ["[", "macro_export", "]"];
            if let ["[", "path", "=", path, "]"] = attribute[..] {
                found.path = Some(path[1..].to_owned());
            }
        }
        found
    }

    /// Reads what stands up to the end of the block that begins `depth` blocks up.
    fn items(&mut self, module: &Module, depth: usize) {
        while self.at < self.tokens.len() {
            let attributes = self.attributes();
            if attributes.test {
                self.item();
                continue;
            }
            if self.peek(0) == "pub" {
                self.at += 1;
                if self.peek(0) == "(" {
                    self.group();
                }
            }
            match self.peek(0) {
                "}" if depth > 0 => {
                    self.at += 1;
                    return;
                }
                "use" => self.import(module),
                "mod" if self.peek(2) == ";" => {
                    let name = self.peek(1).to_owned();
                    self.child(module, &name, attributes.path);
                    self.at += 3;
                }
                "mod" if self.peek(2) == "{" => {
                    let name = self.peek(1).to_owned();
                    let mut inner = module.clone();
                    inner.push(name.clone());
                    self.source.name(module, &name, Name::Module(inner.clone()));
                    self.source.names.entry(inner.clone()).or_default();
                    self.at += 3;
                    self.items(&inner, 1);
                }
                "macro_rules" => {
                    let name = self.peek(2).to_owned();
                    let root = Module::new();
                    let module = if attributes.exported { &root } else { module };
                    self.source.name(module, &name, Name::Item(self.file));
                    self.source.macros.entry(name).or_insert(self.file);
                    self.at += 3;
                }
                "{" => {
                    self.at += 1;
                    self.items_of_block(module);
                }
                word => {
                    let declares = matches!(
                        word,
                        "fn" | "struct" | "enum" | "trait" | "const" | "static" | "type" | "union" | "macro"
                    );
                    if declares {
                        let ahead = if self.peek(1) == "mut" { 2 } else { 1 };
                        let name = self.peek(ahead).to_owned();
                        if name != "fn" && name != "unsafe" && name != "extern" && name.starts_with(is_start) {
                            self.source.name(module, &name, Name::Item(self.file));
                            self.source.declared[self.file].insert(name);
                        }
                    }
                    self.step(module);
                }
            }
        }
    }

    /// Reads a block of code or of an `impl`: its declarations are no names of the module.
    fn items_of_block(&mut self, module: &Module) {
        while self.at < self.tokens.len() {
            let attributes = self.attributes();
            if attributes.test {
                self.item();
                continue;
            }
            match self.peek(0) {
                "}" => {
                    self.at += 1;
                    return;
                }
                "{" => {
                    self.at += 1;
                    self.items_of_block(module);
                }
                "use" if self.peek(1) != "<" => self.import(module),
                "fn" | "const" => {
                    let name = self.peek(1).to_owned();
                    self.source.declared[self.file].insert(name);
                    self.step(module);
                }
                _ => self.step(module),
            }
        }
    }

    /// Notes the path that begins here, if one does, and goes on behind it.
    fn step(&mut self, module: &Module) {
        let before = self.at.checked_sub(1).map_or("", |at| self.tokens[at].as_str());
        if !self.peek(0).starts_with(is_start) || matches!(before, "." | "::" | "fn") {
            self.at += 1;
            return;
        }
        let mut path = vec![self.peek(0).to_owned()];
        self.at += 1;
        while self.peek(0) == "::" && self.peek(1).starts_with(is_start) {
            path.push(self.peek(1).to_owned());
            self.at += 2;
        }
        let field = path.len() == 1 && self.peek(0) == ":";
        if !field {
            if self.peek(0) == "!" && path.len() == 1 {
                path.push("!".to_owned());
            }
            self.source.used[self.file].push(Used { within: module.clone(), path });
        }
    }

    fn child(&mut self, module: &Module, name: &str, path: Option<String>) {
        let mut inner = module.clone();
        inner.push(name.to_owned());
        let file = Path::new(&self.source.files[self.file]).to_owned();
        let stem = file.file_stem().unwrap().to_str().unwrap();
        let folder = file.parent().unwrap().to_owned();
        let below: PathBuf = if self.root { folder.clone() } else { folder.join(stem) };
        let (child, root) = match path {
            Some(path) => (folder.join(path), true),
            None => {
                let flat = below.join(format!("{name}.rs"));
                if self.src.join(&flat).exists() { (flat, false) } else { (below.join(name).join("mod.rs"), true) }
            }
        };
        self.source.name(module, name, Name::Module(inner.clone()));
        self.source.names.entry(inner.clone()).or_default();
        self.children.push((child.to_str().unwrap().to_owned(), inner, root));
    }

    /// Reads a `use`. One that is private names what it imports; one that passes names on does not.
    fn import(&mut self, module: &Module) {
        let before = self.at.checked_sub(1).map_or("", |at| self.tokens[at].as_str());
        let passes_on = before == "pub" || before == ")";
        self.at += 1;
        let mut paths = Vec::new();
        self.tree(&[], &mut paths);
        self.at += 1;
        for (path, alias) in paths {
            if alias == "*" {
                self.source.globs.entry(module.clone()).or_default().push(path);
                continue;
            }
            if !passes_on {
                self.source.used[self.file].push(Used { within: module.clone(), path: path.clone() });
            }
            self.source.name(module, &alias, Name::Alias(path));
        }
    }

    fn tree(&mut self, prefix: &[String], paths: &mut Vec<(Vec<String>, String)>) {
        let mut path = prefix.to_vec();
        loop {
            match self.peek(0) {
                "::" => self.at += 1,
                "$" => self.at += 1,
                "{" => {
                    self.at += 1;
                    while self.peek(0) != "}" {
                        self.tree(&path, paths);
                        if self.peek(0) == "," {
                            self.at += 1;
                        }
                    }
                    self.at += 1;
                    return;
                }
                "*" => {
                    self.at += 1;
                    paths.push((path, "*".to_owned()));
                    return;
                }
                "self" if !path.is_empty() => self.at += 1,
                "as" => {
                    let alias = self.peek(1).to_owned();
                    self.at += 2;
                    paths.push((path, alias));
                    return;
                }
                "," | "}" | ";" | "" => {
                    let alias = path.last().cloned().unwrap_or_default();
                    paths.push((path, alias));
                    return;
                }
                _ => {
                    path.push(self.peek(0).to_owned());
                    self.at += 1;
                }
            }
        }
    }
}

fn is_start(character: char) -> bool {
    character.is_ascii_alphabetic() || character == '_'
}
