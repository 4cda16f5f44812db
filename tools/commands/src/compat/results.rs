//! The results of a run of the tests, by example.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};

/// The tests of each example, by name, each with whether it passed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Outcomes {
    examples: BTreeMap<String, BTreeMap<String, bool>>,
}

impl Outcomes {
    /// Reads the output of the test harness: `test ticks::foreign_call_on_tick ... ok`. The name of
    /// a test begins with its example's name.
    ///
    /// # Errors
    ///
    /// Fails if a test belongs to no example.
    pub(super) fn read(said: &str, examples: &[String]) -> Result<Self> {
        let mut outcomes = Self::default();
        let lines = said.lines().filter_map(|line| line.strip_prefix("test ")?.split_once(" ... "));
        for (path, result) in lines {
            let test = path.rsplit("::").next().unwrap_or(path);
            let example = examples.iter().filter(|example| is_of(test, example)).max_by_key(|example| example.len());
            let example = example.with_context(|| format!("the test {path} has no example's name"))?;
            outcomes.examples.entry(example.clone()).or_default().insert(test.to_owned(), result == "ok");
        }
        Ok(outcomes)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.examples.is_empty()
    }

    /// Returns the number of tests of an example that passed, and the number of all its tests.
    pub(super) fn of(&self, example: &str) -> (usize, usize) {
        let tests = self.examples.get(example);
        let passed = tests.into_iter().flat_map(BTreeMap::values).filter(|passed| **passed).count();
        (passed, tests.map_or(0, BTreeMap::len))
    }

    /// Returns the tests that failed.
    pub(super) fn failed(&self) -> impl Iterator<Item = &str> {
        let tests = self.examples.values().flatten();
        tests.filter(|(_, passed)| !**passed).map(|(test, _)| test.as_str())
    }
}

fn is_of(test: &str, example: &str) -> bool {
    test.strip_prefix(example).is_some_and(|rest| rest.is_empty() || rest.starts_with('_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn examples() -> Vec<String> {
        ["http_body", "http_body_chunk", "network"].map(str::to_owned).into()
    }

    #[test]
    fn a_test_is_the_examples_with_the_longest_name() {
        let said = "\nrunning 4 tests\ntest bodies::http_body ... ok\ntest bodies::http_body_tells_no_wrong_length ... FAILED\n\
            test bodies::http_body_chunk_finds ... ok\ntest network::network ... FAILED\n\nfailures:\n    network::network\n\n\
            test result: FAILED. 2 passed; 2 failed; 0 ignored\n";
        let outcomes = Outcomes::read(said, &examples()).unwrap();
        assert_eq!(examples().iter().map(|name| outcomes.of(name)).collect::<Vec<_>>(), [(1, 2), (1, 1), (0, 1)]);
        assert_eq!(outcomes.failed().collect::<Vec<_>>(), ["http_body_tells_no_wrong_length", "network"]);
    }

    #[test]
    fn a_test_of_no_example_is_not_lost() {
        let error = Outcomes::read("test a::networks ... ok\n", &examples()).unwrap_err();
        assert_eq!(error.to_string(), "the test a::networks has no example's name");
        assert!(Outcomes::read("warning: unused\n", &examples()).unwrap().is_empty());
    }
}
