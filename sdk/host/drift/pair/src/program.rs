//! Programs: `callback:step;step|callback:step`, where a step is an operation and its words with `~` between them.

/// The header that holds the program.
#[allow(dead_code, reason = "without a feature there is no interpreter")]
pub(crate) const HEADER: &str = "x-program";

/// The operations that an SDK gives a callback.
pub(crate) trait Operations {
    fn add(&mut self, name: &str, value: &str);
    fn replace(&mut self, name: &str, value: &str);
    fn remove(&mut self, name: &str);
    fn get(&mut self, name: &str) -> Option<Vec<u8>>;
    /// Returns all names and values.
    fn pairs(&mut self) -> Vec<(Vec<u8>, Vec<u8>)>;
    fn property(&mut self, path: &[&str]) -> Option<Vec<u8>>;
    fn set_property(&mut self, name: &str, value: &str);
    fn body(&mut self) -> Vec<u8>;
    fn append(&mut self, text: &str);
    fn prepend(&mut self, text: &str);
    fn replace_body(&mut self, text: &str);
    fn reply(&mut self, status: u32, body: &str);
}

/// Runs a callback's steps, and notes in the trace what they read; returns whether the callback replied.
#[allow(dead_code, reason = "without a feature there is no interpreter")]
pub(crate) fn run(program: &str, callback: &str, trace: &mut String, operations: &mut impl Operations) -> bool {
    let mut replied = false;
    let steps = program.split('|').find_map(|part| part.strip_prefix(callback)?.strip_prefix(':'));
    for step in steps.unwrap_or_default().split(';').filter(|step| !step.is_empty()) {
        let mut words = step.split('~');
        let mut word = || words.next().unwrap_or_default();
        match word() {
            "add" => operations.add(word(), word()),
            "replace" => operations.replace(word(), word()),
            "remove" => operations.remove(word()),
            "get" => note(trace, operations.get(word()).as_deref()),
            "pairs" => {
                for (name, value) in operations.pairs() {
                    // The program itself is long, and known.
                    if name != HEADER.as_bytes() {
                        note(trace, Some(&name));
                        note(trace, Some(&value));
                    }
                }
            }
            "property" => {
                let path: Vec<_> = word().split('.').collect();
                note(trace, operations.property(&path).as_deref());
            }
            "set-property" => operations.set_property(word(), word()),
            "body" => note(trace, Some(&operations.body())),
            "append" => operations.append(word()),
            "prepend" => operations.prepend(word()),
            "replace-body" => operations.replace_body(word()),
            "reply" => {
                operations.reply(word().parse().unwrap_or(500), word());
                replied = true;
                break;
            }
            _ => {}
        }
    }
    replied
}

fn note(trace: &mut String, value: Option<&[u8]>) {
    trace.push(' ');
    match value {
        Some(value) => trace.push_str(&value.escape_ascii().to_string()),
        None => trace.push('!'),
    }
}
