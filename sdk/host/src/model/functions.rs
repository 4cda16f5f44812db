//! The foreign functions that a test adds to the proxy.

use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;

use sluicegate::abi::Status;

type Function = dyn Fn(&[u8]) -> Result<Vec<u8>, Status>;

/// The functions that a test added, in place of the proxy's own.
#[derive(Clone, Default)]
pub(crate) struct Functions(BTreeMap<Vec<u8>, Rc<Function>>);

impl fmt::Debug for Functions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys().map(|name| String::from_utf8_lossy(name))).finish()
    }
}

impl Functions {
    pub(crate) fn add(&mut self, name: &str, function: Rc<Function>) {
        self.0.insert(name.into(), function);
    }

    pub(crate) fn get(&self, name: &[u8]) -> Option<Rc<Function>> {
        self.0.get(name).cloned()
    }
}
